"""Releases: the lake as files that go out, made whole from one state of it.

What belongs here: the analysts' copy, and whatever else is given away as files. What does not:
answers to questions (`queries/`), and rows themselves (`warehouse/`).
"""
