"""Processing of objects: runs, what they made, what is to be done again, rules of containers."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

# SQLite counts up by itself in a column of exactly this type only.
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables, empty."""
    op.create_table(
        "object_runs",
        sa.Column("object_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("processor", sa.String, primary_key=True),
        sa.Column("processor_version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("started_at_utc", sa.DateTime, nullable=False),
        sa.Column("ended_at_utc", sa.DateTime),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
    )
    op.create_index("object_runs_by_state", "object_runs", ["state", "object_id"])
    op.create_table(
        "object_sources",
        sa.Column("made_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("object_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("processor", sa.String, primary_key=True),
        sa.Column("made_version", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("processor_version", sa.Integer, nullable=False),
    )
    op.create_index("object_sources_by_source", "object_sources", ["object_id"])
    op.create_table(
        "objects_to_reprocess",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("object_id", sa.BigInteger, nullable=False),
        sa.Column("processor", sa.String, nullable=False),
        sa.Column("asked_by", sa.String, nullable=False),
        sa.Column("asked_at_utc", sa.DateTime, nullable=False),
    )
    op.create_index("objects_to_reprocess_by_object", "objects_to_reprocess", ["object_id"])
    op.create_table(
        "container_rules",
        sa.Column("container_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("rules", sa.JSON, nullable=False),
        sa.Column("set_by", sa.String, nullable=False),
        sa.Column("set_at_utc", sa.DateTime, nullable=False),
    )
