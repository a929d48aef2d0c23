"""The order of rows, and going on after one of them.

What belongs here: ORDER BY, the condition that a row comes after a given one, and how a row is
written into `_next`. What does not: filters (`filters.py`).

A page begins after a row, not at a number: it costs the same wherever it is. Nulls come last in
either direction. A row in `_next` is written as Datasette writes it: values in its "tilde code",
with commas between, null as `$null`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.tables.filters import Condition, text_of
from gmn_pipeline.serving.tables.relations import Relation
from gmn_pipeline.serving.tables.values import Bound, value_of

_NULL = "$null"
_CODED = re.compile(rb"~([0-9A-F]{2})")
_PLAIN = re.compile(rb"[0-9A-Za-z_-]")


@dataclass(frozen=True)
class Term:
    """A column that rows are ordered by."""

    field: Field
    descends: bool = False

    @property
    def sql(self) -> str:
        return text_of(self.field) if self.field.kind is Kind.TEXT_LIST else self.field.name


def order_of(relation: Relation, sort: str | None, *, descends: bool = False) -> list[Term]:
    """The terms by which rows are ordered: that of the client, then what tells rows apart."""
    if sort is None and relation.time is not None:
        sort, descends = relation.time, True
    terms = [Term(relation.by_name[name]) for name in relation.key if name != sort]
    terms += map(Term, relation.tie)
    if sort is None:
        return terms
    first = Term(relation.by_name[sort], descends)
    return [first] if relation.key == (sort,) else [first, *terms]


def of_key(relation: Relation) -> list[Term]:
    """The terms of a row's address."""
    return [Term(relation.by_name[name]) for name in relation.key]


def order_by(terms: Sequence[Term]) -> str:
    return ", ".join(
        f"{term.sql} {'DESC' if term.descends else 'ASC'} NULLS LAST" for term in terms
    )


def after(terms: Sequence[Term], row: Sequence[Bound]) -> Condition:
    """That a row comes after this one."""
    (term, *others), (value, *values) = terms, row
    rest = after(others, values) if others else None
    if value is None:
        # Nothing comes after null but null.
        if rest is None:
            return Condition("false")
        return Condition(f"({term.sql} IS NULL AND {rest.sql})", rest.values)
    beyond = f"({term.sql} {'<' if term.descends else '>'} ? OR {term.sql} IS NULL)"
    if rest is None:
        return Condition(beyond, (value,))
    return Condition(f"({beyond} OR ({term.sql} = ? AND {rest.sql}))", (value, value, *rest.values))


def written(row: Sequence[Bound]) -> str:
    """A row as `_next` has it."""
    return ",".join(_NULL if value is None else _coded(_text(value)) for value in row)


def read(terms: Sequence[Term], text: str) -> list[Bound]:
    """The values that a `_next` stands for. Raises Problem."""
    parts = text.split(",")
    if len(parts) != len(terms):
        raise _not_ours(text)
    return [
        None if part == _NULL else value_of(term.field, _decoded(part))
        for term, part in zip(terms, parts, strict=True)
    ]


def _text(value: Bound) -> str:
    match value:
        case bool():
            return str(int(value))
        case datetime():
            return value.isoformat(timespec="microseconds")
        case date():
            return value.isoformat()
        case _:
            return str(value)


def _coded(text: str) -> str:
    return "".join(
        chr(byte) if _PLAIN.match(bytes([byte])) else f"~{byte:02X}" for byte in text.encode()
    )


def _decoded(text: str) -> str:
    try:
        found = _CODED.sub(lambda coded: bytes([int(coded[1], 16)]), text.encode()).decode()
    except UnicodeError:
        raise _not_ours(text) from None
    if "\0" in found:
        raise _not_ours(text)
    return found


def _not_ours(text: str) -> Exception:
    return bad_request(f"_next is not one that a page has: {text[:100]!r}.")
