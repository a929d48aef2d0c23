"""Keep the warehouse quick and small: few files, no former state longer than it is wanted.

What belongs here: which files are put together, given up and removed, and when. What does not:
rows; no query has another answer afterwards. No query fails either: readers wait while rows and
files are put together, and what others may still have open is removed later
(docs/decisions/0009-maintenance-beside-readers.md).
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from gmn_pipeline.errors import WarehouseBusy
from gmn_pipeline.schemas.sql import quoted, sql_text
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES
from gmn_pipeline.warehouse import ddl, statistics
from gmn_pipeline.warehouse.backend import CATALOG
from gmn_pipeline.warehouse.connection import METADATA, WarehouseConnection, retry_while_busy

_READERS_FINISH_WITHIN = timedelta(days=1)
"""A file stays for so long after nothing needs it any more but queries that were under way."""

_REWRITE_FROM_DELETED_SHARE = 0.01
"""A data file of which so much is deleted is written anew without it."""

_REWRITE_BY_DAY_FROM_SHARE = 0.1

_MOST_INLINED_ROWS = 200
"""So many rows of a table may stand in the catalogue: ten commits of 20. To look at one of them
takes each query 30 us and a commit, which looks several times, 150 us."""

_MOST_SMALL_FILES = 8
_SMALL_FILE_BYTES = 4_000_000
"""So many files of `trajectories` may be smaller than this: 200 rows of small commits are 0.2 MB,
and each file makes every query slower."""

_HALF_A_FILE_BYTES = ddl.FILE_MB * 1_000_000 // 2
"""At night smaller files are put together. What a load wrote, 56 MB for 100,000 rows, stays as it
is: of one time, and DuckLake puts files together in the order in which they were written."""

_PATIENCE_S = 10.0
"""So long maintenance waits for readers to be gone, and new ones for it."""

_TOO_MANY_INLINED_ROWS = 1_000
_PATIENCE_OF_A_COMMIT_S = 0.5
_SHORT_PATIENCE_S = 0.05
"""So long the next commit waits for readers: as most queries take, until rows in the catalogue
are too many. Where somebody reads all the time, it waits in vain."""


@dataclass(frozen=True)
class LakeMaintenance:
    """What was done. Files are data files and files of deletions, as the catalogue names them."""

    files_before: int
    files_after: int
    rows_flushed: int
    snapshots_expired: int
    files_removed: int
    orphans_removed: int
    bytes_freed: int


def maintain_lake(
    warehouse: WarehouseConnection, keep: timedelta, now: datetime
) -> LakeMaintenance:
    """All of it; DuckLake's snapshots are kept for so long. Writers wait meanwhile, readers for a
    part of it.

    Raises WarehouseBusy if a writer or a reader keeps the warehouse for too long.
    """
    with warehouse.writing() as connection:
        ddl.create(connection, warehouse.lake)
        files_before = _file_count(connection)
        with warehouse.without_readers(_PATIENCE_S):
            rows_flushed = _put_together(connection)
        exact = statistics.taken_for_exact(connection, ddl.content(warehouse.lake).tables)
        wrong = [table for table in exact if statistics.wrong_columns(connection, table)]
        statistics.leave_open(connection, wrong)
        files_after = _file_count(connection)
        bytes_before = warehouse.backend.storage.size_bytes(connection)
        expired = call(connection, "expire_snapshots", older_than(now - keep))
        gone = older_than(now - _READERS_FINISH_WITHIN)
        removed = call(connection, "cleanup_old_files", gone)
        orphans = call(connection, "delete_orphaned_files", gone)
        bytes_freed = bytes_before - warehouse.backend.storage.size_bytes(connection)
    return LakeMaintenance(
        files_before, files_after, rows_flushed, len(expired), len(removed), len(orphans),
        bytes_freed,
    )  # fmt: skip


def flush_small_commits(warehouse: WarehouseConnection) -> int:
    """Write rows that small commits left in the catalogue into files, of tables where they are
    many, and make one of many small files, if nobody is reading; how many rows. If somebody is
    reading, the next commit or the night brings another chance.
    """
    try:
        with warehouse.writing(rows=0) as connection:
            counts = inlined_rows(connection)
            many = {table for table, rows in counts.items() if rows > _MOST_INLINED_ROWS}
            if not many:
                return 0
            # What was taken out of it goes into files too: of withdrawn ones it has nothing else.
            many.add(TRAJECTORIES.name)
            too_many = max(counts.values()) > _TOO_MANY_INLINED_ROWS
            patience_s = _PATIENCE_OF_A_COMMIT_S if too_many else _SHORT_PATIENCE_S
            with warehouse.without_readers(patience_s):
                flushed = sum(_flush(connection, table) for table in sorted(many))
                if _small_files(connection) > _MOST_SMALL_FILES:
                    _put_small_files_together(connection)
                warehouse.renew()
                return flushed
    except WarehouseBusy:
        return 0


def inlined_rows(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How many rows of each table stand in the catalogue instead of a file."""
    inlined = _rows(
        connection,
        f"SELECT t.table_name, i.table_name FROM {METADATA}.ducklake_inlined_data_tables i "
        f"JOIN {METADATA}.ducklake_table t USING (table_id) WHERE t.end_snapshot IS NULL",
    )
    counts = [
        f"SELECT {sql_text(table)}, count(*) FROM {METADATA}.{quoted(of_table)}"
        for table, of_table in inlined
    ]
    # A table whose columns changed has one for each of its forms.
    found: Counter[str] = Counter()
    for table, number in _rows(connection, " UNION ALL ".join(counts)) if counts else ():
        found[table] += number
    return found


def _small_files(connection: duckdb.DuckDBPyConnection) -> int:
    """Data files of `trajectories` that are small."""
    sql = (
        f"SELECT count(*) FROM {METADATA}.ducklake_data_file f "
        f"JOIN {METADATA}.ducklake_table t USING (table_id) "
        "WHERE t.table_name = ? AND f.end_snapshot IS NULL AND f.file_size_bytes < ?"
    )
    return int(_rows(connection, sql, TRAJECTORIES.name, _SMALL_FILE_BYTES)[0][0])


def _flush(connection: duckdb.DuckDBPyConnection, table: str | None = None) -> int:
    """Rows of a table, or of all, from the catalogue into files; how many."""
    which = [f"table_name => {sql_text(table)}"] if table is not None else []
    return sum(rows for *_, rows in call(connection, "flush_inlined_data", *which))


def _put_small_files_together(connection: duckdb.DuckDBPyConnection) -> None:
    """A file of which rows are deleted is not merged: small ones lose many soon, large ones few."""
    _rewrite(connection, _REWRITE_BY_DAY_FROM_SHARE)
    call(connection, "merge_adjacent_files", f"max_file_size => {_SMALL_FILE_BYTES}")


def _put_together(connection: duckdb.DuckDBPyConnection) -> int:
    """Rows and files of many small commits into few files; how many rows left the catalogue."""
    flushed = _flush(connection)
    _rewrite(connection, _REWRITE_FROM_DELETED_SHARE)
    call(connection, "merge_adjacent_files", f"max_file_size => {_HALF_A_FILE_BYTES}")
    return flushed


def _rewrite(connection: duckdb.DuckDBPyConnection, from_share: float) -> None:
    """Write data files anew of which so much is deleted: file by file where they are large, since
    DuckLake makes one file of all that it rewrites at once, and that of all times
    (https://github.com/duckdb/ducklake/issues/1241)."""
    for table, share in _large_rewrites(connection, from_share):
        # Those with more have their turn before it.
        threshold = f"delete_threshold => {share * (1 - 1e-9)}"
        call(connection, "rewrite_data_files", sql_text(table), threshold)
    call(connection, "rewrite_data_files", f"delete_threshold => {from_share}")


def _large_rewrites(
    connection: duckdb.DuckDBPyConnection, from_share: float
) -> list[tuple[str, float]]:
    """Tables whose files would become a large one, with the deleted share of each, largest
    first."""
    sql = f"""
    SELECT DISTINCT table_name, share FROM (
      SELECT t.table_name, d.delete_count / f.record_count AS share,
        sum(f.file_size_bytes) OVER (PARTITION BY f.table_id) AS bytes
      FROM {METADATA}.ducklake_data_file f
      JOIN {METADATA}.ducklake_delete_file d USING (data_file_id)
      JOIN {METADATA}.ducklake_table t ON t.table_id = f.table_id
      WHERE f.end_snapshot IS NULL AND d.end_snapshot IS NULL AND t.end_snapshot IS NULL
        AND d.delete_count >= f.record_count * ?)
    WHERE bytes > ? ORDER BY share DESC"""
    return _rows(connection, sql, from_share, ddl.FILE_MB * 1_000_000)


def call(connection: duckdb.DuckDBPyConnection, function: str, *arguments: str) -> list[tuple]:  # type: ignore[type-arg]
    """One of DuckLake's functions of maintenance."""
    given = ", ".join([f"'{CATALOG}'", *arguments])
    return _rows(connection, f"CALL ducklake_{function}({given})")


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]
    """What a statement answers, once the catalogue is free."""
    return retry_while_busy(lambda: connection.execute(sql, list(values)).fetchall())


def older_than(when: datetime) -> str:
    """An argument of some of them."""
    return f"older_than => TIMESTAMPTZ '{when.isoformat()}Z'"


def _file_count(connection: duckdb.DuckDBPyConnection) -> int:
    sql = f"SELECT sum(file_count + delete_file_count) FROM ducklake_table_info('{CATALOG}')"
    return int(_rows(connection, sql)[0][0] or 0)
