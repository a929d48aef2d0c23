"""Bytes as served."""
