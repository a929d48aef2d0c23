"""Points, circles, boxes and polygons on the sphere, in SQL of numbers.

What belongs here: the geometry of ADQL. No column here is a shape, so shapes are written in the
query and stand within a function that makes a number of them. What does not: values of any other
kind (`functions.py`).

Angles are degrees. A box is a range of both coordinates around its centre. The corners of a
polygon are numbers: its sides are great circles shorter than 180 degrees, and it is the smaller
part of the sphere that they enclose.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import TypeAlias

from sqlglot import exp

from gmn_pipeline.serving.tap.adql.templates import filled, number

SHAPES = ("POINT", "CIRCLE", "BOX", "POLYGON", "CENTROID")
_MOST_CORNERS = 100
_ROUNDING = 1e-12

_HALF_CHORD = (
    "sqrt(pow(sin(radians(_3 - _1) / 2), 2)"
    " + cos(radians(_1)) * cos(radians(_3)) * pow(sin(radians(_2 - _0) / 2), 2))"
)
_DISTANCE = f"degrees(2 * asin(CASE WHEN {_HALF_CHORD} > 1 THEN 1 ELSE {_HALF_CHORD} END))"
_EASTWARD = "((_0 - _1) - 360 * floor((_0 - _1) / 360))"
"""From `_1` to `_0`: 0 to 360."""


class BadShape(ValueError):
    """A shape that cannot be, or not here; it says why."""


@dataclass(frozen=True)
class Point:
    longitude: exp.Expr
    latitude: exp.Expr


@dataclass(frozen=True)
class Circle:
    centre: Point
    radius: exp.Expr


@dataclass(frozen=True)
class Box:
    centre: Point
    width: exp.Expr
    height: exp.Expr


@dataclass(frozen=True)
class Polygon:
    corners: tuple[tuple[float, float], ...]


Shape: TypeAlias = Point | Circle | Box | Polygon


def shape(name: str, arguments: Sequence["exp.Expr | Shape"]) -> Shape:
    """A shape of its arguments, translated. The name of a frame before them says nothing new."""
    given = list(arguments)
    if given and name != "CENTROID" and _is_text(given[0]):
        del given[0]
    if name == "CENTROID":
        return _centre(given)
    numbers = _numbers(name, given)
    match name, len(numbers):
        case "POINT", 2:
            return Point(*numbers)
        case "CIRCLE", 3:
            return Circle(Point(*numbers[:2]), numbers[2])
        case "BOX", 4:
            return Box(Point(*numbers[:2]), numbers[2], numbers[3])
        case "POLYGON", count if count >= 6 and not count % 2:
            return _polygon(numbers)
    raise BadShape(f"{name} has not so many coordinates")


def _numbers(name: str, given: "Sequence[exp.Expr | Shape]") -> list[exp.Expr]:
    """Coordinates; a point counts as its two, where a shape may begin with one."""
    numbers: list[exp.Expr] = []
    for one in given:
        match one:
            case Point():
                numbers += [one.longitude, one.latitude]
            case exp.Expr():
                numbers.append(one)
            case _:
                raise BadShape(f"{name} is made of coordinates or points")
    return numbers


def _is_text(value: object) -> bool:
    return isinstance(value, exp.Literal) and value.is_string


def _centre(given: "Sequence[exp.Expr | Shape]") -> Point:
    match given:
        case [Point() as point]:
            return point
        case [Circle() as one] | [Box() as one]:
            return one.centre
    raise BadShape("CENTROID is of a point, a circle or a box")


def _polygon(numbers: Sequence[exp.Expr]) -> Polygon:
    values = [_constant(one) for one in numbers]
    corners = list(zip(values[::2], values[1::2], strict=True))
    if len(corners) > _MOST_CORNERS:
        raise BadShape(f"A polygon may have {_MOST_CORNERS} corners")
    if any(abs(latitude) > 90 for _, latitude in corners):
        raise BadShape("The latitude of a corner is -90 to 90")
    if corners[0] == corners[-1]:
        corners.pop()
    if len(corners) < 3 or any(a == b for a, b in _sides(corners)):
        raise BadShape("A polygon has three corners or more, each another point")
    turns = [abs(_turn(a[0], b[0])) for a, b in _sides(corners)]
    if any(abs(turn - 180) < _ROUNDING for turn in turns) or max(turns) < _ROUNDING:
        raise BadShape("A side of a polygon goes less than 180 degrees around, and not all along "
                       "one meridian")  # fmt: skip
    return Polygon(tuple(corners))


def _constant(value: exp.Expr) -> float:
    sign = 1.0
    while isinstance(value, exp.Paren | exp.Neg):
        sign = -sign if isinstance(value, exp.Neg) else sign
        value = value.this
    if not isinstance(value, exp.Literal) or value.is_string:
        raise BadShape("The corners of a polygon are numbers")
    return sign * float(value.name)


def _sides(
    corners: Sequence[tuple[float, float]],
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    return list(pairwise([*corners, corners[0]]))


def _turn(begin: float, end: float) -> float:
    """From one longitude to another the shorter way, eastward positive."""
    return (end - begin + 180) % 360 - 180


# --- what is asked of shapes ---------------------------------------------------------------------


def _distance(one: Point, other: Point) -> exp.Expr:
    return filled(_DISTANCE, one.longitude, one.latitude, other.longitude, other.latitude)


def _within(point: Point, other: Shape) -> exp.Expr:
    """Whether a point is in a shape, the edge included."""
    match other:
        case Circle():
            return filled("_0 <= _1", _distance(point, other.centre), other.radius)
        case Box():
            return _within_box(point, other)
        case Polygon():
            return _within_polygon(point, other)
        case Point():
            return filled("_0 <= 1e-9", _distance(point, other))


def _within_box(point: Point, box: Box) -> exp.Expr:
    east = filled(_EASTWARD, point.longitude, box.centre.longitude)
    return filled(
        "(_0 <= _1 / 2 OR _0 >= 360 - _1 / 2) AND abs(_2 - _3) <= _4 / 2",
        east, box.width, point.latitude, box.centre.latitude, box.height,
    )  # fmt: skip


def _within_polygon(point: Point, polygon: Polygon) -> exp.Expr:
    """Count the sides between the point and the north pole: an odd number says that the two are
    not on the same side of the edge."""
    crossed = [
        term for a, b in _sides(polygon.corners) if (term := _crossed(point, a, b)) is not None
    ]
    count = crossed[0]
    for term in crossed[1:]:
        count = exp.Add(this=count, expression=term)
    return filled("_0 % 2 = _1", count, filled("0" if _has_north_pole(polygon) else "1"))


def _crossed(point: Point, a: tuple[float, float], b: tuple[float, float]) -> exp.Expr | None:
    """1 where the way north from the point crosses this side, else 0."""
    turn = _turn(a[0], b[0])
    if abs(turn) < _ROUNDING:
        return None  # along a meridian
    west, east = (a, b) if turn > 0 else (b, a)
    x1, y1, z1 = _vector(west)
    x2, y2, z2 = _vector(east)
    # Reckoned as DuckDB does, so that what lies at a corner's longitude is within one side only.
    width = (east[0] - west[0]) - 360 * math.floor((east[0] - west[0]) / 360)
    normal = (y1 * z2 - z1 * y2, z1 * x2 - x1 * z2, x1 * y2 - y1 * x2)
    return filled(
        f"CAST({_EASTWARD.replace('_1', '_2')} < _3 AND _4 * cos(radians(_0)) * cos(radians(_1))"
        " + _5 * sin(radians(_0)) * cos(radians(_1)) + _6 * sin(radians(_1)) <= 1e-15 AS INT)",
        point.longitude, point.latitude, west[0], width, *normal,
    )  # fmt: skip


def _vector(corner: tuple[float, float]) -> tuple[float, float, float]:
    longitude, latitude = map(math.radians, corner)
    return (
        math.cos(latitude) * math.cos(longitude),
        math.cos(latitude) * math.sin(longitude),
        math.sin(latitude),
    )


def _has_north_pole(polygon: Polygon) -> bool:
    """A polygon whose sides go all the way round holds the pole in its smaller part."""
    sides = _sides(polygon.corners)
    around = sum(_turn(a[0], b[0]) for a, b in sides)
    return abs(around) > 180 and abs(sum(_excess(a, b) for a, b in sides)) < 2 * math.pi


def _excess(a: tuple[float, float], b: tuple[float, float]) -> float:
    """The area of the triangle of a side and the north pole, on the unit sphere."""
    turn = math.radians(_turn(a[0], b[0]))
    one, other = (math.radians(90 - corner[1]) / 2 for corner in (a, b))
    sines, cosines = math.sin(one) * math.sin(other), math.cos(one) * math.cos(other)
    return 2 * math.atan2(sines * math.sin(turn), cosines + sines * math.cos(turn))


def _contains(inner: Shape, outer: Shape) -> exp.Expr:
    match inner, outer:
        case Point(), _:
            held = _within(inner, outer)
        case Circle(), Circle():
            held = filled(
                "_0 + _1 <= _2", _distance(inner.centre, outer.centre), inner.radius, outer.radius
            )
        case _:
            raise BadShape("CONTAINS is asked here of a point in a shape, or a circle in a circle")
    return filled("CAST(_0 AS INT)", held)


def _intersects(one: Shape, other: Shape) -> exp.Expr:
    match one, other:
        case Point(), _:
            met = _within(one, other)
        case _, Point():
            met = _within(other, one)
        case Circle(), Circle():
            met = filled(
                "_0 <= _1 + _2", _distance(one.centre, other.centre), one.radius, other.radius
            )
        case _:
            raise BadShape("INTERSECTS is asked here of a point and a shape, or of two circles")
    return filled("CAST(_0 AS INT)", met)


def _area(one: Shape) -> exp.Expr:
    match one:
        case Circle():
            return filled("2 * pi() * (1 - cos(radians(_0))) * pow(180 / pi(), 2)", one.radius)
        case Point():
            return number(0.0)
    raise BadShape("AREA is asked here of a circle")


Given: TypeAlias = "Sequence[exp.Expr | Shape]"


def _two_shapes(name: str, ask: Callable[[Shape, Shape], exp.Expr]) -> Callable[[Given], exp.Expr]:
    def asked(given: Given) -> exp.Expr:
        match given:
            case [Point() | Circle() | Box() | Polygon() as one,
                  Point() | Circle() | Box() | Polygon() as other]:  # fmt: skip
                return ask(one, other)
        raise BadShape(f"{name} has two shapes")

    return asked


def _asked_distance(given: Given) -> exp.Expr:
    numbers = _numbers("DISTANCE", given)
    if len(numbers) != 4:
        raise BadShape("DISTANCE is between two points, or two longitudes and latitudes")
    return _distance(Point(*numbers[:2]), Point(*numbers[2:]))


def _asked_area(given: Given) -> exp.Expr:
    match given:
        case [Point() | Circle() | Box() | Polygon() as one]:
            return _area(one)
    raise BadShape("AREA has one shape")


def _coordinate(given: Given, part: str) -> exp.Expr:
    match given:
        case [Point() as point]:
            return point.longitude if part == "COORD1" else point.latitude
    raise BadShape(f"{part} has one point")


def _frame(given: Given) -> exp.Expr:
    match given:
        case [Point() | Circle() | Box() | Polygon()]:
            return exp.Literal.string("")
    raise BadShape("COORDSYS has one shape")


QUESTIONS: MappingProxyType[str, Callable[[Given], exp.Expr]] = MappingProxyType(
    {
        "CONTAINS": _two_shapes("CONTAINS", _contains),
        "INTERSECTS": _two_shapes("INTERSECTS", _intersects),
        "DISTANCE": _asked_distance,
        "AREA": _asked_area,
        "COORD1": lambda given: _coordinate(given, "COORD1"),
        "COORD2": lambda given: _coordinate(given, "COORD2"),
        "COORDSYS": _frame,
    }
)
"""Functions that make a value of shapes."""
