"""What becomes of a trajectory, in the words that tables, messages and counts share."""

from enum import StrEnum


class Change(StrEnum):
    """A change of one trajectory."""

    INSERTED = "inserted"
    REVISED = "revised"
    WITHDRAWN = "withdrawn"
