"""Readings that were read out of objects, into the lake of those that stations send.

What belongs here: values as rows of readings, what is none of them, and whose turn it is when an
object changes or goes. What does not: reading objects (`processing/readings.py`), and the lake
(`warehouse/station_readings/replacing.py`).

An object's readings are those of the sender that is called by its number. They are replaced before
its rows in the lake of objects are: these say when what it had before was measured, so whoever is
killed in between finds it once more.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from gmn_pipeline.processing.outcomes import RowsFile
from gmn_pipeline.readers.station_readings.received import Transport
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.object_tables import OBJECT_READINGS
from gmn_pipeline.schemas.objects import StoredObject
from gmn_pipeline.schemas.quantities import NAME_OF_SPELLING, QUANTITY
from gmn_pipeline.schemas.station_readings import (
    EARLIEST,
    LATEST,
    SENT_FIELDS,
    STATION_READING_MESSAGES,
)
from gmn_pipeline.schemas.table_messages import to_fields
from gmn_pipeline.settings import WarehouseSettings
from gmn_pipeline.streams.station_readings import checked
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import READINGS
from gmn_pipeline.warehouse.reading import Reader
from gmn_pipeline.warehouse.station_readings.replacing import Replaced, Span, replace

_KEYS = ("station_code", "sensor_id", "measured_at_utc")
_REASONS_TOLD = 3
_COLUMNS = frozenset(QUANTITY)


@dataclass(frozen=True)
class ReadingsOfObject:
    """What became of an object's readings. `others`: objects that may have had the same readings as
    were taken away; they are to be read again."""

    readings: int = 0
    refused: int = 0
    remark: str = ""
    others: Sequence[int] = field(default=())


class ObjectReadings:
    """The parts that it takes."""

    def __init__(self, settings: WarehouseSettings, objects: WarehouseConnection) -> None:
        self._readings = WarehouseConnection(settings, READINGS)
        self._ask = Reader(objects).rows

    def put(self, stored: StoredObject, files: Sequence[RowsFile]) -> ReadingsOfObject:
        """Let an object's readings be these; none without files."""
        values = [
            pl.read_parquet(file.path) for file in files if file.table == OBJECT_READINGS.name
        ]
        rows = readings_of(pl.concat(values), stored) if values else _none()
        good, reasons = checked(to_fields(rows, STATION_READING_MESSAGES))
        former = self._span(stored.object_id)
        if former is None and stored.version > 1 and good.height:
            former = (EARLIEST, LATEST)  # whoever put a former version's may have been killed then
        done = self._replace(stored.object_id, good, former)
        remark = ""
        if reasons:
            told = sorted({why for some in reasons.values() for why in some})[:_REASONS_TOLD]
            remark = (
                f"{len(reasons):,} of {rows.height:,} readings are not among those of stations: "
                f"{'; '.join(told)}"
            )
        others = self._others(stored.object_id, done.removed)
        return ReadingsOfObject(rows.height, len(reasons), remark, others)

    def having(self, object_ids: Sequence[int]) -> list[int]:
        """Those of the objects that readings were read out of."""
        rows = self._ask(
            f"SELECT DISTINCT object_id FROM {OBJECT_READINGS.name} "
            "WHERE list_contains(?::BIGINT[], object_id)",
            [list(object_ids)],
        )
        return [row[0] for row in rows]

    def forget(self, object_id: int) -> ReadingsOfObject:
        """Take an object's readings away: it is deleted, or nothing of that kind any more."""
        span = self._span(object_id)
        if span is None:
            return ReadingsOfObject()
        done = self._replace(object_id, _none(), span)
        return ReadingsOfObject(others=self._others(object_id, done.removed))

    def _replace(self, object_id: int, rows: pl.DataFrame, former: Span | None) -> Replaced:
        if rows.is_empty() and (former is None or not self._readings.exists):
            return Replaced()
        with self._readings.session():  # opened once for all that it takes
            return replace(self._readings, _sender(object_id), rows, former)

    def _span(self, object_id: int) -> Span | None:
        """When what was read out of an object was measured, first and last."""
        rows = self._ask(
            f"SELECT min(measured_at_utc), max(measured_at_utc) FROM {OBJECT_READINGS.name} "
            "WHERE object_id = ?",
            [object_id],
        )
        return rows[0] if rows and rows[0][0] is not None else None

    def _others(
        self, object_id: int, removed: Sequence[tuple[str, str, datetime]]
    ) -> Sequence[int]:
        """Other objects with readings of these sensors at these times: theirs may have been taken
        for the same ones."""
        if not removed:
            return ()
        first, last = min(one[2] for one in removed), max(one[2] for one in removed)
        rows = self._ask(
            f"SELECT DISTINCT object_id FROM {OBJECT_READINGS.name} "
            "WHERE object_id <> ? AND measured_at_utc BETWEEN ? AND ? "
            "AND list_contains(?::VARCHAR[], station_code || chr(0) || sensor_id)",
            [object_id, first, last, sorted({f"{one[0]}\0{one[1]}" for one in removed})],
        )
        return [row[0] for row in rows]


def readings_of(values: pl.DataFrame, stored: StoredObject) -> pl.DataFrame:
    """Values, a row each, as readings as they are sent: a row for each sensor and instant. A value
    that is told twice makes another reading."""
    keys = [*_KEYS, "occurrence"]
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    counted = values.with_columns(
        pl.col("quantity").cum_count().over([*_KEYS, "quantity"]).alias("occurrence")
    )
    for *key, quantity, value, text in counted.select(
        *keys, "quantity", "value", "text_value"
    ).iter_rows():
        row = rows.setdefault(tuple(key), {})
        name = NAME_OF_SPELLING.get(quantity, quantity)
        if value is not None and name in _COLUMNS:
            row[name] = value
        else:
            row.setdefault("other_quantities", {})[quantity] = text if value is None else value
    return pl.DataFrame(
        [
            {
                **dict(zip(_KEYS, key[:3], strict=True)), **row,
                "other_quantities": json.dumps(row["other_quantities"], sort_keys=True)
                if "other_quantities" in row else None,
                "received_at_utc": stored.put_at_utc, "sender": _sender(stored.object_id),
                "transport": Transport.OBJECT.value,
            }
            for key, row in rows.items()
        ],
        schema=polars_schema(SENT_FIELDS),
    )  # fmt: skip


def _none() -> pl.DataFrame:
    return pl.DataFrame(schema=polars_schema(SENT_FIELDS))


def _sender(object_id: int) -> str:
    return f"object {object_id}"
