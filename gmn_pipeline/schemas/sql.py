"""Text in SQL statements that take no parameters.

What belongs here: quoting, free of every library, since each command needs it. What does not:
statements (`derive.py`).
"""


def sql_text(text: str) -> str:
    """A text constant in SQL. For statements that take no parameters (COMMENT, ATTACH)."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """A name in SQL, whatever letters it has."""
    return '"' + name.replace('"', '""') + '"'
