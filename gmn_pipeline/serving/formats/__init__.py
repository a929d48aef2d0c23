"""The formats that tables and answers go out in: record batches into bytes, one module a format.

A writer is a function from an `Export` (columns and what is said of the whole) and record batches
to pieces of bytes. It keeps no more than some thousand rows, knows no limit of rows, and knows
nothing of HTTP. What goes wrong is raised out of it before the format's end is written, so that
what was written until then is never taken for a whole, shorter file.

    export.py      what is exported, and what is said of it
    frames.py      record batches as frames of few types, for the formats that are text
    registry.py    every format: suffix, media type, which columns it needs

What does not belong here: which rows are exported (`queries/`), and who asks.
"""
