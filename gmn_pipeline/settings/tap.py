"""Settings of TAP.

What belongs here: limits of queries in ADQL, and where their answers are kept. What does not: the
limits of all clients' queries (`serving.py`), which hold here too.
"""

from pathlib import Path

from pydantic import Field

from gmn_pipeline.settings.group import SettingsGroup


class TapSettings(SettingsGroup):
    """TAP: queries of the Virtual Observatory's clients to 'gmn serve', at once or as jobs."""

    serve_url: str | None = Field(
        None, pattern=r"^https?://[^\s\"'<>&?#]+$", description="Address that clients reach the "
        "server at, for documents that have to name it whole, such as https://example.org. "
        "Unset: the one that a request names.",
    )  # fmt: skip
    serve_tap_rows: int = Field(
        100_000, ge=1, description="Rows of an answer where the client does not say how many "
        "(MAXREC)."
    )  # fmt: skip
    serve_tap_most_rows: int = Field(
        5_000_000, ge=1, description="Rows of an answer at most, whatever the client says."
    )
    serve_tap_answer_mb: int = Field(
        4_000, ge=1, description="Size (MB, on disk) of an answer at most."
    )
    serve_tap_dir: Path | None = Field(
        None, description="Folder of jobs and their answers, which then outlive the server; one "
        "server for each. Unset: a temporary folder, which goes with the server as its jobs do."
    )  # fmt: skip
    serve_tap_timeout_s: float = Field(
        600.0, gt=0, description="Seconds that the query of a job may work."
    )
    serve_tap_queries: int = Field(
        1, ge=1, description="Jobs that work at once, beside the queries that are answered at "
        "once: each is a process with as much memory as those."
    )  # fmt: skip
    serve_tap_keep_days: float = Field(
        3.0, gt=0, description="Days after which a job is removed with its answer, if its owner "
        "names no earlier time."
    )  # fmt: skip
    serve_tap_jobs: int = Field(1_000, ge=1, description="Jobs that are kept at once.")
    serve_tap_jobs_of_address: int = Field(100, ge=1, description="... of them of one address.")
    serve_tap_jobs_mb: int = Field(
        20_000, ge=1, description="Size (MB, on disk) of all answers of jobs together: then no "
        "further one is taken."
    )  # fmt: skip
