"""Readings of stations in their lake: taking them in, summing them up, keeping them in order."""
