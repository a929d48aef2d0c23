"""The map server of the operator's, as the pages are told of it.

What belongs here: what of the page depends on the settings. What does not: fetching tiles, which
the browser does (`portal/src/lib/tiles.ts`).
"""

import html
from urllib.parse import urlsplit

from gmn_pipeline.settings import ServingSettings

_BEFORE = b"</head>"


def origin(settings: ServingSettings) -> str | None:
    """The one origin beside ours that pictures may come from."""
    if not settings.serve_map_tiles:
        return None
    parts = urlsplit(settings.serve_map_tiles)
    return f"{parts.scheme}://{parts.netloc}"


def told(page: bytes, settings: ServingSettings) -> bytes:
    """The page, with the map server in its head if there is one."""
    if not settings.serve_map_tiles:
        return page
    tiles, attribution = (
        html.escape(text) for text in (settings.serve_map_tiles, settings.serve_map_attribution)
    )
    said = f'<meta name="map-tiles" content="{tiles}" data-attribution="{attribution}" />'
    return in_head(page, said)


def in_head(page: bytes, said: str) -> bytes:
    """The page with something more in its head."""
    return page.replace(_BEFORE, said.encode() + _BEFORE, 1)
