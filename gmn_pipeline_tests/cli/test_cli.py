"""The command `gmn`, as a person runs it."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gmn_pipeline.cli import reference
from gmn_pipeline.cli.console import console
from gmn_pipeline.cli.main import app
from gmn_pipeline.errors import GmnError, QueryFailed, QueryRefused, SettingsError
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.settings import Settings, variable
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline_tests.support.readings import ReadingsLake, night
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def gmn(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> "Gmn":
    monkeypatch.setenv("GMN_SOURCE_URL", str(bench.site))
    monkeypatch.setenv("GMN_DATA_DIR", str(bench.settings.data_dir))
    monkeypatch.setenv("GMN_OWN_KAFKA", "false")
    monkeypatch.setenv("GMN_IAU_SHOWERS_URL", "http://127.0.0.1:1/list.txt")
    monkeypatch.setattr(console, "width", 250)
    return Gmn()


class Gmn:
    def __call__(self, *arguments: str, given: str = "") -> Result:
        return CliRunner().invoke(app, arguments, input=given)

    def says(self, *arguments: str) -> str:
        result = self(*arguments)
        assert result.exit_code == 0, result.output
        return result.output


def row(output: str, name: str) -> str:
    """The value of a line of a printed table."""
    (line,) = [line for line in output.splitlines() if f" {name} " in line]
    return line.strip("│ \n").split("│")[-1].strip()


def test_a_run_ends_with_its_counts_and_a_second_one_says_that_nothing_changed(
    bench: Bench, gmn: Gmn
) -> None:
    summary = sample().with_fields(5, begin_latitude_deg="   +91.000000")
    for number in range(10, 30):
        summary = summary.with_fields(number, iau_shower_number="65001", iau_shower_code="ZZZ")
    bench.put(DAILY, summary)
    first = gmn.says("run", "--from", "2022-03-04")
    assert row(first, "rows read") == "534"
    assert row(first, "rows accepted") == "533"
    assert row(first, "rows rejected") == "1"
    assert row(first, "trajectories inserted") == "533"
    assert "February Leonids" in first
    assert "names from IAU MDC streamfulldata as of 2023-04-18, bundled, " in first
    assert "years old: newer showers have no name" in first
    names = {line.split("│")[1].strip(): line for line in first.splitlines() if "│" in line}
    assert "65001: name not in the list" in names["ZZZ"]
    assert "sporadic" in names["..."]
    assert str(bench.settings.snapshot_dir / "gmn.duckdb") in first
    assert (bench.settings.snapshot_dir / "gmn.duckdb").exists()
    second = gmn.says("run", "--from", "2022-03-04")
    assert "Nothing changed" in second
    assert row(second, "trajectories unchanged") == "533"


def test_a_run_says_from_which_files_of_which_source_and_every_row_is_in_a_line(
    bench: Bench, gmn: Gmn
) -> None:
    bench.put("monthly/traj_summary_monthly_202203.txt", sample().stamped("2022-03-20 00:00:00"))
    monthly = gmn.says("run", "--from", "2022-03-04", "--history", "monthly")
    assert row(monthly, "source") == bench.site.as_uri() + "/"
    assert row(monthly, "monthly files") == "1, of which 1 new"
    assert row(monthly, "trajectories inserted") == "534"
    daily = sample().first(5).stamped("2022-03-10 00:00:00")
    bench.put(DAILY, daily.with_fields(2, duration_s="  9.99"))
    older = gmn.says("run", "--from", "2022-03-04")
    assert row(older, "rows accepted") == "5"
    assert row(older, "in a newer file already") == "1"
    assert row(older, "trajectories unchanged") == "4"


def test_a_run_with_a_bad_day_names_it_and_exits_with_1(bench: Bench, gmn: Gmn) -> None:
    bench.put(DAILY, sample().with_columns(lambda fields: fields[:9] + fields[10:]))
    result = gmn("run", "--from", "2022-03-03", "--to", "2022-03-04")
    assert result.exit_code == 1
    assert "2022-03-04 failed in validated" in result.output
    failed = gmn.says("status")
    assert "2022-03-04" in failed
    assert "validated" in failed


def test_days_before_the_network_are_refused_with_the_remedy(gmn: Gmn) -> None:
    result = gmn("run", "--from", "2012-01-01")
    assert isinstance(result.exception, SettingsError)
    assert "begins on 2018-12-09" in str(result.exception)
    assert "2022-03-04" in gmn("run", "--from", "4 March").output


def test_queries_answer_as_table_csv_and_json(bench: Bench, gmn: Gmn) -> None:
    bench.put(DAILY, sample())
    gmn.says("run", "--from", "2022-03-04")
    query = (
        "SELECT iau_shower_code AS code, count(*) AS n FROM trajectories GROUP BY 1 ORDER BY 2 DESC"
    )
    assert "486" in gmn.says("sql", query)
    rows = list(csv.DictReader(io.StringIO(gmn.says("sql", query, "--format", "csv"))))
    assert rows[0] == {"code": "...", "n": "486"}
    assert json.loads(gmn.says("sql", query, "--format", "json"))[0] == {"code": "...", "n": 486}


def test_queries_can_neither_write_nor_reach_other_files(bench: Bench, gmn: Gmn) -> None:
    bench.put(DAILY, sample().first(3))
    gmn.says("run", "--from", "2022-03-04")
    for statement in (
        "DELETE FROM trajectories",
        "DROP TABLE trajectories",
        "COPY trajectories TO '/tmp/gmn_test_copy.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "ATTACH '/tmp/gmn_test.duckdb'",
        "SET enable_external_access = true",
    ):
        assert gmn("sql", statement).exit_code == 1, statement
    assert json.loads(gmn.says("sql", "SELECT count(*) AS n FROM trajectories", "--format",
                               "json")) == [{"n": 3}]  # fmt: skip


@pytest.fixture
def loaded(bench: Bench, gmn: Gmn) -> Gmn:
    bench.put(DAILY, sample().first(30))
    load_days([DAY], bench.settings)
    return gmn


def test_a_query_may_begin_with_a_comment_and_come_from_the_input(loaded: Gmn) -> None:
    query = "-- how many = all\nSELECT count(*) AS n FROM trajectories"
    for answer in (
        loaded.says("sql", query, "--format", "csv"),
        loaded("sql", "-", "--format", "csv", given=query).output,
        loaded("sql", "--format", "csv", given=query).output,
    ):
        assert answer == "n\n30\n"
    assert loaded("sql", query, "--fromat", "csv").exit_code == 2


def test_rows_too_wide_for_the_terminal_are_lists_of_their_columns(
    loaded: Gmn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "width", 80)
    narrow = loaded.says("sql", "SELECT iau_shower_code FROM trajectories LIMIT 2")
    assert "│ iau_shower_code │" in narrow
    wide = loaded.says("sql", "SELECT * FROM trajectories ORDER BY trajectory_identifier")
    assert re.search(r"^── row 1 ─+$", wide, re.MULTILINE)
    assert len(re.findall(r"^vgeo_km_s +\d+\.\d+$", wide, re.MULTILINE)) == 20
    assert re.search(r"^participating_stations +\[.*\]$", wide, re.MULTILINE)
    assert "(30 rows, 20 shown; '--format csv' gives all)" in wide


def test_an_answer_that_was_cut_off_says_so_beside_it(
    loaded: Gmn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GMN_QUERY_MAX_ROWS", "2")
    result = loaded("sql", "FROM range(5)", "--format", "csv")
    assert result.exit_code == 0
    assert result.stdout == "range\n0\n1\n"
    assert "Cut off after 2 rows" in result.stderr
    assert "GMN_QUERY_MAX_ROWS" in result.stderr


def test_a_query_that_cannot_be_answered_is_told_in_a_sentence(loaded: Gmn) -> None:
    for query, kind in {
        "": QueryRefused,
        "-- nothing": QueryRefused,
        "SELECT nothing FROM trajectories": QueryFailed,
        "SELEC 1": QueryFailed,
    }.items():
        result = loaded("sql", query)
        assert result.exit_code == 1
        assert isinstance(result.exception, kind)
        assert result.stdout == ""


def test_a_query_works_while_a_writer_is_at_work(bench: Bench, gmn: Gmn) -> None:
    bench.put(DAILY, sample().first(3))
    gmn.says("run", "--from", "2022-03-04")
    with WarehouseConnection(bench.settings).writing() as writer:
        writer.execute("BEGIN")
        writer.execute("DELETE FROM trajectories")
        answer = gmn.says("sql", "SELECT count(*) AS n FROM trajectories", "--format", "json")
        assert json.loads(answer) == [{"n": 3}]
        writer.execute("ROLLBACK")


def test_status_without_a_warehouse_says_how_to_make_one(gmn: Gmn) -> None:
    assert "make run" in gmn.says("status")
    result = gmn("sql", "SELECT 1")
    assert isinstance(result.exception, GmnError)


def test_readings_can_be_asked_before_there_is_a_warehouse(bench: Bench, gmn: Gmn) -> None:
    ReadingsLake(bench.settings).take_in(night(5))
    sql = "SELECT (SELECT count(*) FROM readings.station_readings) + count(*) AS n FROM sensors"
    assert gmn.says("sql", "--format", "csv", sql).split() == ["n", "5"]
    refused = gmn("query", "nights")
    assert isinstance(refused.exception, QueryRefused)
    assert "no warehouse yet, only readings of stations" in str(refused.exception)


def test_status_tells_the_newest_day_and_what_waits(bench: Bench, gmn: Gmn) -> None:
    bench.put(DAILY, sample())
    gmn.says("run", "--from", "2022-03-04")
    bench.put(DAILY, sample().stamped("2022-03-17 00:00:00"))
    bench.land()
    output = gmn.says("status")
    assert row(output, "newest day") == "2022-03-04"
    assert row(output, "trajectories") == "534"
    assert row(output, "landed, not loaded") == "1 files"


def test_every_setting_is_listed_with_its_help_in_80_columns(
    gmn: Gmn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "width", 80)
    output = gmn.says("settings")
    lines = output.splitlines()
    assert max(map(len, lines)) <= 80
    words = " ".join(output.split())
    names = [line[2:].split()[0] for line in lines if re.match(r"[* ] [A-Z0-9_]+ =", line)]
    assert sorted(names) == sorted(variable(name) for name in Settings.model_fields)
    for field in Settings.model_fields.values():
        assert " ".join((field.description or "").split()) in words


def test_settings_mark_what_is_set_and_say_what_else_it_would_be(
    gmn: Gmn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GMN_HTTP_RETRIES", "9")
    output = gmn.says("settings")
    assert "* GMN_HTTP_RETRIES = 9" in output
    assert "Default: 5" in output
    assert "  GMN_HTTP_CONCURRENCY = 4" in output
    assert "  KAFKA_SSL_CAFILE = (not set)" in output


def test_settings_show_no_secret(gmn: Gmn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "swordfish")
    monkeypatch.setenv("SCHEMA_REGISTRY_BASIC_AUTH", "reader:swordfish")
    monkeypatch.setenv("SCHEMA_REGISTRY_URL", "https://reader:swordfish@registry.example/")
    output = gmn.says("settings")
    assert "swordfish" not in output
    assert "* KAFKA_SASL_PASSWORD = (hidden)" in output
    assert "https://(hidden)@registry.example/" in output


def test_a_setting_without_a_usable_value_is_named(
    gmn: Gmn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GMN_HTTP_CONCURRENCY", "many")
    result = gmn("status")
    assert "GMN_HTTP_CONCURRENCY" in str(result.exception)


def test_the_sample_directory_is_laid_out_like_the_networks(tmp_path: Path, gmn: Gmn) -> None:
    gmn.says("sample", str(tmp_path / "site"))
    (file,) = (tmp_path / "site").rglob("*.txt")
    assert file.relative_to(tmp_path / "site").as_posix() == DAILY


def test_the_reference_pages_are_up_to_date() -> None:
    for name, page in reference.PAGES.items():
        assert (PROJECT / "docs" / name).read_text("utf-8") == page(), f"run 'make docs': {name}"


def test_every_setting_that_the_code_reads_is_documented() -> None:
    documented = (PROJECT / "docs" / "settings.md").read_text("utf-8")
    read = {
        name
        for file in (PROJECT / "gmn_pipeline").rglob("*.py")
        for name in re.findall(r"\bGMN_[A-Z_]+[A-Z]\b", file.read_text("utf-8"))
    }
    assert read
    assert {name for name in read if name not in documented} == set()


def test_errors_say_what_to_do() -> None:
    error = SettingsError("No such thing.", remedy="Do this.")
    assert str(error) == "No such thing. Do this."
