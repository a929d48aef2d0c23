"""Readings from NDJSON: whatever comes, nothing raises and nothing is lost count of."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from gmn_pipeline.readers.station_readings.gathering import MOST_OTHERS
from gmn_pipeline.readers.station_readings.ndjson import lines_of, read_ndjson
from gmn_pipeline.readers.station_readings.received import Cause, Received
from gmn_pipeline.schemas.derive import polars_schema, polars_within_limits
from gmn_pipeline.schemas.quantities import QUANTITIES
from gmn_pipeline.schemas.station_readings import DATASET, SENT_FIELDS

NOW = 1_764_300_000_000_000
FROM_THE_ISSUE = (
    b'{"timestamp": "2024-01-21 10:06:04.095931", "temperature": 20.9, "humidity": 59.22, '
    b'"pressure": 1001.87, "sensor_id": 1, "location": {"lon": 3.185785, "lat": 42.488629}}'
)


def came(payload: bytes, *stations: str) -> Received:
    return Received(payload, "192.0.2.1", NOW, frozenset(stations) or None)


def row_of(payload: bytes, *stations: str) -> dict[str, Any]:
    batch = read_ndjson([came(payload, *stations)])
    assert not batch.refused, batch.refused
    return batch.rows.row(0, named=True)


def why_not(payload: bytes, *stations: str) -> str:
    batch = read_ndjson([came(payload, *stations)])
    assert batch.rows.is_empty()
    assert [one.payload for one in batch.refused] == [payload]
    return batch.refused[0].reason


def telling(**what: Any) -> bytes:
    return json.dumps({"timestamp": 10**9, "sensor_id": 1, **what}).encode()


def test_the_form_that_existing_senders_have_is_read() -> None:
    row = row_of(FROM_THE_ISSUE)
    told = {name: value for name, value in row.items() if value is not None}
    assert told == {
        "station_code": "sensor_1", "sensor_id": "1",
        "measured_at_utc": datetime(2024, 1, 21, 10, 6, 4, 95_931),
        "latitude_deg": 42.488629, "longitude_deg": 3.185785, "temperature_deg_c": 20.9,
        "humidity_percent": 59.22, "pressure_hpa": 1001.87,
        "received_at_utc": datetime(2025, 11, 28, 3, 20), "sender": "192.0.2.1",
        "transport": "udp",
    }  # fmt: skip


def test_a_batch_has_the_types_of_what_is_sent() -> None:
    for payloads in ([], [FROM_THE_ISSUE], [b"x"]):
        rows = read_ndjson([came(payload) for payload in payloads]).rows
        assert rows.schema == polars_schema(SENT_FIELDS)


def test_each_spelling_of_a_quantity_is_that_quantity() -> None:
    for quantity in QUANTITIES:
        value = quantity.minimum or 1.0
        for spelling in (quantity.name, *quantity.spellings):
            assert row_of(telling(**{spelling: value}))[quantity.name] == value


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2024-01-21T10:06:04Z", datetime(2024, 1, 21, 10, 6, 4)),
        ("2024-01-21 10:06:04.5+02:00", datetime(2024, 1, 21, 8, 6, 4, 500_000)),
        ("2024-01-21T10:06:04.123456789-00:30", datetime(2024, 1, 21, 10, 36, 4, 123_456)),
        (10**9, datetime(2001, 9, 9, 1, 46, 40)),
        (10**9 + 1.5, datetime(2001, 9, 9, 1, 46, 41, 500_000)),
        (1_705_831_564.25, datetime(2024, 1, 21, 10, 6, 4, 250_000)),
        (1_705_831_564_250, datetime(2024, 1, 21, 10, 6, 4, 250_000)),
        (1_705_831_564_250_001, datetime(2024, 1, 21, 10, 6, 4, 250_001)),
        (1_705_831_564_250_001_999, datetime(2024, 1, 21, 10, 6, 4, 250_001)),
    ],
)
def test_times_are_read_as_their_senders_mean_them(written: object, meant: datetime) -> None:
    assert row_of(telling(timestamp=written))["measured_at_utc"] == meant


@pytest.mark.parametrize(
    "written",
    ["", "yesterday", "2024-13-01", True, [], {}, "9999-12-31T23:59:59-01:00", 1e300, None,
     "0001-01-01T00:00:00+01:00", "2024-01-21 10:06:04\ud800"],
)  # fmt: skip
def test_what_is_no_time_refuses_its_record(written: object) -> None:
    why_not(telling(timestamp=written))


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{}", "UTF-8"),
        (b"[1, 2]", "not a JSON object"),
        (b'{"timestamp": NaN, "sensor_id": 1}', "not JSON"),
        (b'{"timestamp": 1, "sensor_id": 1, "temp": 1e309}', "infinity"),
        (b'{"timestamp": 1, "sensor_id": 1, "temp": 007}', "leading zero"),
        (b'{"x":' * 10_000 + b"1" + b"}" * 10_000, "depth|deep|recursion"),
        (telling(temperature="20.9"), "no number"),
        (telling(temperature=True), "no number"),
        (telling(temperature=20, temp=21), "twice"),
        (telling(temperature=151), r"temperature_deg_c is 151.0, not within \[-100, 150\] deg C"),
        (telling(location=[3, 42]), "not an object"),
        (telling(location={"lat": 42}), "one coordinate"),
        (telling(location={"lat": 91, "lon": 0}), "latitude_deg is 91.0"),
        (telling(sensor_id=None), "no sensor_id"),
        (telling(sensor_id=1.5), "neither a text nor a whole number"),
        (telling(sensor_id="x" * 65, station_code="A"), "sensor_id is"),
        (telling(station_code="../etc"), "station_code is '../etc'"),
        (telling(x=[[1]]), "list of lists"),
        (telling(**{f"q{n}": n for n in range(MOST_OTHERS + 1)}), "more than 100"),
        (telling(x="y" * 9_000), "more than 8192 bytes"),
        (telling(a={"b": {"c": {"d": {"e": 1}}}}), "deep"),
        (b'{"sensor_id": 1, "temp": 1}', "no timestamp"),
    ],
)  # fmt: skip
def test_a_record_is_refused_with_its_reason(payload: bytes, said: str) -> None:
    assert re.search(said, why_not(payload), re.IGNORECASE)


def test_a_bad_line_stops_nothing_else_of_its_datagram() -> None:
    payload = b"\n".join([FROM_THE_ISSUE, b"{", telling(temp=999), b"", FROM_THE_ISSUE + b"\r"])
    batch = read_ndjson([came(payload), came(FROM_THE_ISSUE)])
    assert batch.rows.height == 3
    assert [(one.payload, one.cause) for one in batch.refused] == [
        (b"{", Cause.UNREADABLE), (telling(temp=999), Cause.OUT_OF_LIMITS),
    ]  # fmt: skip
    assert batch.records == 5


def test_sensors_have_names_or_numbers() -> None:
    for written, meant in ((7, "7"), (7.0, "7"), (" a b ", "a b"), ("007", "007"), (-1, "-1")):
        assert row_of(telling(sensor_id=written, station_code="HR0001"))["sensor_id"] == meant


def test_a_station_is_named_by_the_record_or_by_the_way_it_came() -> None:
    assert row_of(telling(station="HR0001"))["station_code"] == "HR0001"
    assert row_of(telling(), "HR0002")["station_code"] == "HR0002"
    assert row_of(telling(station="HR0002"), "HR0002", "HR0003")["station_code"] == "HR0002"
    assert "may not speak for 'HR0001'" in why_not(telling(station="HR0001"), "HR0002")
    assert "may not speak for 'sensor_1'" in why_not(telling(), "HR0002", "HR0003")


def test_what_no_column_is_for_is_kept_as_it_came() -> None:
    row = row_of(telling(fan_rpm=900, note="é", ok=True, nothing=None, gps={"fix": {"n": 3}}))
    assert json.loads(row["other_quantities"]) == {
        "fan_rpm": 900, "note": "é", "ok": True, "gps.fix.n": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (3, "its time 1970-01-01 00:00:03 is before 2001: its clock is not set"),
        (-1, "before 2001"), ("1980-01-06", "before 2001"), ("2000-12-31T23:59:59.9", "2001"),
        ("2001-01-01", None), ("2019-01-01", None), ("2025-11-29T03:20:00", None),
        ("2025-11-29T03:20:01", "its time 2025-11-29 03:20:01 is days after 2025-11-28 03:20:00"),
        ("2199-01-01", "a clock is wrong"), ("9999-12-31", "a clock is wrong"),
    ],
)  # fmt: skip
def test_a_late_reading_is_one_and_that_of_a_clock_that_cannot_be_is_refused(
    written: object, said: str | None
) -> None:
    batch = read_ndjson([came(telling(timestamp=written))])
    if said is None:
        assert batch.rows.height == 1
    else:
        (refused,) = batch.refused
        assert refused.cause is Cause.WRONG_CLOCK
        assert said in refused.reason


def test_a_platform_whose_own_clock_is_not_set_refuses_nobody_for_his() -> None:
    unset = came(telling(timestamp="2026-01-01"))._replace(received_at_us=5_000_000)
    assert read_ndjson([unset]).rows.height == 1


def test_a_datagram_of_a_million_keys_and_one_of_a_million_lines_are_counted() -> None:
    keys = b'{"timestamp":1,"sensor_id":1,' + b",".join(b'"k%d":1' % n for n in range(9_000)) + b"}"
    assert "more than 100" in why_not(keys)
    lines = read_ndjson([came(b"1\n" * 30_000)])
    assert len(lines.refused) == 30_000
    assert why_not(b"{" + b"\n" * 2_000_000 + b"}")


codes = some.from_regex(r"[0-9A-Z][0-9A-Za-z_.-]{0,20}", fullmatch=True)
zones = some.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=30))])
times = some.datetimes(
    timezones=zones, min_value=datetime(2001, 1, 2), max_value=datetime(2025, 11, 27)
)


@settings(max_examples=60, deadline=None)
@given(some.lists(some.tuples(codes, codes, times, some.dictionaries(
    some.sampled_from(QUANTITIES), some.floats(0, 1), max_size=4))))  # fmt: skip
def test_what_was_measured_comes_out_as_it_was(measured: list[Any]) -> None:
    payloads = [
        json.dumps({
            "station_code": station, "sensor_id": sensor, "timestamp": at.isoformat(),
            **{q.name: (q.minimum or 0) + share for q, share in values.items()},
        }).encode()
        for station, sensor, at, values in measured
    ]  # fmt: skip
    batch = read_ndjson([came(payload) for payload in payloads])
    assert not batch.refused
    for row, (station, sensor, at, values) in zip(
        batch.rows.iter_rows(named=True), measured, strict=True
    ):
        assert (row["station_code"], row["sensor_id"]) == (station, sensor)
        assert row["measured_at_utc"] == at.astimezone(UTC).replace(tzinfo=None)
        for quantity in QUANTITIES:
            meant = (quantity.minimum or 0) + values[quantity] if quantity in values else None
            assert row[quantity.name] == meant


scalars = some.none() | some.booleans() | some.integers() | some.text() | some.floats()
anything = some.recursive(scalars, lambda x: some.lists(x) | some.dictionaries(some.text(), x))
names = some.sampled_from(
    ["timestamp", "sensor_id", "station_code", "location", "temperature", "temp", "lat", "lon"]
)
records = some.dictionaries(names | some.text(), anything | some.integers(0, 100)).map(
    lambda record: json.dumps(record).encode()
)


@settings(max_examples=50, deadline=None)
@given(some.lists(some.binary() | records | some.just(FROM_THE_ISSUE)))
def test_garbage_never_raises_and_is_never_lost_count_of(payloads: list[bytes]) -> None:
    batch = read_ndjson([came(payload) for payload in payloads])
    assert batch.records == sum(len(lines_of(payload)) for payload in payloads)
    assert batch.rows.height >= payloads.count(FROM_THE_ISSUE)
    within = polars_within_limits(DATASET.checked[0])
    assert batch.rows.select(within.all()).item()


usual = some.fixed_dictionaries({
    "timestamp": times.map(lambda at: str(at.replace(tzinfo=None))) | some.integers(0, 10**10)
    | some.sampled_from(["2024-02-30 00:00:00", "2024-01-01T10:00:00.5", "2024-01-01 24:00:00",
                         "2024-1-1 1:1:1", "2024-01-01 10:00:60", "0001-01-01 00:00:00"]),
    "sensor_id": some.integers(0, 3) | some.sampled_from(["a", " b ", "", "\x01"]),
    "temperature": some.floats(-150, 160) | some.integers(0, 50) | some.none() | some.booleans(),
    "location": some.fixed_dictionaries({"lat": some.floats(-95, 95) | some.none(),
                                         "lon": some.floats(-180, 180)}),
})  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(some.lists(usual, min_size=8, max_size=12), some.booleans())
def test_many_records_of_one_shape_are_read_as_each_by_itself(
    records: list[dict[str, Any]], is_plain: bool
) -> None:
    if is_plain:  # mostly one of them is odd, and all go the long way
        records = [{**record, "timestamp": "2024-01-01T10:00:00.5", "sensor_id": n % 3,
                    "temperature": n} for n, record in enumerate(records)]  # fmt: skip
    payloads = [json.dumps(record).encode() for record in records]
    at_once = read_ndjson([came(payload) for payload in payloads])
    each = [read_ndjson([came(payload)]) for payload in payloads]
    assert at_once.rows.equals(pl.concat([one.rows for one in each]))
    assert sorted(at_once.refused) == sorted(refused for one in each for refused in one.refused)
