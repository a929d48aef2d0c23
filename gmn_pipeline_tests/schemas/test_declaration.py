"""A dataset is declared in one value: its checked rows, its tables, its pages, its asset."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

import gmn_pipeline
from gmn_pipeline.cli.reference import columns_page
from gmn_pipeline.orchestration.assets.keys import key_of
from gmn_pipeline.orchestration.assets.showers import warehouse_iau_showers
from gmn_pipeline.orchestration.metadata import column_schema
from gmn_pipeline.schemas import showers
from gmn_pipeline.schemas.dataset import Dataset, Table, integer, text, utc
from gmn_pipeline.schemas.derive import (
    duckdb_any_row,
    duckdb_create_table,
    duckdb_is_any_row,
    polars_schema,
)
from gmn_pipeline.schemas.fields import Field, Kind, Null
from gmn_pipeline.schemas.table_messages import messages_of
from gmn_pipeline.schemas.tables import (
    DATASETS,
    READINGS_TABLES,
    READINGS_WORKING_TABLES,
    WAREHOUSE_TABLES,
    WORKING_TABLES,
)
from gmn_pipeline.sources.iau_showers import bundled
from gmn_pipeline.validated.checks import Checks, FileRows, OnlyOnce
from gmn_pipeline.validated.flags import Family, QualityFlag, with_flags
from gmn_pipeline.validated.showers import check_list
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.showers import load_showers
from gmn_pipeline_tests.support.sample import Bench
from gmn_pipeline_tests.support.warehouse import count

every_dataset = pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)

LAKES = {
    "warehouse": (WAREHOUSE_TABLES, WORKING_TABLES),
    "readings": (READINGS_TABLES, READINGS_WORKING_TABLES),
}


# --- the declared datasets ---


@every_dataset
def test_the_tables_of_a_dataset_are_in_its_lake_and_on_its_page(dataset: Dataset) -> None:
    tables, working_tables = LAKES[dataset.lake]
    assert set(dataset.tables) <= set(tables)
    assert set(dataset.working_tables) <= set(working_tables)
    page = columns_page()
    for table in (*dataset.tables, *dataset.working_tables):
        assert page.count(f"\n## `{table.name}`\n") == 1
    assert f"A row is named by `{dataset.key[0]}`" in page


def test_the_list_of_showers_passes_the_checks_of_its_declaration_whole() -> None:
    copy = bundled()
    checked = check_list(copy)
    assert checked.showers.equals(copy.showers)
    assert checked.solutions.equals(copy.solutions)
    assert checked.problems == copy.problems


def test_a_row_of_the_shower_list_beyond_its_limits_is_left_out_and_named(bench: Bench) -> None:
    copy = bundled()
    fast = pl.when(pl.int_range(pl.len()) == 0).then(-1.0).otherwise("vgeo_km_s").alias("vgeo_km_s")
    solutions = copy.solutions.with_columns(fast)
    number, code = solutions.select("iau_shower_number", "iau_shower_code").row(0)
    refresh = load_showers(WarehouseConnection(bench.settings), replace(copy, solutions=solutions))
    assert refresh.warnings[0] == (
        f"A row of shower {number} {code} is left out: range: vgeo_km_s is -1.0, not within "
        "[0, inf) km/s."
    )
    assert count(bench.settings, "iau_shower_solutions") == len(solutions) - 1
    assert count(bench.settings, "iau_showers") == len(copy.showers)


def test_the_asset_of_the_showers_is_the_one_declared() -> None:
    [spec] = warehouse_iau_showers.specs
    assert spec.key == key_of("warehouse", showers.DATASET)
    assert spec.group_name == "warehouse"
    assert spec.metadata["dagster/column_schema"] == column_schema(showers.DATASET.current)


def test_no_two_tables_and_no_two_datasets_have_one_name() -> None:
    for lake in LAKES.values():
        tables = [table.name for some in lake for table in some]
        assert sorted(set(tables)) == sorted(tables)
    assert len({dataset.name for dataset in DATASETS}) == len(DATASETS)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.BYTES])
def test_the_row_that_comes_and_goes_in_a_new_table_is_found_whatever_its_columns(
    kind: Kind,
) -> None:
    table = Table("rows", "rows", (Field("one", "one", kind), Field("other", "other", kind)))
    with duckdb.connect() as db:
        db.execute(duckdb_create_table(table, catalog="memory"))
        db.execute(duckdb_any_row(table))
        db.execute(f"DELETE FROM rows WHERE {duckdb_is_any_row(table)}")
        assert db.execute("FROM rows").fetchall() == []


# --- what a declaration must be ---

ROWS = Table("rows", "rows", (text("name", "name"), utc("when", "time"), integer("n", "number")))
WRONG: dict[str, dict[str, Any]] = {
    "it has no table": {"tables": ()},
    "rows has no missing that is never null, to be its key": {"key": ("missing",)},
    "rows has no n that is never null, to be its key": {
        "tables": (replace(ROWS, fields=(*ROWS.fields[:2], Field("n", "n", null=Null.UNDEFINED))),),
        "key": ("name", "n"),
    },
    "rows has no time n": {"time_column": "n"},
    "rows has no time missing": {"time_column": "missing"},
    "rows has no flags": {"flags": Field("flags", "flags", Kind.TEXT_LIST)},
    "its messages do not say name": {
        "messages": messages_of(replace(ROWS, fields=ROWS.fields[1:]))
    },
    "two columns of rows have one name": {
        "tables": (replace(ROWS, fields=(*ROWS.fields, ROWS.fields[0])),)
    },
}


@pytest.mark.parametrize("problem", WRONG)
def test_a_declaration_that_contradicts_itself_is_refused(problem: str) -> None:
    sound: dict[str, Any] = {"tables": (ROWS,), "key": ("name",), "time_column": "when"}
    Dataset("things", **sound)
    with pytest.raises(ValueError, match=f"things is declared wrongly: {problem}"):
        Dataset("things", **sound | WRONG[problem])


# --- the checks of any table ---

ODD = QualityFlag("odd", Family.NOTE, "n is odd", pl.col("n") % 2 == 1)
FLAGS = Field("flags", "what is odd", Kind.TEXT_LIST)


def test_any_table_is_checked_by_its_declaration_and_flagged() -> None:
    table = replace(ROWS, fields=(*ROWS.fields, FLAGS))
    checks = Checks(table, with_flags=lambda rows: with_flags(rows, FLAGS, [ODD]))
    rows = pl.DataFrame(
        [("a", datetime(2026, 1, 1), 1), (None, datetime(2026, 1, 1), 2), ("c", None, -3),
         ("d", datetime(2026, 1, 1), 4)],
        schema=polars_schema(ROWS.fields), orient="row",
    )  # fmt: skip
    checked = checks.check(rows)
    assert checked.accepted.select("name", "flags").rows() == [("a", ["odd"]), ("d", [])]
    assert checked.rejected.rows() == [
        (1, ["range: name is missing"]),
        (2, ["range: n is -3, not within [0, inf)", "range: when is missing"]),
    ]


def test_texts_of_a_file_are_converted_as_their_kinds_say_and_the_key_stands_once() -> None:
    fields = (
        *ROWS.fields,
        Field("seen", "seen", Kind.BOOLEAN),
        Field("tags", "tags", Kind.TEXT_LIST),
        Field("day", "day", Kind.DATE),
        Field("bytes", "bytes", Kind.LONG),
    )
    table = Table("rows", "rows", (*fields, integer("line_number", "line", 1)))
    checks = Checks(
        table, only_once=OnlyOnce(("name",), most_of="n", why_not="which has the greater n")
    )
    rows = pl.DataFrame(
        {
            "name": [" a", "b ", "a", "c"],
            "when": ["2026-01-01 00:00:60"] * 3 + ["yesterday"],
            "n": pl.Series([1, 2, 3, 4], dtype=pl.Int32),
            "seen": ["True", "False", "True", "perhaps"],
            "tags": ["x,y", "x", "y", "z"],
            "day": ["2026-01-01", "2026-02-28", "2026-01-01", "2026-02-29"],
            "bytes": ["1", "9999999999", "3", "4.5"],
            "line_number": pl.Series([5, 6, 7, 8], dtype=pl.Int32),
        }
    )
    checked = checks.check_file_rows(rows, FileRows(fields))
    assert checked.accepted.rows() == [
        ("b", datetime(2026, 1, 1, 0, 1), 2, False, ["x"], date(2026, 2, 28), 9999999999, 6),
        ("a", datetime(2026, 1, 1, 0, 1), 3, True, ["y"], date(2026, 1, 1), 3, 7),
    ]
    assert checked.rejected.rows() == [
        (0, ["duplicate: a stands also in line 7, which has the greater n"]),
        (
            3,
            [
                "type: bytes is '4.5', not a integer of 64 bits",
                "type: day is '2026-02-29', not a date",
                "type: seen is 'perhaps', not a boolean",
                "type: when is 'yesterday', not a timestamp",
            ],
        ),
    ]


# --- a third dataset: a file of its own, and its line in the list ---

FIREBALLS = '''
"""Fireballs that people report."""

from gmn_pipeline.schemas.dataset import Dataset, Table, text, utc
from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.schemas.table_messages import messages_of

REPORTS = Table("fireballs", "fireballs that people report", (
    text("report_id", "the report", pattern="^R[0-9]+$"),
    utc("seen_at_utc", "when it was seen"),
    Field("brightness_mag", "brightness as reported", unit="mag", minimum=-30, maximum=10),
    Field("sounds", "kinds of sound that were heard", Kind.TEXT_LIST),
))
DATASET = Dataset("fireballs", (REPORTS,), key=("report_id",), time_column="seen_at_utc",
                  messages=messages_of(REPORTS))
'''

DO = """
import json, sys
from datetime import date, datetime
from pathlib import Path
import polars as pl
from gmn_pipeline.settings import Settings
from gmn_pipeline.schemas.fireballs import DATASET
from gmn_pipeline.schemas.derive import (
    duckdb_any_row,
    duckdb_create_table,
    duckdb_is_any_row,
    polars_schema,
)

REPORTS = DATASET.current
SEEN = datetime(2026, 11, 24, 3, 4, 5, 678901)
ROWS = pl.DataFrame(
    [("R1", SEEN, -12.5, ["boom", "hiss"]), ("R2", SEEN, 11.0, []), ("X3", SEEN, -4.0, []),
     ("R4", SEEN, -4.0, [])],
    schema=polars_schema(REPORTS.fields), orient="row",
)
def answer(value): print(json.dumps(value, default=str))
"""


class Package:
    """A copy of the package in which the third dataset is declared."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        copy = folder / "gmn_pipeline"
        source = Path(gmn_pipeline.__file__).parent
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(source.parent / "docs", folder / "docs")
        shutil.copytree(source.parent / "client/gmn_client", folder / "client/gmn_client")
        (copy / "schemas/fireballs.py").write_text(FIREBALLS)
        tables = copy / "schemas/tables.py"
        registered = (
            tables.read_text()
            .replace("import showers, ", "import fireballs, showers, ")
            .replace("    showers.DATASET,\n", "    showers.DATASET,\n    fireballs.DATASET,\n")
        )
        assert registered.count("fireballs") == 2
        tables.write_text(registered)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONWARNINGS": "ignore"}
        return subprocess.run(
            [sys.executable, *arguments], env=environment, cwd=self.folder, timeout=120,
            capture_output=True, text=True,
        )  # fmt: skip

    def __call__(self, code: str) -> Any:
        done = self.run("-c", DO + code)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return Package(tmp_path_factory.mktemp("package"))


def test_a_declared_dataset_is_checked(package: Package) -> None:
    accepted, rejected = package("""
from gmn_pipeline.validated.checks import Checks
checked = Checks(DATASET.checked[0]).check(ROWS)
answer([checked.accepted["report_id"].to_list(), checked.rejected.rows()])
""")
    assert accepted == ["R1", "R4"]
    assert rejected == [
        [1, ["range: brightness_mag is 11.0, not within [-30, 10] mag"]],
        [2, ["range: report_id is X3, not like ^R[0-9]+$"]],
    ]


def test_a_declared_dataset_has_its_table_in_the_lake_and_in_the_snapshot(
    package: Package, tmp_path: Path
) -> None:
    described, comments, rows, problems, kept = package(f"""
import duckdb
from gmn_pipeline.warehouse import ddl
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.releases.snapshot import make_snapshot
from gmn_pipeline.warehouse.verify import verify
settings = Settings(data_dir=Path({str(tmp_path)!r}))
warehouse = WarehouseConnection(settings)
with warehouse.writing() as connection:
    ddl.create(connection)
    connection.register("incoming", ROWS)
    connection.execute("INSERT INTO fireballs FROM incoming")
with warehouse.open(read_only=True) as connection:
    described = connection.execute("DESCRIBE fireballs").fetchall()
    comments = connection.execute(
        "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'fireballs'"
        " AND database_name = current_database()"
    ).fetchall()
    rows = connection.execute("FROM fireballs").pl()
make_snapshot(settings)
with duckdb.connect(str(settings.snapshot_dir / "gmn.duckdb"), read_only=True) as snapshot:
    kept = snapshot.execute("FROM fireballs").pl()
answer([described, comments, rows.equals(ROWS), verify(warehouse), kept.equals(ROWS)])
""")
    assert [row[:3] for row in described] == [
        ["report_id", "VARCHAR", "NO"],
        ["seen_at_utc", "TIMESTAMP", "NO"],
        ["brightness_mag", "DOUBLE", "NO"],
        ["sounds", "VARCHAR[]", "NO"],
    ]
    assert dict(comments)["brightness_mag"] == "[mag] brightness as reported"
    assert rows is True
    assert problems == []
    assert kept is True


def test_a_declared_dataset_has_its_page_its_message_schema_and_its_asset(
    package: Package,
) -> None:
    stale = package.run("-m", "gmn_pipeline.cli.reference", "--check")
    assert "columns.md, fireballs.avsc" in stale.stderr
    assert package.run("-m", "gmn_pipeline.cli.reference").returncode == 0
    assert package.run("-m", "gmn_pipeline.cli.reference", "--check").returncode == 0
    page = (package.folder / "docs/columns.md").read_text()
    assert (
        "## `fireballs`\n\nFireballs that people report. A row is named by `report_id`, its time "
        "is `seen_at_utc`.\n"
    ) in page
    assert "| `sounds` | VARCHAR[] | kinds of sound that were heard |" in page
    key, group, columns = package("""
from gmn_pipeline.orchestration.metadata import asset_spec
spec = asset_spec(DATASET, "warehouse", "Fireballs.", kinds={"ducklake"})
shown = spec.metadata["dagster/column_schema"].columns
answer([spec.key.path, spec.group_name, [[c.name, c.type, c.description] for c in shown]])
""")
    assert (key, group) == (["warehouse", "fireballs"], "warehouse")
    assert columns[2] == ["brightness_mag", "DOUBLE", "[mag] brightness as reported"]


def test_a_declared_dataset_goes_through_messages_and_back(package: Package) -> None:
    assert package.run("-m", "gmn_pipeline.cli.reference").returncode == 0  # publishes its schema
    read, versions, index, reasons, checked, independent = package("""
import fastavro, io
from gmn_pipeline.kafka.framing import single_object_framing, unframe
from gmn_pipeline.schemas.table_messages import to_fields, to_rows
from gmn_pipeline.validated.checks import Checks
messages = DATASET.messages
bodies = single_object_framing(messages).frame(to_fields(ROWS, messages))
decoded = unframe([*bodies, b"no message"], messages, None)
rows = to_rows(decoded.rows, messages, REPORTS)
schema = fastavro.parse_schema(messages.published("1.0"))
record = fastavro.schemaless_reader(io.BytesIO(bodies[0][10:]), schema)
checked = Checks(REPORTS).check(rows)
record["seen_at_utc"] = str(record["seen_at_utc"])
answer([rows.equals(ROWS), messages.versions(), decoded.index, list(decoded.reasons),
        checked.accepted["report_id"].to_list(), record])
""")
    assert read is True
    assert versions == ["1.0"]
    assert (index, reasons) == ([0, 1, 2, 3], [4])
    assert checked == ["R1", "R4"]
    assert independent == {
        "report_id": "R1",
        "seen_at_utc": "2026-11-24 03:04:05.678901+00:00",
        "brightness_mag": -12.5,
        "sounds": ["boom", "hiss"],
    }
