"""What people noted of stations.

What belongs here: this table. What does not: how a note is written and shown (`cli/`, `serving/`).
Nothing is deleted: what is taken back stays, marked.
"""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

from sqlalchemy import func, select

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.tables import STATION_ANNOTATIONS
from gmn_pipeline.errors import PermanentError
from gmn_pipeline.schemas.annotations import Annotation, NewAnnotation

_C = STATION_ANNOTATIONS.c
_COLUMNS = [_C[field.name] for field in fields(Annotation)]


class AnnotationStore:
    """Threads and processes can share it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, noted: NewAnnotation) -> Annotation:
        """Keep a note; it is given a number."""
        row = STATION_ANNOTATIONS.insert().values(vars(noted) | {"noted_at_utc": utc_now()})
        with self._database.writing() as connection:
            return Annotation(*connection.execute(row.returning(*_COLUMNS)).one())

    def withdraw(self, number: int, by: str | None = None) -> Annotation:
        """Take one back. Raises PermanentError where there is none to take back."""
        change = (
            STATION_ANNOTATIONS.update()
            .where(_C.number == number, _C.withdrawn_at_utc.is_(None))
            .values(withdrawn_at_utc=utc_now(), withdrawn_by=by)
            .returning(*_COLUMNS)
        )
        with self._database.writing() as connection:
            found = connection.execute(change).one_or_none()
        if found is None:
            raise PermanentError(
                f"There is no annotation {number}, or it was withdrawn before.",
                remedy="'gmn stations annotations --withdrawn' lists all with their numbers.",
            )
        return Annotation(*found)

    def find(
        self,
        most: int,
        stations: Sequence[str] = (),
        begin: datetime | None = None,
        end: datetime | None = None,
        *,
        are_withdrawn_wanted: bool = False,
    ) -> list[Annotation]:
        """Those of some stations (without any: of all) that touch a span, the latest first."""
        query = select(*_COLUMNS).order_by(_C.begin_utc.desc(), _C.number.desc()).limit(most)
        if stations:
            query = query.where(_C.station_code.in_(stations))
        if begin is not None:
            query = query.where(func.coalesce(_C.end_utc, _C.begin_utc) >= begin)
        if end is not None:
            query = query.where(_C.begin_utc <= end)
        if not are_withdrawn_wanted:
            query = query.where(_C.withdrawn_at_utc.is_(None))
        with self._database.reading() as connection:
            rows = connection.execute(query).all() if connection else []
        return [Annotation(*row) for row in rows]

    def revision(self) -> int:
        """Another number after each change."""
        query = select(func.count(_C.number) + func.count(_C.withdrawn_at_utc))
        with self._database.reading() as connection:
            return int(connection.scalar(query) or 0) if connection else 0
