"""What becomes of a trajectory when something is said of it: the words of the merge, the tables
and the messages.
"""

from enum import StrEnum


class Change(StrEnum):
    INSERTED = "inserted"
    REVISED = "revised"
    RELABELLED = "relabelled"
    """The same content, from another file, in another bin or with other flags: no revision."""
    UNCHANGED = "unchanged"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    """Of a row that arrives: something newer says otherwise."""


def any_of(*changes: Change) -> str:
    """A list of them in SQL."""
    return "(" + ", ".join(f"'{change}'" for change in changes) + ")"
