"""Readings from InfluxDB's line protocol, as Telegraf sends it."""

import json
import re
import time
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from gmn_pipeline.readers.station_readings.line_protocol import read_line_protocol
from gmn_pipeline.readers.station_readings.ndjson import lines_of
from gmn_pipeline.readers.station_readings.received import Received

NOW = 1_764_300_000_000_000


def came(line: str | bytes) -> Received:
    payload = line.encode() if isinstance(line, str) else line
    return Received(payload, "192.0.2.1", NOW)


def row_of(line: str) -> dict[str, Any]:
    batch = read_line_protocol([came(line)])
    assert not batch.refused, batch.refused
    return {name: value for name, value in batch.rows.row(0, named=True).items() if value != None}  # noqa: E711


def why_not(line: str | bytes) -> str:
    batch = read_line_protocol([came(line)])
    assert batch.rows.is_empty()
    (refused,) = batch.refused
    return refused.reason


def test_a_point_is_a_reading() -> None:
    line = (
        "weather,station=HR0001,sensor=1,lat=45.5,lon=16 temperature=20.9,humidity=59i,"
        'fan_ok=t,note="a \\"b\\", c" 1705831564095931999\n'
    )
    assert row_of(line) == {
        "station_code": "HR0001", "sensor_id": "1", "latitude_deg": 45.5, "longitude_deg": 16,
        "measured_at_utc": datetime(2024, 1, 21, 10, 6, 4, 95_931), "temperature_deg_c": 20.9,
        "humidity_percent": 59.0, "other_quantities": '{"fan_ok":true,"note":"a \\"b\\", c"}',
        "received_at_utc": datetime(2025, 11, 28, 3, 20), "sender": "192.0.2.1",
        "transport": "line_protocol",
    }  # fmt: skip


def test_what_telegraf_sends_by_itself_has_a_sensor_for_each_series() -> None:
    row = row_of("cpu,cpu=cpu0,host=hr0001 usage_idle=98.5,time=3 1705831564000000000")
    assert (row["station_code"], row["sensor_id"]) == ("hr0001", "cpu,cpu=cpu0")
    assert json.loads(row["other_quantities"]) == {"usage_idle": 98.5, "field.time": 3}
    assert row_of("mem,host=hr0001 used=1u")["sensor_id"] == "mem"


def test_a_point_without_a_time_is_of_when_it_came_and_a_time_is_in_nanoseconds() -> None:
    assert row_of("m temp=1")["measured_at_utc"] == datetime(2025, 11, 28, 3, 20)
    assert row_of("m temp=1 1000000001500000000")["measured_at_utc"] == datetime(
        2001, 9, 9, 1, 46, 41, 500_000
    )
    assert "its clock is not set" in why_not("m temp=1 0")


def test_names_may_have_what_divides_others() -> None:
    row = row_of(r"my\ m\,x=y,sen\=sor\ 2=a\,b\=c,station=A f\ \,g=1,h\x=2")
    assert row["sensor_id"] == "my m,x=y,sen=sor 2=a,b=c"
    assert json.loads(row["other_quantities"]) == {"f ,g": 1, r"h\x": 2}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "no measurement"), ("m", "tags would end"), ("m ", "tags would end"),
        ("m,a f=1", "tags would end"), ("m f", "where a field would be"), ("m f=", "field would"),
        ("m f=1,", "field would be"), ("m f=1 x", "its time would be"), ("m f=1 1 2", "its time"),
        ("m f=1 99999999999999999999", "its time"), ("m f=1.2.3", "no value"), ("m f=NaN", "value"),
        ("m f=inf", "no value"), ("m temp=1e999", "temperature_deg_c is no finite number"),
        ("m temp=t", "no number"), ("m f=1,f=2", "twice"), ("m,a=1,a=2 f=1", "twice"),
        ("m,sensor=1,sensor_id=2 f=1", "twice"), ("m,lat=x,lon=1 f=1", "its place is no number"),
        ("# a comment", "comment"), (b"m,a=\xff f=1", "UTF-8"),
        ('m f="open', "no value|field would"),
        ("m,temp=20 f=0x1", "no value"), (b"m\x00,station=A temp=1", "sensor_id is"),
    ],
)  # fmt: skip
def test_a_line_is_refused_with_its_reason(line: str | bytes, said: str) -> None:
    assert re.search(said, why_not(line))


def test_no_line_takes_long() -> None:
    began = time.monotonic()
    for part in ("\\", "\\,", "a,", "a=", '"', '\\"', ",a=b", " ", "1", ",a=1 "):
        for head in ("", "m", "m,a=", "m f=", 'm f="', "m,a=b f=1,"):
            why_not(head + part * (60_000 // len(part)) + "\x00=")
    assert time.monotonic() - began < 10


names = some.text(some.characters(codec="utf-8", exclude_characters="\n\r\\"), min_size=1)
values = some.floats(allow_nan=False, allow_infinity=False) | some.booleans() | names


def escaped(name: str) -> str:
    return re.sub(r"([,= ])", r"\\\1", name)


def written(value: object) -> str:
    if isinstance(value, str):
        return '"' + value.replace('"', '\\"') + '"'
    return str(value)


@settings(max_examples=60, deadline=None)
@given(some.dictionaries(names.filter(lambda n: n[0].isalpha()), values, min_size=1, max_size=5))
def test_what_was_told_comes_out_as_it_was(told: dict[str, object]) -> None:
    fields = {f"x{name.strip()}": value for name, value in told.items()}
    line = "m,station=A " + ",".join(f"{escaped(n)}={written(v)}" for n, v in fields.items())
    assert json.loads(row_of(line)["other_quantities"]) == fields


@settings(max_examples=60, deadline=None)
@given(some.lists(some.binary() | some.text(alphabet='m,= \\"1ft-.e\n').map(str.encode)))
def test_garbage_never_raises_and_is_never_lost_count_of(payloads: list[bytes]) -> None:
    batch = read_line_protocol([came(payload) for payload in payloads])
    assert batch.records == sum(len(lines_of(payload)) for payload in payloads)
