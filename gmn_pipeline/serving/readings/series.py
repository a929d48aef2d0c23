"""Quantities over time: what sensors measured in each step of a span.

What belongs here: `/readings/series.json`, and the same as an export. What does not: spans and
steps (`spans.py`), and rollups (`warehouse/station_readings/`).

A step of a minute or more is summed up out of the rollup whose spans fit into it, and of what came
since that was made; a shorter one out of readings. So an answer has so many points at most,
whatever the span.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any

from starlette.responses import Response

from gmn_pipeline.schemas.quantities import QUANTITY
from gmn_pipeline.schemas.sql import sql_text
from gmn_pipeline.schemas.station_readings import READINGS_DELETED, ROLLUPS, STATION_READINGS
from gmn_pipeline.serving.cache import Kept
from gmn_pipeline.serving.conditional import Stamp, answered
from gmn_pipeline.serving.formats.registry import FORMATS
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.readings.quantities import about
from gmn_pipeline.serving.readings.spans import Span, span, span_of
from gmn_pipeline.serving.readings.times import in_sql, precisely, shown
from gmn_pipeline.serving.routes import Asked, Parameter
from gmn_pipeline.serving.tables import exports
from gmn_pipeline.serving.tables.as_of import state
from gmn_pipeline.warehouse.lakes import READINGS
from gmn_pipeline.warehouse.station_readings.summing import NOT_ROLLED_UP, values_of

SERIES = Parameter(
    "series", "STATION/SENSOR/QUANTITY, several times for several: HR0010/1/temperature_deg_c",
    is_repeated=True, is_required=True, example="HR0010/1/temperature_deg_c",
)  # fmt: skip
POINTS = Parameter(
    "points", "points of each series at most, 1,000 without it, 10,000 at most", 1_000, minimum=2,
    example="500",
)  # fmt: skip
_MOST_SERIES, _MOST_POINTS = 24, 10_000
_USUAL = timedelta(hours=1)
_MINUTE_S = 60
COLUMNS = ("begin_utc", "reading_count", "minimum", "mean", "maximum", "last",
           "last_measured_at_utc")  # fmt: skip
"""Of each point."""
TABLE = ROLLUPS["minute"]


@dataclass(frozen=True)
class Series:
    """One quantity of one sensor."""

    station: str
    sensor: str
    quantity: str


def series_of(asked: Asked) -> list[Series]:
    """Those that are asked for, each once. Raises Problem."""
    texts = list(dict.fromkeys(asked.texts(SERIES.name)))
    if not 0 < len(texts) <= _MOST_SERIES:
        raise bad_request(f"{SERIES.name} is given once to {_MOST_SERIES} times.")
    found = []
    for text in texts:
        station, sign, rest = text.partition("/")
        sensor, other, quantity = rest.rpartition("/")
        if not (sign and other and station and sensor and quantity):
            raise bad_request(f"{SERIES.name} is STATION/SENSOR/QUANTITY, not {text[:100]!r}.")
        found.append(Series(station, sensor, quantity))
    return found


async def answer(asked: Asked) -> Response:
    stamp = await state(asked, READINGS.name)
    wanted = series_of(asked)

    async def ask() -> Kept:
        over = await _span(asked, stamp)
        sql, values = query(wanted, over)
        rows = await asked.work.fetch(asked.request, stamp.snapshot, sql, values)
        until = await asked.work.arrivals.position(stamp.snapshot)
        told = {
            **_body(wanted, over, rows.to_pylist()), "taken_in_until_utc": precisely(until),
            "snapshot": stamp.snapshot.id,
        }  # fmt: skip
        return Kept(json.dumps(told, ensure_ascii=False).encode(), "application/json", {})

    return await answered(asked, stamp, ask)


async def export(asked: Asked) -> Response:
    """The same, a row a point, in a format."""
    stamp = await state(asked, READINGS.name)
    wanted, over = series_of(asked), await _span(asked, stamp)
    sql, values = query(wanted, over)
    title = f"Readings from {shown(over.begin)} to {shown(over.end)}"
    return await exports.exported(
        asked, stamp, FORMATS[asked.text("suffix") or ""], sql, values, title,
        f"What was measured in each {over.step_s} s", TABLE.fields,
    )  # fmt: skip


async def _span(asked: Asked, stamp: Stamp) -> Span:
    points = asked.number(POINTS.name) or 0
    if points > _MOST_POINTS:
        raise bad_request(f"{POINTS.name} is {_MOST_POINTS:,} at most, not {points:,}.")
    committed = stamp.snapshot.committed_at_utc
    over = span_of(asked, committed, usual=_USUAL, points=points)
    if over.source == "reading" and over.begin < committed - timedelta(days=1):
        sql = f"SELECT max(deleted_before_utc) AS at FROM {READINGS_DELETED.name}"
        (deleted,) = (await asked.work.fetch(asked.request, stamp.snapshot, sql))["at"].to_pylist()
        if deleted is not None and over.begin < deleted:  # its minutes are there still
            return span(over.begin, over.end, points, _MINUTE_S)
    return over


def query(wanted: Sequence[Series], over: Span) -> tuple[str, list[object]]:
    """The points in order, and the query's values."""
    stations = sorted({one.station for one in wanted})
    sensors = sorted({one.sensor for one in wanted})
    names = ", ".join(("?",) * len(stations)), ", ".join(("?",) * len(sensors))
    of_sensors = f"station_code IN ({names[0]}) AND sensor_id IN ({names[1]})"
    within = f"BETWEEN {in_sql(over.begin)} AND {in_sql(over.end - timedelta(microseconds=1))}"
    bound: list[object] = [*stations, *sensors]
    is_raw = over.source == "reading"
    readings = STATION_READINGS.name if is_raw else f"({NOT_ROLLED_UP})"
    values = list(bound)
    parts = [
        "SELECT station_code, sensor_id, quantity, measured_at_utc AS begin_utc, "
        "1::BIGINT AS reading_count, value AS minimum, value AS maximum, value AS mean, "
        f"value AS last, measured_at_utc AS last_measured_at_utc FROM ({_values(wanted)})"
    ]
    if not is_raw:
        table = ROLLUPS[over.source]
        parts.append(
            f"SELECT {', '.join(table.columns)} FROM {table.name} "
            f"WHERE {of_sensors} AND begin_utc {within}"
        )
        values += bound
    triples = ", ".join(("(?, ?, ?)",) * len(wanted))
    values += [part for one in wanted for part in (one.station, one.sensor, one.quantity)]
    sql = f"""WITH chosen AS (
  SELECT * FROM {readings} WHERE {of_sensors} AND measured_at_utc {within}
), parts AS ({" UNION ALL ".join(parts)})
SELECT station_code, sensor_id, quantity, {over.bucket.format("begin_utc")} AS begin_utc,
  sum(reading_count)::BIGINT AS reading_count, min(minimum) AS minimum,
  sum(mean * reading_count) / sum(reading_count) AS mean, max(maximum) AS maximum,
  max_by(last, struct_pack(t := last_measured_at_utc, v := last)) AS last,
  max(last_measured_at_utc) AS last_measured_at_utc
FROM parts WHERE (station_code, sensor_id, quantity) IN ({triples})
GROUP BY ALL ORDER BY ALL"""
    return sql, values


def _values(wanted: Sequence[Series]) -> str:
    """The values of `chosen` readings, a row each: known ones out of their columns."""
    names = {one.quantity for one in wanted}
    parts = [
        f"SELECT station_code, sensor_id, measured_at_utc, '{name}' AS quantity, {name} AS value "
        f"FROM chosen WHERE {name} IS NOT NULL"
        for name in sorted(names & QUANTITY.keys())
    ]
    if names - QUANTITY.keys():
        known = ", ".join(map(sql_text, QUANTITY))
        parts.append(
            "SELECT station_code, sensor_id, measured_at_utc, quantity, value FROM "
            f"({values_of('chosen')}) WHERE quantity NOT IN ({known})"
        )
    return " UNION ALL ".join(parts)


def _body(wanted: Sequence[Series], over: Span, rows: list[dict[str, Any]]) -> dict[str, object]:
    points = {
        key: [_point(row) for row in some]
        for key, some in groupby(
            rows, lambda row: Series(row["station_code"], row["sensor_id"], row["quantity"])
        )
    }
    told = [
        {
            "series": f"{one.station}/{one.sensor}/{one.quantity}",
            "station_code": one.station, "sensor_id": one.sensor,
            "quantity": one.quantity, "label": about(one.quantity)["label"],
            "unit": about(one.quantity)["unit"], "points": points.get(one, []),
        }
        for one in wanted
    ]  # fmt: skip
    return {
        **over.told(), "source": over.source, "columns": list(COLUMNS), "series": told,
    }  # fmt: skip


def _point(row: dict[str, Any]) -> list[object]:
    *numbers, last_measured = (row[name] for name in COLUMNS)
    return [shown(numbers[0]), *numbers[1:], shown(last_measured)]
