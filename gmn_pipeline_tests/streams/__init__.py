"""The topic into the warehouse."""
