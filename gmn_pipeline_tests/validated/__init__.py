"""Rows that may be believed."""
