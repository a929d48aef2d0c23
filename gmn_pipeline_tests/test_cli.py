"""The command `gmn`, as a person runs it."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gmn_pipeline import reference
from gmn_pipeline.cli.console import console
from gmn_pipeline.cli.main import app
from gmn_pipeline.config import Settings, variable
from gmn_pipeline.errors import GmnError, SettingsError
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline_tests.sample import DAILY, Bench, sample

PROJECT = Path(__file__).parents[1]


@pytest.fixture
def gmn(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> "Gmn":
    monkeypatch.setenv("GMN_SOURCE_URL", str(bench.site))
    monkeypatch.setenv("GMN_DATA_DIR", str(bench.settings.data_dir))
    monkeypatch.setenv("GMN_OWN_KAFKA", "false")
    monkeypatch.setenv("GMN_IAU_SHOWERS_URL", "http://127.0.0.1:1/list.txt")
    monkeypatch.setattr(console, "width", 250)
    return Gmn()


class Gmn:
    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)

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
    bench.put(DAILY, sample().with_fields(5, begin_latitude_deg="   +91.000000"))
    first = gmn.says("run", "--from", "2022-03-04")
    assert row(first, "rows read") == "534"
    assert row(first, "rows accepted") == "533"
    assert row(first, "rows rejected") == "1"
    assert row(first, "trajectories inserted") == "533"
    assert "February Leonids" in first
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
    bench.put(DAILY, sample().first(5).stamped("2022-03-10 00:00:00"))
    older = gmn.says("run", "--from", "2022-03-04")
    assert row(older, "rows accepted") == "5"
    assert row(older, "in a newer file already") == "5"
    assert row(older, "trajectories unchanged") == "0"


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


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM trajectories",
        "DROP TABLE trajectories",
        "COPY trajectories TO '/tmp/gmn_test_copy.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "ATTACH '/tmp/gmn_test.duckdb'",
        "SET enable_external_access = true",
    ],
)
def test_queries_can_neither_write_nor_reach_other_files(
    bench: Bench, gmn: Gmn, statement: str
) -> None:
    bench.put(DAILY, sample().first(3))
    gmn.says("run", "--from", "2022-03-04")
    assert gmn("sql", statement).exit_code == 1
    assert json.loads(gmn.says("sql", "SELECT count(*) AS n FROM trajectories", "--format",
                               "json")) == [{"n": 3}]  # fmt: skip


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


def test_status_tells_the_newest_day_and_what_waits(bench: Bench, gmn: Gmn) -> None:
    bench.put(DAILY, sample())
    gmn.says("run", "--from", "2022-03-04")
    bench.put(DAILY, sample().stamped("2022-03-17 00:00:00"))
    bench.land()
    output = gmn.says("status")
    assert row(output, "newest day") == "2022-03-04"
    assert row(output, "trajectories") == "534"
    assert row(output, "landed, not loaded") == "1 files"


def test_every_setting_is_listed_with_its_help(gmn: Gmn) -> None:
    output = gmn.says("settings")
    for name, field in Settings.model_fields.items():
        assert variable(name) in output
        assert field.description


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
