"""Crawls: sources of many files that are tables, their schemas, and how these changed."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

# SQLite counts up by itself in a column of exactly this type only.
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables, empty."""
    op.create_table(
        "crawls",
        sa.Column("crawl", sa.String, primary_key=True),
        sa.Column("url", sa.String, nullable=False),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("container", sa.String, nullable=False),
        sa.Column("pattern", sa.String, nullable=False),
        sa.Column("accepted_as", sa.String, nullable=False),
        sa.Column("accepted_names", sa.String, nullable=False),
        sa.Column("is_anonymous", sa.Boolean, nullable=False),
        sa.Column("endpoint_url", sa.String),
        sa.Column("is_deleting", sa.Boolean, nullable=False),
        sa.Column("made_at_utc", sa.DateTime, nullable=False),
        sa.Column("made_by", sa.String, nullable=False),
        sa.Column("began_at_utc", sa.DateTime),
        sa.Column("ended_at_utc", sa.DateTime),
    )
    op.create_table(
        "crawled_files",
        sa.Column("crawl", sa.String, primary_key=True),
        sa.Column("path", sa.String, primary_key=True),
        sa.Column("stamp", sa.String, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("table_name", sa.String, nullable=False),
        sa.Column("schema_sha256", sa.String, nullable=False),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("read_at_utc", sa.DateTime, nullable=False),
    )
    op.create_table(
        "crawled_schemas",
        sa.Column("crawl", sa.String, primary_key=True),
        sa.Column("schema_sha256", sa.String, primary_key=True),
        sa.Column("content_type", sa.String, nullable=False),
        sa.Column("columns", sa.JSON, nullable=False),
    )
    op.create_table(
        "crawled_tables",
        sa.Column("crawl", sa.String, primary_key=True),
        sa.Column("table_name", sa.String, primary_key=True),
        sa.Column("content_type", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("shown_as", sa.String, nullable=False),
        sa.Column("columns", sa.JSON, nullable=False),
        sa.Column("decided_by", sa.String, nullable=False),
        sa.Column("decided_at_utc", sa.DateTime),
    )
    op.create_table(
        "crawl_changes",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("crawl", sa.String, nullable=False),
        sa.Column("table_name", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("column_name", sa.String, nullable=False),
        sa.Column("type_before", sa.String, nullable=False),
        sa.Column("type_after", sa.String, nullable=False),
        sa.Column("path", sa.String, nullable=False),
        sa.Column("at_utc", sa.DateTime, nullable=False),
    )
    op.create_index("crawl_changes_by_crawl", "crawl_changes", ["crawl", "number"])
