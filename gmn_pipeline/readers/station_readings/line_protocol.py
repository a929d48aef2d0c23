r"""InfluxDB's line protocol, as Telegraf sends it by UDP.

    weather,station=HR0001,sensor=1 temperature=20.9,humidity=59.22 1705831564095931000

What belongs here: lines into records, and which tags say who measured. What does not: what a record
may say (`gathering.py`).

`station`, `station_code` or Telegraf's `host` is the station; `sensor` or `sensor_id` is the
sensor, and where neither is, the measurement with its other tags is, so that two series are never
one. A point without a time is of when it came, as InfluxDB has it. Own code, since the parser that
there is for Python ends the process on some lines (docs/decisions/0035).
"""

import re
from collections.abc import Iterable
from typing import Any

from gmn_pipeline.readers.station_readings.gathering import Gathering
from gmn_pipeline.readers.station_readings.instants import within_calendar
from gmn_pipeline.readers.station_readings.names import NO_QUANTITIES, PLACE
from gmn_pipeline.readers.station_readings.ndjson import MOST_BYTES, lines_of
from gmn_pipeline.readers.station_readings.received import (
    NotAReading,
    ReadBatch,
    Received,
    Transport,
)

# Possessive (++): a name is never tried again in another way, so that no line takes long.
_MEASUREMENT = re.compile(r"(?:\\[, ]|[^, ])++")
_NAME = r"((?:\\[,= ]|[^,= ])++)"
_TAG = re.compile(f",{_NAME}={_NAME}")
_FIELD = re.compile(rf'{_NAME}=("(?:[^"\\]|\\.)*+"|[^, "]++)')
_TIME = re.compile(r" *+(-?[0-9]{1,19})? *+")
_ESCAPED = re.compile(r"\\([,= ])")
_ESCAPED_IN_TEXT = re.compile(r'\\(["\\])')
_NUMBER = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]{1,4})?")
_INTEGER = re.compile(r"-?[0-9]{1,19}[iu]")
_TRUE, _FALSE = {"t", "T", "true", "True", "TRUE"}, {"f", "F", "false", "False", "FALSE"}
_STATION, _HOST, _SENSOR = ("station", "station_code"), "host", ("sensor", "sensor_id")


def read_line_protocol(
    received: Iterable[Received], transport: Transport = Transport.LINE_PROTOCOL
) -> ReadBatch:
    """The readings in payloads of one or more points, and what is refused of them."""
    found = Gathering(transport)
    for came in received:
        for line in lines_of(came.payload):
            if line.lstrip().startswith(b"#"):
                found.refuse(line, came, "it is a comment")
                continue
            try:
                record, measured_us = _record(line, came)
            except NotAReading as error:
                found.refuse(line, came, str(error))
            else:
                found.add(record, line, came, measured_us)
    return found.read()


def _record(line: bytes, came: Received) -> tuple[dict[str, Any], int]:
    if len(line) > MOST_BYTES:
        raise NotAReading("it is too long")
    try:
        text = line.decode().strip("\r\n ")
    except UnicodeDecodeError as error:
        raise NotAReading(f"it is not UTF-8: {error.reason}") from None
    measurement, tags, at = _series(text)
    fields, at = _fields(text, at)
    time = _TIME.fullmatch(text, at)
    if time is None:
        raise NotAReading(f"it has {text[at : at + 20]!r} where its time would be")
    # An epoch in ns, whatever its size: the time of another format would be guessed.
    us = within_calendar(int(time[1]) // 1000, time[1]) if time[1] else came.received_at_us
    return {**_places(tags), **_told(fields), **_who(measurement, tags)}, us


def _series(text: str) -> tuple[str, dict[str, str], int]:
    found = _MEASUREMENT.match(text)
    if found is None:
        raise NotAReading("it names no measurement")
    tags: dict[str, str] = {}
    at = found.end()
    while tag := _TAG.match(text, at):
        name = _plain(tag[1])
        if name in tags:
            raise NotAReading(f"it has the tag {name!r} twice")
        tags[name], at = _plain(tag[2]), tag.end()
    if text[at : at + 1] != " ":
        raise NotAReading(f"it has {text[at : at + 20]!r} where its tags would end")
    return _plain(found[0]), tags, at + 1


def _fields(text: str, at: int) -> tuple[dict[str, Any], int]:
    fields: dict[str, Any] = {}
    while text[at : at + 1] == " ":
        at += 1
    while field := _FIELD.match(text, at):
        name = _plain(field[1])
        if name in fields:
            raise NotAReading(f"it has the field {name!r} twice")
        fields[name], at = _value(field[2]), field.end()
        if text[at : at + 1] != ",":
            break
        at += 1
    else:
        raise NotAReading(f"it has {text[at : at + 20]!r} where a field would be")
    return fields, at


def _value(text: str) -> Any:
    if text.startswith('"'):
        return _ESCAPED_IN_TEXT.sub(r"\1", text[1:-1])
    if _NUMBER.fullmatch(text):
        return float(text)
    if _INTEGER.fullmatch(text):
        return int(text[:-1])
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise NotAReading(f"{text[:40]!r} is no value of a field")


def _who(measurement: str, tags: dict[str, str]) -> dict[str, str]:
    """The station and the sensor; other tags are taken out of `tags`, but for the place."""
    stations = [tags.pop(name) for name in _STATION if name in tags]
    host = tags.pop(_HOST, None)
    sensors = [tags.pop(name) for name in _SENSOR if name in tags]
    if len(stations) > 1 or len(sensors) > 1:
        raise NotAReading("it names its station or its sensor twice")
    others = sorted(item for item in tags.items() if item[0] not in PLACE)
    series = ",".join([measurement, *(f"{name}={value}" for name, value in others)])
    who = {"sensor_id": sensors[0] if sensors else series}
    if stations or host:
        who["station_code"] = stations[0] if stations else host or ""
    return who


def _places(tags: dict[str, str]) -> dict[str, float]:
    """Tags are texts, also those of a place."""
    try:
        return {name: float(tags[name]) for name in tags.keys() & PLACE.keys()}
    except ValueError:
        raise NotAReading("its place is no number") from None


def _told(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields, which tell what was measured and never by whom or when."""
    return {
        f"field.{name}" if name in NO_QUANTITIES else name: value for name, value in fields.items()
    }


def _plain(name: str) -> str:
    return _ESCAPED.sub(r"\1", name) if "\\" in name else name
