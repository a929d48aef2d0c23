"""Sign-in and sharing: who somebody is at a provider, sessions, what is shared with one account."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

# SQLite counts up by itself in a column of exactly this type only.
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables, empty."""
    op.create_table(
        "identities",
        sa.Column("issuer", sa.String, primary_key=True),
        sa.Column("subject", sa.String, primary_key=True),
        sa.Column("account", sa.String, sa.ForeignKey("accounts.account"), nullable=False),
        sa.Column("linked_at_utc", sa.DateTime, nullable=False),
        sa.Column("linked_by", sa.String, nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("secret_sha256", sa.String, primary_key=True),
        sa.Column("account", sa.String, sa.ForeignKey("accounts.account"), nullable=False),
        sa.Column("made_at_utc", sa.DateTime, nullable=False),
        sa.Column("expires_at_utc", sa.DateTime, nullable=False),
    )
    op.create_index("sessions_by_account", "sessions", ["account"])
    op.create_index("sessions_by_end", "sessions", ["expires_at_utc"])
    op.create_table(
        "shares",
        sa.Column("share_id", _NUMBER, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("item", sa.String, nullable=False),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("account", sa.String, sa.ForeignKey("accounts.account"), nullable=False),
        sa.Column("shared_by", sa.String, nullable=False),
        sa.Column("shared_at_utc", sa.DateTime, nullable=False),
        sa.Column("expires_at_utc", sa.DateTime),
        sa.Column("withdrawn_at_utc", sa.DateTime),
    )
    op.create_index("shares_by_account", "shares", ["account", "kind"])
    op.create_index("shares_by_item", "shares", ["kind", "item"])
