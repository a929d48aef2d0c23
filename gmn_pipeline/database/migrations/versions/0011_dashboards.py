"""Dashboards, with every version of each."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the tables, empty."""
    op.create_table(
        "dashboards",
        sa.Column("dashboard_id", sa.String, primary_key=True),
        sa.Column("newest_version", sa.Integer, nullable=False),
        sa.Column("made_by", sa.String, nullable=False),
        sa.Column("deleted_at_utc", sa.DateTime),
        sa.Column("deleted_by", sa.String),
    )
    op.create_table(
        "dashboard_versions",
        sa.Column(
            "dashboard_id", sa.String, sa.ForeignKey("dashboards.dashboard_id"), primary_key=True
        ),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("saved_at_utc", sa.DateTime, nullable=False),
        sa.Column("saved_by", sa.String, nullable=False),
    )
