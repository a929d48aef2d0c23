"""Files, chunks of rows, and what is known already."""

from datetime import date
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from gmn_pipeline.errors import SummaryFormatError
from gmn_pipeline.validated.trajectories import slices
from gmn_pipeline_tests.support.sample import DAY, Bench, put_bins, sample, sample_bytes


def parquet(bench: Bench) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in bench.settings.validated_dir.iterdir()}


def test_validating_the_same_file_again_is_no_work(bench: Bench) -> None:
    first = bench.check(sample_bytes())
    written = parquet(bench)
    again = bench.validate()
    assert again.slices == first.slices
    assert parquet(bench) == written


def test_a_changed_definition_validates_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.check(sample_bytes())
    written = parquet(bench)
    monkeypatch.setattr(slices, "DEFINITION", "another")
    again = bench.validate()
    assert [s.definition for s in again.slices] == ["another"]
    assert len(parquet(bench)) == 2 * len(written)


def test_parquet_that_was_lost_is_written_again(bench: Bench) -> None:
    first = bench.check(sample_bytes())
    (bench.settings.validated_dir / first.slices[0].accepted_path).unlink()
    assert_frame_equal(bench.validate().accepted, first.accepted)


@pytest.mark.parametrize("chunk_rows", [1, 150_000])
def test_a_file_with_other_columns_fails_its_day_only(tmp_path: Path, chunk_rows: int) -> None:
    bench = Bench(tmp_path, chunk_rows=chunk_rows)
    other = sample().first(5).with_columns(lambda fields: (*fields, " new"))
    two = date(2019, 1, 1)
    days = put_bins(
        bench, (DAY, 344, sample().first(5)), (date(2022, 3, 5), 345, other),
        (two, 280, sample().first(2)), (two, 281, other),
    )  # fmt: skip
    done = bench.validate(*days)
    assert done.failed_days.keys() == {date(2022, 3, 5), two}
    assert all(isinstance(e, SummaryFormatError) for e in done.failed_days.values())
    assert done.counts == {("2022-03-04", 344): (5, 0)}


def test_small_chunks_give_the_rows_of_one_chunk(tmp_path: Path) -> None:
    results = []
    for folder, chunk_rows in (("one", 150_000), ("many", 10)):
        (tmp_path / folder).mkdir()
        bench = Bench(tmp_path / folder, chunk_rows=chunk_rows)
        days = put_bins(
            bench, (DAY, 344, sample().first(30).with_fields(7, begin_latitude_deg="91")),
            (date(2022, 3, 5), 345, sample().first(20)), (date(2022, 3, 6), 346, sample().first(3)),
        )  # fmt: skip
        results.append(bench.validate(*days))
    one, many = results
    assert (one.chunks, many.chunks) == (1, 3)
    assert one.counts == many.counts
    for name in ("accepted", "rejected"):
        order = ["bin_date", "line_number"]
        assert_frame_equal(getattr(one, name).sort(order), getattr(many, name).sort(order))
