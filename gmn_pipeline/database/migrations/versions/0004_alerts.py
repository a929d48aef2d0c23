"""Alerts of stations: what holds, what was told, and to whom."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# SQLite counts up by itself in a column of exactly this type only.
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables, empty."""
    op.create_table(
        "alerts",
        sa.Column("rule", sa.String, primary_key=True),
        sa.Column("station_code", sa.String, primary_key=True),
        sa.Column("sensor_id", sa.String, primary_key=True),
        sa.Column("since_utc", sa.DateTime, nullable=False),
        sa.Column("detail", sa.String, nullable=False),
        sa.Column("raised_at_utc", sa.DateTime),
    )
    op.create_table(
        "alert_notices",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("rule", sa.String, nullable=False),
        sa.Column("station_code", sa.String, nullable=False),
        sa.Column("sensor_id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("detail", sa.String, nullable=False),
        sa.Column("since_utc", sa.DateTime, nullable=False),
        sa.Column("at_utc", sa.DateTime, nullable=False),
    )
    op.create_table(
        "alert_deliveries",
        sa.Column("channel", sa.String, primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sent_at_utc", sa.DateTime),
    )
