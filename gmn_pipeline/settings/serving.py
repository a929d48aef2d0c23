"""Settings of the server.

What belongs here: limits of `gmn serve`, and what its pages may fetch. What does not: where the
warehouse is.
"""

import re

from pydantic import Field, field_validator

from gmn_pipeline.settings.tap import TapSettings

_TILES = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[A-Za-z0-9{}/._~@=&?%+-]*")
"""No more than an address needs: the origin becomes part of a policy."""
_SITE = re.compile(r"https?://(\*\.)?[A-Za-z0-9.-]+(:[0-9]{1,5})?")


class ServingSettings(TapSettings):
    """Serving: what 'gmn serve' answers, and how much of it at once."""

    serve_poll_s: float = Field(
        0.25, gt=0, description="Seconds between looks at whether something was committed."
    )
    serve_states: int = Field(
        8,
        ge=1,
        description="Past states of the warehouse that stay open for those who are turning their "
        "pages; opening one again takes a tenth of a second.",
    )
    serve_page_rows: int = Field(1_000, ge=1, description="Rows of a page.")
    serve_query_timeout_s: float = Field(
        30.0, gt=0, description="Seconds that a query of the server's own may work."
    )
    serve_query_memory_mb: int = Field(
        1_000, ge=64, description="Memory (MB) of all queries of the server's own together."
    )
    serve_queries: int = Field(8, ge=1, description="Queries of the server's own at once.")
    serve_threads: int = Field(
        1, ge=1, description="Threads that one query of the server's own may work in. With more, "
        "each takes more processor time in all, and fewer are answered."
    )  # fmt: skip
    serve_sql_timeout_s: float = Field(
        5.0, gt=0, description="Seconds that a query of a client's own (SQL) may work. Maintenance "
        "waits for it, ten seconds at most."
    )  # fmt: skip
    serve_sql_memory_mb: int = Field(
        1_000, ge=64, description="Memory (MB) that one query of a client's own may take."
    )
    serve_sql_queries: int = Field(
        2, ge=1, description="Queries of clients' own at once: each is a process."
    )
    serve_sql_rows: int = Field(
        100_000, ge=1, description="Rows that a query of a client's own may answer with in a "
        "format of exports; a page of JSON has GMN_SERVE_PAGE_ROWS."
    )  # fmt: skip
    serve_exports: int = Field(
        4, ge=1, description="Exports of whole tables at once; each has what memory its query and "
        "its format take, some tens of MB."
    )  # fmt: skip
    serve_export_timeout_s: float = Field(
        3_600.0, gt=0, description="Seconds that the query of an export may work; the time in "
        "which its client takes it does not count."
    )  # fmt: skip
    serve_queue: int = Field(
        100, ge=0, description="Requests of either kind that may wait for their turn; more are "
        "told to come back later (503)."
    )  # fmt: skip
    serve_queue_s: float = Field(
        10.0, ge=0, description="Seconds that a request may wait for its turn."
    )
    serve_head_timeout_s: float = Field(
        30.0, gt=0, description="Seconds in which a request has to be here; a connection on which "
        "none comes is closed."
    )  # fmt: skip
    serve_cache_mb: int = Field(
        64, ge=0, description="Memory (MB) for answers that are kept for the next one who asks the "
        "same of the same state."
    )  # fmt: skip
    serve_count_ahead_rows: int = Field(
        100_000, ge=0, description="Trajectories from which on the first view of the portal's "
        "linked views is counted after a commit, before somebody asks for it."
    )  # fmt: skip
    serve_cubes_mb: int = Field(
        600, ge=0, description="Memory (MB) for trajectories as linked views count them, some 60 "
        "MB for a million; where that is too little, or 0, the lake is asked each time."
    )  # fmt: skip
    serve_by_key_mb: int = Field(
        8_000, ge=0, description="Most disk space (MB) for a file beside the lake by which single "
        "trajectories and links of stations are found at once, some 600 MB for a million; 0: none."
    )  # fmt: skip
    serve_requests_per_minute: int = Field(
        6_000, ge=1, description="Requests a minute of one address; more are refused (429)."
    )
    serve_trust_forwarded: bool = Field(
        False, description="Whether X-Forwarded-Host and X-Forwarded-Proto are believed, for links "
        "in feeds: only behind a proxy that sets both. Without it they lead to the Host that the "
        "request names, by http."
    )  # fmt: skip
    serve_listeners: int = Field(
        2_000, ge=1, description="Listeners to live events at once; more are told to come back "
        "later (503)."
    )  # fmt: skip
    serve_listeners_per_address: int = Field(
        100, ge=1, description="Listeners of one address at once; more are refused (429)."
    )
    serve_event_changes: int = Field(
        10_000, ge=1, description="Changes of a commit that listeners are told one by one; of more "
        "they are told where to fetch them."
    )  # fmt: skip
    serve_events_mb: int = Field(
        64, ge=1, description="Memory (MB) for changes that slower listeners have still to come "
        "to; what is not kept is asked for again."
    )  # fmt: skip
    serve_embed_hosts: str = Field(
        "", description="Other sites whose pages may show dashboards in a frame: their addresses "
        "with blanks between, such as https://example.org https://blog.example.org. Without any, "
        "none may."
    )  # fmt: skip
    serve_map_tiles: str = Field(
        "", description="A map server of yours, whose pictures lie under the maps of the portal: "
        "an address with {z}, {x} and {y}, such as https://tiles.example.org/{z}/{x}/{y}.png. "
        "Without one, nothing is fetched from outside."
    )  # fmt: skip
    serve_map_attribution: str = Field(
        "", max_length=200, description="Whose map that is, as its licence wants it to be said."
    )

    @field_validator("serve_embed_hosts")
    @classmethod
    def _hosts_are_sites(cls, sites: str) -> str:
        for site in sites.split():
            if not _SITE.fullmatch(site):
                raise ValueError(f"has {site!r}, which is no site as https://example.org is one")
        return " ".join(sites.split())

    @field_validator("serve_map_tiles")
    @classmethod
    def _tiles_can_be_asked_for(cls, template: str) -> str:
        if template and not _TILES.fullmatch(template):
            raise ValueError("is no address (http or https) of tiles")
        if any(template.count(part) != 1 for part in ("{z}", "{x}", "{y}") if template):
            raise ValueError("names each of {z}, {x} and {y} once")
        return template
