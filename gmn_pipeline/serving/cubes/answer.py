"""The answer to who asks for a cube: a table of counts as Arrow, and what its numbers mean.

What belongs here: reading the request, asking, and the body. What does not: SQL (`query.py`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from starlette.responses import JSONResponse, Response

from gmn_pipeline.errors import QueryLimit
from gmn_pipeline.queries.answer import Cancellation
from gmn_pipeline.serving.cache import Kept
from gmn_pipeline.serving.compression import PLAIN_ARROW
from gmn_pipeline.serving.conditional import Stamp, answered
from gmn_pipeline.serving.cubes.ahead import COUNTED, MOST_BEHIND_S
from gmn_pipeline.serving.cubes.asking import top_of, total_of
from gmn_pipeline.serving.cubes.basis import TOP, Basis, deciding, with_chosen
from gmn_pipeline.serving.cubes.counting import NotByStep, counted, top
from gmn_pipeline.serving.cubes.query import Binned, Cube, binned
from gmn_pipeline.serving.cubes.rows import layout
from gmn_pipeline.serving.cubes.selection import Brush, brushes, written, zooms
from gmn_pipeline.serving.cubes.views import VIEWS, Axis, View
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.routes import Asked, Conditions, Parameter
from gmn_pipeline.serving.tables.as_of import AS_OF, state
from gmn_pipeline.serving.tables.filters import Condition, conditions, where
from gmn_pipeline.serving.tables.relations import Relation

MEDIA_TYPE = "application/vnd.apache.arrow.stream"
METADATA = "gmn_cube"
VIEW = Parameter(
    "_view", "view to count, several times for several; without it all of them",
    choices=tuple(VIEWS), is_repeated=True, example="magnitude",
)  # fmt: skip
_CAN_BE_ACTIVE = tuple(name for name, view in VIEWS.items() if view.kind != "members")
ACTIVE = Parameter(
    "_active", "view that is to be brushed: all others are counted for each of its pixels, "
    "whatever is selected in it", choices=_CAN_BE_ACTIVE, example="speed",
)  # fmt: skip
_MOST_PIXELS, _MOST_ACROSS, _MOST_CELLS = 400, 72, 240
PIXELS = Parameter(
    "_pixels", f"pixels of the active view, {_MOST_PIXELS} at most; of a plane those across, "
    f"{_MOST_ACROSS} at most, and half as many down. Without it as many as it has bins, or "
    f"{_MOST_ACROSS // 2}",
    minimum=1,
)  # fmt: skip
CELLS = Parameter(
    "_cells", f"bins across a plane, {_MOST_CELLS} at most, and half as many down",
    minimum=2, default=180,
)  # fmt: skip
BRUSH = Parameter(
    "_brush", "what is selected in a view, several times for several views: speed:30:45.5 (from, "
    "inclusive, to, exclusive), solar_longitude:350:10 (over the top of what goes round), "
    "time:2025-01-01:2026-01-01, ground:-10:5:40:60 (both axes of a plane), shower:PER,GEM. Every "
    "other view counts what all brushes but its own let through",
    is_repeated=True, example="magnitude:-10:0",
)  # fmt: skip
ZOOM = Parameter(
    "_zoom", "part of a view's domain that its bins are laid over, as for _brush; what lies beyond "
    "is counted as outside", is_repeated=True, example="time:2025-08-01:2025-09-01",
)  # fmt: skip
_COUNTED = Parameter(
    COUNTED, "without _as_of: of the newest state of which the first view is counted already, if "
    f"no other has been the newest for more than {MOST_BEHIND_S / 60:g} minutes",
    choices=("on", "1", "true"),
)  # fmt: skip
PARAMETERS = (VIEW, ACTIVE, PIXELS, CELLS, BRUSH, ZOOM, AS_OF, _COUNTED)


async def views(asked: Asked) -> Response:
    """All views, as they are declared."""
    del asked
    return JSONResponse(
        {"views": [{**_told(view), "columns": _columns(view)} for view in VIEWS.values()]},
        headers={"Cache-Control": "public, max-age=300"},
    )


async def cube(asked: Asked, relation: Relation, filters: Conditions) -> Response:
    """The counts."""
    if asked.text(COUNTED) is not None and asked.text(AS_OF.name) is None:
        return await counts(asked, Stamp(asked.work.ahead.state(), False), relation, filters)
    return await counts(asked, await state(asked), relation, filters)


async def counts(asked: Asked, stamp: Stamp, relation: Relation, filters: Conditions) -> Response:
    """The same of a state."""

    async def ask() -> Kept:
        wanted = _wanted(asked, relation, filters)
        basis = await total_of(asked, stamp, wanted.filtered)
        found = await _from_memory(asked, stamp, wanted, basis)
        counted, basis, table = found or await _from_the_lake(asked, stamp, wanted, basis)
        return Kept(_arrow(table, _metadata(counted, basis, stamp)), PLAIN_ARROW, {})

    return await answered(asked, stamp, ask)


@dataclass(frozen=True)
class _Wanted:
    """A request as it was read."""

    filtered: tuple[Condition, ...]
    selected: Mapping[str, Brush]
    zoomed: Mapping[str, View]
    active: View | None
    chosen: tuple[View, ...]
    cells: int
    pixels: int | None

    @property
    def with_values(self) -> list[View]:
        """Views whose most frequent values have to be known."""
        needed = [*self.chosen, *([self.active] if self.active else [])]
        return [view for view in needed if not view.axes]

    def deciding(self, view: View) -> list[Brush]:
        return deciding(view, self.selected, self.active.name if self.active else None)

    def cube(self, basis: Basis, tops: Mapping[str, Sequence[str]]) -> tuple[Cube, Basis]:
        basis = replace(basis, tops={
            view.name: with_chosen(tops[view.name], view, self.selected)
            for view in self.with_values
        })  # fmt: skip
        clause, values = where(self.filtered)
        counted = tuple(
            binned(view, basis, self.zoomed, self.cells if view.kind == "plane" else None)
            for view in self.chosen
        )
        active = self.active
        pixels = binned(active, basis, self.zoomed, self.pixels) if active else None
        return Cube(counted, pixels, self.selected, clause, values), basis


def _wanted(asked: Asked, relation: Relation, filters: Conditions) -> _Wanted:
    """Raises Problem."""
    given = [(*filters.parts(name), text) for name, text in asked.conditions]
    name = asked.text(ACTIVE.name)
    active = VIEWS[name] if name else None
    chosen = [VIEWS[n] for n in dict.fromkeys(asked.texts(VIEW.name))] or list(VIEWS.values())
    return _Wanted(
        tuple(conditions(relation, given)), brushes(asked.texts(BRUSH.name)),
        zooms(asked.texts(ZOOM.name)), active, tuple(one for one in chosen if one != active),
        _number(asked, CELLS, _MOST_CELLS), _pixels(asked, active) if active else None,
    )  # fmt: skip


async def _from_memory(
    asked: Asked, stamp: Stamp, wanted: _Wanted, basis: Basis
) -> tuple[Cube, Basis, pa.Table] | None:
    """None where rows are not kept, or where what is asked lies between what is kept of them."""
    work = asked.work
    rows = await work.rows_of_cubes.rows(
        lambda read: work.compute(asked.request, read), stamp.snapshot, wanted.filtered,
        layout(basis, wanted.zoomed), basis.rows,
    )  # fmt: skip
    if rows is None:
        return None

    def count(cancellation: Cancellation) -> tuple[Cube, Basis, pa.Table] | None:
        def go_on() -> None:
            if cancellation.cancelled:
                raise QueryLimit("Nobody waits for it any more.")

        try:
            tops = {
                view.name: top(rows, view.name, wanted.deciding(view), TOP)
                for view in wanted.with_values
            }
            cube, known = wanted.cube(basis, tops)
            return cube, known, counted(rows, cube, go_on)
        except NotByStep:
            return None

    return await work.compute(asked.request, count)


async def _from_the_lake(
    asked: Asked, stamp: Stamp, wanted: _Wanted, basis: Basis
) -> tuple[Cube, Basis, pa.Table]:
    tops = {
        view.name: await top_of(asked, stamp, wanted.filtered, view, wanted.deciding(view))
        for view in wanted.with_values
    }
    cube, basis = wanted.cube(basis, tops)
    members = [cube.sql_of_members(one) for one in cube.views if one.view.kind == "members"]
    parts = [
        await asked.work.fetch(asked.request, stamp.snapshot, sql, values)
        for sql, values in (cube.sql(), *members)
    ]
    return cube, basis, pa.concat_tables(parts)


def _pixels(asked: Asked, active: View) -> int | None:
    given = asked.number(PIXELS.name)
    if active.kind != "plane":
        return None if given is None or not active.axes else _number(asked, PIXELS, _MOST_PIXELS)
    return _MOST_ACROSS // 2 if given is None else _number(asked, PIXELS, _MOST_ACROSS)


def _number(asked: Asked, of: Parameter, most: int) -> int:
    number = asked.number(of.name) or 0
    if number > most:
        raise bad_request(f"{of.name} is {most} at most, not {number}.")
    return number


def _arrow(counts: pa.Table, told: Mapping[str, object]) -> bytes:
    schema = counts.schema.with_metadata({METADATA: json.dumps(told)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        # One batch: whoever reads it has each column in one piece.
        table = counts.combine_chunks().cast(schema)
        for batch in table.to_batches():
            writer.write_batch(batch)
    return bytes(sink.getvalue())


def _metadata(counted: Cube, basis: Basis, stamp: Stamp) -> dict[str, object]:
    return {
        "snapshot": stamp.snapshot.id,
        "rows": basis.rows,
        "active": _told_of(counted.active) if counted.active else None,
        "views": [_told_of(one) for one in counted.views],
    }


def _told_of(one: Binned) -> dict[str, object]:
    return {**_told(one.view), "bins": one.bins, "labels": list(one.labels)}


def _told(view: View) -> dict[str, object]:
    return {
        "name": view.name, "title": view.title, "kind": view.kind,
        "axes": [_axis(axis) for axis in view.axes],
    }  # fmt: skip


def _axis(axis: Axis) -> dict[str, object]:
    is_open = axis.is_time and axis.low == axis.high  # it follows from the trajectories
    return {
        "title": axis.title, "unit": axis.unit, "sql": axis.sql, "column": axis.column,
        "from": None if is_open else written(axis, axis.low),
        "to": None if is_open else written(axis, axis.high), "bins": axis.bins,
        "is_circular": axis.is_circular, "is_time": axis.is_time, "is_closed": axis.is_closed,
    }  # fmt: skip


def _columns(view: View) -> list[str]:
    of_axes = [column for axis in view.axes for column in axis.columns]
    return list(dict.fromkeys(of_axes)) or [view.column]
