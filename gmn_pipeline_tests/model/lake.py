"""What a real warehouse holds, as plain tuples, and whether its answers agree with each other.

What belongs here: asking. What does not: what the answers should be (`world.py`).
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from unittest.mock import patch

import duckdb

from gmn_pipeline.readers.solar_longitude_bins import Bin
from gmn_pipeline.releases.snapshot import DATABASE_NAME
from gmn_pipeline.schemas import tables
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.schemas.tables import STREAM_TABLES, WAREHOUSE_TABLES
from gmn_pipeline.settings import Settings
from gmn_pipeline.warehouse import ddl, views
from gmn_pipeline.warehouse.backend import CATALOG
from gmn_pipeline.warehouse.connection import WarehouseConnection

_WORKING = getattr(tables, "WORKING_TABLES", STREAM_TABLES)
CLAIMS = "trajectory_claims"
TABLES = [table.name for table in WAREHOUSE_TABLES]
_CONTENT = [field.name for field in TRAJECTORY_FIELDS[1:]]
Answer = list[dict[str, Any]]


@contextmanager
def one_session(settings: Settings) -> Iterator[None]:
    """Open the warehouse once for all that is done inside: opening takes longer than a load."""
    held = WarehouseConnection(settings)
    opened = WarehouseConnection.open

    def open_held(_: WarehouseConnection, **options: Any) -> Any:
        return opened(held)  # who reads shares the writer's view of the catalogue

    with (
        held.session(),
        patch.object(WarehouseConnection, "open", open_held),
        patch.object(WarehouseConnection, "session", lambda _: nullcontext()),
    ):
        yield


@contextmanager
def plain_session(settings: Settings) -> Iterator[None]:
    """Let the warehouse be a plain DuckDB in memory: the rules of the merge without DuckLake, many
    times as fast."""
    with duckdb.connect(":memory:", config={"threads": 1}) as held:
        held.execute(f"ATTACH ':memory:' AS {CATALOG}")
        held.execute(f"USE {CATALOG}")
        ddl.create_tables(held, CATALOG, (*WAREHOUSE_TABLES, *_WORKING))
        views.create_views(held, CATALOG, with_comments_on_columns=False)

        @contextmanager
        def open_held(_: WarehouseConnection, **options: Any) -> Iterator[Any]:
            with closing(held.cursor()) as connection:
                connection.execute(f"USE {CATALOG}")
                yield connection

        with (
            patch.object(WarehouseConnection, "open", open_held),
            patch.object(WarehouseConnection, "exists", True),
            patch.object(WarehouseConnection, "session", lambda _: nullcontext()),
            patch.object(ddl, "create", lambda *_: None),
            patch("gmn_pipeline.warehouse.trajectories.messages.flush_small_commits", lambda *_: 0),
            patch("gmn_pipeline.warehouse.statistics.taken_for_exact", lambda *_: {}),
        ):
            yield


@dataclass
class Lake:
    """All tables at one moment."""

    tables: dict[str, Answer]

    def __getattr__(self, name: str) -> Answer:
        try:
            return self.tables[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def has_claims(self) -> bool:
        return CLAIMS in self.tables


def bin_of(row: dict[str, Any]) -> Bin:
    return Bin(row["bin_date"], row["bin_solar_longitude_deg"])


def content_of(row: dict[str, Any]) -> str:
    """All 85 columns after the identifier, as text."""
    return repr([row[name] for name in _CONTENT])


def fetched(connection: duckdb.DuckDBPyConnection, sql: str, *values: object) -> Answer:
    cursor = connection.execute(sql, list(values))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def read(settings: Settings) -> Lake:
    """Every table of the warehouse; empty ones as long as there is none."""
    names = [*TABLES, *(table.name for table in _WORKING)]
    warehouse = WarehouseConnection(settings)
    if not warehouse.exists:
        return Lake({name: [] for name in names})
    with warehouse.open(read_only=True) as connection:
        connection.execute("BEGIN")  # all as of one moment, and the catalogue asked once
        found = {name: fetched(connection, f"FROM {name}") for name in _present(connection)}
        connection.execute("COMMIT")
    return Lake(found)


def _present(connection: duckdb.DuckDBPyConnection) -> list[str]:
    sql = "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()"
    return [name for (name,) in connection.execute(sql).fetchall()]


def as_of(settings: Settings, when: datetime) -> Answer:
    with WarehouseConnection(settings).open(read_only=True) as connection:
        return fetched(connection, "FROM trajectories_as_of(?::TIMESTAMP)", when)


# --- statistics ----------------------------------------------------------------------------------


def wrong_statistics(settings: Settings, lake: Lake) -> list[str]:
    """Columns whose least, greatest or count DuckDB answers otherwise than the rows themselves."""
    with WarehouseConnection(settings).open(read_only=True) as connection:
        connection.execute("BEGIN")  # the catalogue is asked once
        wrong = [
            why
            for name, rows in lake.tables.items()
            for why in _wrong_of(connection, name, _ordered_columns(connection, name), rows)
        ]
        connection.execute("COMMIT")
    return wrong


_WITH_STATISTICS = ("INTEGER", "BIGINT", "DATE", "TIMESTAMP")
"""What is answered from statistics; not if one query also asks for what is not."""


def _ordered_columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    described = connection.execute(f"DESCRIBE {table}").fetchall()
    return [name for name, kind, *_ in described if kind in _WITH_STATISTICS]


def _wrong_of(
    connection: duckdb.DuckDBPyConnection, table: str, columns: list[str], rows: Answer
) -> list[str]:
    asked = ", ".join(["count(*)", *(f"min({name}), max({name})" for name in columns)])
    [[count, *extremes]] = connection.execute(f"SELECT {asked} FROM {table}").fetchall()
    found = [f"count(*) of {table} is {count}, not {len(rows)}"] if count != len(rows) else []
    for name, *told in zip(columns, extremes[::2], extremes[1::2], strict=True):
        values = [row[name] for row in rows if row[name] is not None]
        true = [min(values, default=None), max(values, default=None)]
        if told != true:
            found.append(f"least and greatest {name} of {table} are {told}, not {true}")
    return found


# --- the analysts' file --------------------------------------------------------------------------


def unlike_the_snapshot(settings: Settings, lake: Lake) -> list[str]:
    """Tables of `gmn.duckdb` and of the Parquet files that are not those of the lake."""
    folder = settings.snapshot_dir / "current"
    wrong = []
    with ExitStack() as stack:
        database = duckdb.connect(str(folder / DATABASE_NAME), read_only=True)
        stack.callback(database.close)
        for table in TABLES:
            parquet = folder / "parquet" / f"{table}.parquet"
            for where, asked in ((DATABASE_NAME, table), (parquet.name, f"'{parquet}'")):
                rows = fetched(database, f"FROM {asked}")
                if _sorted(rows) != _sorted(lake.tables[table]):
                    wrong.append(f"{table} in {where} is not that of the lake")
    return wrong


def _sorted(rows: Sequence[dict[str, Any]]) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in rows)
