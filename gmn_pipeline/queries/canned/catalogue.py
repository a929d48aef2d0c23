"""The canned queries: what each is called, asks, and takes.

What belongs here: reading the head of a `.sql` file, and turning texts into values of its
parameters. What does not: the queries themselves, and running them.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TypeAlias

from gmn_pipeline.clock import in_utc
from gmn_pipeline.errors import QueryRefused

Value: TypeAlias = str | int | float | bool | date | datetime | None

_HEAD = re.compile(r"--\s*(title|description|needs|parameter):\s*(.*)")
_GOES_ON = re.compile(r"--\s{2,}(.*)")
_PARTS = 5
OBJECTS = "objects"
"""The lake beside the warehouse that questions may need, as SQL names it."""


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _positive(text: str) -> float:
    number = _number(text)
    if number <= 0:
        raise ValueError(text)
    return number


def _boolean(text: str) -> bool:
    return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
        text.lower()
    ]


def _time(text: str) -> datetime:
    """UTC; another zone may be said."""
    return in_utc(datetime.fromisoformat(text))


_READ: dict[str, tuple[str, Callable[[str], Value]]] = {
    "text": ("a text", str),
    "integer": ("a whole number", int),
    "number": ("a number", _number),
    "positive": ("a number above 0", _positive),
    "boolean": ("true or false", _boolean),
    "date": ("a date such as 2026-08-13", date.fromisoformat),
    "time": ("a time (UTC) such as 2026-08-13T22:00:00", _time),
}
TYPES = (*_READ, "choice")


@dataclass(frozen=True)
class Parameter:
    """A parameter; `default` is a text as a person would give it, None for nothing."""

    name: str
    type: str
    meaning: str
    unit: str | None = None
    default: str | None = None
    is_required: bool = False
    choices: tuple[str, ...] = ()
    """Of a choice: the texts that there are."""

    def read(self, text: str) -> Value:
        """The value that a text stands for. Raises QueryRefused."""
        if self.type == "choice":
            if text not in self.choices:
                told = ", ".join(self.choices)
                raise QueryRefused(f"{self.name} is to be one of {told}, not '{text}'.")
            return text
        what, read = _READ[self.type]
        try:
            return read(text.strip())
        except (ValueError, KeyError, OverflowError) as error:
            raise QueryRefused(f"{self.name} is to be {what}, not '{text}'.") from error

    @property
    def default_value(self) -> Value:
        return None if self.default is None else self.read(self.default)


@dataclass(frozen=True)
class CannedQuery:
    """A question: its SQL, with the head left out, and what it takes."""

    name: str
    title: str
    description: str
    sql: str
    parameters: tuple[Parameter, ...] = field(default=())
    needs: str = ""
    """A lake beside the warehouse that it asks, by its name. What asks only trajectories needs none
    and can be asked wherever these are: over HTTP, and in the analysts' file."""

    def values(self, given: Mapping[str, str]) -> dict[str, Value]:
        """A value for each parameter, by name: what to bind. Raises QueryRefused."""
        names = [parameter.name for parameter in self.parameters]
        for name in given:
            if name not in names:
                takes = f"It takes {', '.join(names)}." if names else "It takes no parameter."
                raise QueryRefused(f"The query {self.name} has no parameter {name}.", remedy=takes)
        missing = [p.name for p in self.parameters if p.is_required and p.name not in given]
        if missing:
            raise QueryRefused(f"The query {self.name} needs {' and '.join(missing)}.")
        return {
            p.name: p.read(given[p.name]) if p.name in given else p.default_value
            for p in self.parameters
        }


@cache
def canned_query(name: str) -> CannedQuery:
    """The query of this name. Raises QueryRefused if there is none."""
    if name not in names():
        near = get_close_matches(name, names(), 1)
        raise QueryRefused(
            f"There is no query {name}.",
            remedy=f"Do you mean {near[0]}?" if near else "'gmn query' lists them.",
        )
    return parse(name, _folder().joinpath(f"{name}.sql").read_text("utf-8"))


@cache
def names() -> tuple[str, ...]:
    """The names of all queries."""
    found = (entry.name for entry in _folder().iterdir())
    return tuple(sorted(name.removesuffix(".sql") for name in found if name.endswith(".sql")))


def all_queries(*beside: str) -> tuple[CannedQuery, ...]:
    """Those that can be asked where there are these lakes beside trajectories, by name."""
    return tuple(one for one in map(canned_query, names()) if one.needs in ("", *beside))


def parse(name: str, text: str) -> CannedQuery:
    """A query from the text of its file. Raises ValueError for a head that is not one."""
    entries: list[list[str]] = []
    lines = text.splitlines()
    while lines and lines[0].startswith("--"):
        line = lines.pop(0)
        if begins := _HEAD.fullmatch(line):
            entries.append([begins[1], begins[2].strip()])
        elif entries and (goes_on := _GOES_ON.fullmatch(line)):
            entries[-1][1] += f" {goes_on[1].strip()}"
        else:
            raise ValueError(f"{name}.sql: what is '{line}'?")
    told = {kind: value for kind, value in entries if kind != "parameter"}
    if told.keys() - {"needs"} != {"title", "description"}:
        raise ValueError(f"{name}.sql: a head has one title and one description.")
    parameters = tuple(_parameter(name, value) for kind, value in entries if kind == "parameter")
    sql = "\n".join(lines).strip().removesuffix(";")
    needs = told.get("needs", "")
    if needs not in ("", OBJECTS):
        raise ValueError(f"{name}.sql: there is no lake {needs} that it could need.")
    return CannedQuery(name, told["title"], told["description"], sql, parameters, needs)


def _parameter(query: str, text: str) -> Parameter:
    parts = [part.strip() for part in text.split("|")]
    kind, *choices = parts[1].split() if len(parts) == _PARTS else ("",)
    if kind not in TYPES or bool(choices) != (kind == "choice"):
        raise ValueError(f"{query}.sql: '{text}' is not name | type | default | unit | meaning.")
    name, _, default, unit, meaning = parts
    return Parameter(
        name,
        kind,
        meaning,
        unit or None,
        None if default in ("null", "required") else default,
        is_required=default == "required",
        choices=tuple(choices),
    )


def _folder() -> Traversable:
    return files(__package__)
