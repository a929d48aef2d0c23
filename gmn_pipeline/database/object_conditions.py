"""What a search for objects asks of the database.

What belongs here: the conditions that each object must hold, and for each of them the index that
knows which objects can. What does not: which of them leads (`object_search.py`).

An index may know more objects than a condition finds, never fewer: each condition is asked of each
object as well.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, literal, select, union_all

from gmn_pipeline.database.object_rows import (
    METADATA,
    OBSERVED_CELL,
    OBSERVED_DAY,
    OBSERVED_LONG,
    TAG,
    cell_of,
)
from gmn_pipeline.database.object_texts import matches, objects_with, parts_of
from gmn_pipeline.database.tables import OBJECT_TERMS, OBJECT_VERSIONS, OBJECTS
from gmn_pipeline.database.tables_search import NAMES_INDEX
from gmn_pipeline.schemas.objects import Link

LAST = "\U0010ffff"
"""Comes after each letter that a name can have."""
_LETTERS = 3  # that the index of names has together
_MOST_RUNS = 30  # of letters, that are asked of it: what it finds is looked at anyway


@dataclass(frozen=True)
class Interval:
    """Numbers from `low` to `high`, both within; None is open."""

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Search:
    """Which objects are wanted: those for which all of this holds.

    `text` is in the name, however its letters are written; `words` stand in the text of a document,
    each of them, in quotes one after the other; `content_type` ends in `/*` for a
    family. A metadata value is a text, a number, or an Interval of numbers, by its path. The time
    is one in which an object was observed, UTC; the box is west, south, east, north in degrees
    (west above east goes over the date line). `projects`: those that may be looked into.
    """

    projects: frozenset[str] | None = None
    project: str | None = None
    container: str | None = None
    folder: str = ""
    text: str = ""
    words: str = ""
    content_type: str | None = None
    size_bytes: Interval = Interval()
    sha256: str | None = None
    tags: frozenset[str] = frozenset()
    links: frozenset[Link] = frozenset()
    metadata: Mapping[str, str | float | Interval] = field(default_factory=dict)
    observed_from_utc: datetime | None = None
    observed_until_utc: datetime | None = None
    box_deg: tuple[float, float, float, float] | None = None
    put_since_utc: datetime | None = None
    is_deleted: bool = False


_Value = str | float | Interval


def begins_with(name: ColumnElement[Any], prefix: str) -> ColumnElement[bool]:
    """Whether a name lies in a folder: by an interval, which an index knows."""
    return (name >= prefix) & (name < prefix + LAST) if prefix else name.is_not(None)


def conditions(
    search: Search,
    container_ids: Sequence[int] | None,
    dialect: str,
    *,
    are_many_asked: bool = False,
) -> list[ColumnElement[bool]]:
    """What must hold for an object in its newest version. `container_ids`: those that it may be
    in; None for all. `are_many_asked`: terms are looked up once for all, not for each object."""
    said = OBJECT_VERSIONS.c
    live_name: ColumnElement[str | None] = OBJECTS.c.live_name
    found: list[ColumnElement[bool]] = [
        live_name.is_(None) if search.is_deleted else live_name.is_not(None)
    ]
    if container_ids is not None:
        found.append(_by_itself(OBJECTS.c.container_id, dialect).in_(container_ids))
    if search.folder:
        name = OBJECTS.c.name if search.is_deleted else _by_itself(live_name, dialect)
        found.append(begins_with(name, _as_folder(search.folder)))
    if search.text:
        found.append(OBJECTS.c.name.icontains(search.text, autoescape=True))
    found += [OBJECTS.c.object_id.in_(objects_with(one, dialect)) for one in parts_of(search.words)]
    if search.content_type is not None:
        found.append(_is_of_type(_by_itself(said.content_type, dialect), search.content_type))
    if search.sha256 is not None:
        found.append(_by_itself(said.sha256, dialect) == search.sha256)
    found += _within(_by_itself(said.size_bytes, dialect), search.size_bytes)
    terms = OBJECT_TERMS.c
    if are_many_asked:
        having = (select(terms.object_id).where(*term) for term in _terms(search))
        found += [OBJECTS.c.object_id.in_(one) for one in having]
    else:
        of_it = terms.object_id == OBJECTS.c.object_id
        found += [exists().where(of_it, *term) for term in _terms(search, dialect)]
    observed_from = _by_itself(said.observed_from_utc, dialect)
    if search.observed_from_utc is not None:
        until = func.coalesce(said.observed_until_utc, said.observed_from_utc)
        found.append(until >= search.observed_from_utc)
    if search.observed_until_utc is not None:
        found.append(observed_from <= search.observed_until_utc)
    if search.put_since_utc is not None:
        found.append(_by_itself(said.put_at_utc, dialect) >= search.put_since_utc)
    if search.box_deg is not None:
        west, south, east, north = search.box_deg
        found.append(said.latitude_deg.between(south, north))
        inside = said.longitude_deg.between(west, east)
        over_date_line = (said.longitude_deg >= west) | (said.longitude_deg <= east)
        found.append(inside if west <= east else over_date_line)
    return found


def leads(
    search: Search, container_ids: Sequence[int] | None, dialect: str
) -> Iterator[Select[tuple[int]]]:
    """Ids of objects that can hold a condition, as an index knows them, for each that has one."""
    said, objects = OBJECT_VERSIONS.c, OBJECTS.c
    if search.is_deleted:
        yield select(objects.object_id).where(objects.live_name.is_(None))
    elif container_ids is not None:
        folder = begins_with(objects.live_name, _as_folder(search.folder))
        yield select(objects.object_id).where(objects.container_id.in_(container_ids), folder)
    if search.sha256 is not None:
        yield select(said.object_id).where(said.sha256 == search.sha256)
    for part in parts_of(search.words):
        yield objects_with(part, dialect)
    for term in _terms(search):
        yield select(OBJECT_TERMS.c.object_id).where(*term)
    if len(search.text) >= _LETTERS:
        yield named_with(search.text, dialect)
    if search.box_deg is not None:
        yield from _in_cells(search.box_deg)
    if search.observed_from_utc is not None or search.observed_until_utc is not None:
        yield _on_days(search.observed_from_utc, search.observed_until_utc)
    if search.size_bytes != Interval():
        yield select(said.object_id).where(*_within(said.size_bytes, search.size_bytes))
    if search.put_since_utc is not None:
        yield select(said.object_id).where(said.put_at_utc >= search.put_since_utc)
    if search.content_type is not None:
        yield select(said.object_id).where(said.content_type.in_(_types(search.content_type)))


def named_with(text: str, dialect: str) -> Select[tuple[int]]:
    """Objects whose names have all runs of three letters that a text has."""
    if dialect != "sqlite":
        is_named = OBJECTS.c.name.icontains(text, autoescape=True)
        return select(OBJECTS.c.object_id).where(is_named)
    runs = {text[at : at + _LETTERS] for at in range(len(text) - _LETTERS + 1)}
    is_there = matches(NAMES_INDEX.name, sorted(runs)[:_MOST_RUNS])
    return select(NAMES_INDEX.c.rowid).where(is_there)


def _by_itself(asked: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:
    """A column without its index. SQLite counts nothing, and takes that of a container or a type
    before the few objects that are known to be it."""
    if dialect != "sqlite":
        return asked
    is_number = asked.type.python_type in (int, float)
    plus, nothing = ("+", literal(0)) if is_number else ("||", literal(""))
    return asked.op(plus, return_type=asked.type)(nothing)


def _as_folder(folder: str) -> str:
    return folder.rstrip("/") + "/" if folder else ""


def _is_of_type(asked: ColumnElement[str], content_type: str) -> ColumnElement[bool]:
    family = content_type.removesuffix("*")
    if family == content_type:
        return asked == content_type
    return asked.startswith(family, autoescape=True)


def _types(content_type: str) -> Select[tuple[str]]:
    """Types of a family that there are, jumping in the index from one to the next."""
    versions = OBJECT_VERSIONS.alias("typed")
    known = select(func.min(versions.c.content_type).label("one")).cte("types", recursive=True)
    following = (
        select(func.min(versions.c.content_type))
        .where(versions.c.content_type > known.c.one)
        .scalar_subquery()
    )
    known = known.union_all(select(following).where(known.c.one.is_not(None)))
    return select(known.c.one).where(_is_of_type(known.c.one, content_type))


def _terms(search: Search, by_itself: str = "") -> Iterator[list[ColumnElement[bool]]]:
    """What must hold for one of the terms of an object, for each that is asked for; without the
    indexes of terms in the database `by_itself`."""
    asked: list[tuple[str, _Value]] = [(TAG, tag) for tag in sorted(search.tags)]
    asked += [(link.kind.value, link.key) for link in sorted(search.links)]
    asked += [(METADATA + path, value) for path, value in search.metadata.items()]
    terms = OBJECT_TERMS.c
    field_of, number, text = (
        _by_itself(one, by_itself) for one in (terms.field, terms.number_value, terms.text_value)
    )
    for name, value in asked:
        if isinstance(value, Interval):
            limits = [number.is_not(None), *_within(number, value)]
        elif isinstance(value, str):
            limits = [text == value]
        else:
            limits = [number == float(value)]
        yield [field_of == name, *limits]


def _on_days(begin: datetime | None, end: datetime | None) -> Select[tuple[int]]:
    """Objects that can have been observed in a time."""
    terms = OBJECT_TERMS.c
    days = _within(
        terms.number_value,
        Interval(
            None if begin is None else float(begin.toordinal()),
            None if end is None else float(end.toordinal()),
        ),
    )
    on_days = select(terms.object_id).where(terms.field == OBSERVED_DAY, *days)
    for_long = select(terms.object_id).where(terms.field == OBSERVED_LONG)
    either = on_days.union_all(for_long).subquery()
    return select(either.c.object_id)


def _in_cells(box_deg: tuple[float, float, float, float]) -> Iterator[Select[tuple[int]]]:
    """Objects in the cells of a degree that a box touches: a run of cells for each row of it."""
    if any(map(math.isnan, box_deg)):
        return
    west, east = (max(-180.0, min(180.0, one)) for one in (box_deg[0], box_deg[2]))
    south, north = (max(-90.0, min(90.0, one)) for one in (box_deg[1], box_deg[3]))
    sides = [(west, east)] if box_deg[0] <= box_deg[2] else [(west, 180.0), (-180.0, east)]
    rows = range(int(south + 90), int(north + 90) + 1)
    if sides == [(-180.0, 180.0)]:
        runs = [(cell_of(south, -180.0), cell_of(north, 180.0))]
    else:
        runs = [(cell_of(row - 90, a), cell_of(row - 90, b)) for row in rows for a, b in sides]
    terms = OBJECT_TERMS.c
    cells = [
        select(terms.object_id).where(
            terms.field == OBSERVED_CELL, terms.number_value.between(float(low), float(high))
        )
        for low, high in runs
    ]
    if cells:
        either = union_all(*cells).subquery()
        yield select(either.c.object_id)


def _within(asked: ColumnElement[Any], interval: Interval) -> list[ColumnElement[bool]]:
    found = []
    if interval.low is not None:
        found.append(asked >= interval.low)
    if interval.high is not None:
        found.append(asked <= interval.high)
    return found
