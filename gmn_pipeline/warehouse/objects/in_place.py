"""Views over files that stay where they are, beside the lake of objects.

What belongs here: making, moving on and dropping such views, and which files a session that is
closed to all else has to be let read for them. What does not: finding files and schemas
(`flows/object_crawl.py`).

Files of the same schema are read together by one function, and the schemas are put together by
name: no file but the first of each is looked at before it is read.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.object_tables import (
    FILES_IN_PLACE,
    LOADED_COLUMNS,
    OBJECT_TABLES,
    OBJECT_WORKING_TABLES,
)
from gmn_pipeline.schemas.sql import sql_text
from gmn_pipeline.storage.files import literal
from gmn_pipeline.warehouse.backend import CATALOG
from gmn_pipeline.warehouse.connection import WarehouseConnection, transaction
from gmn_pipeline.warehouse.objects.views import OBJECT_VIEWS

SOURCE_FILE = "source_file"
"""The column that says which file a row is of."""
_TAKEN = {t.name for t in (*OBJECT_TABLES, *OBJECT_WORKING_TABLES, *OBJECT_VIEWS)}
_READERS = {
    "application/vnd.apache.parquet": ("read_parquet", ""),
    "text/csv": ("read_csv", ", sample_size = -1"),
    "text/tab-separated-values": ("read_csv", ", sample_size = -1, delim = '\t'"),
    "application/x-ndjson": ("read_json", ", format = 'newline_delimited'"),
    "application/json": ("read_json", ", format = 'array'"),
}


@dataclass(frozen=True)
class Part:
    """Files of one schema: paths within the folder, and types by columns."""

    columns: Mapping[str, str]
    paths: Sequence[str]


@dataclass(frozen=True)
class InPlace:
    """A view: its name, whose it is, the folder, and the types that its columns have."""

    name: str
    project: str
    container: str
    crawl: str
    folder: Path
    content_type: str
    columns: Mapping[str, str]
    parts: Sequence[Part]


def can_be_in_place(content_type: str) -> bool:
    """Whether such files can be read where they are."""
    return content_type in _READERS


def show(lake: WarehouseConnection, view: InPlace) -> bool:
    """Let the view be so; whether it was otherwise. Raises ObjectRefused if the name is another's,
    or the files cannot be read so."""
    sql = _select(view)
    paths = sorted(str(view.folder / path) for part in view.parts for path in part.paths)
    with lake.writing() as connection:
        _check_name(connection, view)
        if _is_as(connection, view.name, sql) if paths else not _crawl_of(connection, view.name):
            return False
        rows = [(view.name, view.project, view.container, view.crawl, path) for path in paths]
        files = pl.DataFrame(rows, schema=polars_schema(FILES_IN_PLACE.fields), orient="row")
        connection.register("new_files", files.to_arrow())
        try:
            with transaction(connection):
                _forget(connection, view.name)
                connection.execute(
                    f"INSERT INTO {FILES_IN_PLACE.name} SELECT {', '.join(FILES_IN_PLACE.columns)} "
                    "FROM new_files"
                )
                if rows:
                    connection.execute(f"CREATE VIEW {CATALOG}.{view.name} AS {sql}")
                    connection.execute(
                        f"COMMENT ON VIEW {CATALOG}.{view.name} IS {sql_text(_comment(sql))}"
                    )
        except (duckdb.IOException, duckdb.BinderException, duckdb.InvalidInputException) as error:
            said = " ".join(str(error).split())[:300]
            raise ObjectRefused(
                f"{view.name} cannot be read where its files are: {said}"
            ) from error
        finally:
            connection.unregister("new_files")
    return True


def hide(lake: WarehouseConnection, name: str, crawl: str) -> None:
    """Remove the view of a crawl, if there is one; its files stay."""
    if not lake.exists:
        return
    with lake.writing() as connection:
        if _crawl_of(connection, name) == crawl:
            with transaction(connection):
                _forget(connection, name)


def _select(view: InPlace) -> str:
    root = str(view.folder).rstrip("/") + "/"
    has_own = SOURCE_FILE in {name.lower() for name in view.columns}
    parts = []
    for part in view.parts:
        there = {name.lower(): (name, kind) for name, kind in part.columns.items()}
        chosen = [_value(column, kind, there) for column, kind in view.columns.items()]
        if not has_own:
            chosen.append(f"substr(filename, {len(root) + 1}) AS {SOURCE_FILE}")
        function, more = _READERS[view.content_type]
        files = ", ".join(sql_text(literal(view.folder / path)) for path in part.paths)
        more += "" if has_own else ", filename = true"
        if function == "read_csv":
            types = ", ".join(f"{sql_text(n)}: {sql_text(k)}" for n, k in part.columns.items())
            more += f", types = {{{types}}}"
        elif function == "read_json":
            types = ", ".join(f"{sql_text(n)}: {sql_text(k)}" for n, k in part.columns.items())
            more += f", columns = {{{types}}}"
        parts.append(f"SELECT {', '.join(chosen)} FROM {function}([{files}]{more})")
    return " UNION ALL BY NAME ".join(parts)


def _value(column: str, kind: str, there: Mapping[str, tuple[str, str]]) -> str:
    if column.lower() not in there:
        return f"NULL::{kind} AS {_quoted(column)}"
    name, own = there[column.lower()]
    value = _quoted(name) if own == kind else f"CAST({_quoted(name)} AS {kind})"
    return f"{value} AS {_quoted(column)}"


def _comment(sql: str) -> str:
    """What tells this view from one of other files: a hash of its text."""
    return f"files where they lie; text {hashlib.sha256(sql.encode()).hexdigest()[:16]}"


def _is_as(connection: duckdb.DuckDBPyConnection, name: str, sql: str) -> bool:
    row = connection.execute(
        "SELECT comment FROM duckdb_views() WHERE database_name = ? AND view_name = ?",
        [CATALOG, name],
    ).fetchone()
    return row is not None and row[0] == _comment(sql)


def _check_name(connection: duckdb.DuckDBPyConnection, view: InPlace) -> None:
    crawl = _crawl_of(connection, view.name)
    loaded = connection.execute(
        f"SELECT 1 FROM {LOADED_COLUMNS.name} WHERE table_name = ? LIMIT 1", [view.name]
    ).fetchone()
    if view.name in _TAKEN or loaded or (crawl and crawl != view.crawl):
        raise ObjectRefused(
            f"There is a table {view.name} already.",
            remedy="Give it another name: 'gmn objects crawl-accept ... --table OTHER'.",
        )


def _crawl_of(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    row = connection.execute(
        f"SELECT crawl FROM {FILES_IN_PLACE.name} WHERE table_name = ? LIMIT 1", [name]
    ).fetchone()
    return row[0] if row else ""


def _forget(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    connection.execute(f"DROP VIEW IF EXISTS {CATALOG}.{_quoted(name)}")
    connection.execute(f"DELETE FROM {FILES_IN_PLACE.name} WHERE table_name = ?", [name])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
