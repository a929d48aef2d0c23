"""Tables of the operational database about crawls: sources of many files that are tables.

What belongs here: names, types, keys. What does not: all other tables (`tables.py`), and what rows
mean (`crawls.py`).
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    String,
    Table,
)

from gmn_pipeline.database.tables import METADATA

# SQLite counts up by itself in a column of exactly this type only.
_NUMBER = BigInteger().with_variant(Integer, "sqlite")

CRAWLS = Table(
    "crawls",
    METADATA,
    Column("crawl", String, primary_key=True),
    Column("url", String, nullable=False),
    Column("project", String, nullable=False),
    Column("container", String, nullable=False),
    Column("pattern", String, nullable=False),
    Column("accepted_as", String, nullable=False),
    Column("accepted_names", String, nullable=False),
    Column("is_anonymous", Boolean, nullable=False),
    Column("endpoint_url", String),
    Column("is_deleting", Boolean, nullable=False),
    Column("made_at_utc", DateTime, nullable=False),
    Column("made_by", String, nullable=False),
    Column("began_at_utc", DateTime),
    Column("ended_at_utc", DateTime),
    Column("outcome", JSON),
    Column("stop_asked_at_utc", DateTime),
)

CRAWLED_FILES = Table(
    "crawled_files",
    METADATA,
    Column("crawl", String, primary_key=True),
    Column("path", String, primary_key=True),
    Column("stamp", String, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("table_name", String, nullable=False),
    Column("schema_sha256", String, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("reason", String, nullable=False),
    Column("read_at_utc", DateTime, nullable=False),
)

CRAWLED_SCHEMAS = Table(
    "crawled_schemas",
    METADATA,
    Column("crawl", String, primary_key=True),
    Column("schema_sha256", String, primary_key=True),
    Column("content_type", String, nullable=False),
    Column("columns", JSON, nullable=False),
)

CRAWLED_TABLES = Table(
    "crawled_tables",
    METADATA,
    Column("crawl", String, primary_key=True),
    Column("table_name", String, primary_key=True),
    Column("content_type", String, nullable=False),
    Column("state", String, nullable=False),
    Column("shown_as", String, nullable=False),
    Column("columns", JSON, nullable=False),
    Column("decided_by", String, nullable=False),
    Column("decided_at_utc", DateTime),
)

CRAWL_CHANGES = Table(
    "crawl_changes",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("crawl", String, nullable=False),
    Column("table_name", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("column_name", String, nullable=False),
    Column("type_before", String, nullable=False),
    Column("type_after", String, nullable=False),
    Column("path", String, nullable=False),
    Column("at_utc", DateTime, nullable=False),
    Index("crawl_changes_by_crawl", "crawl", "number"),
)
