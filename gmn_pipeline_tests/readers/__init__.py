"""Formats into rows."""
