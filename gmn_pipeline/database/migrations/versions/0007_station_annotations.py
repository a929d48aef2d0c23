"""What people noted of stations."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

# SQLite counts up by itself in a column of exactly this type only.
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the table, empty."""
    op.create_table(
        "station_annotations",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("station_code", sa.String, nullable=False),
        sa.Column("sensor_id", sa.String),
        sa.Column("begin_utc", sa.DateTime, nullable=False),
        sa.Column("end_utc", sa.DateTime),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("noted_by", sa.String),
        sa.Column("noted_at_utc", sa.DateTime, nullable=False),
        sa.Column("withdrawn_at_utc", sa.DateTime),
        sa.Column("withdrawn_by", sa.String),
    )
    op.create_index("annotations_by_station", "station_annotations", ["station_code", "begin_utc"])
