"""Settings of queries.

What belongs here: what one query may take, whoever asks. What does not: the server's own limits
(`serving.py`).
"""

from pydantic import Field

from gmn_pipeline.settings.group import SettingsGroup


class QuerySettings(SettingsGroup):
    """Queries: what one query may take."""

    query_timeout_s: float = Field(
        120.0, gt=0, description="Seconds that a query ('gmn sql') may work."
    )
    query_memory_mb: int = Field(2_000, ge=64, description="Memory (MB) that a query may take.")
    query_disk_mb: int = Field(
        2_000, ge=0, description="Temporary files (MB), under the data folder, that a query may "
        "write while it sorts or joins more than its memory holds; 0 for none."
    )  # fmt: skip
    query_max_rows: int = Field(
        5_000_000,
        ge=1,
        description="Rows of a query's answer; more are cut off, and it says so.",
    )
