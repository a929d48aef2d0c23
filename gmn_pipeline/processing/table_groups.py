"""Which of many files are of one table: by the names of their columns, and types.

What belongs here: telling from schemas alone, and what changed from one file to the next. What does
not: reading schemas (`tables.py`), and what is done about them (`flows/object_crawl.py`).

A file is of the table that it shares most columns with, if that is at least half of all that both
have. Types of a table that is only proposed become those that all values fit; once it is accepted
they stay, and a file whose types do not fit them is left out and told of.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

Columns = Mapping[str, str]
"""Types of DuckDB by the columns' names, in the file's order."""

_LEAST_SHARED = 0.5
_OF_OTHER_TYPE = 0.5  # of a column whose types only a text can hold
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_WHOLE_UNSIGNED = ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")
_TIMES = ("DATE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP", "TIMESTAMP_NS")
_NO_NAME = re.compile(r"[^A-Za-z]*")
_COUNTED = re.compile(r"[^A-Za-z]+$")


class ChangeKind(StrEnum):
    """What can become of a table's schema."""

    NEW_TABLE = "new table"
    NEW_COLUMN = "new column"
    WIDER_TYPE = "wider type"
    OTHER_TYPE = "other type"
    MISSING_COLUMN = "missing column"


@dataclass(frozen=True)
class Change:
    """What a file brought: `before` and `after` are types."""

    table: str
    kind: ChangeKind
    column: str
    before: str
    after: str
    path: str


@dataclass
class Group:
    """A table as far as files told of it. `kind` is their media type."""

    name: str
    kind: str
    columns: dict[str, str]
    is_fixed: bool = False
    """Whether it is accepted: types stay as they are."""


@dataclass
class Assigned:
    """Of which table a file is, and why its rows do not fit it, if they do not."""

    group: Group
    changes: list[Change] = field(default_factory=list)
    reason: str = ""


class Groups:
    """Tables of many files; the order of files decides about names only."""

    def __init__(self, groups: Iterable[Group] = (), taken: Iterable[str] = ()) -> None:
        self.groups = list(groups)
        self._taken = {one.name for one in self.groups} | set(taken)
        self._told: set[tuple[str, ChangeKind, str, str]] = set()

    def assign(self, path: str, kind: str, columns: Columns) -> Assigned:
        """The table of a file, which may be a new one; it takes the file's columns in."""
        group = self._nearest(kind, columns)
        if group is None:
            group = Group(self._free_name(path), kind, dict(columns))
            self.groups.append(group)
            return Assigned(group, [Change(group.name, ChangeKind.NEW_TABLE, "", "", "", path)])
        return self._taken_in(group, path, columns)

    def _nearest(self, kind: str, columns: Columns) -> Group | None:
        rated = [(shared(columns, one.columns), one) for one in self.groups if one.kind == kind]
        best = max(rated, key=lambda one: one[0], default=(0.0, None))
        return best[1] if best[0] >= _LEAST_SHARED else None

    def _taken_in(self, group: Group, path: str, columns: Columns) -> Assigned:
        there = {name.lower(): name for name in group.columns}
        changes, others = [], []

        def told(kind: ChangeKind, column: str, before: str, after: str) -> None:
            key = (group.name, kind, column.lower(), after)
            if key not in self._told:  # a thousand files that all have it are one change
                self._told.add(key)
                changes.append(Change(group.name, kind, column, before, after, path))

        for name, after in columns.items():
            known = there.get(name.lower())
            if known is None:
                continue
            before = group.columns[known]
            wider = common_type(before, after)
            if wider == before:
                continue
            if group.is_fixed:
                told(ChangeKind.OTHER_TYPE, known, before, after)
                others.append(f"{known} was {before} and is {after}")
            else:
                group.columns[known] = wider
                told(ChangeKind.WIDER_TYPE, known, before, wider)
        if others:
            return Assigned(group, changes, f"Its types do not fit the table: {'; '.join(others)}.")
        for name, after in columns.items():
            if name.lower() not in there:
                group.columns[name] = after
                told(ChangeKind.NEW_COLUMN, name, "", after)
        has = {name.lower() for name in columns}
        for lower, name in there.items():
            if lower not in has:
                told(ChangeKind.MISSING_COLUMN, name, group.columns[name], "")
        return Assigned(group, changes)

    def _free_name(self, path: str) -> str:
        wanted = proposed_name(path)
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name


def shared(one: Columns, other: Columns) -> float:
    """How much of all the columns of two schemas both have: 0 to 1."""
    first = {name.lower(): kind for name, kind in one.items()}
    second = {name.lower(): kind for name, kind in other.items()}
    both = first.keys() & second.keys()
    points = sum(
        _OF_OTHER_TYPE
        if common_type(first[name], second[name]) == "VARCHAR"
        and "VARCHAR" not in (first[name], second[name])
        else 1.0
        for name in both
    )
    return points / (len(first.keys() | second.keys()) or 1)


def common_type(one: str, other: str) -> str:
    """The narrowest of DuckDB's types that has the values of both; a text has all."""
    if one == other:
        return one
    for ladder in (_WHOLE, _WHOLE_UNSIGNED, _TIMES):
        if one in ladder and other in ladder:
            return ladder[max(ladder.index(one), ladder.index(other))]
    if _is_whole(one) and _is_whole(other):
        signed, unsigned = (one, other) if one in _WHOLE else (other, one)
        wanted = max(_WHOLE.index(signed), _WHOLE_UNSIGNED.index(unsigned) + 1)
        return _WHOLE[wanted] if wanted < len(_WHOLE) else "DOUBLE"
    if _is_number(one) and _is_number(other):
        return "DOUBLE"
    return "VARCHAR"


def _is_whole(kind: str) -> bool:
    return kind in _WHOLE or kind in _WHOLE_UNSIGNED


def _is_number(kind: str) -> bool:
    return _is_whole(kind) or kind in ("FLOAT", "DOUBLE") or kind.startswith("DECIMAL")


def proposed_name(path: str) -> str:
    """What a table of such files may be called: as the nearest folder that is no number or date,
    else as the file without what counts at its end."""
    *folders, file = PurePosixPath(path).parts or ("table",)
    for folder in reversed(folders):
        if not _NO_NAME.fullmatch(folder.split("=")[0]) and "=" not in folder:
            return _plain(folder)
    stem = PurePosixPath(file).name.split(".")[0]
    return _plain(_COUNTED.sub("", stem) or stem)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_")[:60] or "table"
