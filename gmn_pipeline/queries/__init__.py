"""Questions: the one door through which a query of a person or a client goes.

    text -> statement.py   one SELECT, of our tables, found to be so by DuckDB's own parser
         -> session.py     run in a session that could not write if it tried
         -> answer.py      record batches, as they come, up to the limits

`process.py` does the same in a process of its own, which ends at the limits whatever it does:
text that somebody typed goes there. What does not belong here: what is loaded (`warehouse/`), and
who asks (`cli/`).
"""
