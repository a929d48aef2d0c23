"""Whatever stands in a row, and whatever a library makes of it, costs that row or that day."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmn_pipeline.errors import SummaryFormatError
from gmn_pipeline.isolate import by_halves
from gmn_pipeline.readers import summary_file
from gmn_pipeline.readers.solar_longitude_bins import Bin
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.validated.checks import Checked
from gmn_pipeline.validated.trajectories import checks as check_module
from gmn_pipeline.validated.trajectories import quality
from gmn_pipeline.validated.trajectories import slices as slices_module
from gmn_pipeline_tests.support.sample import (
    CASES,
    DAY,
    FIRST_ROW,
    Bench,
    read_rows,
    sample,
    with_source,
)

NEXT_DAY = date(2022, 3, 5)
panic = pl.exceptions.PanicException


def raises_on(
    work: Callable[..., Any], column: str, value: object, error: BaseException
) -> Callable[..., Any]:
    """`work`, but for rows that have the value: on them it raises."""

    def broken(rows: pl.DataFrame, *others: object) -> object:
        if rows.get_column(column).eq(value).any():
            raise error
        return work(rows, *others)

    return broken


# --- by halves ---


@given(st.integers(0, 300), st.sets(st.integers(0, 299), max_size=5))
def test_every_item_is_in_one_result_and_those_that_break_it_are_alone(
    count: int, bad: set[int]
) -> None:
    def work(first: int, size: int) -> range:
        if bad & set(range(first, first + size)):
            raise panic("no")
        return range(first, first + size)

    results = list(by_halves(work, count))
    items = [item for first, size, _ in results for item in range(first, first + size)]
    assert items == list(range(count))
    broken = [first for first, _, result in results if isinstance(result, BaseException)]
    assert broken == sorted(item for item in bad if item < count)


def test_work_that_breaks_on_everything_is_given_up_before_each_item_was_tried() -> None:
    calls = []

    def work(first: int, size: int) -> None:
        calls.append(first)
        raise ValueError("always")

    with pytest.raises(ValueError, match="always"):
        list(by_halves(work, 100_000))
    assert len(calls) < 1_000


def test_an_interrupt_is_no_fault_of_a_row() -> None:
    def work(first: int, size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(by_halves(work, 3))


# --- rows ---


def test_a_row_before_year_one_is_rejected_and_all_others_are_loaded(tmp_path: Path) -> None:
    bench = Bench(tmp_path, source_url=str(CASES / "negative_year"))
    done = bench.validate(DAY, NEXT_DAY)
    assert not done.failed_days
    assert done.counts == {("2022-03-04", 344): (5, 0), ("2022-03-05", 345): (1, 1)}
    assert done.reasons() == {
        5: ["type: beginning_utc_time is '-022-03-05 03:16:31.844872', not a timestamp"]
    }


@pytest.mark.parametrize("error", [panic("index out of bounds"), ValueError("odd")])
def test_a_row_that_breaks_the_check_is_rejected_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    identifier = sample().rows[7][0].strip()
    broken = raises_on(quality.with_flags, "trajectory_identifier", identifier, error)
    monkeypatch.setattr(quality, "with_flags", broken)
    done = Bench(tmp_path).check(sample().first(30).with_fields(2, begin_latitude_deg="91"))
    assert done.counts == {("2022-03-04", 344): (28, 2)}
    assert done.reasons()[FIRST_ROW + 7] == [f"check: {type(error).__name__}: {error}"]
    assert done.reasons()[FIRST_ROW + 2][0].startswith("range: begin_latitude_deg is 91.0")


def test_a_line_that_breaks_the_reader_is_rejected_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = summary_file._read_csv
    bad = sample().lines()[3]

    def broken(data: bytes, *others: object) -> pl.DataFrame:
        if bad in data:
            raise panic("in the reader")
        return read(data, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(summary_file, "_read_csv", broken)
    done = Bench(tmp_path).check(sample().first(9).with_fields(5, eccentricity="x"))
    assert {n - FIRST_ROW: reasons for n, reasons in done.reasons().items()} == {
        3: ["unreadable: PanicException: in the reader"],
        5: ["type: eccentricity is 'x', not a number"],
    }
    assert done.accepted.height == 7


def two_days(bench: Bench) -> Bench:
    for day, degree in ((DAY, 344), (NEXT_DAY, 345)):
        bench.put(f"daily/{Bin(day, degree).file_name}", sample().first(400))
    return bench


def test_a_day_that_cannot_be_checked_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = raises_on(check_module.check_rows, "bin_date", NEXT_DAY, panic("no end of it"))
    monkeypatch.setattr(slices_module, "check_rows", broken)
    done = two_days(Bench(tmp_path)).validate(DAY, NEXT_DAY)
    assert done.counts == {("2022-03-04", 344): (400, 0)}
    [error] = done.failed_days.values()
    assert isinstance(error, SummaryFormatError)
    assert done.failed_days.keys() == {NEXT_DAY}
    assert Bin(NEXT_DAY, 345).file_name in str(error)
    assert "PanicException: no end of it" in str(error)


def test_counts_that_do_not_add_up_fail_their_day_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = check_module.check_rows

    def loses_a_row(rows: pl.DataFrame) -> Checked:
        checked = check(rows)
        lost = (pl.col("bin_date") == NEXT_DAY) & (pl.col("line_number") == FIRST_ROW)
        return Checked(checked.accepted.filter(~lost), checked.rejected)

    monkeypatch.setattr(slices_module, "check_rows", loses_a_row)
    done = two_days(Bench(tmp_path)).validate(DAY, NEXT_DAY)
    assert done.counts == {("2022-03-04", 344): (400, 0)}
    assert "400 rows read, but 399 accepted" in str(done.failed_days[NEXT_DAY])


# Texts that have broken or might break a reader, a conversion or the words for a reason.
ODD_TEXTS = [
    "", " ", "None", "nan", "inf", "-inf", "1e999", "-0", "1e-999", "0x10", "1_000", "--1", "+",
    "-022-03-05 03:16:31.844872", "0000-01-01 00:00:00", "-262143-01-01 00:00:00",
    "+262142-12-31 23:59:59.999999", "9999-12-31 23:59:60.9", "292278994-08-17 07:12:55",
    "2022-03-05 06:36:60", "2022-03-05 06:36:59.9999999", "0001-01-01 00:00:00", "2022-02-29",
    "2022-03-05 06:36:59.", "2147483648", "-2147483649", "99999999999999999999", "...", "True",
    "true", ",", ",,", "UK000H,UK000H", "UK000H,", "A" * 300, "{}", "%s", "\\", "'", '"', "\x00",
    "\x7f", "00000000000000_aaaaa", "99999999999999_zzzzz", "20220230250000_abcde",
]  # fmt: skip
odd_text = st.sampled_from(ODD_TEXTS) | st.text(
    st.characters(min_codepoint=0, max_codepoint=127, exclude_characters=";\n\r"), max_size=30
)
NAMES = [f.name for f in TRAJECTORY_FIELDS]
odd_fields = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.sampled_from(NAMES) | st.sampled_from(["beginning_utc_time", "trajectory_identifier",
                                                  "iau_shower_number", "participating_stations"]),
        odd_text,
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(odd_fields)
def test_any_texts_in_any_fields_never_break_the_check_and_every_row_goes_one_way(
    fields: list[tuple[int, str, str]],
) -> None:
    summary = sample().first(8)
    for row, name, text in fields:
        summary = summary.with_fields(row, **{name: text})
    rows, refused = read_rows(summary.to_bytes())
    assert rows.height + len(refused) == 8
    checked = check_module.check_rows(with_source(rows))
    assert checked.accepted.height + checked.rejected.height == rows.height
    reasons = checked.rejected.get_column("reasons").explode()
    assert not reasons.str.starts_with("check: ").any(), reasons.to_list()
    touched = {FIRST_ROW + row for row, _, _ in fields}
    lines = rows.get_column("line_number").gather(checked.rejected.get_column("row"))
    assert set(lines) | {line.line_number for line in refused} <= touched
