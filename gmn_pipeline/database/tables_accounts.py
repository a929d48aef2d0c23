"""Tables of sign-in and sharing, beside those of accounts in `tables.py`.

What belongs here: columns and keys. What does not: what is read and written (`sign_ins.py`,
`shares.py`).
"""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
)

from gmn_pipeline.database.tables import METADATA

# SQLite counts up by itself in a column of exactly this type only.
_NUMBER = BigInteger().with_variant(Integer, "sqlite")

# Who somebody is at a provider: names there may change hands, its subject does not.
IDENTITIES = Table(
    "identities",
    METADATA,
    Column("issuer", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("account", String, ForeignKey("accounts.account"), nullable=False),
    Column("linked_at_utc", DateTime, nullable=False),
    Column("linked_by", String, nullable=False),
)

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("secret_sha256", String, primary_key=True),
    Column("account", String, ForeignKey("accounts.account"), nullable=False),
    Column("made_at_utc", DateTime, nullable=False),
    Column("expires_at_utc", DateTime, nullable=False),
    Index("sessions_by_account", "account"),
    Index("sessions_by_end", "expires_at_utc"),
)

# What is shared with one account. `kind` and `item` say what: an object by its number, a dashboard
# by its identifier. `project`: where an object was shared; moved elsewhere, it is shared no more.
SHARES = Table(
    "shares",
    METADATA,
    Column("share_id", _NUMBER, primary_key=True),
    Column("kind", String, nullable=False),
    Column("item", String, nullable=False),
    Column("project", String, nullable=False),
    Column("account", String, ForeignKey("accounts.account"), nullable=False),
    Column("shared_by", String, nullable=False),
    Column("shared_at_utc", DateTime, nullable=False),
    Column("expires_at_utc", DateTime),
    Column("withdrawn_at_utc", DateTime),
    Index("shares_by_account", "account", "kind"),
    Index("shares_by_item", "kind", "item"),
)
