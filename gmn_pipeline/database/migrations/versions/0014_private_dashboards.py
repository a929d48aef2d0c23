"""Dashboards that are not for everybody, and links to them that were ended."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Make the table, empty: dashboards that there are stay open to all."""
    op.create_table(
        "dashboard_access",
        sa.Column(
            "dashboard_id", sa.String, sa.ForeignKey("dashboards.dashboard_id"), primary_key=True
        ),
        sa.Column("is_private", sa.Boolean, nullable=False),
        sa.Column("links_ended", sa.Integer, nullable=False),
    )
