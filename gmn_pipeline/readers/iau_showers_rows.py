"""Rows of the IAU list of meteor showers: texts of the list into values, solutions into showers.

What belongs here: what a value of the list means, and what is done about one that cannot be read.
What does not: how the text and the JSON form are taken apart (`iau_showers.py`).

A row that cannot be read is named with its place and left out; a value that cannot be read is
named and null. If more rows cannot be read than can, it is not the list.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import polars as pl

from gmn_pipeline.errors import SourceRefused
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.schemas.showers import SHOWER_FIELDS, SOLUTION_FIELDS

LOADED = "loaded_at_utc"
SHOWER_SCHEMA = polars_schema(f for f in SHOWER_FIELDS if f.name != LOADED)
SOLUTION_SCHEMA = polars_schema(f for f in SOLUTION_FIELDS if f.name != LOADED)
NEEDED = ("iau_shower_number", "iau_shower_code", "iau_shower_name")
"""Columns without which a row is no row of the list."""
Row = dict[str, Any]

# More values than this unreadable, and the row's columns are not where they should be.
_UNREADABLE_IN_ROW = 2
# What stands in a field before somebody fills it in.
_PLACEHOLDERS = {"lookup_table": {"lt", "lookuptablefilename"}, "submitted": {"sd"}}
_CIRCLE = (0, 360)
_INT32 = 2**31 - 1
_CODE = re.compile(r"^[0-9A-Za-z]{3,5}$")
_BRACKETS = "()[]"  # around a value that was not given but worked out
_BEYOND_NUMBERS = {"inf", "inf.", "nan", "none", "-", "?"}

_STATUS = {1: "established", 6: "established", 2: "to be established", 0: "working list",
           4: "working list", 10: "pro tempore", -1: "to be removed"}  # fmt: skip
_FIELDS = {f.name: f for f in SOLUTION_FIELDS}
_NUMBERS = {name for name, f in _FIELDS.items() if f.kind in (Kind.NUMBER, Kind.INTEGER)}

_REFERENCE = re.compile(r"<a\s[^>]*?href\s*=\s*['\"]?([^'\"\s>]+)", re.IGNORECASE)
_TAG, _ORDINAL = re.compile(r"<[^>]*>"), re.compile(r"^\s*\d+\s*[\])]\s*")


@dataclass(frozen=True)
class ShowerList:
    """Showers by rising number, their solutions in the list's order, and the edition.

    `edition_date` is what the list says of itself, None if nothing; `problems` are sentences on
    what could not be read, each with its line.
    """

    showers: pl.DataFrame
    solutions: pl.DataFrame
    edition: str
    edition_date: date | None = None
    problems: tuple[str, ...] = ()
    is_bundled: bool = False

    def with_problems(self, problems: Iterable[str]) -> "ShowerList":
        return replace(self, problems=(*problems, *self.problems))


class Rows:
    """Rows as they are read, and what was wrong with others."""

    def __init__(self) -> None:
        self.named: list[Row] = []
        self.problems: list[str] = []
        self._unreadable = 0
        self._seen: set[tuple[object, ...]] = set()
        self._solutions: dict[tuple[int, int], str] = {}

    def refuse(self, place: str, why: str) -> None:
        self._unreadable += 1
        self.problems.append(f"{place} is left out: {why}.")

    def add(self, place: str, texts: Mapping[str, str], *, alone: bool = False) -> None:
        """Take a row with the list's own texts by our column names."""
        number, code = texts.get("iau_shower_number", ""), texts.get("iau_shower_code", "")
        if not re.fullmatch(r"\d{1,6}", number.strip()):
            return self.refuse(place, f"its IAU number is {number.strip()!r}")
        if not _CODE.match(code.strip()):
            return self.refuse(place, f"its code is {code.strip()!r}")
        row, unreadable = _typed(texts)
        if len(unreadable) > _UNREADABLE_IN_ROW:
            return self.refuse(place, f"{len(unreadable)} values cannot be read: {unreadable[0]}")
        self.problems += [f"{place}: {what}; left null." for what in unreadable]
        content = tuple(v for name, v in row.items() if name != "list_row")
        if content in self._seen:
            self.problems.append(f"{place} says what a row before it says; left out.")
            return None
        self._seen.add(content)
        key = (row["iau_shower_number"], row.get("solution_number", -1))
        if key in self._solutions and not alone:
            self.problems.append(
                f"{place}: solution {key[1]} of shower {key[0]} is in {self._solutions[key]} too, "
                "with other values; both stay."
            )
        self._solutions.setdefault(key, place)
        self.named.append(row | {"place": place, "is_shower_alone": alone})
        return None

    def must_be_the_list(self, origin: str) -> None:
        """Raise SourceRefused if most rows could not be read, or there is none."""
        if self._unreadable > len(self.named):
            raise SourceRefused(
                f"{origin}: {self._unreadable} rows of {self._unreadable + len(self.named)} "
                f"cannot be read, the first: {self.problems[0]}",
                remedy="Its format has changed: adapt gmn_pipeline/readers/iau_showers.py.",
            )
        if not self.named:
            raise SourceRefused(f"{origin} has no shower in it.", remedy="Look at it in a browser.")


def shower_list(
    rows: Sequence[Row], edition: str, edition_date: date | None, problems: Iterable[str] = ()
) -> ShowerList:
    """The list made from its solutions; a shower is what its first solution in force says."""
    by_number: dict[int, list[Row]] = {}
    for row in rows:
        by_number.setdefault(row["iau_shower_number"], []).append(row)
    found = list(problems)
    showers = [_shower(by_number[number], found) for number in sorted(by_number)]
    found += _codes_of_several(showers)
    origin = {"source": edition, "edition_date": edition_date}
    return ShowerList(
        _frame([shower | origin for shower in showers], SHOWER_SCHEMA),
        _frame([row | origin for row in rows if not row.get("is_shower_alone")], SOLUTION_SCHEMA),
        edition, edition_date, tuple(found),
    )  # fmt: skip


def status_of(flag: int | None) -> str | None:
    """What a status flag means."""
    return None if flag is None else _STATUS.get(flag, "removed" if flag < -1 else None)


def plain(name: str) -> str:
    """A name without what is spelt now this way, now that: case, blanks, punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _typed(texts: Mapping[str, str]) -> tuple[Row, list[str]]:
    """Values by column, and sentences on those that cannot be read."""
    row: Row = {}
    unreadable: list[str] = []
    for name, text in texts.items():
        if name in _NUMBERS or name == "shower_status_flag":
            field = _FIELDS.get(name, _FIELDS["status_flag"])
            row[name], wrong = _as_number(field, text)
            unreadable += [f"{name} is {text.strip()!r}"] if wrong else []
        elif name == "flags":
            row[name] = text.rstrip() or None  # by position: blanks before count
        else:
            row[name] = _as_text(name, text)
    for name in ("group_number", "group_member"):
        row[name] = row.get(name) or None  # 0: of no group
    row["status"] = status_of(row.get("status_flag"))
    row["reference"], row["reference_url"] = _reference(row.get("reference"))
    return row, unreadable


def _as_number(field: Field, text: str) -> tuple[float | int | None, bool]:
    """The number, None where there is none; and whether there is something that is none."""
    bare = text.strip().strip(_BRACKETS).strip()
    if not bare or bare.lower() in _BEYOND_NUMBERS:
        return None, False
    try:
        value = float(bare)
    except ValueError:
        return None, True
    if (field.minimum, field.maximum) == _CIRCLE and -360 < value < 720:
        value = value if 0 <= value <= 360 else round(value % 360, 6)  # means go beyond at times
    low = -_INT32 if field.minimum is None else field.minimum
    high = _INT32 if field.maximum is None else field.maximum
    if not low <= value <= high or (field.kind is Kind.INTEGER and not value.is_integer()):
        return None, True
    return (int(value) if field.kind is Kind.INTEGER else value), False


def _as_text(name: str, text: str) -> str | None:
    bare = " ".join(text.split())
    return None if not bare or plain(bare) in _PLACEHOLDERS.get(name, ()) else bare


def _reference(text: str | None) -> tuple[str | None, str | None]:
    """Text and address of a reference, which the list prints as HTML with an ordinal before."""
    if text is None:
        return None, None
    address = _REFERENCE.search(text)
    plain = _ORDINAL.sub("", " ".join(_TAG.sub(" ", text).split()))
    return plain or None, address[1] if address else None


def _shower(rows: Sequence[Row], problems: list[str]) -> Row:
    """A row of the showers' table; a number that has several codes is a problem."""
    in_force = [r for r in rows if (r.get("status_flag") or 0) >= 0] or list(rows)
    first = in_force[0]
    code = first["iau_shower_code"]
    for other in rows:
        if other["iau_shower_code"] != code:
            problems.append(
                f"{other['place']}: shower {first['iau_shower_number']} has the code "
                f"{other['iau_shower_code']} there and {code} in {first['place']}, which counts."
            )
    own = [r for r in in_force if r["iau_shower_code"] == code]
    provisional = _first(own, "provisional_name")
    flag = _first(own, "shower_status_flag")
    flag = first.get("status_flag") if flag is None else flag
    return {
        "iau_shower_number": first["iau_shower_number"],
        "iau_shower_code": code,
        "iau_shower_name": _first(own, "iau_shower_name") or provisional or code,
        "provisional_name": provisional,
        "status_flag": flag,
        "status": status_of(flag),
        "activity": _first(own, "activity"),
        "parent_body": _first(own, "parent_body"),
    }


def _first(rows: Iterable[Row], name: str) -> Any:
    return next((r[name] for r in rows if r.get(name) is not None), None)


def _codes_of_several(showers: Sequence[Row]) -> list[str]:
    numbers: dict[str, list[int]] = {}
    for shower in showers:
        numbers.setdefault(shower["iau_shower_code"], []).append(shower["iau_shower_number"])
    return [
        f"The code {code} stands for the showers {', '.join(map(str, several))}."
        for code, several in numbers.items()
        if len(several) > 1
    ]


def _frame(rows: Sequence[Row], schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)
