"""Objects: projects and containers, contents, versions, what they are found by, operations."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

# SQLite counts up by itself in a column of exactly this type only.
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
# Names in the order of their bytes, as SQLite has them, whatever the language of a database.
_BY_BYTES = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables, empty."""
    op.create_table(
        "projects",
        sa.Column("project", sa.String, primary_key=True),
        sa.Column("is_public", sa.Boolean, nullable=False),
        sa.Column("made_at_utc", sa.DateTime, nullable=False),
        sa.Column("made_by", sa.String, nullable=False),
    )
    op.create_table(
        "containers",
        sa.Column("container_id", _NUMBER, primary_key=True),
        sa.Column("project", sa.String, sa.ForeignKey("projects.project"), nullable=False),
        sa.Column("container", sa.String, nullable=False),
        sa.Column("metadata_schema", sa.JSON),
        sa.Column("made_at_utc", sa.DateTime, nullable=False),
        sa.Column("made_by", sa.String, nullable=False),
        sa.UniqueConstraint("project", "container", name="containers_by_name"),
    )
    op.create_table(
        "contents",
        sa.Column("sha256", sa.String, primary_key=True),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("claimed_at_utc", sa.DateTime, nullable=False),
        sa.Column("checked_at_utc", sa.DateTime),
        sa.Column("fault", sa.String),
    )
    op.create_table(
        "objects",
        sa.Column("object_id", _NUMBER, primary_key=True),
        sa.Column(
            "container_id", sa.BigInteger, sa.ForeignKey("containers.container_id"), nullable=False
        ),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("live_name", _BY_BYTES),
        sa.Column("newest_version", sa.Integer, nullable=False),
        sa.Column("deleted_at_utc", sa.DateTime),
        sa.Column("restorable_until_utc", sa.DateTime),
        sa.UniqueConstraint("container_id", "live_name", name="objects_by_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "object_versions",
        sa.Column("object_id", sa.BigInteger, sa.ForeignKey("objects.object_id"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sha256", sa.String, sa.ForeignKey("contents.sha256"), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("content_type", sa.String, nullable=False),
        sa.Column("application", sa.String, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("links", sa.JSON, nullable=False),
        sa.Column("observed_from_utc", sa.DateTime),
        sa.Column("observed_until_utc", sa.DateTime),
        sa.Column("latitude_deg", sa.Float),
        sa.Column("longitude_deg", sa.Float),
        sa.Column("put_at_utc", sa.DateTime, nullable=False),
        sa.Column("put_by", sa.String, nullable=False),
    )
    op.create_index("object_versions_by_content", "object_versions", ["sha256"])
    op.create_index("object_versions_by_type", "object_versions", ["content_type"])
    op.create_index("object_versions_by_time", "object_versions", ["observed_from_utc"])
    op.create_table(
        "object_terms",
        sa.Column("object_id", sa.BigInteger, sa.ForeignKey("objects.object_id"), nullable=False),
        sa.Column("field", sa.String, nullable=False),
        sa.Column("text_value", sa.String),
        sa.Column("number_value", sa.Float),
    )
    op.create_index("object_terms_by_object", "object_terms", ["object_id"])
    op.create_index("object_terms_by_text", "object_terms", ["field", "text_value", "object_id"])
    op.create_index(
        "object_terms_by_number", "object_terms", ["field", "number_value", "object_id"]
    )
    op.create_table(
        "object_operations",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("object_id", sa.BigInteger),
        sa.Column("version", sa.Integer),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("at_utc", sa.DateTime, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
    )
    op.create_index("object_operations_by_object", "object_operations", ["object_id"])
    op.create_index("object_operations_by_project", "object_operations", ["project", "number"])
