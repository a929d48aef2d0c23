"""Columns, tables, messages."""
