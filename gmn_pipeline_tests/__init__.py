"""Tests: one file for each stage, and the helpers that they share."""
