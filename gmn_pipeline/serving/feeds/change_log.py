"""Every change as an entry, the newest first: an entry never changes, and none is missed.

What belongs here: which entries a page has. What does not: the sum of changes between two states
(`tables/changes.py`).

A change is in the feed if the filters let through what was before it, or what is after it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from gmn_pipeline.schemas.changes import Change
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELD, Field, Kind
from gmn_pipeline.serving.feeds import wording
from gmn_pipeline.serving.feeds.atom import TAG, Entry
from gmn_pipeline.serving.feeds.entries import Page
from gmn_pipeline.serving.feeds.event_names import Ask
from gmn_pipeline.serving.feeds.wording import Row
from gmn_pipeline.serving.tables import order
from gmn_pipeline.serving.tables.filters import Condition, where
from gmn_pipeline.serving.tables.order import Term
from gmn_pipeline.serving.tables.values import Bound

_KEY = "trajectory_identifier"
_TERMS = [
    Term(Field("changed_at_utc", "when", Kind.TIMESTAMP), descends=True),
    Term(TRAJECTORY_FIELD[_KEY]),
    Term(Field("number", "revision", Kind.INTEGER), descends=True),
    # After an end at the same time comes what it had been.
    Term(Field("is_end", "whether it was withdrawn", Kind.BOOLEAN), descends=True),
]
_COLUMNS = ", ".join(f"h.{name}" for name in wording.COLUMNS)
_SAID = {
    Change.INSERTED: "New",
    Change.REVISED: "Solved anew",
    Change.WITHDRAWN: "Withdrawn",
}


async def page(
    ask: Ask, conditions: Sequence[Condition], following: str | None, size: int, base: str
) -> Page:
    """A page of changes; `base`: what links to trajectories begin with. Raises Problem."""
    after = [] if following is None else [order.after(_TERMS, order.read(_TERMS, following))]
    sql, values = _sql(conditions, after, size)
    rows: list[dict[str, Any]] = (await ask(sql, values)).to_pylist()
    shown = rows[:size]
    last: list[Bound] = [shown[-1][term.field.name] for term in _TERMS] if shown else []
    return Page(
        list(_entries(shown, base)), order.written(last) if len(rows) > size else None
    )  # fmt: skip


def _sql(
    conditions: Sequence[Condition], after: Sequence[Condition], size: int
) -> tuple[str, list[Bound]]:
    of_feed, values = where(conditions)
    ends, end_values = where([Condition(f"change = '{Change.WITHDRAWN}'"), *conditions])
    begins = f"SELECT {_KEY}, revision AS number, valid_from_utc AS changed_at_utc, false AS is_end"
    some = [
        f"{begins} FROM trajectory_history {of_feed}",
        f"SELECT {_KEY}, revision, valid_until_utc, true FROM trajectory_revisions {ends}",
    ]
    bound = [*values, *end_values]
    if conditions:
        left, left_values = where([Condition(f"change = '{Change.REVISED}'"), *conditions])
        some.append(
            f"SELECT {_KEY}, revision + 1, valid_until_utc, false FROM trajectory_revisions {left}"
        )
        bound += left_values
    clause, page_values = where(after)
    sql = f"""
    WITH changes AS ({" UNION ".join(some)}),
    shown AS (
      SELECT * FROM changes {clause} ORDER BY {order.order_by(_TERMS)} LIMIT {size + 1}
    )
    SELECT s.changed_at_utc, s.number, s.is_end, p.change AS former_change, {_COLUMNS}
    FROM shown s JOIN trajectory_history h ON h.{_KEY} = s.{_KEY} AND h.revision = s.number
    LEFT JOIN trajectory_revisions p ON p.{_KEY} = s.{_KEY} AND p.revision = s.number - 1
    ORDER BY {", ".join(f"s.{term}" for term in order.order_by(_TERMS).split(", "))}"""
    return sql, [*bound, *page_values]


def _entries(rows: Sequence[Row], base: str) -> Iterator[Entry]:
    for row in rows:
        change = _change(row)
        number = f"{row['number']}/end" if row["is_end"] else str(row["number"])
        yield Entry(
            id=f"{TAG}change/{row[_KEY]}/{number}",
            title=f"{_SAID[change]}: {wording.title(row)}",
            updated=row["changed_at_utc"],
            published=row["changed_at_utc"],
            content=wording.content(row),
            link=f"{base}/trajectories/{row[_KEY]}.json",
            categories=wording.categories(row, change),
        )


def _change(row: Row) -> Change:
    if row["is_end"]:
        return Change.WITHDRAWN
    return Change.REVISED if row["former_change"] == Change.REVISED else Change.INSERTED
