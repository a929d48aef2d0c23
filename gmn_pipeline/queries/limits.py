"""How much a query may use.

What belongs here: the limits, and what is said of one that was reached. What does not: how they
are held (`session.py`, `process.py`).
"""

from dataclasses import dataclass

from gmn_pipeline.errors import QueryLimit
from gmn_pipeline.settings import QuerySettings, variable

MANY_ROWS = 10_000
FEW_ROWS = 2_048
"""DuckDB sets memory aside for each column of so many rows, however few come, and nothing tells of
it afterwards: a page of 90 columns held 11 MB, and took a tenth longer, where batches are large."""


@dataclass(frozen=True)
class Limits:
    """Limits of one query; `Limits.of(settings)` are those of the command line."""

    seconds: float
    """Working time: that of a client that is slow to take the answer does not count."""
    memory_mb: int
    disk_mb: int
    """What may be written to temporary files while sorting and joining; 0: nothing."""
    rows: int
    """Rows of the answer; more are cut off, and the answer says so."""
    threads: int | None = None
    """Of DuckDB for all queries of a session; without it as many as there are processors."""
    batch_rows: int = MANY_ROWS
    """Rows of an answer that come at a time: FEW_ROWS for pages, MANY_ROWS for exports."""

    @classmethod
    def of(cls, settings: QuerySettings) -> "Limits":
        return cls(
            seconds=settings.query_timeout_s,
            memory_mb=settings.query_memory_mb,
            disk_mb=settings.query_disk_mb,
            rows=settings.query_max_rows,
        )

    def time_reached(self) -> QueryLimit:
        return QueryLimit(
            f"The query was stopped after {self.seconds:g} s.",
            remedy=f"Ask for less (fewer days, a smaller join), or raise "
            f"{variable('query_timeout_s')}.",
        )

    def memory_reached(self) -> QueryLimit:
        return QueryLimit(
            f"The query needs more than {self.memory_mb:,} MB of memory and "
            f"{self.disk_mb:,} MB of temporary files.",
            remedy=f"Ask for less (fewer columns, no sorting), or raise "
            f"{variable('query_memory_mb')} or {variable('query_disk_mb')}.",
        )

    def rows_reached(self) -> str:
        return (
            f"Cut off after {self.rows:,} rows: there are more. "
            f"{variable('query_max_rows')} sets how many there may be."
        )
