"""Views: what they answer, that every column says what it is, and that a newer version's come."""

from dataclasses import replace

import duckdb
import polars as pl
import pytest

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.releases.snapshot import make_snapshot
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES
from gmn_pipeline.sources import iau_showers
from gmn_pipeline.validated.flags import Family, QualityFlag
from gmn_pipeline.validated.trajectories.quality import QUALITY_FLAGS
from gmn_pipeline.warehouse import ddl, macros, views
from gmn_pipeline.warehouse.backend import CATALOG
from gmn_pipeline.warehouse.connection import WarehouseConnection, transaction
from gmn_pipeline.warehouse.macros import MACROS
from gmn_pipeline.warehouse.showers import load_showers
from gmn_pipeline.warehouse.trajectories.files import Warehouse
from gmn_pipeline.warehouse.views import VIEWS
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.warehouse import ask, count, frame

NEWER = "2022-03-17 00:00:00.000000"


@pytest.fixture(scope="module")
def created(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A warehouse with nothing in it yet, to read."""
    bench = Bench(tmp_path_factory.mktemp("created"))
    Warehouse(bench.settings).create()
    return bench


def load(bench: Bench) -> None:
    assert not load_days([DAY], bench.settings).failed


def test_the_columns_of_a_view_are_those_that_it_describes(created: Bench) -> None:
    for view in VIEWS:
        columns = frame(created.settings, f"FROM {view.name} LIMIT 0").columns
        assert columns == [field.name for field in view.fields], view.name


def test_every_table_view_and_column_of_the_lake_says_what_it_is(created: Bench) -> None:
    """A column of a table by its comment; one of a view by column_definitions, since DuckLake
    takes no comment there."""
    of_tables = ask(
        created.settings,
        "SELECT table_name, comment FROM duckdb_tables() WHERE database_name = 'warehouse' UNION "
        "SELECT view_name, comment FROM duckdb_views() WHERE database_name = 'warehouse' "
        "AND NOT internal",
    )
    names = {t.name for t in ddl.TABLES} | {v.name for v in VIEWS}
    assert {name for name, comment in of_tables if comment} == names
    silent = ask(
        created.settings,
        "SELECT table_name, c.column_name FROM duckdb_columns() c LEFT JOIN column_definitions d "
        "ON (table_name, c.column_name) = (relation_name, d.column_name) "
        "WHERE database_name = 'warehouse' AND NOT internal "
        "AND coalesce(c.comment, d.meaning, '') = ''",
    )
    assert silent == []


def test_units_are_a_column_of_their_own(created: Bench) -> None:
    sql = "SELECT unit FROM column_definitions WHERE (relation_name, column_name) = (?, ?)"
    assert ask(created.settings, sql, "trajectories", "vgeo_km_s") == [("km/s",)]
    assert ask(created.settings, sql, "meteor_summary", "a_au") == [("AU",)]
    assert ask(created.settings, sql, "stations", "station_code") == [(None,)]


def test_the_history_has_every_state_and_says_which_is_current(bench: Bench) -> None:
    bench.put(DAILY, sample().first(10))
    load(bench)
    newer = sample().first(12).stamped(NEWER).with_fields(3, vgeo_km_s="  33.33333")
    bench.put(DAILY, replace(newer, rows=newer.rows[1:]))
    load(bench)
    states = ask(
        bench.settings,
        "SELECT revision, vgeo_km_s, change, is_current, valid_until_utc IS NULL "
        "FROM trajectory_history WHERE trajectory_identifier = ? ORDER BY revision",
        sample().rows[3][0],
    )
    was = float(sample().rows[3][15])
    assert states == [(1, was, "revised", False, False), (2, 33.33333, None, True, True)]
    withdrawn = "SELECT change, is_current FROM trajectory_history WHERE trajectory_identifier = ?"
    assert ask(bench.settings, withdrawn, sample().rows[0][0]) == [("withdrawn", False)]
    assert count(bench.settings, "trajectory_history") == 11 + 2
    now = "FROM trajectory_history WHERE is_current"
    current = frame(bench.settings, f"SELECT {', '.join(TRAJECTORIES.columns)} {now} ORDER BY ALL")
    assert current.equals(frame(bench.settings, "FROM trajectories ORDER BY ALL"))
    # A state ends when the next one begins: no time is without one, none has two.
    broken = ask(
        bench.settings,
        "SELECT 1 FROM trajectory_history QUALIFY valid_until_utc <> lead(valid_from_utc) "
        "OVER (PARTITION BY trajectory_identifier ORDER BY revision)",
    )
    assert broken == []


def test_trajectories_with_showers_name_sporadics_and_show_what_the_list_lacks(
    bench: Bench,
) -> None:
    rows = sample().first(4)
    rows = rows.with_fields(0, iau_shower_number="  -1", iau_shower_code="  ...")
    rows = rows.with_fields(1, iau_shower_number="   7", iau_shower_code="  PER")
    rows = rows.with_fields(2, iau_shower_number="1234", iau_shower_code="  XYZ")
    rows = rows.with_fields(3, iau_shower_number="  -1", iau_shower_code="  ...")
    bench.put(DAILY, rows)
    load(bench)
    bundled = iau_showers.bundled()
    perseids = bundled.showers.filter(pl.col("iau_shower_number") == 7)
    load_showers(WarehouseConnection(bench.settings), replace(bundled, showers=perseids))
    found = ask(
        bench.settings,
        "SELECT iau_shower_number, iau_shower_name, iau_shower_is_known "
        "FROM trajectories_with_showers ORDER BY ALL",
    )
    assert found == [(-1, "sporadic", None)] * 2 + [(7, "Perseids", True), (1234, None, False)]
    own = f"SELECT {', '.join(TRAJECTORIES.columns)} FROM trajectories_with_showers ORDER BY ALL"
    assert frame(bench.settings, own).equals(
        frame(bench.settings, "FROM trajectories ORDER BY ALL")
    )


def test_the_legacy_meteor_has_its_identifier_under_both_names(bench: Bench) -> None:
    bench.put(DAILY, sample().first(5))
    load(bench)
    sql = "SELECT id, unique_trajectory_identifier FROM meteor ORDER BY id"
    assert ask(bench.settings, sql) == sorted((row[0], row[0]) for row in sample().rows[:5])
    links = (
        "SELECT count(DISTINCT meteor.unique_trajectory_identifier) FROM meteor JOIN "
        "participating_station ON meteor.id = participating_station.meteor_id"
    )
    assert ask(bench.settings, links) == [(5,)]


def test_the_flags_and_macros_are_listed(created: Bench) -> None:
    flags = ask(created.settings, "FROM quality_flag_definitions")
    assert flags == [(flag.name, flag.family, flag.meaning) for flag in QUALITY_FLAGS]
    listed = ask(created.settings, "SELECT macro_name FROM macro_definitions")
    there = ask(
        created.settings,
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE database_name = 'warehouse' "
        "AND NOT internal",
    )
    assert {name for (name,) in listed} == {macro.name for macro in MACROS}
    assert {name for (name,) in there} == {m.name for m in MACROS} | {"definitions_sha256"}


# A warehouse that another version made ------------------------------------------------------------


def snapshot(bench: Bench) -> list[tuple[int]]:
    return ask(bench.settings, "FROM ducklake_current_snapshot('warehouse')")


def test_a_warehouse_of_another_version_gets_todays_definitions_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put(DAILY, sample().first(5))
    with monkeypatch.context() as other:
        fewer = tuple(v for v in VIEWS if v.name != "trajectory_history")
        other.setattr(views, "VIEWS", fewer)
        other.setattr(views, "MACROS", MACROS[3:])
        load(bench)
    with pytest.raises(duckdb.CatalogException):
        ask(bench.settings, "FROM trajectory_history")
    make_snapshot(bench.settings)  # the end of every run, also of one that changes nothing
    assert count(bench.settings, "trajectory_history") == 5
    zero = "d_drummond(1, 0.5, 2, 3, 4, 1, 0.5, 2, 3, 4)"
    assert ask(bench.settings, f"SELECT {zero}") == [(0,)]
    created = snapshot(bench)
    Warehouse(bench.settings).create()
    assert snapshot(bench) == created


def test_a_warehouse_from_before_definitions_had_a_version_gets_them(bench: Bench) -> None:
    warehouse = Warehouse(bench.settings)
    warehouse.create()
    with warehouse.connection.writing() as connection, transaction(connection):
        connection.execute("DROP MACRO warehouse.definitions_sha256")
        connection.execute("DROP VIEW warehouse.quality_flag_definitions")
    assert not is_current(warehouse)
    warehouse.create()
    assert is_current(warehouse)
    assert count(bench.settings, "quality_flag_definitions") == len(QUALITY_FLAGS)


def is_current(warehouse: Warehouse) -> bool:
    with warehouse.connection.open(read_only=True) as connection:
        return views.are_current(connection, CATALOG)


def test_a_new_flag_changes_the_definitions() -> None:
    """All of them follow from QUALITY_FLAGS: no list is to be kept in step by hand."""
    flag = QualityFlag("odd", Family.NOTE, "odd", QUALITY_FLAGS[0].condition)
    listed = "\n".join(macro.body for macro in macros.MACROS)
    for known in QUALITY_FLAGS:
        assert f"'{known.name}'" in listed
        assert f"'{known.name}'" in views.FLAG_DEFINITIONS.query
    assert f"'{flag.name}'" not in listed


def test_what_fails_while_definitions_change_leaves_the_former_ones(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = Warehouse(bench.settings)
    warehouse.create()
    before = snapshot(bench)
    broken = replace(VIEWS[-1], query="SELECT no_such_column FROM trajectories")
    with monkeypatch.context() as other:
        other.setattr(views, "VIEWS", (*VIEWS[:-1], broken))
        with pytest.raises(duckdb.Error, match="no_such_column"):
            warehouse.create()
    assert snapshot(bench) == before
    assert is_current(warehouse)


def test_the_86_columns_are_described_under_their_legacy_names() -> None:
    summary = next(view for view in VIEWS if view.name == "meteor_summary")
    assert [f.name for f in summary.fields] == [f.legacy_name for f in TRAJECTORY_FIELDS]
    other = {"iau_no", "iau_code", "participating_stations"}
    for old, field in zip(summary.fields, TRAJECTORY_FIELDS, strict=True):
        assert (old.meaning == field.meaning) is (old.name not in other), old.name
