"""Up to where tables of other databases were taken."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table; it is empty, so such tables are taken from their beginning."""
    op.create_table(
        "source_marks",
        sa.Column("place", sa.String, primary_key=True),
        sa.Column("reached", sa.String, nullable=False),
        sa.Column("reached_at_utc", sa.DateTime, nullable=False),
    )
