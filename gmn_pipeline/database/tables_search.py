"""Tables of the operational database that objects are found by, beside the catalogue's own.

What belongs here: how many objects a folder has, texts of documents, and the indexes of letters and
words, which each kind of database makes in its own way. What does not: who keeps them up to date
(`object_folders.py`, `object_texts.py`; the index of names by itself, with triggers), and what is
asked of them (`object_conditions.py`).

SQLite: FTS5 (https://www.sqlite.org/fts5.html). Of names it has runs of three letters, without
where in the name they are: what it finds is looked at again. PostgreSQL: pg_trgm, if it may be
made there.
"""

from contextlib import suppress

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    event,
    text,
)
from sqlalchemy.exc import DBAPIError

from gmn_pipeline.database.tables import METADATA, OBJECTS

_NUMBER = BigInteger().with_variant(Integer, "sqlite")
_BY_BYTES = String().with_variant(String(collation="C"), "postgresql")

# Objects that are not deleted, in a folder and all below it. `folder` ends with '/'; `parent` is
# the folder that it is in, or empty.
OBJECT_FOLDERS = Table(
    "object_folders",
    METADATA,
    Column("container_id", BigInteger, primary_key=True, autoincrement=False),
    Column("folder", _BY_BYTES, primary_key=True),
    Column("parent", _BY_BYTES, nullable=False),
    Column("objects", BigInteger, nullable=False),
    Index("object_folders_by_parent", "container_id", "parent", "folder"),
)

# What stands in a document, by pages or sections, as a processor read it.
OBJECT_TEXTS = Table(
    "object_texts",
    METADATA,
    Column("text_id", _NUMBER, primary_key=True),
    Column("object_id", BigInteger, ForeignKey("objects.object_id"), nullable=False),
    Column("processor", String, nullable=False),
    Column("text", String, nullable=False),
    Index("object_texts_by_object", "object_id"),
)

# Known only to those who ask: SQLite makes more tables for each, and no migration compares them.
_VIRTUAL = MetaData()
NAMES_INDEX = Table("index_of_names", _VIRTUAL, Column("rowid", Integer), Column("name", String))
TEXTS_INDEX = Table("index_of_texts", _VIRTUAL, Column("rowid", Integer), Column("text", String))


def _made_with(table: Table, key: str, index: Table, column: str, options: str) -> None:
    """Let SQLite have an index of a column's text with its table, which triggers keep."""
    add = f"INSERT INTO {index.name} (rowid, {column}) VALUES (new.{key}, new.{column});"
    drop = (
        f"INSERT INTO {index.name} ({index.name}, rowid, {column}) "
        f"VALUES ('delete', old.{key}, old.{column});"
    )
    made = (
        f"CREATE VIRTUAL TABLE {index.name} USING fts5({column}, content='{table.name}', "
        f"content_rowid='{key}', {options})",
        f"CREATE TRIGGER {index.name}_add AFTER INSERT ON {table.name} BEGIN {add} END",
        f"CREATE TRIGGER {index.name}_drop AFTER DELETE ON {table.name} BEGIN {drop} END",
        f"CREATE TRIGGER {index.name}_change AFTER UPDATE OF {column} ON {table.name} "
        f"BEGIN {drop} {add} END",
    )
    for statement in made:
        _when(table, "after_create", "sqlite", statement)
    _when(table, "after_drop", "sqlite", f"DROP TABLE IF EXISTS {index.name}")


def _when(table: Table, what: str, dialect: str, statement: str) -> None:
    """Have one kind of database do more when a table is made or dropped."""
    event.listen(table, what, DDL(statement).execute_if(dialect=dialect))  # type: ignore[no-untyped-call]


_made_with(
    OBJECTS, "object_id", NAMES_INDEX, "name",
    "tokenize='trigram', detail='none', columnsize=0",
)  # fmt: skip
_made_with(OBJECT_TEXTS, "text_id", TEXTS_INDEX, "text", "tokenize='unicode61'")
_when(
    OBJECT_TEXTS,
    "after_create",
    "postgresql",
    "CREATE INDEX index_of_texts ON object_texts USING gin (to_tsvector('simple', text))",
)


@event.listens_for(OBJECTS, "after_create")
def _index_names(_: Table, connection: Connection, **__: object) -> None:
    if connection.dialect.name == "postgresql":
        make_trigrams(connection)


def make_trigrams(connection: Connection) -> None:
    """Have PostgreSQL find names by three letters, if it has pg_trgm and lets this user make it;
    names are looked at one by one otherwise."""
    has_it = "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"
    if connection.scalar(text(has_it)) is None:
        return
    with suppress(DBAPIError), connection.begin_nested():
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
        index = "CREATE INDEX index_of_names ON objects USING gin (name gin_trgm_ops)"
        connection.execute(text(index))
