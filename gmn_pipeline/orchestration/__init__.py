"""Dagster: what it is told of the work, and when it asks for it."""
