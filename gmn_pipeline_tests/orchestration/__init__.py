"""Dagster's side."""
