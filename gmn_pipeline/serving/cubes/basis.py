"""What has to be known before anything is counted: how many there are, over which time, and which
values of texts and lists are the most frequent ones.

What belongs here: what that is, and of which rows. What does not: asking (`asking.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gmn_pipeline.serving.cubes.selection import Brush
from gmn_pipeline.serving.cubes.views import TIME, View

TABLE = "trajectories"
TOP = 24
"""Values of a text or list that have a bin each; the rest of them lie outside."""
_HOUR_S, _DAY_S = 3_600, 86_400
_STEPS_S = (
    _HOUR_S // 6, _HOUR_S, 3 * _HOUR_S, _DAY_S, 2 * _DAY_S, 4 * _DAY_S, 7 * _DAY_S, 14 * _DAY_S,
    28 * _DAY_S, 56 * _DAY_S,
)  # fmt: skip


@dataclass(frozen=True)
class Basis:
    """Of the rows that the filters let through; `tops`: the values of each such view."""

    rows: int
    time: tuple[float, float, int]
    """From, to (seconds since 1970), and bins."""
    tops: Mapping[str, tuple[str, ...]]


def deciding(view: View, brushes: Mapping[str, Brush], active: str | None) -> list[Brush]:
    """The brushes under which the most frequent values of a text or list are looked for.

    The values of a text stay the same whatever is selected, since it may be the active view; those
    of a list are the most frequent ones of what is selected elsewhere.
    """
    if view.kind != "members":
        return []
    return [one for name, one in brushes.items() if name not in (view.name, active)]


def with_chosen(top: Sequence[str], view: View, brushes: Mapping[str, Brush]) -> tuple[str, ...]:
    """Values that are selected have a bin, however seldom they are."""
    chosen = brushes[view.name].values if view.name in brushes else ()
    return tuple(dict.fromkeys([*top, *chosen]))


def span_of_time(first: float | None, last: float | None) -> tuple[float, float, int]:
    """Whole steps around all there is, of a length that people count in."""
    low, high = first or 0.0, last or 0.0
    step = next((s for s in _STEPS_S if (high - low) / s < TIME.bins - 2), _STEPS_S[-1])
    day = low // _DAY_S * _DAY_S
    begin = day + (low - day) // step * step
    bins = int((high - begin) // step) + 1
    return float(begin), float(begin + bins * step), bins
