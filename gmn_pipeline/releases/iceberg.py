"""Tables of the lakes as Iceberg tables, for whoever wants them in another database.

    catalog.sqlite                          Iceberg's SQL catalogue, as pyiceberg has it
    <lake>/<table>/data, metadata           files of Parquet, and what Iceberg says of them

DuckLake's own files would do as they are, but rows that are inlined and deletions are not seen by
Iceberg: so DuckDB writes each table to one file, as of one state of its lake, and Iceberg takes
that file as it is in the commit that lets go of the former one. Who is killed leaves what was
there.

What belongs here: that. What does not: `gmn.duckdb` and its Parquet (`snapshot.py`). Iceberg's
format: iceberg.apache.org/spec, version 2, written by pyiceberg.
"""

import logging
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from gmn_pipeline.errors import CountMismatch, ServiceRunning, SettingsError
from gmn_pipeline.releases.snapshot import LICENCE
from gmn_pipeline.schemas.sql import quoted, sql_text
from gmn_pipeline.settings import WarehouseSettings
from gmn_pipeline.storage.files import alone
from gmn_pipeline.warehouse import ddl
from gmn_pipeline.warehouse.backend import CATALOG
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import OBJECTS, READINGS, WAREHOUSE, Lake

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

LAKES = (WAREHOUSE, READINGS, OBJECTS)
"""Whose tables are exported, each under the name of its lake."""

_log = logging.getLogger(__name__)
_STATE = "gmn.lake-snapshot"
_KEPT_EXPORTS = 2
"""States of a table: who reads the one before the newest goes on."""
# What Iceberg has no type for, and what it becomes. The rest of DuckDB's types are there.
_CASTS = (
    (re.compile(r"U?TINYINT|U?SMALLINT"), "INTEGER"),
    (re.compile(r"UINTEGER"), "BIGINT"),
    (re.compile(r"UBIGINT|U?HUGEINT"), "DECIMAL(38, 0)"),
    (re.compile(r"TIMESTAMP_(S|MS|NS)"), "TIMESTAMP"),
    (re.compile(r"UUID|INTERVAL|JSON|BIT|TIME WITH TIME ZONE|ENUM\(.*"), "VARCHAR"),
)
_KNOWN_INSIDE = re.compile(r"(VARCHAR|INTEGER|BIGINT|DOUBLE|BOOLEAN|DATE|TIMESTAMP)(\[\])+")


@dataclass(frozen=True)
class Exported:
    """A table in Iceberg; `is_new`: whether there was anything to do."""

    name: str
    rows: int
    is_new: bool


def export(settings: WarehouseSettings, folder: Path) -> Iterator[Exported]:
    """Bring the Iceberg tables of a folder up to date, one after the other.

    Raises SettingsError if pyiceberg is not installed, ServiceRunning if another process is at it.
    """
    running = ServiceRunning(
        f"Another process exports to {folder} already.", remedy="Let it work, or stop it."
    )
    folder = folder.absolute()
    with alone(folder / ".lock", running):
        catalog = _catalog(folder)
        for lake in LAKES:
            warehouse = WarehouseConnection(settings, lake)
            if warehouse.exists:
                catalog.create_namespace_if_not_exists(lake.name)
                yield from _export_lake(catalog, folder / lake.name, warehouse)


def _catalog(folder: Path) -> "SqlCatalog":
    try:
        from pyiceberg.catalog.sql import SqlCatalog
    except ImportError as error:
        raise SettingsError(
            "Exporting to Iceberg needs the package pyiceberg.",
            remedy="pip install 'gmn-pipeline[iceberg]'",
        ) from error
    return SqlCatalog("gmn", uri=f"sqlite:///{folder}/catalog.sqlite", warehouse=f"file://{folder}")


def _export_lake(
    catalog: "SqlCatalog", folder: Path, warehouse: WarehouseConnection
) -> Iterator[Exported]:
    meanings = {
        table.name: {f.name: f"{f.meaning} [{f.unit}]" if f.unit else f.meaning
                     for f in table.fields}
        for table in ddl.content(warehouse.lake).asked
    }  # fmt: skip
    with warehouse.open(read_only=True) as connection:
        connection.execute("BEGIN")  # every table as of one state
        state = str(_scalar(connection, f"FROM ducklake_current_snapshot('{CATALOG}')"))
        names = _tables(connection, warehouse.lake)
        for name in names:
            table = _TableOf(catalog, folder / name, f"{warehouse.lake.name}.{name}")
            yield table.bring_up_to_date(connection, name, state, meanings.get(name, {}))
        connection.execute("COMMIT")
    for _, name in catalog.list_tables(warehouse.lake.name):
        if name not in names:
            _TableOf(catalog, folder / name, f"{warehouse.lake.name}.{name}").drop()


def _tables(connection: duckdb.DuckDBPyConnection, lake: Lake) -> list[str]:
    """What people ask, with what was loaded out of objects; not the pipeline's own tables."""
    own = [table.name for table in ddl.content(lake).working]
    rows = connection.execute(
        "SELECT table_name FROM duckdb_tables() "
        "WHERE database_name = ? AND NOT list_contains(?, table_name) ORDER BY 1",
        [CATALOG, own],
    ).fetchall()
    return [name for (name,) in rows]


@dataclass(frozen=True)
class _TableOf:
    """An Iceberg table in its folder."""

    catalog: "SqlCatalog"
    folder: Path
    name: str

    def bring_up_to_date(
        self, connection: duckdb.DuckDBPyConnection, source: str, state: str,
        meanings: Mapping[str, str],
    ) -> Exported:  # fmt: skip
        rows = _scalar(connection, f"SELECT count(*) FROM {quoted(source)}")
        if self._state() == state:
            return Exported(self.name, rows, is_new=False)
        file = self._written(connection, source)
        self._exchange(_documented(pq.read_schema(file), meanings), file, state)
        table = self.catalog.load_table(self.name)
        found = _rows_of(table)
        if found != rows:
            raise CountMismatch(
                f"{self.name} has {rows:,} rows, and {found:,} in Iceberg.",
                remedy="Export once more; if it says so again, please report it.",
            )
        self._remove_old(table)
        return Exported(self.name, rows, is_new=True)

    def _state(self) -> str | None:
        if not self.catalog.table_exists(self.name):
            return None
        snapshot = self.catalog.load_table(self.name).current_snapshot()
        return _state_of(snapshot) if snapshot else None

    def _written(self, connection: duckdb.DuckDBPyConnection, source: str) -> Path:
        """The table's rows as a file of its own. If it is not committed, the next export removes
        it."""
        columns = connection.execute(f"DESCRIBE {quoted(source)}").fetchall()
        chosen = ", ".join(_value(name, kind) for name, kind, *_ in columns)
        file = self.folder / "data" / f"{uuid.uuid4().hex}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        connection.execute(
            f"COPY (SELECT {chosen} FROM {quoted(source)}) TO {sql_text(str(file))} "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
        return file

    def _exchange(self, schema: pa.Schema, file: Path, state: str) -> None:
        """Let the table have this file. If its columns became what Iceberg cannot turn them into,
        it is made anew, without its former states."""
        if self.catalog.table_exists(self.name):
            table = self.catalog.load_table(self.name)
            if {field.name for field in table.schema().fields} <= set(schema.names):
                try:
                    return self._commit(table, schema, file, state)
                except ValueError:
                    _log.info("%s has columns of other types now: it is made anew.", self.name)
            self.catalog.drop_table(self.name)
        return self._commit(self._made(schema), schema, file, state)

    def _made(self, schema: pa.Schema) -> "Table":
        return self.catalog.create_table(
            self.name, schema, location=f"file://{self.folder}",
            properties={
                "gmn.licence": LICENCE, "write.metadata.delete-after-commit.enabled": "true",
                "write.metadata.previous-versions-max": str(_KEPT_EXPORTS),
            },
        )  # fmt: skip

    def _commit(self, table: "Table", schema: pa.Schema, file: Path, state: str) -> None:
        """The new file instead of the former one. Raises ValueError if its columns cannot be."""
        from pyiceberg.expressions import AlwaysTrue

        with table.transaction() as change:
            if _rows_of(table):
                change.delete(AlwaysTrue())
            with change.update_schema() as columns:
                columns.union_by_name(schema)
            change.add_files([f"file://{file}"], snapshot_properties={_STATE: state})

    def drop(self) -> None:
        """Remove it, with its files."""
        self.catalog.drop_table(self.name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _remove_old(self, table: "Table") -> None:
        """Forget all but the last states, and remove files that none of the others names."""
        there = sorted(table.snapshots(), key=lambda one: one.timestamp_ms)
        exports = [one.snapshot_id for one in there if _state_of(one) is not None]
        gone = {one.snapshot_id for one in there} - set(exports[-_KEPT_EXPORTS:])
        if gone:
            table.maintenance.expire_snapshots().by_ids(sorted(gone)).commit()
            table.refresh()
        named = set(_files_of(table))
        for file in (*self.folder.glob("data/*.parquet"), *self.folder.glob("metadata/*.avro")):
            if f"file://{file}" not in named:
                file.unlink()


def _state_of(snapshot: "Snapshot") -> str | None:
    """The state of the lake that it is; none of what only lets go of a former file."""
    return snapshot.summary.additional_properties.get(_STATE) if snapshot.summary else None


def _files_of(table: "Table") -> Iterator[str]:
    for snapshot in table.snapshots():
        yield snapshot.manifest_list
        for manifest in snapshot.manifests(table.io):
            yield manifest.manifest_path
            for entry in manifest.fetch_manifest_entry(table.io):
                yield entry.data_file.file_path


def _rows_of(table: "Table") -> int:
    snapshot = table.current_snapshot()
    return int(snapshot.summary["total-records"] or 0) if snapshot and snapshot.summary else 0


def _documented(schema: pa.Schema, meanings: Mapping[str, str]) -> pa.Schema:
    """With what each column is, where Iceberg's schema says it."""
    return pa.schema([
        field.with_metadata({"doc": meanings[field.name]}) if field.name in meanings
        else field.remove_metadata()
        for field in schema
    ])  # fmt: skip


def _value(name: str, kind: str) -> str:
    """A column as a type that Iceberg has."""
    column = quoted(name)
    for pattern, becomes in _CASTS:
        if pattern.fullmatch(kind):
            return f"CAST({column} AS {becomes}) AS {column}"
    is_nested = kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION"))
    if is_nested and not _KNOWN_INSIDE.fullmatch(kind):
        return f"to_json({column})::VARCHAR AS {column}"
    return column


def _scalar(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    row: Any = connection.execute(sql).fetchone()
    return int(row[0])
