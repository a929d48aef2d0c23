"""The ledger: landed versions, validated slices, failed days, unread files.

Until here the ledger was a SQLite file of its own without types, with dates and times as text. Such
tables are taken over: put aside, copied row by row with their dates read, and removed.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ROWS_AT_ONCE = 10_000
_FORMER = "former_"


def upgrade() -> None:
    """Make the tables; with the rows of the former ones, if there are such."""
    connection = op.get_bind()
    there = set(sa.inspect(connection).get_table_names())
    names = ("landed_versions", "validated_slices", "day_failures", "unread_files")
    former = [name for name in names if name in there]
    for name in former:
        op.rename_table(name, _FORMER + name)
    op.execute("DROP INDEX IF EXISTS landed_by_path")
    tables = {table.name: table for table in _create()}
    for name in former:
        _copy(connection, tables[name])
        op.drop_table(_FORMER + name)


def _create() -> list[sa.Table]:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    tables = [
        op.create_table(
            "landed_versions",
            sa.Column("version", number, primary_key=True),
            sa.Column("path", sa.String, nullable=False),
            sa.Column("kind", sa.String, nullable=False),
            sa.Column("url", sa.String, nullable=False),
            sa.Column("etag", sa.String),
            sa.Column("last_modified", sa.String),
            sa.Column("listed_state", sa.String, nullable=False),
            sa.Column("generated_at_utc", sa.DateTime, nullable=False),
            sa.Column("size_bytes", sa.BigInteger, nullable=False),
            sa.Column("sha256", sa.String, nullable=False),
            sa.Column("fetched_at_utc", sa.DateTime, nullable=False),
        ),
        op.create_table(
            "validated_slices",
            sa.Column("source_file_sha256", sa.String, primary_key=True),
            sa.Column("bin_date", sa.Date, primary_key=True),
            sa.Column("bin_solar_longitude_deg", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("definition", sa.String, nullable=False),
            sa.Column("accepted_path", sa.String, nullable=False),
            sa.Column("rejected_path", sa.String, nullable=False),
            sa.Column("rows_read", sa.BigInteger, nullable=False),
            sa.Column("rows_accepted", sa.BigInteger, nullable=False),
            sa.Column("rows_rejected", sa.BigInteger, nullable=False),
            sa.Column("covers_from_utc", sa.DateTime),
            sa.Column("covers_until_utc", sa.DateTime),
        ),
        op.create_table(
            "day_failures",
            sa.Column("day", sa.Date, primary_key=True),
            sa.Column("stage", sa.String, nullable=False),
            sa.Column("message", sa.String, nullable=False),
            sa.Column("failed_at_utc", sa.DateTime, nullable=False),
        ),
        op.create_table(
            "unread_files",
            sa.Column("path", sa.String, primary_key=True),
            sa.Column("folder", sa.String, nullable=False),
            sa.Column("expected", sa.String, nullable=False),
            sa.Column("seen_at_utc", sa.DateTime, nullable=False),
        ),
    ]
    op.create_index("landed_by_path", "landed_versions", ["path", "version"])
    op.create_index("validated_by_date", "validated_slices", ["bin_date"])
    return tables


def _copy(connection: sa.Connection, table: sa.Table) -> None:
    readers = {c.name: _reader(c.type) for c in table.columns}
    former = sa.table(_FORMER + table.name, *(sa.column(name) for name in readers))
    # A result that is read on while rows are written would hold SQLite's table locked.
    rows = connection.execute(sa.select(former)).mappings().all()
    for begin in range(0, len(rows), _ROWS_AT_ONCE):
        some = [_read(row, readers) for row in rows[begin : begin + _ROWS_AT_ONCE]]
        connection.execute(table.insert(), some)
    copied = connection.scalar(sa.select(sa.func.count()).select_from(table))
    assert copied == len(rows), f"{table.name}: {len(rows)} rows, of which {copied} were copied"


def _reader(kind: object) -> Callable[[object], object]:
    if isinstance(kind, sa.DateTime):
        return lambda value: datetime.fromisoformat(str(value))
    if isinstance(kind, sa.Date):
        return lambda value: date.fromisoformat(str(value))
    return lambda value: value


def _read(
    row: sa.RowMapping, readers: Mapping[str, Callable[[object], object]]
) -> dict[str, object]:
    return {name: None if row[name] is None else read(row[name]) for name, read in readers.items()}
