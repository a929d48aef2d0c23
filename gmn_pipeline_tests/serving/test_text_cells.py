"""Whatever a text holds, it comes out of a format as it went in, or changed as the format says."""

import csv as standard_csv
import io
import json
import re
import xml.etree.ElementTree as ET
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io.votable import parse as parse_votable
from astropy.table import Table as AstropyTable
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gmn_pipeline.serving.formats.csv_table import csv, csv_exact
from gmn_pipeline.serving.formats.ecsv import ecsv
from gmn_pipeline.serving.formats.json_rows import json as json_object
from gmn_pipeline.serving.formats.json_rows import ndjson
from gmn_pipeline.serving.formats.kml import kml
from gmn_pipeline.serving.formats.registry import FORMATS
from gmn_pipeline.serving.formats.votable import votable
from gmn_pipeline_tests.support.exports import written

# What formats and spreadsheets take for something else, more often than chance would have it.
SPECIAL = "=+-@\t\r\n,;\"'&<>|\x00\x0b\x1f\x7f\x85\u2028\ufeff\ufffe\uff1d☄é𝛼 \\#"
TEXTS = st.text(
    st.one_of(st.sampled_from(SPECIAL), st.characters(exclude_categories=("Cs",))), max_size=12
)
CELLS = st.lists(st.one_of(st.none(), TEXTS), min_size=1, max_size=8)
FORMULAS = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def table_of(cells: list[str | None]) -> pa.Table:
    return pa.table({"number": list(range(len(cells))), "cell": pa.array(cells, pa.string())})


def in_xml(text: str) -> str:
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\ufffd", text)


@few
@given(CELLS)
def test_exact_csv_json_parquet_and_arrow_keep_every_text(cells: list[str | None]) -> None:
    table = table_of(cells)
    rows = list(standard_csv.reader(io.StringIO(written(csv_exact, table).decode(), newline="")))
    assert [row[1] for row in rows[1:]] == [cell or "" for cell in cells]
    read = pl.read_csv(written(csv_exact, table), schema={"number": pl.Int64, "cell": pl.String})
    assert read["cell"].to_list() == cells
    lines = written(ndjson, table).decode().split("\n")[:-1]
    assert [json.loads(line)["cell"] for line in lines] == cells
    assert [row["cell"] for row in json.loads(written(json_object, table))["rows"]] == cells
    for suffix, read_table in (
        ("parquet", lambda data: pq.read_table(io.BytesIO(data))),
        ("arrow", lambda data: pa.ipc.open_stream(data).read_all()),
    ):
        assert read_table(written(FORMATS[suffix].write, table))["cell"].to_pylist() == cells


@few
@given(CELLS)
def test_no_cell_of_the_csv_for_people_begins_a_formula(cells: list[str | None]) -> None:
    data = written(csv, table_of(cells)).decode()
    rows = list(standard_csv.reader(io.StringIO(data, newline="")))
    for (_, shown), cell in zip(rows[1:], cells, strict=True):
        if shown != (cell or ""):
            assert shown == f"'{cell}"
        if FORMULAS.match(shown):
            float(shown)  # a number: raises where it is none


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=1+1", "'=1+1"), ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"), ("-2+3", "'-2+3"),
        ("@SUM(1)", "'@SUM(1)"), ("\t=1", "'\t=1"), (" =1", "' =1"), ("\uff1d1", "'\uff1d1"),
        ("-12.5", "-12.5"), ("+3e-4", "+3e-4"), ("-", "'-"), ("...", "..."), ("a=b", "a=b"),
        ("20181230082157_3e230", "20181230082157_3e230"), ("-inf", "'-inf"),
    ],
)  # fmt: skip
def test_what_counts_as_a_formula(cell: str, shown: str) -> None:
    data = written(csv, pa.table({"cell": [cell]})).decode()
    ((found,),) = list(standard_csv.reader(io.StringIO(data, newline="")))[1:]
    assert found == shown


def test_members_of_lists_and_names_of_columns_are_made_harmless_too() -> None:
    table = pa.table({"=cmd": pa.array([["=1", "a"], ["a", "=1"], []])})
    assert written(csv, table) == b'\'=cmd\n"\'=1,a"\n"a,=1"\n""\n'
    assert written(csv_exact, table) == b'=cmd\n"=1,a"\n"a,=1"\n""\n'


def test_numbers_are_never_changed() -> None:
    table = pa.table({"n": [-1.5, float("-inf")], "i": [-3, -4]})
    assert written(csv, table) == b"n,i\n-1.5,-3\n-inf,-4\n"


@few
@given(CELLS)
def test_votable_keeps_every_text_that_xml_can_hold(cells: list[str | None]) -> None:
    data = written(votable, table_of(cells))
    document = ET.fromstring(data)
    found = [td.text or "" for td in document.iter("{http://www.ivoa.net/xml/VOTable/v1.3}TD")]
    assert found[1::2] == [in_xml(cell or "") for cell in cells]
    read = parse_votable(io.BytesIO(data), verify="exception").get_first_table()
    assert read.nrows == len(cells)


@few
@given(CELLS)
def test_kml_keeps_every_text_that_xml_can_hold(cells: list[str | None]) -> None:
    table = table_of(cells)
    for name in ("begin_longitude_deg", "begin_latitude_deg", "begin_height_km",
                 "end_longitude_deg", "end_latitude_deg", "end_height_km"):  # fmt: skip
        table = table.append_column(name, pa.array([1.0] * len(cells)))
    document = ET.fromstring(written(kml, table))
    found: list[Any] = []
    for mark in document.iter("{http://www.opengis.net/kml/2.2}Placemark"):
        data = {d.get("name"): d.text or "" for d in mark.iter() if d.tag.endswith("SimpleData")}
        found.append(data.get("cell"))
    assert found == [None if cell is None else in_xml(cell) for cell in cells]


@few
@given(CELLS)
@example(["\0", "a\0b", "c\0"])
def test_ecsv_keeps_every_text_but_for_its_line_ends(cells: list[str | None]) -> None:
    read = AstropyTable.read(io.BytesIO(written(ecsv, table_of(cells))), format="ascii.ecsv")
    assert read["number"].tolist() == list(range(len(cells)))
    for shown, cell in zip(read["cell"].tolist(), cells, strict=True):
        if shown is not None:
            whole = (cell or "").replace("\0", "\ufffd")
            assert "".join(shown.split()) == "".join(whole.split())


@few
@given(TEXTS.filter(lambda name: name.strip("\x00") != ""))
@example("*")
@example("^.*$")
@example("__lat")
def test_a_column_may_have_any_name(name: str) -> None:
    table = pa.table({name: [1], "other": ["x"]})
    assert json.loads(written(ndjson, table)) == {name: 1, "other": "x"}
    assert parse_votable(io.BytesIO(written(votable, table))).get_first_table().nrows == 1
    assert written(ecsv, table).endswith(b"\n1,x\n")
    names = next(standard_csv.reader(io.StringIO(written(csv_exact, table).decode(), newline="")))
    assert names[0] == name


def test_duckdb_reads_the_csv_back() -> None:
    cells = ["a,b", 'say "x"', "two\nlines", "☄", "", "'=1"]
    data = written(csv_exact, table_of(list(cells)))
    with duckdb.connect() as connection:
        read = connection.read_csv(io.StringIO(data.decode()), header=True).fetchall()
    assert [row[1] or "" for row in read] == cells
