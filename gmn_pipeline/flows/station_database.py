"""A table of readings of a station's own database, onto the topic of readings.

First whole, then only what came since: page by page, and the mark up to where the table was taken
is moved once a page is acknowledged. A run that is killed anywhere sends a page again at most, and
readings that are there already change nothing.

What belongs here: this order, and what is counted. What does not: asking the database
(`sources/station_database.py`), reading records (`readers/station_readings/`) and sending them.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from gmn_pipeline.database.source_marks import SourceMarks
from gmn_pipeline.errors import CountMismatch, SettingsError
from gmn_pipeline.flows import acknowledged_readings
from gmn_pipeline.readers.station_readings.ndjson import read_ndjson
from gmn_pipeline.readers.station_readings.received import Transport
from gmn_pipeline.settings import StationRoadSettings
from gmn_pipeline.sources.station_database import (
    Page,
    StationDatabase,
    station_database,
    station_table,
)


@dataclass
class Taken:
    """What became of the rows of a table: read = published + refused + unchanged. `unchanged` were
    read again as they were; `out_of_reach` have nothing in the column that grows."""

    read: int = 0
    published: int = 0
    refused: int = 0
    unchanged: int = 0
    out_of_reach: int = 0

    def metadata(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


Publish = Callable[[Sequence[bytes]], tuple[int, int]]
"""Send records, each a JSON object; return when all are acknowledged: how many were published, and
how many refused."""


class LastSent:
    """The records that were sent last. What is read again because a row may come late, and is as
    it was, need not be sent again each time."""

    def __init__(self, most: int = 20_000) -> None:
        self._most = most
        self._hashes: dict[bytes, None] = {}

    def without_these(self, records: Sequence[bytes]) -> list[bytes]:
        """Those that were not sent, or long ago."""
        return [record for record in records if _hash(record) not in self._hashes]

    def add(self, records: Sequence[bytes]) -> None:
        """Remember that they were sent, and forget the oldest."""
        for record in records:
            self._hashes[_hash(record)] = self._hashes.pop(_hash(record), None)
        for oldest in list(islice(self._hashes, max(0, len(self._hashes) - self._most))):
            del self._hashes[oldest]


def _hash(record: bytes) -> bytes:
    return hashlib.blake2b(record, digest_size=16).digest()


def take_what_is_new(
    database: StationDatabase, marks: SourceMarks, publish: Publish, *,
    sent: LastSent | None = None, on_page: Callable[[Taken], None] = lambda _: None,
) -> Taken:  # fmt: skip
    """Send what came since the last time, or the whole table the first time.

    `sent` is for those who look again and again.
    """
    sent = sent or LastSent()
    place = database.table.place
    reached: Any = marks.reached(place)
    taken = Taken(out_of_reach=database.out_of_reach())
    highest = database.highest()
    if highest is None:
        return taken
    for page in database.after(reached, highest):
        _send(page, publish, taken, sent)
        if reached is None or page.last > reached:  # what is read again lies below
            reached = page.last
            marks.move(place, reached)
        on_page(taken)
    return taken


def take_between(
    database: StationDatabase, begin_utc: datetime, end_utc: datetime, publish: Publish
) -> Taken:
    """Send what was measured in a span (UTC), once more where it was sent; the mark stays."""
    taken = Taken()
    for page in database.between(begin_utc, end_utc):
        _send(page, publish, taken, LastSent())
    return taken


def _send(page: Page, publish: Publish, taken: Taken, sent: LastSent) -> None:
    of_page = [json.dumps(record, default=str).encode() for record in page.records]
    records = sent.without_these(of_page)
    published, refused = publish(records) if records else (0, 0)
    if published + refused != len(records):
        raise CountMismatch(
            f"Of {len(records)} rows {published} were published and {refused} refused.",
            remedy="The mark was not moved. This is a fault of this program: please report it.",
        )
    sent.add(of_page)
    taken.read += len(of_page)
    taken.published += published
    taken.refused += refused
    taken.unchanged += len(of_page) - len(records)


# --- the parts, opened ---------------------------------------------------------------------------


@contextmanager
def opened_road(settings: StationRoadSettings) -> Iterator[tuple[StationDatabase, Publish]]:
    """The table that the settings describe, and the way of its rows to the topic.

    Raises SettingsError and SourceUnavailable.
    """
    if settings.station_database is None:
        raise SettingsError(
            "No database of a station is set.",
            remedy="Describe its table in a file and name that in GMN_STATION_DATABASE "
            "(docs/station-databases.md).",
        )
    table = station_table(settings.station_database)
    secret = settings.station_database_password
    with (
        station_database(
            table,
            secret.get_secret_value() if secret else None,
            page_rows=settings.station_database_page_rows,
            timeout_s=settings.station_database_timeout_s,
        ) as database,
        acknowledged_readings.publishing(settings, Transport.DATABASE, read_ndjson) as publish,
    ):

        def send(records: Sequence[bytes]) -> tuple[int, int]:
            became = publish(records, table.place)
            return became.published, len(became.refused)

        yield database, send
