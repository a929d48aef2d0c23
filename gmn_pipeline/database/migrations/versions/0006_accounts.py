"""Accounts: roles in projects, tokens, what was changed or denied."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

# SQLite counts up by itself in a column of exactly this type only.
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables, empty."""
    op.create_table(
        "accounts",
        sa.Column("account", sa.String, primary_key=True),
        sa.Column("is_operator", sa.Boolean, nullable=False),
        sa.Column("made_at_utc", sa.DateTime, nullable=False),
        sa.Column("made_by", sa.String, nullable=False),
        sa.Column("disabled_at_utc", sa.DateTime),
    )
    op.create_table(
        "project_roles",
        sa.Column("project", sa.String, primary_key=True),
        sa.Column("account", sa.String, sa.ForeignKey("accounts.account"), primary_key=True),
        sa.Column("role", sa.Integer, nullable=False),
    )
    op.create_index("project_roles_by_account", "project_roles", ["account"])
    op.create_table(
        "tokens",
        sa.Column("token_id", _NUMBER, primary_key=True),
        sa.Column("account", sa.String, sa.ForeignKey("accounts.account"), nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("secret_sha256", sa.String, nullable=False),
        sa.Column("project", sa.String),
        sa.Column("most_role", sa.Integer, nullable=False),
        sa.Column("made_at_utc", sa.DateTime, nullable=False),
        sa.Column("expires_at_utc", sa.DateTime, nullable=False),
        sa.Column("revoked_at_utc", sa.DateTime),
        sa.Column("last_used_on_utc", sa.DateTime),
        sa.UniqueConstraint("secret_sha256", name="tokens_by_secret"),
    )
    op.create_table(
        "account_events",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("detail", sa.String, nullable=False),
        sa.Column("at_utc", sa.DateTime, nullable=False),
    )
