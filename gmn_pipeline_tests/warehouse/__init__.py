"""The lake, its merge, its model."""
