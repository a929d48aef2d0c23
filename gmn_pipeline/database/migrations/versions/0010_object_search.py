"""Searching objects: names by their letters, folders with counts, squares of a degree, words."""

from collections import Counter
from contextlib import suppress

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_BY_BYTES = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_AT_ONCE = 10_000


def upgrade() -> None:
    """Make them, with what is known of the objects that there are."""
    deleted = sa.text("live_name IS NULL")
    op.create_index(
        "objects_deleted", "objects", ["object_id"],
        sqlite_where=deleted, postgresql_where=deleted,
    )  # fmt: skip
    op.create_index("object_versions_by_size", "object_versions", ["size_bytes"])
    op.create_index("object_versions_by_put", "object_versions", ["put_at_utc"])
    op.create_table(
        "object_folders",
        sa.Column("container_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("folder", _BY_BYTES, primary_key=True),
        sa.Column("parent", _BY_BYTES, nullable=False),
        sa.Column("objects", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "object_folders_by_parent", "object_folders", ["container_id", "parent", "folder"]
    )
    op.create_table(
        "object_texts",
        sa.Column("text_id", _NUMBER, primary_key=True),
        sa.Column("object_id", sa.BigInteger, sa.ForeignKey("objects.object_id"), nullable=False),
        sa.Column("processor", sa.String, nullable=False),
        sa.Column("text", sa.String, nullable=False),
    )
    op.create_index("object_texts_by_object", "object_texts", ["object_id"])
    connection = op.get_bind()
    _count_folders(connection)
    if connection.dialect.name == "sqlite":
        _index("objects", "object_id", "index_of_names", "name",
               "tokenize='trigram', detail='none', columnsize=0")  # fmt: skip
        op.execute("INSERT INTO index_of_names (index_of_names) VALUES ('rebuild')")
        _index("object_texts", "text_id", "index_of_texts", "text", "tokenize='unicode61'")
        row = "CAST(latitude_deg + 90 AS INTEGER) * 400 + CAST(longitude_deg + 180 AS INTEGER)"
    else:
        op.execute(
            "CREATE INDEX index_of_texts ON object_texts USING gin (to_tsvector('simple', text))"
        )
        _index_with_trigrams(connection)
        row = "floor(latitude_deg + 90) * 400 + floor(longitude_deg + 180)"
    op.execute(
        "INSERT INTO object_terms (object_id, field, number_value) "
        f"SELECT object_id, 'observed.cell', {row} FROM objects JOIN object_versions "
        "USING (object_id) WHERE version = newest_version AND latitude_deg IS NOT NULL"
    )


def _count_folders(connection: sa.Connection) -> None:
    counts = Counter[tuple[int, str]]()
    found = connection.execute(
        sa.text("SELECT container_id, live_name FROM objects WHERE live_name IS NOT NULL"),
        execution_options={"yield_per": _AT_ONCE},
    )
    for container_id, name in found:
        end = name.find("/")
        while end >= 0:
            counts[container_id, name[: end + 1]] += 1
            end = name.find("/", end + 1)
    insert = sa.text(
        "INSERT INTO object_folders (container_id, folder, parent, objects) "
        "VALUES (:container_id, :folder, :parent, :objects)"
    )
    rows = [
        {
            "container_id": container_id, "folder": folder, "objects": objects,
            "parent": folder[: folder.rfind("/", 0, -1) + 1],
        }
        for (container_id, folder), objects in sorted(counts.items())
    ]  # fmt: skip
    if rows:
        connection.execute(insert, rows)


def _index(table: str, key: str, index: str, column: str, options: str) -> None:
    add = f"INSERT INTO {index} (rowid, {column}) VALUES (new.{key}, new.{column});"
    drop = (
        f"INSERT INTO {index} ({index}, rowid, {column}) "
        f"VALUES ('delete', old.{key}, old.{column});"
    )
    op.execute(
        f"CREATE VIRTUAL TABLE {index} USING fts5({column}, content='{table}', "
        f"content_rowid='{key}', {options})"
    )
    op.execute(f"CREATE TRIGGER {index}_add AFTER INSERT ON {table} BEGIN {add} END")
    op.execute(f"CREATE TRIGGER {index}_drop AFTER DELETE ON {table} BEGIN {drop} END")
    op.execute(
        f"CREATE TRIGGER {index}_change AFTER UPDATE OF {column} ON {table} BEGIN {drop} {add} END"
    )


def _index_with_trigrams(connection: sa.Connection) -> None:
    """If PostgreSQL has pg_trgm, and lets this user make it."""
    has_it = "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"
    if connection.scalar(sa.text(has_it)) is None:
        return
    with suppress(sa.exc.DBAPIError), connection.begin_nested():
        connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
        index = "CREATE INDEX index_of_names ON objects USING gin (name gin_trgm_ops)"
        connection.execute(sa.text(index))
