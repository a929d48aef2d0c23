"""What the last run of a crawl came to, and that it is to stop."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the columns, empty."""
    op.add_column("crawls", sa.Column("outcome", sa.JSON))
    op.add_column("crawls", sa.Column("stop_asked_at_utc", sa.DateTime))
