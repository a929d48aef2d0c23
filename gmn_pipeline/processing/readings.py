"""Measurements in JSON, by a template: each thing in a file is a reading of a station's sensor.

What belongs here: following the template. What does not: the lake of readings that they go into too
(`flows/object_readings.py`), and readings that stations send as they come, by Kafka.

A template is a rule of the container (docs/processing.md): `rows` says where the list of things
is, `time`, `station` and `sensor` where these stand in a thing, `fields` and `tags` which values
are taken under which names. Places are paths (`data.temp`); `=text` is that text.
"""

import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.processing.processor import Found, Outcome, Rows, Task, matching
from gmn_pipeline.readers.station_readings.instants import measured_at_us
from gmn_pipeline.readers.station_readings.received import NotAReading
from gmn_pipeline.schemas.arrow import arrow_schema
from gmn_pipeline.schemas.object_tables import OBJECT_READINGS
from gmn_pipeline.schemas.objects import Link, LinkKind

_NDJSON = "application/x-ndjson"
_EPOCH = datetime(1970, 1, 1)
_MOST_BYTES = 256 << 20
_MOST_LINKS = 100


class JsonReadings:
    """See above."""

    name = "json_readings"
    version = 2
    content_types = ("application/json", _NDJSON)

    def process(self, task: Task) -> Outcome:
        """Rows of `readings`, a value each; nothing where no template matches the name.

        What a template finds no time, station or value in is refused by itself, and counted.
        """
        template = matching(task.rules, task.stored.name.name)
        if template is None:
            return Outcome()
        if task.stored.content.size_bytes > _MOST_BYTES:
            raise ObjectRefused(f"It has more than {_MOST_BYTES >> 20} MB of JSON.")
        rows: list[dict[str, Any]] = []
        refused: list[str] = []
        things = 0
        is_lines = task.stored.description.content_type == _NDJSON
        for things, thing in enumerate(_things(task.path, template, is_lines), 1):
            try:
                rows += _readings(thing, template)
            except (NotAReading, ValueError) as error:
                refused.append(f"{things}: {error}")
        if things and not rows:
            raise ObjectRefused(f"Nothing of it is by the template: {refused[0]}.")
        facts: dict[str, Any] = {"things": things, "refused": len(refused)}
        if refused:
            facts["first_refused"] = refused[:10]
        stations = sorted({row["station_code"] for row in rows})[:_MOST_LINKS]
        times = [row["measured_at_utc"] for row in rows]
        table = pa.Table.from_pylist(rows, arrow_schema(OBJECT_READINGS.fields[3:]))
        return Outcome(
            rows=[Rows(OBJECT_READINGS.name, table)] if rows else [],
            found=Found(
                metadata=facts,
                links=frozenset(Link(LinkKind.STATION, station) for station in stations),
                observed_from_utc=min(times, default=None),
                observed_until_utc=max(times, default=None),
            ),
        )


def _things(path: Path, template: Mapping[str, Any], is_lines: bool) -> Iterator[Any]:
    if is_lines:
        with path.open("rb") as file:
            for line in file:
                if line.strip():
                    yield orjson.loads(line)
        return
    said = orjson.loads(path.read_bytes())
    listed = _at(said, template["rows"]) if "rows" in template else said
    yield from listed if isinstance(listed, list) else [listed]


def _readings(thing: Any, template: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    us = measured_at_us(_at(thing, template["time"]))
    station, sensor = (str(_at(thing, template[who])) for who in ("station", "sensor"))
    tags = {name: _found(thing, place) for name, place in template.get("tags", {}).items()}
    told = {name: _found(thing, place) for name, place in template["fields"].items()}
    told = {name: value for name, value in told.items() if value is not None}
    if not told:
        raise NotAReading("it has no value that the template names")
    for name, value in told.items():
        is_number = isinstance(value, int | float) and math.isfinite(value)
        yield {
            "station_code": station, "sensor_id": sensor,
            "measured_at_utc": _EPOCH + timedelta(microseconds=us),
            "measurement": str(template.get("measurement", "")), "quantity": name,
            "value": float(value) if is_number else None,
            "text_value": None if is_number else _as_text(value),
            "tags": json.dumps({key: one for key, one in tags.items() if one is not None}),
        }  # fmt: skip


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _at(thing: Any, place: str) -> Any:
    """What stands at a place. Raises NotAReading if nothing does."""
    found = _found(thing, place)
    if found is None:
        raise NotAReading(f"it has no {place}")
    return found


def _found(thing: Any, place: str) -> Any:
    if place.startswith("="):
        return place[1:]
    for part in place.split("."):
        if isinstance(thing, dict):
            thing = thing.get(part)
        elif isinstance(thing, list) and part.isdigit() and int(part) < len(thing):
            thing = thing[int(part)]
        else:
            return None
    return thing
