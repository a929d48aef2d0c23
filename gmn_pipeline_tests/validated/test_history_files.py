"""Months, years and the whole: every row of a history file goes where its daily file's would."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gmn_pipeline.readers.solar_longitude_bins import TimedBin, bins_between
from gmn_pipeline.readers.summary_file import blocks
from gmn_pipeline.validated.trajectories import history_files
from gmn_pipeline_tests.support.sample import Bench, Summary, Validated, put_bins, sample

FEBRUARY_END = datetime(2022, 3, 1)
BINS = bins_between(datetime(2022, 2, 26, 12), datetime(2022, 3, 4))
DAYS = [timed.bin.date for timed in BINS]
ROWS_A_BIN = 8


def bin_rows(timed: TimedBin) -> Summary:
    """Rows from the first second of a bin to its last."""
    second = timedelta(seconds=1)
    return sample().first(ROWS_A_BIN).spread(timed.begins_at + second, timed.ends_at - second)


def joined(summaries: list[Summary]) -> Summary:
    """Put end to end, the header once."""
    return replace(sample(), rows=tuple(r for summary in summaries for r in summary.rows))


ALL_ROWS = joined([bin_rows(timed) for timed in BINS])
_IN_FEBRUARY = sum(r[2].strip() < str(FEBRUARY_END) for r in ALL_ROWS.rows)
EDGE = next(n for n, timed in enumerate(BINS) if timed.ends_at > FEBRUARY_END)


def history(bench: Bench, kind: str, summary: Summary = ALL_ROWS) -> Bench:
    """The bench with `summary` as its monthly, yearly or all-file."""
    bench.settings = bench.settings.model_copy(update={"history": kind})
    if kind == "monthly":
        february, march = summary.rows[:_IN_FEBRUARY], summary.rows[_IN_FEBRUARY:]
        bench.put("monthly/traj_summary_monthly_202202.txt", replace(summary, rows=february))
        bench.put("monthly/traj_summary_monthly_202203.txt", replace(summary, rows=march))
    else:
        name = {"yearly": "traj_summary_yearly_2022.txt", "all": "traj_summary_all.txt"}[kind]
        bench.put(name, summary)
    return bench


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """History files are read in blocks of some ten rows."""
    monkeypatch.setattr(history_files, "blocks", partial(blocks, block_bytes=9_000))


def daily_accepted(bench: Bench) -> pl.DataFrame:
    put_bins(bench, *((t.bin.date, t.bin.solar_longitude_deg, bin_rows(t)) for t in BINS))
    return content(bench.validate(*DAYS))


def content(done: Validated) -> pl.DataFrame:
    """Accepted rows, less where they stood."""
    return done.accepted.drop("source_file_sha256", "line_number").sort("trajectory_identifier")


def without_bin_computed(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of a history file, every one flagged so, as a daily file has them."""
    flags = pl.col("quality_flags")
    assert rows.select(flags.list.contains("bin_computed").all()).item()
    return rows.with_columns(flags.list.set_difference(["bin_computed"]))


@pytest.mark.parametrize("chunk_rows", [5, 20, 150_000])
@pytest.mark.parametrize("kind", ["monthly", "yearly", "all"])
@pytest.mark.usefixtures("small_blocks")
def test_a_history_file_splits_into_the_rows_of_the_daily_files(
    tmp_path: Path, kind: str, chunk_rows: int
) -> None:
    expected = daily_accepted(Bench(tmp_path))
    done = history(Bench(tmp_path, chunk_rows=chunk_rows), kind).validate(*DAYS)
    assert_frame_equal(without_bin_computed(content(done)), expected)
    assert not expected.select(pl.col("quality_flags").list.contains("bin_computed").any()).item()
    keys = [(s.source_file_sha256, s.bin_date, s.bin_solar_longitude_deg) for s in done.slices]
    assert len(set(keys)) == len(keys) == len(BINS) + (kind == "monthly")
    assert sum(s.rows_read for s in done.slices) == ROWS_A_BIN * len(BINS)


def covers(done: Validated) -> set[tuple[date, datetime | None, datetime | None]]:
    return {(s.bin_date, s.covers_from_utc, s.covers_until_utc) for s in done.slices}


def test_a_history_file_covers_the_computed_limits_of_its_bins_and_a_daily_one_all(
    bench: Bench,
) -> None:
    limits = {(t.bin.date, t.begins_at, t.ends_at) for t in BINS}
    assert covers(history(bench, "all").validate(*DAYS)) == limits
    assert covers(history(bench, "yearly").validate(*DAYS)) == limits
    bench.settings = bench.settings.model_copy(update={"history": "daily"})
    put_bins(bench, *((t.bin.date, t.bin.solar_longitude_deg, bin_rows(t)) for t in BINS))
    assert covers(bench.validate(*DAYS)) == {(day, None, None) for day in DAYS}


def test_a_bin_on_the_edge_of_two_months_is_covered_by_both_up_to_midnight(bench: Bench) -> None:
    midnight = FEBRUARY_END
    edge = BINS[EDGE]
    assert {c for c in covers(history(bench, "monthly").validate(*DAYS)) if midnight in c} == {
        (edge.bin.date, edge.begins_at, midnight),
        (edge.bin.date, midnight, edge.ends_at),
    }


def test_only_the_wanted_days_of_a_history_file_are_taken(bench: Bench) -> None:
    wanted = BINS[2].bin
    done = history(bench, "all").validate(wanted.date)
    assert done.counts == {(str(wanted.date), wanted.solar_longitude_deg): (ROWS_A_BIN, 0)}


@pytest.mark.parametrize("texts", [{"eccentricity": "x"}, {"begin_latitude_deg": "91"},
                                   {"beginning_utc_time": "0001-01-01 00:00:00"},
                                   {"beginning_utc_time": "soon"},
                                   {"beginning_utc_time": "9999-12-31 23:59:59"},
                                   {"beginning_utc_time": "x", "eccentricity": "x"}])  # fmt: skip
@pytest.mark.parametrize("kind", ["monthly", "all"])
@pytest.mark.usefixtures("small_blocks")
def test_a_bad_row_of_a_history_file_is_rejected_in_the_bin_of_the_rows_around_it(
    bench: Bench, kind: str, texts: dict[str, str]
) -> None:
    bad = 4 * ROWS_A_BIN + 3
    for chunk_rows in (5, 150_000):
        bench.settings = bench.settings.model_copy(update={"chunk_rows": chunk_rows})
        done = history(bench, kind, ALL_ROWS.with_fields(bad, **texts)).validate(*DAYS)
        counts = {s.bin_date: s.rows_rejected for s in done.slices if s.rows_rejected}
        assert counts == {BINS[4].bin.date: 1}
        assert sum(s.rows_read for s in done.slices) == ROWS_A_BIN * len(BINS)


def test_a_bad_row_of_another_day_is_left_with_that_day(bench: Bench) -> None:
    summary = ALL_ROWS.with_fields(4 * ROWS_A_BIN + 3, eccentricity="x")
    for number, rejected in ((1, 0), (3, 0), (4, 1), (5, 0)):
        done = history(bench, "all", summary).validate(BINS[number].bin.date)
        assert [s.rows_rejected for s in done.slices] == [rejected]


@pytest.mark.usefixtures("small_blocks")
def test_a_row_that_comes_one_bin_late_is_still_in_time(bench: Bench) -> None:
    rows = list(ALL_ROWS.rows)
    rows.insert(3 * ROWS_A_BIN + 7, rows.pop(2 * ROWS_A_BIN + 7))
    bench.settings = bench.settings.model_copy(update={"chunk_rows": 5})
    done = history(bench, "all", replace(ALL_ROWS, rows=tuple(rows))).validate(*DAYS)
    assert not done.failed_days
    assert set(done.counts.values()) == {(ROWS_A_BIN, 0)}


@pytest.mark.usefixtures("small_blocks")
def test_a_row_too_late_for_its_bin_fails_its_day_and_no_other(bench: Bench) -> None:
    """The bin went out as the whole truth already: a second slice would replace the first."""
    late = bin_rows(BINS[0]).rows[3]
    bench.settings = bench.settings.model_copy(update={"chunk_rows": 5})
    done = history(bench, "all", replace(ALL_ROWS, rows=(*ALL_ROWS.rows, late))).validate(*DAYS)
    assert done.failed_days.keys() == {BINS[0].bin.date}
    assert done.accepted.height == ROWS_A_BIN * len(BINS)


def test_a_history_file_that_cannot_be_read_fails_the_days_it_carries(bench: Bench) -> None:
    other = ALL_ROWS.with_columns(lambda fields: fields[:-1])
    march = replace(other, rows=other.rows[_IN_FEBRUARY:])
    history(bench, "monthly").put("monthly/traj_summary_monthly_202203.txt", march)
    done = bench.validate(*DAYS)
    assert done.failed_days.keys() == set(DAYS[EDGE:])
    assert set(DAYS[:EDGE]) == {s.bin_date for s in done.slices} - {DAYS[EDGE]}
