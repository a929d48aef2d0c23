"""What `verify` finds: each rule broken by hand, and statistics that DuckLake would answer with."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from gmn_pipeline.cli.main import app
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.schemas.tables import WAREHOUSE_TABLES
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES
from gmn_pipeline.warehouse import ddl, statistics
from gmn_pipeline.warehouse.backend import CATALOG
from gmn_pipeline.warehouse.connection import WarehouseConnection, transaction
from gmn_pipeline.warehouse.verify import RULES, verify
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.warehouse import ask, maintain

NEWER = "2022-03-17 00:00:00.000000"
FIRST = sample().rows[0][0]


@pytest.fixture
def loaded(bench: Bench) -> Bench:
    """A day in two generations: rows, a revision, a withdrawal, a rejected row."""
    bench.put(DAILY, sample().first(6))
    load_days([DAY], bench.settings)
    newer = sample().first(5).stamped(NEWER).with_fields(1, duration_s="  9.99")
    bench.put(DAILY, newer.with_fields(2, begin_latitude_deg="   +91.000000"))
    load_days([DAY], bench.settings)
    return bench


def broken(bench: Bench, *statements: str) -> list[str]:
    """What is found after some statements that no part of the pipeline would run."""
    warehouse = WarehouseConnection(bench.settings)
    with warehouse.writing() as connection:
        for statement in statements:
            connection.execute(statement)
    return verify(warehouse)


def test_a_warehouse_that_was_loaded_is_sound(loaded: Bench) -> None:
    assert verify(WarehouseConnection(loaded.settings)) == []


def test_no_warehouse_has_nothing_wrong(bench: Bench) -> None:
    assert verify(WarehouseConnection(bench.settings)) == []


BREAKAGES = {
    "identifiers are unique": "INSERT INTO trajectories FROM trajectories LIMIT 1",
    "station links are unique": "INSERT INTO trajectory_stations FROM trajectory_stations LIMIT 1",
    "station links are those of the trajectories": "DELETE FROM trajectory_stations "
    f"WHERE trajectory_identifier = '{FIRST}'",
    "every station has a number of its own": "UPDATE stations SET station_number = 1",
    "the file that a trajectory names is loaded": "UPDATE trajectories SET source_file_sha256 = "
    f"'none' WHERE trajectory_identifier = '{FIRST}'",
    "revisions count up without a gap, and their times join": "UPDATE trajectories SET revision = 3"
    f" WHERE trajectory_identifier = '{FIRST}'",
    "the counts of a file add up": "UPDATE source_files SET rows_unchanged = rows_unchanged + 1",
    "rejected rows are as many as their file counts": "DELETE FROM rejected_rows",
    "as many trajectories are there as came and did not go": "DELETE FROM trajectories "
    f"WHERE trajectory_identifier = '{FIRST}'",
    "a claim is of a trajectory that is current from another file": "INSERT INTO trajectory_claims "
    "BY NAME SELECT COLUMNS(c -> c NOT IN ('revision', 'valid_from_utc', 'first_loaded_at_utc')) "
    "FROM trajectories LIMIT 1",
}


def test_there_is_a_breakage_for_every_rule() -> None:
    assert set(BREAKAGES) == {rule.name for rule in RULES}


@pytest.mark.parametrize("rule", BREAKAGES)
def test_what_breaks_a_rule_is_named(loaded: Bench, rule: str) -> None:
    assert any(rule in problem for problem in broken(loaded, BREAKAGES[rule]))


def test_the_command_says_what_is_wrong_and_fails(
    loaded: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GMN_DATA_DIR", str(loaded.settings.data_dir))
    assert CliRunner().invoke(app, ["verify"]).exit_code == 0
    broken(loaded, BREAKAGES["identifiers are unique"])
    result = CliRunner().invoke(app, ["verify"])
    assert result.exit_code == 1
    assert "identifiers are unique" in " ".join(result.output.split())


# --- statistics ----------------------------------------------------------------------------------


def extremes(bench: Bench) -> dict[str, tuple[object, ...]]:
    """The least and greatest day, as DuckLake answers them and as the rows have them."""
    sql = "SELECT min(bin_date), max(bin_date), min(station_count) FROM trajectories"
    rows = ask(bench.settings, "SELECT bin_date, station_count FROM trajectories")
    days, counts = zip(*rows, strict=True)
    return {"answered": ask(bench.settings, sql)[0], "there": (min(days), max(days), min(counts))}


def test_least_and_greatest_are_those_of_the_rows_in_a_new_warehouse(bench: Bench) -> None:
    bench.put(DAILY, sample())
    load_days([DAY], bench.settings)
    found = extremes(bench)
    assert found["answered"] == found["there"] == (DAY, DAY, 2)
    assert ask(bench.settings, "SELECT min(line_number) FROM rejected_rows") == [(None,)]
    least = "SELECT count(*) FROM trajectories WHERE bin_date = (SELECT min(bin_date) " \
            "FROM trajectories)"  # fmt: skip
    assert ask(bench.settings, least) == [(534,)]


def let_a_row_come_and_go(bench: Bench) -> None:
    """In one transaction, as the warehouses of a former version were made."""
    columns = ", ".join(n for n in TRAJECTORIES.columns if n != "bin_date")
    with WarehouseConnection(bench.settings).writing() as connection, transaction(connection):
        connection.execute(
            f"INSERT INTO trajectories (bin_date, {columns}) "
            f"SELECT DATE '1999-01-01', {columns} FROM trajectories LIMIT 1"
        )
        connection.execute("DELETE FROM trajectories WHERE bin_date = DATE '1999-01-01'")


def test_statistics_that_are_wrong_are_found_and_maintenance_mends_them(loaded: Bench) -> None:
    maintain(loaded.settings)  # after which DuckLake takes its statistics for exact
    let_a_row_come_and_go(loaded)
    warehouse = WarehouseConnection(loaded.settings)
    assert any("statistics of trajectories are wrong (bin_date)" in p for p in verify(warehouse))
    maintain(loaded.settings)
    assert verify(warehouse) == []
    found = extremes(loaded)
    assert found["answered"] == found["there"]


def test_statistics_left_open_stay_right_when_a_row_comes_and_goes(loaded: Bench) -> None:
    maintain(loaded.settings)
    with WarehouseConnection(loaded.settings).writing() as connection:
        statistics.leave_open(connection, [TRAJECTORIES])
    let_a_row_come_and_go(loaded)
    assert verify(WarehouseConnection(loaded.settings)) == []


def test_a_warehouse_of_a_former_version_gets_its_columns_and_right_statistics(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path)
    bench.put(DAILY, sample().first(4))
    load_days([DAY], bench.settings)
    with WarehouseConnection(bench.settings).writing() as connection:
        connection.execute("DROP TABLE trajectory_claims")
        connection.execute("ALTER TABLE source_files DROP COLUMN rows_superseded")
        with transaction(connection):
            connection.execute("DELETE FROM rejected_rows")
    let_a_row_come_and_go(bench)
    warehouse = WarehouseConnection(bench.settings)
    with warehouse.writing() as connection:
        ddl.create(connection)
        columns = {
            name: set(found)
            for name, found in connection.execute(
                "SELECT table_name, list(column_name) FROM duckdb_columns() "
                "WHERE database_name = ? GROUP BY 1",
                [CATALOG],
            ).fetchall()
        }
    assert all(columns[table.name] == set(table.columns) for table in WAREHOUSE_TABLES)
    assert verify(warehouse) == []
    newer = sample().first(3).stamped(NEWER)
    bench.put(DAILY, newer)
    report = load_days([DAY], bench.settings)
    assert (report.total("unchanged"), report.total("withdrawn")) == (3, 1)
    assert verify(warehouse) == []
