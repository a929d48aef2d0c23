"""The network's own format: what goes out is, line by line, what came in."""

import math
from datetime import datetime
from pathlib import Path
from types import ModuleType

import polars as pl
import pyarrow as pa
import pytest

from gmn_pipeline.errors import DataDamaged, FormatRefused
from gmn_pipeline.landing.source_lines import LandedLines
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.session import read_session
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES
from gmn_pipeline.serving.formats.export import Export, whole
from gmn_pipeline.serving.formats.summary_line import HEAD_LINES, summary_line
from gmn_pipeline.serving.formats.summary_text import summary_text
from gmn_pipeline.settings import Settings
from gmn_pipeline.storage.object_store import ObjectStore
from gmn_pipeline_tests.support.archive import header_lines
from gmn_pipeline_tests.support.exports import ABOUT, export_of, written
from gmn_pipeline_tests.support.lake import small_lake
from gmn_pipeline_tests.support.sample import (
    CASES,
    DAILY,
    Bench,
    read_rows,
    sample,
    sample_bytes,
)
from gmn_pipeline_tests.support.sample import (
    HEAD_LINES as HEAD,
)

LIMITS = Limits(seconds=60, memory_mb=500, disk_mb=0, rows=1_000_000)


def exported(settings: Settings, lines: LandedLines | None = None, where: str = "") -> bytes:
    """All trajectories of a warehouse as one summary file."""
    lines = lines or LandedLines(ObjectStore(settings.landing_dir))
    with read_session(settings, LIMITS) as session:
        answer = session.run(f"FROM trajectories {where} ORDER BY beginning_julian_date")
        export = Export.of(ABOUT, answer.schema, TRAJECTORIES.fields, lines)
        return b"".join(summary_text(export, whole(answer)))


SOURCE, KEY = "source_file_sha256", "trajectory_identifier"


def lines_of(data: bytes) -> list[bytes]:
    """The rows, without their ends."""
    assert data.endswith(b"\n")
    return data.removesuffix(b"\n").split(b"\n\r")[HEAD:]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The sample, and then a newer file of the day in which one row says something else."""
    return small_lake(tmp_path_factory.mktemp("lake"))


def test_a_loaded_day_comes_out_byte_for_byte_below_its_first_line(lake: Settings) -> None:
    first, rest = exported(lake).split(b"\n", 1)
    assert first == b"# Summary generated on 2026-09-01 12:30:15.000250+00:00 UTC"
    # The row that the newer file revised has its line there, all others theirs of the older one.
    revised = sample().with_fields(0, vgeo_km_s="   38.00000").lines()[0]
    expected = sample_bytes().replace(sample().lines()[0], revised)
    assert rest == expected.split(b"\n", 1)[1]


def test_a_part_comes_out_in_the_order_of_the_question(lake: Settings) -> None:
    data = exported(lake, where="WHERE station_count > 3")
    assert lines_of(data) == [
        line for line in sample().lines() if line.rpartition(b";")[2].count(b",") > 2
    ]


def test_it_is_read_again_as_the_same_rows(sample_rows: pa.Table, tmp_path: Path) -> None:
    bench, again = (Bench(tmp_path / name) for name in folders(tmp_path, "first", "again"))
    bench.put(DAILY, sample())
    rows = bench.validate().accepted.sort("line_number")
    data = written(summary_text, rows.to_arrow(), lines=LandedLines(bench.objects))
    # It says when it was exported, and no clock may be behind that.
    again.put(DAILY, data.replace(b"2026-09-01 12:30:15.000250", b"2022-03-20 00:00:00"))
    read = again.validate().accepted.sort("line_number")
    names = [field.name for field in TRAJECTORY_FIELDS]
    assert read.select(names).equals(rows.select(names))


@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_the_client_of_the_network_reads_it_as_the_networks_file(
    sample_bench: Bench, sample_rows: pa.Table, client: ModuleType
) -> None:
    data = written(summary_text, sample_rows, lines=LandedLines(sample_bench.objects))
    ours, theirs = (client.read_data(text.decode()) for text in (data, sample_bytes()))
    assert len(theirs) == 534
    assert ours.equals(theirs)


def folders(parent: Path, *names: str) -> list[Path]:
    for name in names:
        (parent / name).mkdir()
    return [parent / name for name in names]


def test_an_identifier_that_stands_twice_has_the_line_of_its_stations(
    sample_bench: Bench, tmp_path: Path
) -> None:
    bench = Bench(tmp_path)
    twice = (
        sample()
        .first(3)
        .with_fields(
            1, trajectory_identifier=sample().rows[0][0], participating_stations=" AU0001,AU0002"
        )
    )
    bench.put(DAILY, twice)
    accepted = bench.validate().accepted.sort("line_number")
    assert accepted.height == 2
    data = written(summary_text, accepted.to_arrow(), lines=LandedLines(bench.objects))
    assert lines_of(data) == [twice.lines()[0], twice.lines()[2]]


@pytest.mark.parametrize("line_end", ["\n\r", "\n", "\r\n"])
def test_lines_are_found_whatever_ends_them_and_however_small_the_blocks(
    tmp_path: Path, line_end: str
) -> None:
    bench = Bench(tmp_path)
    bench.put(DAILY, sample().first(60).to_bytes(line_end))
    accepted = bench.validate().accepted.sort("line_number")
    for block_bytes in (1, 5_000, 1 << 22):
        lines = LandedLines(bench.objects, block_bytes)
        data = written(summary_text, accepted.to_arrow(), lines=lines)
        assert lines_of(data) == sample().first(60).lines()
        of_one = LandedLines(bench.objects, block_bytes)
        for sha256, identifier in accepted.select(SOURCE, KEY).iter_rows():
            expected = [
                row for row in sample().first(60).lines() if row[:20] == identifier.encode()
            ]
            assert of_one.lines(sha256, [identifier])[identifier] == expected


def test_rows_in_any_order_come_out_in_that_order(
    sample_bench: Bench, sample_rows: pa.Table
) -> None:
    shuffled = pl.from_arrow(sample_rows).sample(fraction=1, shuffle=True, seed=3)
    assert isinstance(shuffled, pl.DataFrame)
    lines = LandedLines(sample_bench.objects, 50_000)
    data = written(summary_text, shuffled.to_arrow(), lines=lines)
    by_identifier = {line[:20].decode(): line for line in sample().lines()}
    expected = [by_identifier[one] for one in shuffled["trajectory_identifier"]]
    assert lines_of(data) == expected


def test_a_landed_file_or_a_line_that_is_gone_is_an_error(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.put(DAILY, sample().first(5))
    table = bench.validate().accepted.to_arrow()
    (landed,) = bench.settings.landing_dir.rglob("objects/*/*.txt")
    content = landed.read_bytes()
    landed.write_bytes(content.replace(sample().rows[2][0].encode(), b"20220304000000_aaaaa"))
    with pytest.raises(DataDamaged, match="has no line that begins with"):
        written(summary_text, table, lines=LandedLines(bench.objects))
    landed.unlink()
    with pytest.raises(DataDamaged, match="is missing"):
        written(summary_text, table, lines=LandedLines(bench.objects))


def test_without_landed_files_at_hand_it_is_refused(sample_rows: pa.Table) -> None:
    with pytest.raises(FormatRefused, match="landed files"):
        summary_text(export_of(sample_rows), sample_rows.to_batches())


# Rows that have no line ---------------------------------------------------------------------------


def test_a_printed_line_is_the_networks_own(sample_rows: pa.Table) -> None:
    expected = sample().lines()
    differing = []  # but for the two spellings of null, of which the warehouse keeps one
    for row, line in zip(sample_rows.to_pylist(), expected, strict=True):
        printed = summary_line(row)
        # Today's files give the shower's code a blank more.
        if printed[:79] + printed[80:] != line:
            differing.append((printed, line))
    assert [pair for pair in differing if cells(pair[0]) != cells(pair[1])] == []
    assert differing == []


def cells(line: bytes) -> list[bytes]:
    """Cells of a line; a null that the network prints as nan or None is one."""
    return [
        b"null" if cell.strip() in (b"nan", b"None") else cell.strip() for cell in line.split(b";")
    ]


def test_the_head_is_that_of_todays_files() -> None:
    assert list(HEAD_LINES) == header_lines(wide=True)


def test_rows_of_messages_and_of_the_former_format_are_printed(
    tmp_path: Path, sample_rows: pa.Table
) -> None:
    bench = Bench(tmp_path)
    (former,) = (CASES / "former_format").rglob("*.txt")
    bench.put(f"daily/{former.name}", former.read_bytes())
    day = datetime.strptime(former.name.split("_")[2], "%Y%m%d").date()
    of_former = bench.validate(day).accepted.sort("line_number")
    of_message = pl.from_arrow(sample_rows.slice(0, 2))
    assert isinstance(of_message, pl.DataFrame)
    of_message = of_message.with_columns(pl.lit("kafka:t/0/1").alias("source_file_sha256"))
    together = pl.concat([of_former, of_message.cast(of_former.schema)])  # type: ignore[arg-type]
    data = written(summary_text, together.to_arrow(), lines=LandedLines(bench.objects))
    rows, rejected = read_rows(data)
    assert rejected == []
    assert rows["vgeo_km_s"].to_list() == together["vgeo_km_s"].to_list()
    assert [i.strip() for i in rows["trajectory_identifier"]] == (
        together["trajectory_identifier"].to_list()
    )
    assert math.isnan(rows["latitude_of_perihelion_deg"][0])
