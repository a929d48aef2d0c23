"""Up to where tables of other databases were taken.

What belongs here: a mark for each table, moved once what lies before it is safe. What does not:
what a mark means to its source (`sources/station_database.py`).
"""

import json
from datetime import datetime

from sqlalchemy import select

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.tables import SOURCE_MARKS

_TIME = "time"


class SourceMarks:
    """Threads and processes can share it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reached(self, place: str) -> int | float | str | datetime | None:
        """The mark of a place; None if nothing was taken from there yet."""
        query = select(SOURCE_MARKS.c.reached).where(SOURCE_MARKS.c.place == place)
        with self._database.reading() as connection:
            text = connection.scalar(query) if connection else None
        return None if text is None else _value(json.loads(text))

    def move(self, place: str, reached: float | str | datetime) -> None:
        """Note that everything up to a mark was taken."""
        row = {"reached": _text(reached), "reached_at_utc": utc_now()}
        with self._database.writing() as connection:
            moved = connection.execute(
                SOURCE_MARKS.update().where(SOURCE_MARKS.c.place == place).values(row)
            )
            if not moved.rowcount:
                connection.execute(SOURCE_MARKS.insert().values({"place": place, **row}))

    def forget(self, place: str) -> None:
        """Let a place be taken from its beginning."""
        with self._database.writing() as connection:
            connection.execute(SOURCE_MARKS.delete().where(SOURCE_MARKS.c.place == place))


def _text(reached: float | str | datetime) -> str:
    value = {_TIME: reached.isoformat()} if isinstance(reached, datetime) else reached
    return json.dumps(value)


def _value(said: object) -> int | float | str | datetime:
    if isinstance(said, dict):
        return datetime.fromisoformat(said[_TIME])
    assert isinstance(said, int | float | str)
    return said
