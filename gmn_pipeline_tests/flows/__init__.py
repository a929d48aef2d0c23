"""A road end to end."""
