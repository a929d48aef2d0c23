"""Validated: typed rows that may be believed, and apart from them the rows that may not."""
