"""Bins of solar longitude: file names, limits in time, and the bins of many times."""

import itertools
from datetime import date, datetime, timedelta

import polars as pl
import pytest

from gmn_pipeline.readers.solar_longitude_bins import (
    Bin,
    bin_of_name,
    bins_between,
    bins_of_times,
    months_of_name,
)
from gmn_pipeline_tests.support.sample import (
    DAY,
    SAMPLE_NAME,
    read_rows,
    sample_bytes,
)


@pytest.mark.parametrize(
    ("name", "bin_"),
    [
        (SAMPLE_NAME, Bin(date(2022, 3, 4), 344)),
        ("traj_summary_20190320_solrange_359.0-000.0.txt", Bin(date(2019, 3, 20), 359)),
        ("traj_summary_20190321_solrange_000.0-001.0.txt", Bin(date(2019, 3, 21), 0)),
    ],
)
def test_a_file_name_is_a_bin_and_a_bin_a_file_name(name: str, bin_: Bin) -> None:
    assert bin_of_name(name) == bin_
    assert bin_.file_name == name


@pytest.mark.parametrize(
    "name",
    [
        "traj_summary_latest_daily.txt",
        "traj_summary_yesterday.txt",
        "traj_summary_all.txt",
        "traj_summary_20220304_solrange_344.0-346.0.txt",
        "traj_summary_20220304_solrange_360.0-361.0.txt",
        "traj_summary_20220304_solrange_344.5-345.5.txt",
        "traj_summary_20220230_solrange_344.0-345.0.txt",
        "traj_summary_2022034_solrange_344.0-345.0.txt",
        SAMPLE_NAME + ".gz",
        "../" + SAMPLE_NAME,
        "",
    ],
)
def test_an_alias_or_a_malformed_name_is_no_bin(name: str) -> None:
    assert bin_of_name(name) is None


@pytest.mark.parametrize(
    ("name", "interval"),
    [
        ("traj_summary_monthly_202202.txt", (datetime(2022, 2, 1), datetime(2022, 3, 1))),
        ("traj_summary_monthly_202212.txt", (datetime(2022, 12, 1), datetime(2023, 1, 1))),
        ("traj_summary_yearly_2022.txt", (datetime(2022, 1, 1), datetime(2023, 1, 1))),
        ("traj_summary_monthly_202213.txt", None),
        ("traj_summary_monthly_000001.txt", None),
        ("traj_summary_monthly_999912.txt", None),
        ("traj_summary_yearly_0000.txt", None),
        ("traj_summary_yearly_9999.txt", None),
        (SAMPLE_NAME, None),
    ],
)
def test_a_history_file_covers_the_interval_of_its_name(
    name: str, interval: tuple[datetime, datetime] | None
) -> None:
    assert months_of_name(name) == interval


def test_the_dates_known_to_have_two_files_or_none_are_computed() -> None:
    dates = [b.bin.date for b in bins_between(datetime(2018, 12, 10), datetime(2021, 3, 1))]
    for twice in ((2019, 1, 1), (2019, 11, 5), (2020, 1, 14), (2020, 12, 3), (2021, 1, 28)):
        assert dates.count(date(*twice)) == 2, twice
    for never in ((2019, 5, 3), (2019, 5, 31), (2019, 6, 23)):
        assert date(*never) not in dates, never


def test_bins_follow_each_other_without_a_gap_and_go_round() -> None:
    bins = bins_between(datetime(2021, 12, 31, 12), datetime(2023, 1, 2))
    assert bins[0].begins_at <= datetime(2021, 12, 31, 12) < bins[0].ends_at
    assert bins[-1].begins_at < datetime(2023, 1, 2) <= bins[-1].ends_at
    for one, two in itertools.pairwise(bins):
        assert two.begins_at == one.ends_at
        assert two.bin.solar_longitude_deg == (one.bin.solar_longitude_deg + 1) % 360
        assert timedelta(days=0.98) < one.ends_at - one.begins_at < timedelta(days=1.05)
        assert one.bin.date == one.begins_at.date()


def test_times_fall_into_the_bin_that_they_are_within_to_the_microsecond() -> None:
    bins = bins_between(datetime(2021, 12, 30), datetime(2022, 1, 3))
    just = timedelta(microseconds=1)
    times = [when for b in reversed(bins) for when in (b.ends_at - just, b.begins_at)]
    expected = [(b.bin.date, b.bin.solar_longitude_deg) for b in reversed(bins) for _ in range(2)]
    for nowhere in (None, datetime(1, 1, 1), datetime(9999, 12, 31)):
        times.insert(1, nowhere)
        expected.insert(1, (None, None))
    found = bins_of_times(pl.Series(times, dtype=pl.Datetime("us")))
    assert found.rows() == expected
    assert bins_of_times(pl.Series([None, None], dtype=pl.Datetime("us"))).rows() == [
        (None, None),
        (None, None),
    ]
    assert bins_of_times(pl.Series([], dtype=pl.Datetime("us"))).rows() == []


def test_the_rows_of_the_sample_fall_into_its_bin() -> None:
    [timed] = [b for b in bins_between(datetime(2022, 3, 4), datetime(2022, 3, 7))
               if b.bin == Bin(DAY, 344)]  # fmt: skip
    times = read_rows(sample_bytes())[0].get_column("beginning_utc_time").str.strip_chars()
    when = times.str.to_datetime("%Y-%m-%d %H:%M:%S%.f")
    assert when.is_between(timed.begins_at, timed.ends_at).all()
