"""Trajectories as entries, newest first, those among them that are none any more.

What belongs here: which entries a page has. What does not: every change by itself
(`change_log.py`).

An event has one entry: what it is now. One that was in the feed and is not any more stays at its
place and says so: withdrawn, or solved anew such that the feed's filters do not let it through.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gmn_pipeline.schemas.fields import TRAJECTORY_FIELD
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES, TRAJECTORY_REVISIONS
from gmn_pipeline.serving.feeds import wording
from gmn_pipeline.serving.feeds.atom import TAG, Entry
from gmn_pipeline.serving.feeds.event_names import Ask, EventNames, event_names
from gmn_pipeline.serving.feeds.wording import Row
from gmn_pipeline.serving.tables import order
from gmn_pipeline.serving.tables.filters import Condition, where
from gmn_pipeline.serving.tables.order import Term
from gmn_pipeline.serving.tables.values import Bound

_KEY = "trajectory_identifier"
_TIME = "beginning_utc_time"
_TERMS = [Term(TRAJECTORY_FIELD[_TIME], descends=True), Term(TRAJECTORY_FIELD[_KEY])]
_ORDER = order.order_by(_TERMS)
_COLUMNS = ", ".join(wording.COLUMNS)


@dataclass(frozen=True)
class Page:
    """Entries, and what the next page begins after."""

    entries: Sequence[Entry]
    following: str | None


async def page(
    ask: Ask, conditions: Sequence[Condition], following: str | None, size: int, base: str
) -> Page:
    """A page of events; `base`: what links to trajectories begin with. Raises Problem."""
    window = [] if following is None else [order.after(_TERMS, order.read(_TERMS, following))]
    clause, values = where([*conditions, *window])
    sql = f"SELECT {_COLUMNS} FROM {TRAJECTORIES.name} {clause} ORDER BY {_ORDER} LIMIT {size + 1}"
    current: list[Row] = (await ask(sql, values)).to_pylist()
    if len(current) > size:
        window.append(Condition(f"{_TIME} >= ?", (current[-1][_TIME],)))
    sql, values = _former_sql(conditions, window, size)
    former: list[Row] = (await ask(sql, values)).to_pylist()
    rows = sorted([*current, *former], key=lambda row: row[_KEY])
    rows.sort(key=lambda row: row[_TIME], reverse=True)
    shown = rows[:size]
    if not shown:
        return Page([], None)
    names = await event_names(
        ask, {row[_KEY] for row in shown}, shown[-1][_TIME], shown[0][_TIME]
    )  # fmt: skip
    last: list[Bound] = [shown[-1][_TIME], shown[-1][_KEY]]
    return Page(
        list(_entries(shown, names, base)), order.written(last) if len(rows) > size else None
    )


def _former_sql(
    conditions: Sequence[Condition], window: Sequence[Condition], size: int
) -> tuple[str, list[Bound]]:
    """The last states that were in the feed, of trajectories that are not in it now."""
    revisions = TRAJECTORY_REVISIONS.name
    both, values = where([*conditions, *window])
    of_feed, feed_values = where([Condition(f"{_KEY} IN (FROM candidates)"), *conditions])
    of_page, page_values = where(
        [*window, Condition(f"{_KEY} NOT IN (SELECT {_KEY} FROM {TRAJECTORIES.name} {of_feed})")]
    )
    sql = f"""
    WITH candidates AS (SELECT DISTINCT {_KEY} FROM {revisions} {both}),
    present AS (SELECT {_KEY} FROM {TRAJECTORIES.name} WHERE {_KEY} IN (FROM candidates)),
    last_ones AS (
      SELECT {_COLUMNS}, valid_until_utc,
        row_number() OVER (PARTITION BY {_KEY} ORDER BY revision DESC) AS from_the_last
      FROM {revisions} {of_feed}
    )
    SELECT {_COLUMNS}, valid_until_utc, {_KEY} IN (FROM present) AS is_present FROM last_ones
    {of_page} AND from_the_last = 1
    ORDER BY {_ORDER} LIMIT {size + 1}"""
    return sql, [*values, *feed_values, *page_values, *feed_values]


def _entries(rows: Sequence[Row], names: EventNames, base: str) -> Iterator[Entry]:
    shown = {row[_KEY] for row in rows}
    for row in rows:
        identifier = row[_KEY]
        if "valid_until_utc" not in row:
            yield _entry(row, names, base)
        elif row["is_present"]:
            yield _entry(
                row, names, base, "solved-anew", "No longer here",
                "Solved anew, it is not what this feed is of any more. What it was before:",
            )  # fmt: skip
        elif not names.goes_on(identifier, shown):
            yield _entry(
                row, names, base, "withdrawn", "Withdrawn",
                "The network does not have this trajectory any more. What it was:",
            )  # fmt: skip


def _entry(
    row: Row, names: EventNames, base: str, state: str = "current", mark: str = "", said: str = ""
) -> Entry:
    title, content = wording.title(row), wording.content(row)
    return Entry(
        id=f"{TAG}event/{names.event(row[_KEY])}",
        title=f"{mark}: {title}" if mark else title,
        updated=row.get("valid_until_utc") or row["valid_from_utc"],
        published=row["first_loaded_at_utc"],
        content=f"{said}\n{content}" if said else content,
        link=f"{base}/trajectories/{row[_KEY]}.json",
        categories=wording.categories(row, state),
    )
