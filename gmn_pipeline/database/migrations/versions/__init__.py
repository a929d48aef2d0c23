"""The revisions, oldest first; their names begin with their numbers."""
