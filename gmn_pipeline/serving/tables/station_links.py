"""The links of one station, as a page of the view that has them.

What belongs here: knowing that a page asks for these and nothing else, and its rows. What does not:
other pages (`answer.py`), and where the links are kept (`serving/by_key/`).
"""

import json
from dataclasses import dataclass

import pyarrow as pa

from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.serving.by_key.rows import line
from gmn_pipeline.serving.routes import Asked
from gmn_pipeline.serving.tables.order import order_of
from gmn_pipeline.serving.tables.page import Page

_VIEW, _STATION = "participating_station", "station_id"


@dataclass(frozen=True)
class Found:
    """Rows as the page's query has them, and how many the filter lets through, if that is known."""

    rows: pa.Table
    number: int | None


async def station_links(asked: Asked, page: Page, snapshot: Snapshot, rows: int) -> Found | None:
    """So many rows at most; None if something else is asked for, or the lake is to be asked."""
    station = _station(page)
    if station is None:
        return None
    after = None if page.after is None else str(page.after[0])
    found = await asked.work.by_key.links(snapshot, station, after, rows)
    if found is None:
        return None
    lines = [
        line(
            page.fields,
            {
                "id": str(found.place + number), "created_at": found.since,
                "updated_at": found.since, "meteor_id": json.dumps(identifier, ensure_ascii=False),
                _STATION: str(station),
            },
            page.shape,
        )
        for number, identifier in enumerate(found.identifiers, 1)
    ]  # fmt: skip
    stations = [station] * len(lines)
    columns = dict(zip(page.keys, (found.identifiers, stations), strict=True))
    return Found(pa.table({"line": lines, **columns}), found.number)


def _station(page: Page) -> int | None:
    """The number of the station whose links, in the order of their key, are asked for."""
    if page.relation.name != _VIEW or page.facets or len(page.conditions) != 1:
        return None
    (condition,) = page.conditions
    if condition.sql != f"{_STATION} = ?" or page.terms != tuple(order_of(page.relation, None)):
        return None
    (number,) = condition.values
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    if page.after is not None and (page.after[0] is None or page.after[1] != number):
        return None
    return number
