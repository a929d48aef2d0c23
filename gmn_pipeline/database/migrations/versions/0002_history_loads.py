"""Which monthly, yearly and all-files were loaded whole, day by day."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table; it is empty, so such files are loaded once more."""
    op.create_table(
        "history_loads",
        sa.Column("path", sa.String, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("definition", sa.String, nullable=False),
        sa.Column("taken_in", sa.String, nullable=False),
    )
    op.create_index("history_loads_by_day", "history_loads", ["day"])
