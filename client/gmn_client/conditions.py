"""Columns and conditions on them, as the server's grammar of filters has them.

What belongs here: what can be said of which kind of column. What does not: which columns there are
(`columns.py`), and where a condition goes in an address (`requests.py`).

    c.vgeo_km_s > 58
    c.iau_shower_code.is_in(["PER", "GEM"])
    c.participating_stations.has("UK0051")

All conditions of a request hold at once. `&` joins two; there is no `or`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Generic, NoReturn, TypeAlias, TypeVar

Value: TypeAlias = str | int | float | bool | date | datetime
Given: TypeAlias = Value | Iterable[Value] | None
Pair: TypeAlias = tuple[str, str]
V = TypeVar("V", bound=Value)

LONE = frozenset({"isnull", "notnull", "isblank", "notblank"})
"""Operators that need no value."""


def text_of(value: Given) -> str:
    """A value as it stands in an address. A time without a zone is UTC."""
    value = _plain(value)
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return str(int(value))
        case datetime():
            if value.tzinfo is not None:
                value = value.astimezone(UTC).replace(tzinfo=None)
            return value.isoformat()
        case date():
            return value.isoformat()
        case int() | float():
            return repr(value)
        case _:
            # As JSON, since a text may have a comma in it.
            return json.dumps([_in_json(one) for one in value])


def _in_json(value: Value) -> str | float:
    plain = _plain(value)
    return plain if isinstance(plain, int | float) else text_of(plain)


def _plain(value: Any) -> Any:
    """Python's own number where it is one of numpy's."""
    return value.item() if hasattr(value, "item") and value.ndim == 0 else value


def pair_of(name: str, value: Given) -> Pair:
    """A condition as a parameter. Raises ValueError for an empty value.

    The server passes over a parameter that is empty: then the condition would not hold, and more
    rows would come than are meant.
    """
    text = text_of(value)
    if not text and name.rpartition("__")[2] not in LONE:
        raise ValueError(f"{name}: an empty value is no condition; say isnull or isblank instead.")
    return name, text or "1"


@dataclass(frozen=True)
class Condition:
    """One or more conditions, all of which hold."""

    pairs: tuple[Pair, ...]

    def __and__(self, other: "Condition") -> "Condition":
        return Condition((*self.pairs, *other.pairs))

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "A condition is no truth: join two by & or put both into the list, and write "
            "between(58, 60) instead of 58 < c.vgeo_km_s < 60."
        )


Where: TypeAlias = Condition | Iterable[Condition] | Mapping[str, Given] | None
"""Conditions on columns; or parameters of the server's grammar, {"vgeo_km_s__gt": 58}."""


def pairs_of(where: Where) -> tuple[Pair, ...]:
    """The parameters that conditions are."""
    match where:
        case None:
            return ()
        case Condition():
            return where.pairs
        case Mapping():
            return tuple(pair_of(name, value) for name, value in where.items())
        case _:
            return tuple(pair for one in where for pair in one.pairs)


@dataclass(frozen=True, eq=False)
class Column(Generic[V]):
    """A column of some kind."""

    name: str

    def _says(self, operator: str, value: Given) -> Condition:
        return Condition((pair_of(f"{self.name}__{operator}", value),))

    def __eq__(self, value: V) -> Condition:  # type: ignore[override]
        return self._says("exact", value)

    def __ne__(self, value: V) -> Condition:  # type: ignore[override]
        return self._says("not", value)

    __hash__ = object.__hash__

    def is_in(self, values: Iterable[V]) -> Condition:
        return self._says("in", values)

    def is_not_in(self, values: Iterable[V]) -> Condition:
        return self._says("notin", values)

    def is_null(self) -> Condition:
        return self._says("isnull", 1)

    def is_not_null(self) -> Condition:
        return self._says("notnull", 1)


class Ordered(Column[V]):
    """A column whose values are more or less."""

    def __gt__(self, value: V) -> Condition:
        return self._says("gt", value)

    def __ge__(self, value: V) -> Condition:
        return self._says("gte", value)

    def __lt__(self, value: V) -> Condition:
        return self._says("lt", value)

    def __le__(self, value: V) -> Condition:
        return self._says("lte", value)

    def between(self, least: V, most: V) -> Condition:
        """Both included."""
        return (self >= least) & (self <= most)


class Number(Ordered[float]):
    """Numbers, whole or not."""


class Time(Ordered[str | datetime | date]):
    """Times, UTC."""

    def is_on(self, day: str | date) -> Condition:
        return self._says("date", day)


class Day(Ordered[str | date]):
    """Dates."""


class Truth(Column[bool]):
    """True or false."""


class Text(Ordered[str]):
    """Texts. Parts are found in upper and lower case alike, but by `glob`."""

    def contains(self, part: str) -> Condition:
        return self._says("contains", part)

    def does_not_contain(self, part: str) -> Condition:
        return self._says("notcontains", part)

    def starts_with(self, part: str) -> Condition:
        return self._says("startswith", part)

    def ends_with(self, part: str) -> Condition:
        return self._says("endswith", part)

    def like(self, pattern: str) -> Condition:
        """`%` stands for any text, `_` for a character."""
        return self._says("like", pattern)

    def glob(self, pattern: str) -> Condition:
        """`*` stands for any text, `?` for a character, `[a-z]` for one of these."""
        return self._says("glob", pattern)

    def is_blank(self) -> Condition:
        return self._says("isblank", 1)


class Texts(Column[str]):
    """A list of texts, such as the stations of a trajectory."""

    def has(self, member: str) -> Condition:
        return self._says("arraycontains", member)

    def has_not(self, member: str) -> Condition:
        return self._says("arraynotcontains", member)

    def has_any(self, members: Iterable[str]) -> Condition:
        return self._says("arraycontainsany", members)
