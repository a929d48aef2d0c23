"""What is selected in a view (`_brush`), and the part of its domain that is looked at (`_zoom`).

What belongs here: reading both, and a brush as a condition in SQL. What does not: filters by
columns (`tables/filters.py`).

    speed:30:45.5                     of an axis from (inclusive) to (exclusive)
    time:2025-01-01:2026-01-01        of time, without or with hours: 2025-01-01T12:00:00
    solar_longitude:350:10            over the top of what goes round
    ground:-10:5:40:60                of a plane: both of its axes
    shower:PER,GEM                    one of these; of a list, any of these
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gmn_pipeline.serving.cubes.views import VIEWS, Axis, View
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.tables.filters import Condition
from gmn_pipeline.serving.tables.values import utc

_MOST_VALUES = 100
_TIMES = re.compile(r"(\d{4}-.+?):(\d{4}-.+)")
_LONGEST = 2_000


@dataclass(frozen=True)
class Span:
    """From (inclusive) to (exclusive) on an axis, in its own measure."""

    axis: Axis
    low: float
    high: float

    @property
    def goes_round(self) -> bool:
        return self.low > self.high

    def condition(self) -> Condition:
        axis = self.axis
        # What lies at the very top belongs to the last bin, as it does where it is counted.
        below = "<=" if axis.is_closed and self.high == axis.high else "<"
        joined = "OR" if self.goes_round else "AND"
        if axis.is_time:  # compared as the column's own values are, to the microsecond
            ends = (_when(self.low), _when(self.high))
            return Condition(f"({axis.column} >= ? AND {axis.column} < ?)", ends)
        return Condition(f"({axis.sql} >= ? {joined} {axis.sql} {below} ?)", (self.low, self.high))


@dataclass(frozen=True)
class Brush:
    """What is selected in a view: a span of each axis, or some of its values."""

    view: View
    spans: tuple[Span, ...] = ()
    values: tuple[str, ...] = ()

    def condition(self) -> Condition:
        if self.spans:
            of = [span.condition() for span in self.spans]
            return Condition(
                " AND ".join(one.sql for one in of), tuple(v for one in of for v in one.values)
            )
        marks = ", ".join("?" * len(self.values))
        if self.view.kind == "members":
            return Condition(f"list_has_any({self.view.column}, [{marks}])", self.values)
        return Condition(f"{self.view.column} IN ({marks})", self.values)


def brushes(texts: Iterable[str]) -> Mapping[str, Brush]:
    """By view. Raises Problem."""
    found: dict[str, Brush] = {}
    for text in texts:
        view, rest = _view(text, "_brush", found)
        if view.axes:
            found[view.name] = Brush(view, _spans(view, rest, "_brush"))
        else:
            values = tuple(dict.fromkeys(one for one in rest.split(",") if one))
            if not values or len(values) > _MOST_VALUES or "\0" in rest:
                raise bad_request(f"_brush={view.name}: 1 to {_MOST_VALUES} values with commas.")
            found[view.name] = Brush(view, values=values)
    return found


def zooms(texts: Iterable[str]) -> Mapping[str, View]:
    """Views over a part of their domain, by name. Raises Problem."""
    found: dict[str, View] = {}
    for text in texts:
        view, rest = _view(text, "_zoom", found)
        if not view.axes:
            raise bad_request(f"_zoom={view.name}: it has no axis.")
        spans = _spans(view, rest, "_zoom")
        if any(not span.low < span.high for span in spans):
            raise bad_request(f"_zoom={view.name} goes from a lower value to a higher one.")
        axes = tuple(_over(span) for span in spans)
        found[view.name] = replace(view, axes=axes)
    return found


def _over(span: Span) -> Axis:
    axis = span.axis
    is_closed = axis.is_closed and span.high == axis.high
    return replace(axis, low=span.low, high=span.high, is_closed=is_closed)


def _view(text: str, what: str, before: Mapping[str, object]) -> tuple[View, str]:
    name, colon, rest = text.partition(":")
    if name not in VIEWS or not colon or len(text) > _LONGEST:
        raise bad_request(
            f"{what} is a view and what of it, such as speed:30:45, not {text[:100]!r}. "
            f"Views: {', '.join(VIEWS)}."
        )
    if name in before:
        raise bad_request(f"{what}={name} is given twice.")
    return VIEWS[name], rest


def _spans(view: View, text: str, what: str) -> tuple[Span, ...]:
    parts = _ends(view, text)
    if len(parts) != 2 * len(view.axes):
        raise bad_request(f"{what}={view.name} takes {2 * len(view.axes)} values with : between.")
    return tuple(
        _span(view, axis, parts[2 * at], parts[2 * at + 1], what)
        for at, axis in enumerate(view.axes)
    )


def _ends(view: View, text: str) -> list[str]:
    """Times have colons themselves."""
    if view.axes[0].is_time:
        found = _TIMES.fullmatch(text)
        return list(found.groups()) if found else []
    return text.split(":")


def _span(view: View, axis: Axis, low: str, high: str, what: str) -> Span:
    try:
        ends = (_end(axis, low), _end(axis, high))
    except (ValueError, OverflowError):
        raise bad_request(
            f"{what}={view.name}: {low[:50]!r} to {high[:50]!r} is no span of {axis.title}."
        ) from None
    if ends[0] == ends[1] or (ends[0] > ends[1] and not axis.is_circular):
        raise bad_request(f"{what}={view.name} goes from a lower value to a higher one.")
    return Span(axis, *ends)


def _end(axis: Axis, text: str) -> float:
    """Raises ValueError."""
    if axis.is_time:
        return utc(text).replace(tzinfo=UTC).timestamp()
    number = float(text)
    if not math.isfinite(number) or abs(number) > 1e9 or not text.isascii() or "_" in text:
        raise ValueError(text)
    return number


def written(axis: Axis, value: float) -> float | str:
    """A value of an axis as addresses and answers have it."""
    if not axis.is_time:
        return value
    when = _when(value)
    return when.isoformat(timespec="microseconds" if when.microsecond else "seconds")


def _when(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
