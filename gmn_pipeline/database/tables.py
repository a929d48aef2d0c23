"""Every table of the operational database, as it is in this version.

What belongs here: names, types, keys and indexes. What does not: how an older database gets there
(`migrations/`); a test compares both.

Times are UTC without a zone, as everywhere here.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

METADATA = MetaData()

# SQLite counts up by itself in a column of exactly this type only.
_NUMBER = BigInteger().with_variant(Integer, "sqlite")
# Names in the order of their bytes, as SQLite has them, whatever the language of a database.
_BY_BYTES = String().with_variant(String(collation="C"), "postgresql")

LANDED_VERSIONS = Table(
    "landed_versions",
    METADATA,
    Column("version", _NUMBER, primary_key=True),
    Column("path", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("url", String, nullable=False),
    Column("etag", String),
    Column("last_modified", String),
    Column("listed_state", String, nullable=False),
    Column("generated_at_utc", DateTime, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String, nullable=False),
    Column("fetched_at_utc", DateTime, nullable=False),
    Index("landed_by_path", "path", "version"),
)

VALIDATED_SLICES = Table(
    "validated_slices",
    METADATA,
    Column("source_file_sha256", String, primary_key=True),
    Column("bin_date", Date, primary_key=True),
    Column("bin_solar_longitude_deg", Integer, primary_key=True, autoincrement=False),
    Column("definition", String, nullable=False),
    Column("accepted_path", String, nullable=False),
    Column("rejected_path", String, nullable=False),
    Column("rows_read", BigInteger, nullable=False),
    Column("rows_accepted", BigInteger, nullable=False),
    Column("rows_rejected", BigInteger, nullable=False),
    Column("covers_from_utc", DateTime),
    Column("covers_until_utc", DateTime),
    Index("validated_by_date", "bin_date"),
)

HISTORY_LOADS = Table(
    "history_loads",
    METADATA,
    Column("path", String, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("sha256", String, nullable=False),
    Column("definition", String, nullable=False),
    Column("taken_in", String, nullable=False),
    Index("history_loads_by_day", "day"),
)

DAY_FAILURES = Table(
    "day_failures",
    METADATA,
    Column("day", Date, primary_key=True),
    Column("stage", String, nullable=False),
    Column("message", String, nullable=False),
    Column("failed_at_utc", DateTime, nullable=False),
)

UNREAD_FILES = Table(
    "unread_files",
    METADATA,
    Column("path", String, primary_key=True),
    Column("folder", String, nullable=False),
    Column("expected", String, nullable=False),
    Column("seen_at_utc", DateTime, nullable=False),
)

SOURCE_MARKS = Table(
    "source_marks",
    METADATA,
    Column("place", String, primary_key=True),
    Column("reached", String, nullable=False),
    Column("reached_at_utc", DateTime, nullable=False),
)

ALERTS = Table(
    "alerts",
    METADATA,
    Column("rule", String, primary_key=True),
    Column("station_code", String, primary_key=True),
    Column("sensor_id", String, primary_key=True),
    Column("since_utc", DateTime, nullable=False),
    Column("detail", String, nullable=False),
    Column("raised_at_utc", DateTime),
)

ALERT_NOTICES = Table(
    "alert_notices",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("rule", String, nullable=False),
    Column("station_code", String, nullable=False),
    Column("sensor_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("detail", String, nullable=False),
    Column("since_utc", DateTime, nullable=False),
    Column("at_utc", DateTime, nullable=False),
)

ALERT_DELIVERIES = Table(
    "alert_deliveries",
    METADATA,
    Column("channel", String, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("sent_at_utc", DateTime),
)

STATION_ANNOTATIONS = Table(
    "station_annotations",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("station_code", String, nullable=False),
    Column("sensor_id", String),
    Column("begin_utc", DateTime, nullable=False),
    Column("end_utc", DateTime),
    Column("text", String, nullable=False),
    Column("noted_by", String),
    Column("noted_at_utc", DateTime, nullable=False),
    Column("withdrawn_at_utc", DateTime),
    Column("withdrawn_by", String),
    Index("annotations_by_station", "station_code", "begin_utc"),
)

PROJECTS = Table(
    "projects",
    METADATA,
    Column("project", String, primary_key=True),
    Column("is_public", Boolean, nullable=False),
    Column("made_at_utc", DateTime, nullable=False),
    Column("made_by", String, nullable=False),
)

CONTAINERS = Table(
    "containers",
    METADATA,
    Column("container_id", _NUMBER, primary_key=True),
    Column("project", String, ForeignKey("projects.project"), nullable=False),
    Column("container", String, nullable=False),
    Column("metadata_schema", JSON),
    Column("made_at_utc", DateTime, nullable=False),
    Column("made_by", String, nullable=False),
    UniqueConstraint("project", "container", name="containers_by_name"),
)

CONTENTS = Table(
    "contents",
    METADATA,
    Column("sha256", String, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("claimed_at_utc", DateTime, nullable=False),
    Column("checked_at_utc", DateTime),
    Column("fault", String),
)

# `live_name` is its name as long as it is not deleted: what is deleted leaves its name to others.
OBJECTS = Table(
    "objects",
    METADATA,
    Column("object_id", _NUMBER, primary_key=True),
    Column("container_id", BigInteger, ForeignKey("containers.container_id"), nullable=False),
    Column("name", String, nullable=False),
    Column("live_name", _BY_BYTES),
    Column("newest_version", Integer, nullable=False),
    Column("deleted_at_utc", DateTime),
    Column("restorable_until_utc", DateTime),
    UniqueConstraint("container_id", "live_name", name="objects_by_name"),
    Index(
        "objects_deleted", "object_id",
        sqlite_where=text("live_name IS NULL"), postgresql_where=text("live_name IS NULL"),
    ),
    sqlite_autoincrement=True,
)  # fmt: skip

OBJECT_VERSIONS = Table(
    "object_versions",
    METADATA,
    Column("object_id", BigInteger, ForeignKey("objects.object_id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("sha256", String, ForeignKey("contents.sha256"), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("content_type", String, nullable=False),
    Column("application", String, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("links", JSON, nullable=False),
    Column("observed_from_utc", DateTime),
    Column("observed_until_utc", DateTime),
    Column("latitude_deg", Float),
    Column("longitude_deg", Float),
    Column("put_at_utc", DateTime, nullable=False),
    Column("put_by", String, nullable=False),
    Index("object_versions_by_content", "sha256"),
    Index("object_versions_by_type", "content_type"),
    Index("object_versions_by_time", "observed_from_utc"),
    Index("object_versions_by_size", "size_bytes"),
    Index("object_versions_by_put", "put_at_utc"),
)

# What the newest versions can be found by, beside their columns.
OBJECT_TERMS = Table(
    "object_terms",
    METADATA,
    Column("object_id", BigInteger, ForeignKey("objects.object_id"), nullable=False),
    Column("field", String, nullable=False),
    Column("text_value", String),
    Column("number_value", Float),
    Index("object_terms_by_object", "object_id"),
    Index("object_terms_by_text", "field", "text_value", "object_id"),
    Index("object_terms_by_number", "field", "number_value", "object_id"),
)

# No key of objects: what was done to one is known when it is gone.
OBJECT_OPERATIONS = Table(
    "object_operations",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("kind", String, nullable=False),
    Column("project", String, nullable=False),
    Column("name", String, nullable=False),
    Column("object_id", BigInteger),
    Column("version", Integer),
    Column("by", String, nullable=False),
    Column("run_id", String, nullable=False),
    Column("at_utc", DateTime, nullable=False),
    Column("reason", String, nullable=False),
    Index("object_operations_by_object", "object_id"),
    Index("object_operations_by_project", "project", "number"),
)

# No keys of objects: what was made of one is known when it is gone.
OBJECT_RUNS = Table(
    "object_runs",
    METADATA,
    Column("object_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("processor", String, primary_key=True),
    Column("processor_version", Integer, primary_key=True, autoincrement=False),
    Column("sha256", String, nullable=False),
    Column("state", String, nullable=False),
    Column("run_id", String, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("started_at_utc", DateTime, nullable=False),
    Column("ended_at_utc", DateTime),
    Column("row_count", BigInteger, nullable=False),
    Column("reason", String, nullable=False),
    Index("object_runs_by_state", "state", "object_id"),
)

OBJECT_SOURCES = Table(
    "object_sources",
    METADATA,
    Column("made_id", BigInteger, primary_key=True, autoincrement=False),
    Column("object_id", BigInteger, primary_key=True, autoincrement=False),
    Column("processor", String, primary_key=True),
    Column("made_version", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("processor_version", Integer, nullable=False),
    Index("object_sources_by_source", "object_id"),
)

OBJECTS_TO_REPROCESS = Table(
    "objects_to_reprocess",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("object_id", BigInteger, nullable=False),
    Column("processor", String, nullable=False),
    Column("asked_by", String, nullable=False),
    Column("asked_at_utc", DateTime, nullable=False),
    Index("objects_to_reprocess_by_object", "object_id"),
)

CONTAINER_RULES = Table(
    "container_rules",
    METADATA,
    Column("container_id", BigInteger, primary_key=True, autoincrement=False),
    Column("rules", JSON, nullable=False),
    Column("set_by", String, nullable=False),
    Column("set_at_utc", DateTime, nullable=False),
)

# What clients of S3 take for the tag of bytes that came whole. No key of contents: what is swept
# may come again, and has the same one.
CONTENT_MD5S = Table(
    "content_md5s",
    METADATA,
    Column("sha256", String, primary_key=True),
    Column("md5", String, nullable=False),
)

# Up to where a topic is read whose records become something in this database.
TOPIC_OFFSETS = Table(
    "topic_offsets",
    METADATA,
    Column("topic", String, primary_key=True),
    Column("topic_partition", Integer, primary_key=True, autoincrement=False),
    Column("topic_id", String, nullable=False),
    Column("cluster_id", String, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("moved_at_utc", DateTime, nullable=False),
)

TOPIC_DEAD_LETTERS = Table(
    "topic_dead_letters",
    METADATA,
    Column("topic", String, primary_key=True),
    Column("topic_id", String, primary_key=True),
    Column("topic_partition", Integer, primary_key=True, autoincrement=False),
    Column("topic_offset", BigInteger, primary_key=True, autoincrement=False),
    Column("sent_at_utc", DateTime, nullable=False),
    Column("message_key", String),
    Column("size_bytes", BigInteger, nullable=False),
    Column("reason", String, nullable=False),
    Column("recorded_at_utc", DateTime, nullable=False),
)

ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("account", String, primary_key=True),
    Column("is_operator", Boolean, nullable=False),
    Column("made_at_utc", DateTime, nullable=False),
    Column("made_by", String, nullable=False),
    Column("disabled_at_utc", DateTime),
)

# No key of projects: a role can be given before there is one, and outlives it.
PROJECT_ROLES = Table(
    "project_roles",
    METADATA,
    Column("project", String, primary_key=True),
    Column("account", String, ForeignKey("accounts.account"), primary_key=True),
    Column("role", Integer, nullable=False),
    Index("project_roles_by_account", "account"),
)

TOKENS = Table(
    "tokens",
    METADATA,
    Column("token_id", _NUMBER, primary_key=True),
    Column("account", String, ForeignKey("accounts.account"), nullable=False),
    Column("label", String, nullable=False),
    Column("secret_sha256", String, nullable=False),
    Column("project", String),
    Column("most_role", Integer, nullable=False),
    Column("made_at_utc", DateTime, nullable=False),
    Column("expires_at_utc", DateTime, nullable=False),
    Column("revoked_at_utc", DateTime),
    Column("last_used_on_utc", DateTime),
    UniqueConstraint("secret_sha256", name="tokens_by_secret"),
)

ACCOUNT_EVENTS = Table(
    "account_events",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("kind", String, nullable=False),
    Column("account", String, nullable=False),
    Column("project", String, nullable=False),
    Column("by", String, nullable=False),
    Column("detail", String, nullable=False),
    Column("at_utc", DateTime, nullable=False),
)
