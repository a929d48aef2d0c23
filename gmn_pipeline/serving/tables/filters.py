"""`column__op=value`: the grammar of filters, as conditions in SQL with values bound.

What belongs here: each operator, and what it means for which kind of column. What does not: names
of columns (the route has looked them up), and order (`order.py`).

As Datasette has them, over SQLite: so upper and lower case are the same where a part of a text is
looked for, but not in `glob`. A list of texts is compared as its members with commas between.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.tables.relations import Relation
from gmn_pipeline.serving.tables.values import Bound, day, midnight, value_of

_MOST_OF_A_LIST = 1_000
_MOST_WORDS = 10
_MOST_WILDCARDS = 4
"""DuckDB tries all ways in which several of them may match, and nothing interrupts it there."""
_SPECIAL = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})
_DAYS = (Kind.TIMESTAMP, Kind.DATE)


@dataclass(frozen=True)
class Condition:
    """A condition in SQL, and the values of its `?` in order; `is_free`: text of a client."""

    sql: str
    values: tuple[Bound, ...] = ()
    is_free: bool = False


@dataclass(frozen=True)
class Operator:
    """An operator; a `lone` one needs no value."""

    meaning: str
    condition: Callable[[Field, str], Condition]
    is_lone: bool = False


def text_of(field: Field) -> str:
    """A column as text."""
    if field.kind is Kind.TEXT_LIST:
        return f"array_to_string({field.name}, ',')"
    return field.name if field.kind is Kind.TEXT else f"CAST({field.name} AS VARCHAR)"


def _comparing(sign: str) -> Callable[[Field, str], Condition]:
    def condition(field: Field, text: str) -> Condition:
        left = text_of(field) if field.kind is Kind.TEXT_LIST else field.name
        return Condition(f"{left} {sign} ?", (value_of(field, text),))

    return condition


def _like(pattern: str, sign: str = "ILIKE") -> Callable[[Field, str], Condition]:
    """`pattern`: where the text, taken as it is, stands in it."""

    def condition(field: Field, text: str) -> Condition:
        bound = pattern.format(text.translate(_SPECIAL))
        return Condition(f"{text_of(field)} {sign} ? ESCAPE '\\'", (bound,))

    return condition


def _pattern(sign: str, wildcard: str = "%") -> Callable[[Field, str], Condition]:
    def condition(field: Field, text: str) -> Condition:
        if text.count(wildcard) > _MOST_WILDCARDS:
            raise bad_request(
                f"{field.name}: a pattern may have {wildcard} {_MOST_WILDCARDS} times, not more."
            )
        return Condition(f"{text_of(field)} {sign} ?", (text,))

    return condition


def _among(sign: str) -> Callable[[Field, str], Condition]:
    def condition(field: Field, text: str) -> Condition:
        texts = _several(field, text)
        left = text_of(field) if field.kind is Kind.TEXT_LIST else field.name
        marks = ", ".join("?" * len(texts))
        return Condition(f"{left} {sign} ({marks})", tuple(value_of(field, t) for t in texts))

    return condition


def _several(field: Field, text: str) -> list[str]:
    """Values with commas between, or a JSON array of them. Raises Problem."""
    if text.startswith("["):
        try:
            read = json.loads(text)
        except (ValueError, RecursionError):
            read = None
        if not isinstance(read, list) or not all(
            isinstance(one, str | int | float) for one in read
        ):
            raise bad_request(f"{field.name}: {text[:100]!r} is no JSON array of texts or numbers.")
        texts = [one if isinstance(one, str) else json.dumps(one) for one in read]
    else:
        texts = [one.strip() for one in text.split(",")]
    if not texts or len(texts) > _MOST_OF_A_LIST:
        raise bad_request(f"{field.name}: 1 to {_MOST_OF_A_LIST:,} values, not {len(texts):,}.")
    return texts


def _array(condition: str) -> Callable[[Field, str], Condition]:
    def of(field: Field, text: str) -> Condition:
        if field.kind is not Kind.TEXT_LIST:
            raise bad_request(f"{field.name} is no list: this goes with lists only.")
        return Condition(condition.format(field.name), (text,))

    return of


def _any_of(field: Field, text: str) -> Condition:
    if field.kind is not Kind.TEXT_LIST:
        raise bad_request(f"{field.name} is no list: this goes with lists only.")
    texts = _several(field, text)
    marks = ", ".join("?" * len(texts))
    return Condition(f"list_has_any({field.name}, [{marks}])", tuple(texts))


def _date(field: Field, text: str) -> Condition:
    if field.kind not in _DAYS:
        raise bad_request(f"{field.name} is no time: date goes with times and dates only.")
    when = day(field, text)
    if field.kind is Kind.DATE:
        return Condition(f"{field.name} = ?", (when,))
    begin = midnight(when)
    try:
        end = begin + timedelta(days=1)
    except OverflowError:
        raise bad_request(f"{field.name}__date: there is nothing after {text}.") from None
    # Not a function of the column: so DuckDB leaves out files without such a time.
    return Condition(f"({field.name} >= ? AND {field.name} < ?)", (begin, end))


def _lone(condition: Callable[[Field], str]) -> Callable[[Field, str], Condition]:
    return lambda field, _: Condition(condition(field))


def _is_blank(field: Field) -> str:
    if field.kind in (Kind.TEXT, Kind.TEXT_LIST):
        return f"coalesce({text_of(field)}, '') = ''"
    return f"{field.name} IS NULL"


OPERATORS: Mapping[str, Operator] = MappingProxyType({
    "exact": Operator("is", _comparing("=")),
    "not": Operator("is not", _comparing("<>")),
    "contains": Operator("contains this text, upper or lower case", _like("%{}%")),
    "notcontains": Operator("does not contain it", _like("%{}%", "NOT ILIKE")),
    "endswith": Operator("ends with it", _like("%{}")),
    "startswith": Operator("begins with it", _like("{}%")),
    "gt": Operator("greater than", _comparing(">")),
    "gte": Operator("greater than, or equal", _comparing(">=")),
    "lt": Operator("less than", _comparing("<")),
    "lte": Operator("less than, or equal", _comparing("<=")),
    "like": Operator("is like a pattern with % and _, upper or lower case", _pattern("ILIKE")),
    "notlike": Operator("is not like it", _pattern("NOT ILIKE")),
    "glob": Operator("is like a pattern with *, ? and [...]", _pattern("GLOB", "*")),
    "in": Operator("one of these, with commas between, or a JSON array", _among("IN")),
    "notin": Operator("none of these", _among("NOT IN")),
    "arraycontains": Operator("the list has this member", _array("list_contains({}, ?)")),
    "arraynotcontains": Operator(
        "the list does not have it", _array("NOT coalesce(list_contains({}, ?), false)")
    ),
    "arraycontainsany": Operator(
        "the list has at least one of these, with commas between, or a JSON array", _any_of
    ),
    "date": Operator("a time on this date (UTC)", _date),
    "isnull": Operator("is null", _lone(lambda field: f"{field.name} IS NULL"), is_lone=True),
    "notnull": Operator("is not null", _lone(lambda f: f"{f.name} IS NOT NULL"), is_lone=True),
    "isblank": Operator("is null or an empty text", _lone(_is_blank), is_lone=True),
    "notblank": Operator("is neither", _lone(lambda f: f"NOT ({_is_blank(f)})"), is_lone=True),
})  # fmt: skip


def conditions(relation: Relation, given: Iterable[tuple[str, str | None, str]]) -> list[Condition]:
    """Of (column, operator, text) each; all of them hold for each row. Raises Problem."""
    return [
        OPERATORS[operator or "exact"].condition(relation.by_name[column], text)
        for column, operator, text in given
    ]


def search(relation: Relation, text: str) -> list[Condition]:
    """That each word of a text stands in one of the row's texts."""
    fields = [field for field in relation.fields if field.kind is Kind.TEXT]
    contains = OPERATORS["contains"].condition
    found = []
    for word in text.split()[:_MOST_WORDS]:
        some = [contains(field, word) for field in fields]
        values = tuple(value for one in some for value in one.values)
        found.append(Condition(f"({' OR '.join(one.sql for one in some)})", values))
    return found


def where(of: Iterable[Condition]) -> tuple[str, list[Bound]]:
    """The clause, empty if there is no condition, and its values."""
    of = list(of)
    clause = f"WHERE {' AND '.join(one.sql for one in of)}" if of else ""
    return clause, [value for one in of for value in one.values]
