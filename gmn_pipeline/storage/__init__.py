"""Bytes in the data folder: written whole or not at all, locked, unfinished ones kept apart."""
