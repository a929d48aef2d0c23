"""Which state of the warehouse is asked: the newest, or as it was then (`_as_of`).

What belongs here: reading `_as_of`. What does not: finding states (`queries/states.py`).
"""

import re

from gmn_pipeline.clock import utc_now
from gmn_pipeline.queries.states import MARK_SHOWN, Snapshot
from gmn_pipeline.serving.conditional import Stamp
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.routes import Asked, Parameter
from gmn_pipeline.serving.tables.values import utc
from gmn_pipeline.warehouse.lakes import WAREHOUSE

AS_OF = Parameter(
    "_as_of",
    "a time (UTC), the number of a state, or its name as links have it (header GMN-State): the "
    "answer as it was then. Without it as it is now",
    example="2026-09-01T12:00:00Z",
)
_NUMBERED = re.compile(rf"([0-9]{{1,15}})(?:-([0-9a-f]{{{MARK_SHOWN}}}))?")


async def state(asked: Asked, lake: str = WAREHOUSE.name) -> Stamp:
    """The state of a lake that a request is about. Raises Problem, and SnapshotGone (410)."""
    text = asked.text(AS_OF.name)
    if text is None:
        return Stamp(await asked.work.snapshot(None, lake), is_pinned=False)
    snapshot, is_pinned = await named(asked, text, AS_OF.name, lake)
    return Stamp(snapshot, is_pinned)


async def named(
    asked: Asked, text: str, name: str, lake: str = WAREHOUSE.name
) -> tuple[Snapshot, bool]:
    """The state that a number or a time stands for, and whether it always will."""
    if (numbered := _NUMBERED.fullmatch(text)) is not None:
        number, mark = numbered.groups(default="")
        snapshot = await asked.work.snapshot(int(number), lake)
        snapshot.must_have(mark)
        return snapshot, True
    try:
        when = utc(text.strip())
    except (ValueError, OverflowError):
        raise bad_request(
            f"{name} is a time (UTC) such as {AS_OF.example}, or the number of a state, not "
            f"{text[:100]!r}."
        ) from None
    snapshot = await asked.work.snapshot_at(when, lake)
    # Of a time that is still to come, or that no commit has followed, it may yet change. A clock
    # that was wrong for a while may have left a commit of a time that is still to come.
    newest = await asked.work.snapshot(None, lake)
    return snapshot, when < min(newest.committed_at_utc, utc_now())
