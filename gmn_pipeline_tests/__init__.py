"""Tests, in the rooms of what they try; `support/` is what they share."""
