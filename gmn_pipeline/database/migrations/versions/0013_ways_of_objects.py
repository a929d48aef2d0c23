"""More ways in for objects: offsets and dead letters of their topic, MD5s for S3."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Make the tables, empty."""
    op.create_table(
        "topic_offsets",
        sa.Column("topic", sa.String, primary_key=True),
        sa.Column("topic_partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("topic_id", sa.String, nullable=False),
        sa.Column("cluster_id", sa.String, nullable=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("moved_at_utc", sa.DateTime, nullable=False),
    )
    op.create_table(
        "topic_dead_letters",
        sa.Column("topic", sa.String, primary_key=True),
        sa.Column("topic_id", sa.String, primary_key=True),
        sa.Column("topic_partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("topic_offset", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sent_at_utc", sa.DateTime, nullable=False),
        sa.Column("message_key", sa.String),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("recorded_at_utc", sa.DateTime, nullable=False),
    )
    op.create_table(
        "content_md5s",
        sa.Column("sha256", sa.String, primary_key=True),
        sa.Column("md5", sa.String, nullable=False),
    )
