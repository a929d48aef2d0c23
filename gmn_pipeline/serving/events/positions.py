"""Where a listener is: a state of which it has all, or an event on the way to one.

What belongs here: positions as texts, which are the ids of events. What does not: whether a state
is still kept.

`12` is the state 12. `12-15-3` is after the fourth of the changes from state 12 to state 15: these
have an order that is always the same, so any server can go on from there.
"""

import re
from dataclasses import dataclass

PATTERN = r"[0-9]{1,15}(-[0-9]{1,15}-[0-9]{1,9})?"
_POSITION = re.compile(r"([0-9]{1,15})(?:-([0-9]{1,15})-([0-9]{1,9}))?")


@dataclass(frozen=True)
class Position:
    """All up to a state; and if `until` is given, of the changes from there to that state those up
    to a number."""

    state: int
    until: int | None = None
    number: int = -1

    def __str__(self) -> str:
        if self.until is None:
            return str(self.state)
        return f"{self.state}-{self.until}-{self.number}"


def read(text: str) -> Position | None:
    """The position that a text names, None if it names none."""
    found = _POSITION.fullmatch(text)
    if found is None:
        return None
    state, until, number = found.groups()
    if until is None:
        return Position(int(state))
    if int(until) <= int(state):
        return None
    return Position(int(state), int(until), int(number))
