"""The simulated network: the same for the same seed, and possible."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl

from gmn_pipeline.readers.station_readings.ndjson import read_ndjson
from gmn_pipeline.readers.station_readings.received import Cause, Received
from gmn_pipeline.schemas.derive import polars_schema, polars_within_limits
from gmn_pipeline.schemas.station_readings import DATASET, SENT_FIELDS
from gmn_pipeline.sources.simulated_stations import datagrams, simulated

BEGIN = datetime(2026, 1, 1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_a_span_is_the_same_at_once_or_piece_by_piece() -> None:
    whole = simulated(50, BEGIN, BEGIN + HOUR, 10)
    pieces = [simulated(50, BEGIN + n * HOUR / 7, BEGIN + (n + 1) * HOUR / 7, 10) for n in range(7)]
    order = ["station_code", "received_at_utc"]
    assert whole.sort(order).equals(pl.concat(pieces).sort(order))
    assert whole.height == 50 * 360
    assert not whole.equals(simulated(50, BEGIN, BEGIN + HOUR, 10, seed=2))


def test_rows_are_what_is_sent_and_within_the_hard_limits() -> None:
    rows = simulated(500, BEGIN, BEGIN + 365 * DAY, 10 * 86_400)
    assert rows.schema == polars_schema(SENT_FIELDS)
    assert rows.select(polars_within_limits(DATASET.checked[0]).all()).item()
    assert rows.get_column("station_code").n_unique() == 500
    assert simulated(3, BEGIN, BEGIN).schema == rows.schema


def test_weather_has_days_and_seasons() -> None:
    def mean(station: str, begin: datetime, end: datetime) -> float:
        rows = simulated(30, begin, end, 3600).filter(pl.col("station_code") == station)
        value = rows.get_column("temperature_deg_c").mean()
        assert isinstance(value, float)
        return value

    july = BEGIN + 181 * DAY
    assert mean("DES001", july, july + 30 * DAY) > mean("DES001", BEGIN, BEGIN + 30 * DAY) + 10
    assert mean("AUS001", july, july + 30 * DAY) < mean("AUS001", BEGIN, BEGIN + 30 * DAY) - 8
    days = [july + n * DAY for n in range(5)]
    noon, night = (
        sum(mean("DES001", d + h * HOUR, d + (h + 3) * HOUR) for d in days) for h in (12, 1)
    )
    assert noon > night + 5 * 3


def test_some_are_silent_for_a_while_and_some_clocks_are_wrong() -> None:
    rows = simulated(600, BEGIN, BEGIN + DAY, 600)
    assert 0.98 < rows.height / (600 * 144) < 1
    off_s = (pl.col("measured_at_utc") - pl.col("received_at_utc")).dt.total_seconds().abs()
    clocks = rows.group_by("station_code").agg(off_s.min().alias("off_s"))
    assert 1 <= clocks.filter(pl.col("off_s") > 1e9).height <= 10, "1970"
    assert 3 <= clocks.filter(pl.col("off_s").is_between(60, 1e5)).height <= 40


def test_datagrams_are_read_again_but_for_the_broken_ones() -> None:
    rows = simulated(100, BEGIN, BEGIN + timedelta(minutes=5), 1).sort("received_at_utc")
    sent = list(datagrams(rows))
    assert sent == list(datagrams(rows))
    broken = [one for one in sent if not one.is_whole]
    assert 5 < len(broken) < 100
    assert len(sent) > rows.height
    assert sum(one.delay_s > 1 for one in sent) > 20
    at_us = int(BEGIN.replace(tzinfo=UTC).timestamp() * 1e6)
    batch = read_ndjson([Received(one.payload, "simulated", at_us) for one in sent])
    unset = [one for one in batch.refused if one.cause is Cause.WRONG_CLOCK]
    assert len(batch.refused) == len(broken) + len(unset)
    assert all(b'"1970-' in one.payload for one in unset)
    columns = ["station_code", "measured_at_utc", "temperature_deg_c", "latitude_deg"]
    whole = [json.loads(one.payload)["station_code"] for one in sent
             if one.is_whole and b'"1970-' not in one.payload]  # fmt: skip
    assert batch.rows.get_column("station_code").to_list() == whole
    assert batch.rows.select(columns).unique().join(rows, on=columns, how="anti").is_empty()
