"""Tables of dashboards, in the operational database.

What belongs here: as in `tables.py`, whose metadata these join.
"""

from sqlalchemy import JSON, Boolean, Column, DateTime, ForeignKey, Integer, String, Table

from gmn_pipeline.database.tables import METADATA

DASHBOARDS = Table(
    "dashboards",
    METADATA,
    Column("dashboard_id", String, primary_key=True),
    Column("newest_version", Integer, nullable=False),
    Column("made_by", String, nullable=False),
    Column("deleted_at_utc", DateTime),
    Column("deleted_by", String),
)

DASHBOARD_VERSIONS = Table(
    "dashboard_versions",
    METADATA,
    Column("dashboard_id", String, ForeignKey("dashboards.dashboard_id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("document", JSON, nullable=False),
    Column("saved_at_utc", DateTime, nullable=False),
    Column("saved_by", String, nullable=False),
)

# Those without a row are read by everybody. `links_ended`: how often all links that had been made
# were ended; it is signed with each.
DASHBOARD_ACCESS = Table(
    "dashboard_access",
    METADATA,
    Column("dashboard_id", String, ForeignKey("dashboards.dashboard_id"), primary_key=True),
    Column("is_private", Boolean, nullable=False),
    Column("links_ended", Integer, nullable=False),
)
