"""What becomes of a trajectory, in the words that the merge, tables, messages and counts share."""

from enum import StrEnum


class Change(StrEnum):
    """What becomes of one trajectory, or of a row that says something of it."""

    INSERTED = "inserted"
    REVISED = "revised"
    RELABELLED = "relabelled"
    """The same content, from another file, in another bin or with other flags: no revision."""
    UNCHANGED = "unchanged"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    """Of a row of a file: something newer says otherwise."""
    OUTDATED = "outdated"
    """The same of a message."""


def any_of(*changes: Change) -> str:
    """A list of them in SQL."""
    return "(" + ", ".join(f"'{change}'" for change in changes) + ")"
