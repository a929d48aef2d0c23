"""Formats into rows: one module a format, and bytes or texts in, rows out.

What belongs here: what a format says. What does not: where its bytes come from (`sources/`), and
whether a row may be believed (`validated/`). Nothing here keeps a state, fetches or writes.
"""
