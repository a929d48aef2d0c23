"""Every format is read by programs that others wrote, and says the same rows."""

import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table as AstropyTable

from gmn_pipeline.errors import FormatRefused, QueryLimit
from gmn_pipeline.queries.answer import Answer, UpTo
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELD, Kind
from gmn_pipeline.serving.formats.arrow_files import arrow, parquet
from gmn_pipeline.serving.formats.csv_table import csv
from gmn_pipeline.serving.formats.export import Export, whole
from gmn_pipeline.serving.formats.json_rows import json as json_object
from gmn_pipeline.serving.formats.json_rows import ndjson
from gmn_pipeline.serving.formats.registry import FORMATS, Format, format_of, formats_for
from gmn_pipeline_tests.support.exports import ABOUT, FIELDS, KML, export_of, votable_of, written

every_format = pytest.mark.parametrize("one", FORMATS.values(), ids=lambda one: one.suffix)


class NoLines:
    """For rows that came in messages."""

    def has_lines(self, source: str) -> bool:
        return False

    def head_lines(self, source: str) -> Any:
        raise AssertionError

    def lines(self, source: str, identifiers: list[str]) -> Any:
        raise AssertionError


class AnyLines(NoLines):
    """For rows of which each has a line."""

    def has_lines(self, source: str) -> bool:
        return True

    def head_lines(self, source: str) -> Any:
        return [b"#"] * 3

    def lines(self, source: str, identifiers: list[str]) -> Any:
        return {identifier: [b"line"] for identifier in identifiers}


def made(one: Format, table: pa.Table, **more: Any) -> bytes:
    return written(one.write, table, FIELDS, lines=NoLines(), **more)


# Parquet and Arrow --------------------------------------------------------------------------------


def test_parquet_is_read_by_arrow_duckdb_and_polars_as_it_was(
    sample_rows: pa.Table, tmp_path: Path
) -> None:
    file = tmp_path / "rows.parquet"
    file.write_bytes(written(parquet, sample_rows, FIELDS))
    assert pq.read_table(file).equals(sample_rows)
    assert duckdb.sql(f"FROM '{file}'").to_arrow_table().num_rows == 534
    assert duckdb.sql(f"FROM '{file}'").pl().equals(pl.from_arrow(sample_rows))
    assert pl.read_parquet(file).equals(pl.from_arrow(sample_rows))


def test_parquet_has_row_groups_of_bounded_size(sample_rows: pa.Table) -> None:
    many = pa.concat_tables([sample_rows.select([0, 1])] * 250)
    data = written(parquet, many, FIELDS, batch_rows=50_000)
    file = pq.ParquetFile(io.BytesIO(data))
    sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert max(sizes) <= 65_536
    assert sum(sizes) == many.num_rows
    assert len(sizes) == 3


def test_the_arrow_stream_is_what_it_was_and_begins_before_the_first_row(
    sample_rows: pa.Table,
) -> None:
    pieces = arrow(export_of(sample_rows, FIELDS), iter(sample_rows.to_batches(100)))
    head = next(pieces)
    assert pa.ipc.read_schema(pa.py_buffer(head)).names == sample_rows.column_names
    data = head + b"".join(pieces)
    assert pa.ipc.open_stream(data).read_all().equals(sample_rows)
    assert pl.read_ipc_stream(data).equals(pl.from_arrow(sample_rows))


@pytest.mark.parametrize("write", [parquet, arrow])
def test_binary_formats_say_units_meanings_ucds_licence_and_snapshot(
    sample_rows: pa.Table, write: Any
) -> None:
    data = written(write, sample_rows, FIELDS)
    schema = (
        pq.read_schema(io.BytesIO(data)) if write is parquet else pa.ipc.open_stream(data).schema
    )
    speed = schema.field("vgeo_km_s").metadata
    assert speed[b"unit"] == b"km/s"
    assert speed[b"description"] == b"geocentric velocity"
    assert speed[b"ucd"] == b"phys.veloc;pos.geocentric"
    assert schema.metadata[b"licence"] == b"CC BY 4.0, Global Meteor Network"
    assert schema.metadata[b"warehouse_snapshot_id"] == b"17"


def test_types_that_only_some_formats_know_go_through_the_binary_ones(tmp_path: Path) -> None:
    odd = duckdb.sql(
        "SELECT {'a': 1} AS s, MAP {'k': 2} AS m, [[1], []] AS l, 'x'::BLOB AS b, 1::HUGEINT AS h, "
        "TIME '01:02:03' AS t, 'a'::ENUM('a', 'b') AS e, NULL AS n, 18446744073709551615::UBIGINT u"
    ).to_arrow_table()
    file = tmp_path / "odd.parquet"
    file.write_bytes(written(parquet, odd))
    assert duckdb.sql(f"FROM '{file}'").fetchall()[0][:3] == ({"a": 1}, {"k": 2}, [[1], []])
    assert pa.ipc.open_stream(written(arrow, odd)).read_all().equals(odd)
    row = json.loads(written(ndjson, odd))
    assert (row["s"], row["l"], row["b"], row["t"], row["e"]) == (
        {"a": 1}, [[1], []], "78", "01:02:03.000000", "a",
    )  # fmt: skip
    assert row["u"] == "18446744073709551615"
    (line,) = written(csv, odd).decode().splitlines()[1:]
    assert line.startswith('"{""a"": 1}",')
    for suffix in ("vot", "ecsv", "json"):
        assert written(FORMATS[suffix].write, odd)


# All of them --------------------------------------------------------------------------------------


@every_format
def test_no_rows_make_a_whole_document_without_rows(one: Format, sample_rows: pa.Table) -> None:
    data = made(one, sample_rows.slice(0, 0))
    assert rows_in(one, data) == 0


@every_format
def test_rows_of_nothing_but_nulls_are_rows(one: Format, null_rows: pa.Table) -> None:
    if one.needs_lines:  # a row of a file has an identifier and stations
        return
    assert rows_in(one, made(one, null_rows)) == 3


@every_format
def test_the_same_rows_in_other_batches_are_the_same_rows(
    one: Format, sample_rows: pa.Table
) -> None:
    alone, together = (made(one, sample_rows, batch_rows=n) for n in (70, 534))
    assert rows_in(one, alone) == rows_in(one, together) == 534
    if one.suffix not in ("arrow", "parquet"):
        assert alone == together


def rows_in(one: Format, data: bytes) -> int:
    """Rows that a reader of the format finds."""
    readers = {
        "parquet": lambda: pq.read_metadata(io.BytesIO(data)).num_rows,
        "arrow": lambda: pa.ipc.open_stream(data).read_all().num_rows,
        "ndjson": lambda: len([json.loads(line) for line in data.splitlines()]),
        "json": lambda: len(json.loads(data)["rows"]),
        "geojson": lambda: len(json.loads(data)["features"]),
        "kml": lambda: len(ET.fromstring(data).findall(f".//{KML}Placemark")),
        "vot": lambda: votable_of(data).get_first_table().nrows,
        "ecsv": lambda: len(AstropyTable.read(io.BytesIO(data), format="ascii.ecsv")),
        "summary.txt": lambda: data.count(b"\n") - 4,
    }
    return int(readers.get(one.suffix, lambda: data.count(b"\n") - 1)())


class Broken(Exception):
    pass


@every_format
@pytest.mark.parametrize("after", [0, 1, 3])
def test_what_breaks_off_is_raised_and_leaves_no_whole_document(
    one: Format, after: int, sample_rows: pa.Table
) -> None:
    def breaking() -> Iterator[pa.RecordBatch]:
        yield from sample_rows.to_batches(100)[:after]
        raise Broken

    pieces: list[bytes] = []
    with pytest.raises(Broken):
        pieces.extend(one.write(export_of(sample_rows, FIELDS, NoLines()), breaking()))
    data = b"".join(pieces)
    line_formats = ("csv", "ndjson", "ecsv", "ufo.csv", "ukmon.csv", "mdc.csv", "summary.txt")
    if one.suffix == "arrow":  # its end may lack, so a reader cannot know; the transfer is cut
        assert not data.endswith(b"\xff\xff\xff\xff\x00\x00\x00\x00")
    elif one.suffix not in line_formats:
        with pytest.raises(Exception, match=r".*"):
            rows_in(one, data)


@every_format
def test_a_writer_that_is_given_up_ends_quietly(one: Format, sample_rows: pa.Table) -> None:
    batches = iter(sample_rows.to_batches(100) * 150)
    pieces = one.write(export_of(sample_rows, FIELDS, AnyLines()), batches)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert len(list(batches)) >= 4


@every_format
def test_no_more_rows_are_held_than_a_row_group_has(one: Format, sample_rows: pa.Table) -> None:
    taken = written_rows = longest = 0
    table = sample_rows.select(one.needs) if one.needs else sample_rows.select([0, 1, 5])
    batch = pa.concat_batches(table.to_batches())

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal taken
        for _ in range(260):
            taken += batch.num_rows
            yield batch

    for piece in one.write(export_of(table, FIELDS, AnyLines()), batches()):
        # Parquet and summary files gather 65,536 rows, the others a batch.
        longest = max(longest, taken - written_rows)
        if piece:
            written_rows = taken
    assert written_rows == taken == 260 * 534
    assert longest <= 65_536 + 2 * 534


def test_an_answer_that_was_cut_off_does_not_end_as_a_shorter_file(sample_rows: pa.Table) -> None:
    up_to = UpTo(iter(sample_rows.to_batches(100)), 250)
    answer = Answer(
        sample_rows.schema, iter(up_to), truncated=lambda: up_to.truncated, close=lambda: None
    )
    with pytest.raises(QueryLimit, match="after 250 rows"):
        b"".join(json_object(export_of(sample_rows, FIELDS), whole(answer)))


@pytest.mark.parametrize("suffix", ["geojson", "kml", "ufo.csv", "ukmon.csv", "mdc.csv",
                                    "summary.txt"])  # fmt: skip
def test_a_format_says_at_once_which_columns_it_lacks(suffix: str, sample_rows: pa.Table) -> None:
    table = sample_rows.drop_columns(["end_height_km"])
    with pytest.raises(FormatRefused, match="end_height_km"):
        FORMATS[suffix].write(export_of(table, FIELDS, NoLines()), table.to_batches())


def test_a_batch_of_other_columns_is_an_error(sample_rows: pa.Table) -> None:
    export = export_of(sample_rows, FIELDS)
    other = sample_rows.select([1, 0, *range(2, sample_rows.num_columns)])
    for one in FORMATS.values():
        if not one.needs_lines:
            with pytest.raises((TypeError, pa.ArrowException)):
                b"".join(one.write(export, other.to_batches()))


def test_columns_of_one_name_are_told_apart() -> None:
    table = pa.table([pa.array([1]), pa.array([2]), pa.array([3])], names=["a", "a_1", "a"])
    assert written(ndjson, table) == b'{"a":1,"a_1":2,"a_2":3}\n'
    assert written(csv, table) == b"a,a_1,a_2\n1,2,3\n"
    assert pq.read_schema(io.BytesIO(written(parquet, table))).names == ["a", "a_1", "a_2"]


def test_a_column_is_taken_for_what_its_name_says_if_its_kind_agrees() -> None:
    schema = pa.schema({"eccentricity": pa.float64(), "vgeo_km_s": pa.string(),
                        "station_count": pa.int64(), "n": pa.int64()})  # fmt: skip
    eccentricity, speed, count, n = Export.of(ABOUT, schema).fields
    assert eccentricity.meaning == TRAJECTORY_FIELD["eccentricity"].meaning
    assert (speed.unit, speed.ucd, speed.meaning) == (None, speed.ucd, "")
    assert (count.meaning, count.kind) == ("number of participating stations", Kind.LONG)
    assert n.meaning == ""


def test_columns_of_any_table_are_known_unless_their_name_means_several_things() -> None:
    schema = pa.schema({"station_code": pa.string(), "rows_accepted": pa.int32(),
                        "perihelion_distance_au": pa.float64(), "loaded_at_utc": pa.int32(),
                        "id": pa.string()})  # fmt: skip
    station, accepted, perihelion, loaded, ambiguous = Export.of(ABOUT, schema).fields
    assert station.ucd == "meta.id;instr.obsty"
    assert station.meaning
    assert accepted.meaning == "of these, accepted"
    assert perihelion.unit == "AU"
    assert loaded.meaning == ambiguous.meaning == ""


def test_a_cell_as_large_as_a_small_file_goes_through_every_format() -> None:
    stations = [f"XX{number:04d}" for number in range(10_000)]
    table = pa.table({"name": ["long", "☄ длинный 長い"], "stations": [stations, []]})
    for suffix in ("csv", "ndjson", "json", "vot", "ecsv", "parquet", "arrow"):
        data = written(FORMATS[suffix].write, table)
        assert rows_in(FORMATS[suffix], data) == 2
        if suffix not in ("parquet", "arrow"):
            assert b"XX9999" in data
            assert "☄ длинный 長い".encode() in data


# The list of formats ------------------------------------------------------------------------------


def test_a_file_name_tells_its_format_by_the_longest_suffix() -> None:
    assert format_of("trajectories.csv") == ("trajectories", FORMATS["csv"])
    assert format_of("trajectories.ufo.csv") == ("trajectories", FORMATS["ufo.csv"])
    assert format_of("a.b.summary.txt") == ("a.b", FORMATS["summary.txt"])
    assert format_of("trajectories") is None
    assert format_of(".csv") is None
    assert format_of("trajectories.txt") is None


def test_formats_are_offered_where_their_columns_are(sample_rows: pa.Table) -> None:
    all_of_them = formats_for(export_of(sample_rows, FIELDS, NoLines()))
    assert [one.suffix for one in all_of_them] == list(FORMATS)
    assert "summary.txt" not in [f.suffix for f in formats_for(export_of(sample_rows, FIELDS))]
    few = {one.suffix for one in formats_for(export_of(pa.table({"n": [1]})))}
    assert few == {"parquet", "arrow", "csv", "ndjson", "json", "vot", "ecsv"}


@every_format
def test_a_format_says_what_it_is(one: Format) -> None:
    assert one.description
    assert re.fullmatch(r"[a-z]+/[a-z0-9.+-]+(; ?[a-z]+=[a-z0-9-]+)*", one.media_type)
    assert not one.suffix.startswith(".")
