"""The lake, its merge, its model, its copies."""
