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
    BUCKETS_IN_PLACE,
    FILES_IN_PLACE,
    LOADED_COLUMNS,
    OBJECT_TABLES,
    OBJECT_WORKING_TABLES,
)
from gmn_pipeline.schemas.sql import sql_text
from gmn_pipeline.storage.files import literal
from gmn_pipeline.warehouse.backend import CATALOG
from gmn_pipeline.warehouse.buckets_in_place import BucketInPlace
from gmn_pipeline.warehouse.connection import WarehouseConnection, transaction
from gmn_pipeline.warehouse.objects.views import OBJECT_VIEWS

SOURCE_FILE = "source_file"
"""The column that says which file a row is of."""
_TAKEN = {t.name for t in (*OBJECT_TABLES, *OBJECT_WORKING_TABLES, *OBJECT_VIEWS)}
_NOT_OF_BUCKETS = frozenset("?*[")
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
    """A view: its name, whose it is, what its files lie below (a folder, or `s3://bucket/prefix`;
    with a `/` at its end), and the types that its columns have."""

    name: str
    project: str
    container: str
    crawl: str
    root: str
    content_type: str
    columns: Mapping[str, str]
    parts: Sequence[Part]
    bucket: BucketInPlace | None = None


def can_be_in_place(content_type: str) -> bool:
    """Whether such files can be read where they are."""
    return content_type in _READERS


def show(lake: WarehouseConnection, view: InPlace) -> bool:
    """Let the view be so; whether it was otherwise. Raises ObjectRefused if the name is another's,
    or the files cannot be read so."""
    _check_paths(view)
    sql = _select(view)
    paths = sorted(view.root + path for part in view.parts for path in part.paths)
    with lake.writing() as connection:
        _check_name(connection, view)
        if view.bucket is not None:
            _check_bucket(connection, view.name, view.bucket)
            lake.admit_in_place(connection, CATALOG, view.bucket)
        comment = _comment(sql, view.bucket)
        is_so = _is_as(connection, view.name, comment)
        if is_so if paths else not _crawl_of(connection, view.name):
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
                if rows and view.bucket is not None:
                    connection.execute(
                        f"INSERT INTO {BUCKETS_IN_PLACE.name} VALUES (?, ?, ?, ?)",
                        [view.name, *view.bucket],
                    )
                if rows:
                    connection.execute(f"CREATE VIEW {CATALOG}.{view.name} AS {sql}")
                    connection.execute(
                        f"COMMENT ON VIEW {CATALOG}.{view.name} IS {sql_text(comment)}"
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
    has_own = SOURCE_FILE in {name.lower() for name in view.columns}
    parts = []
    for part in view.parts:
        there = {name.lower(): (name, kind) for name, kind in part.columns.items()}
        chosen = [_value(column, kind, there) for column, kind in view.columns.items()]
        if not has_own:
            chosen.append(f"substr(filename, {len(view.root) + 1}) AS {SOURCE_FILE}")
        function, more = _READERS[view.content_type]
        files = ", ".join(sql_text(_named(view, path)) for path in part.paths)
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


def _named(view: InPlace, path: str) -> str:
    """A file as DuckDB's functions name that one, and no other."""
    return view.root + path if view.bucket else literal(Path(view.root + path))


def _check_paths(view: InPlace) -> None:
    """Of an address of S3 DuckDB takes what is behind a question mark for settings, another server
    among them."""
    paths = (path for part in view.parts for path in part.paths)
    odd = next((path for path in paths if view.bucket and set(path) & _NOT_OF_BUCKETS), None)
    if odd is not None or (set(view.root) & _NOT_OF_BUCKETS and view.bucket):
        raise ObjectRefused(
            f"{view.root}{odd or ''} cannot be read where it is: of a bucket, no name with one of "
            f"{' '.join(sorted(_NOT_OF_BUCKETS))} can.",
            remedy="Let the table be loaded (--as loaded), or name the file otherwise.",
        )


def _check_bucket(connection: duckdb.DuckDBPyConnection, name: str, bucket: BucketInPlace) -> None:
    columns = ", ".join(BUCKETS_IN_PLACE.columns[1:])
    rows = connection.execute(
        f"SELECT {columns} FROM {BUCKETS_IN_PLACE.name} WHERE table_name <> ?", [name]
    ).fetchall()
    other = next((one for row in rows if bucket.contradicts(one := BucketInPlace(*row))), None)
    if other is not None:
        raise ObjectRefused(
            f"{bucket.url} cannot be read where it is: another view reads {other.url} from "
            "another endpoint, or with keys where this one has none.",
            remedy="Let both crawls have the same --endpoint and --anonymous, or this table be "
            "loaded: --as loaded.",
        )


def _comment(sql: str, bucket: BucketInPlace | None) -> str:
    """What tells this view from one of other files: a hash of its text, and where they are."""
    told = sql if bucket is None else f"{sql} {bucket}"
    return f"files where they lie; text {hashlib.sha256(told.encode()).hexdigest()[:16]}"


def _is_as(connection: duckdb.DuckDBPyConnection, name: str, comment: str) -> bool:
    row = connection.execute(
        "SELECT comment FROM duckdb_views() WHERE database_name = ? AND view_name = ?",
        [CATALOG, name],
    ).fetchone()
    return row is not None and row[0] == comment


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
    for table in (FILES_IN_PLACE, BUCKETS_IN_PLACE):
        connection.execute(f"DELETE FROM {table.name} WHERE table_name = ?", [name])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
