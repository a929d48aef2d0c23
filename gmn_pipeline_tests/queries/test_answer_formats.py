"""Answers of gmn sql as CSV and JSON: byte for byte what DuckDB writes."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from gmn_pipeline.errors import QueryFailed
from gmn_pipeline.queries import formats
from gmn_pipeline.queries.process import ask
from gmn_pipeline.settings import Settings
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline_tests.support.lake import WITHOUT_END, small_lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return small_lake(tmp_path_factory.mktemp("lake"))


_EVERY_TYPE = """
SELECT 'nan'::DOUBLE AS nan, '-inf'::FLOAT AS inf, [1.5, 'nan'::DOUBLE] AS numbers,
  {'a': 'inf'::FLOAT, 'b': [{'c': 1}]} AS struct, 12345678901234567890123456789::HUGEINT AS huge,
  sum(1) OVER () AS sum, 1.10::DECIMAL(5, 2) AS decimal, 'x\\x00'::BLOB AS blob,
  INTERVAL 1 day AS interval, TIME '12:00:01.5' AS time, TIMESTAMP '2020-01-01 00:00:00' AS ts,
  TIMESTAMPTZ '2020-01-01 00:00:00+00' AS tz, 'infinity'::TIMESTAMP AS never,
  DATE '2020-01-01' AS d,
  TIMESTAMP_NS '2020-01-01 00:00:00.123456789' AS ns, NULL AS nothing, true AS yes,
  MAP {'a': 1.0, 'b': 'nan'::DOUBLE} AS map, 'a"b,c\nd' AS text, 'NaN, "NaN" \\ Infinity' AS words,
  ['a,b', 'c''d', NULL] AS texts, 'x'::ENUM('x', 'y') AS enum, '101'::BIT AS bits,
  '00112233-4455-6677-8899-aabbccddeeff'::UUID AS uuid, '{"a": 1}'::JSON AS json,
  TIME WITH TIME ZONE '12:00:00+02' AS ttz, union_value(k := 1) AS either,
  18446744073709551615::UBIGINT AS ubig, [[1], [2, NULL]] AS deep, [1, 2]::INTEGER[2] AS fixed
FROM range(3)
"""


def written(lake: Settings, query: str, output: formats.Format) -> bytes:
    target = io.BytesIO()
    with ask(lake, query, exact_types=True) as answer:
        formats.write(answer, output, target)
    return target.getvalue()


@pytest.mark.parametrize("query", [_EVERY_TYPE, "SELECT 1 AS n WHERE false", "FROM meteor_summary"])
def test_csv_is_byte_for_byte_that_of_duckdb(lake: Settings, tmp_path: Path, query: str) -> None:
    with WarehouseConnection(lake).open(read_only=True) as connection:
        connection.sql(query).write_csv(str(tmp_path / "expected.csv"))
    assert written(lake, query, formats.Format.CSV) == (tmp_path / "expected.csv").read_bytes()


def test_json_is_that_of_duckdb_with_null_for_numbers_that_json_lacks(
    lake: Settings, tmp_path: Path
) -> None:
    with WarehouseConnection(lake).open(read_only=True) as connection:
        connection.execute(f"COPY ({_EVERY_TYPE}) TO '{tmp_path / 'x.json'}' (ARRAY true)")
    expected = json.loads((tmp_path / "x.json").read_text("utf-8"), parse_constant=lambda _: None)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = written(lake, _EVERY_TYPE, formats.Format.JSON)
    found = json.loads(text, parse_constant=refuse)
    assert found == expected
    assert found[0]["nan"] is None
    assert found[0]["numbers"] == [1.5, None]
    assert found[0]["words"] == 'NaN, "NaN" \\ Infinity'
    assert json.loads(written(lake, "SELECT 1 AS n WHERE false", formats.Format.JSON)) == []


def test_an_error_while_an_answer_is_written_is_raised_as_it_was(lake: Settings) -> None:
    query = (
        "SELECT CASE WHEN range > 300000 THEN error('no more') ELSE range END FROM range(1000000)"
    )
    target = io.BytesIO()
    failing = pytest.raises(QueryFailed, match="no more")
    with ask(lake, query, exact_types=True) as answer, failing:
        formats.write(answer, formats.Format.CSV, target)
    assert target.getvalue().count(b"\n") > 1_000


class _Gone(io.BytesIO):
    def write(self, data: Any) -> int:
        raise BrokenPipeError


def test_a_reader_that_has_gone_ends_the_query(lake: Settings) -> None:
    with ask(lake, WITHOUT_END, exact_types=True) as answer, pytest.raises(BrokenPipeError):
        formats.write(answer, formats.Format.CSV, _Gone())
