"""What a route says of itself: its address, its parameters, what it answers.

What belongs here: the declaration, and reading a request by it. A route sees the parameters that it
declares and no others, so the OpenAPI document, which is made of the same, names them all.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from starlette.datastructures import Headers, ImmutableMultiDict
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.routing import Route as StarletteRoute
from starlette.types import Scope

from gmn_pipeline.serving.problems import Problem, bad_request, problem_of, response_of
from gmn_pipeline.serving.work import Work

_LONGEST = 20_000
_LARGEST = 2**53 - 1
_MOST_TIMES = 100
_QUALITY = re.compile(r"[01](\.\d{0,3})?", re.ASCII)
_NUL = "\0"
"""DuckDB and DuckLake end texts at it in some places."""

Value: TypeAlias = int | str | tuple[str, ...] | None


@dataclass(frozen=True)
class Parameter:
    """A parameter of the query. One that is empty is as if it were not there."""

    name: str
    meaning: str
    default: Value = None
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    minimum: int | None = None
    """If given, it is a whole number."""
    is_required: bool = False
    example: str | None = None
    is_repeated: bool = False
    """Whether it may be given several times."""
    is_in_path: bool = False
    is_in_header: bool = False

    @property
    def is_number(self) -> bool:
        return self.minimum is not None

    def value(self, given: Sequence[str]) -> Value:
        """Of what the request gives. Raises Problem."""
        texts = [text for text in given if text]
        if self.is_repeated:
            if len(texts) > _MOST_TIMES:
                raise bad_request(
                    f"{self.name} may be given {_MOST_TIMES} times, not {len(texts)}."
                )
            return tuple(str(self._one(text)) for text in texts)
        if len(texts) > 1:
            raise bad_request(f"The parameter {self.name} is given more than once.")
        if not texts:
            if self.is_required:
                raise bad_request(f"The parameter {self.name} is missing: {self.meaning}.")
            return self.default
        return self._one(texts[0])

    def _one(self, text: str) -> int | str:
        if len(text) > _LONGEST:
            raise bad_request(
                f"The parameter {self.name} may have {_LONGEST:,} characters, not {len(text):,}."
            )
        if self.choices and text not in self.choices:
            if self.is_in_path:
                raise Problem(
                    404,
                    "not-found",
                    f"There is {', '.join(self.choices)} here, not {text[:100]!r}.",
                )
            raise bad_request(
                f"{self.name} is one of {', '.join(self.choices)}, not {text[:100]!r}."
            )
        return self._number(text) if self.minimum is not None else text

    def _number(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST))):
            raise bad_request(f"{self.name} is a whole number, not {text[:100]!r}.")
        number = int(text)
        if not (self.minimum or 0) <= number <= _LARGEST:
            raise bad_request(f"{self.name} is {self.minimum} to {_LARGEST}, not {number}.")
        return number

    def schema(self) -> dict[str, object]:
        """As JSON Schema."""
        schema: dict[str, object] = {"type": "integer" if self.is_number else "string"}
        if self.minimum is not None:
            schema |= {"minimum": self.minimum, "maximum": _LARGEST}
        elif self.is_required:
            schema["minLength"] = 1
        if not self.is_number:
            schema["maxLength"] = _LONGEST
        if self.choices:
            # An empty one counts as not given: the network's own links have such.
            schema["enum"] = [*self.choices, *([] if self.is_required else [""])]
        if self.pattern:
            schema["pattern"] = self.pattern
        if self.default is not None:
            schema["default"] = self.default
        if self.is_repeated:
            return {"type": "array", "items": schema, "maxItems": _MOST_TIMES}
        return schema


@dataclass(frozen=True)
class Conditions(Parameter):
    """Any number of parameters whose names are a column, or a column and an operator.

    `columns` and `operators`: each with its meaning. `lone`: operators that need no value.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    operators: Mapping[str, str] = field(default_factory=dict)
    lone: frozenset[str] = frozenset()

    def parts(self, name: str) -> tuple[str, str | None]:
        """A column, and the operator if one is named. Raises Problem if there is no such one."""
        if name in self.columns:
            return name, None
        column, sign, operator = name.rpartition("__")
        if not sign or name.startswith("_"):
            raise bad_request(
                f"There is no parameter or column {name[:100]!r} here. Columns: "
                f"{', '.join(self.columns)}."
            )
        if column not in self.columns:
            raise bad_request(
                f"There is no column {column[:100]!r} here, but {', '.join(self.columns)}."
            )
        if operator not in self.operators:
            raise bad_request(
                f"There is no operator {operator[:100]!r}, but {', '.join(self.operators)}."
            )
        return column, operator

    def schema(self) -> dict[str, object]:
        """As JSON Schema: an object, whose properties are parameters."""
        value = {"type": "string", "maxLength": _LONGEST}
        operators = "|".join(self.operators)
        columns = "|".join(self.columns)
        return {
            "type": "object",
            "properties": {
                name: {**value, "description": meaning} for name, meaning in self.columns.items()
            },
            "patternProperties": {f"^({columns})__({operators})$": value},
            "additionalProperties": False,
        }


SNAPSHOT = Parameter(
    "snapshot",
    "number of the state of the warehouse that is asked; without it the newest. Answers name "
    "theirs in the header GMN-Snapshot",
    minimum=0,
)


@dataclass(frozen=True)
class Asked:
    """A request, read by what its route declares."""

    request: Request
    work: Work
    values: Mapping[str, Value]
    conditions: tuple[tuple[str, str], ...] = ()
    """What was given by names of columns and operators, in order."""

    def text(self, name: str) -> str | None:
        value = self.values[name]
        return None if value is None else str(value)

    def number(self, name: str) -> int | None:
        value = self.values[name]
        return value if isinstance(value, int) else None

    def texts(self, name: str) -> tuple[str, ...]:
        """Of one that may be given several times."""
        value = self.values[name]
        return value if isinstance(value, tuple) else ()


@dataclass(frozen=True)
class Answers:
    """One kind of answer: its media type and, for JSON, its schema."""

    media_type: str
    meaning: str
    schema: Mapping[str, object] | None = None


def object_schema(**properties: str) -> dict[str, object]:
    """The schema of an object: its properties, all there, and the type of each."""
    return {
        "type": "object",
        "required": list(properties),
        "properties": {name: {"type": kind} for name, kind in properties.items()},
    }


PUBLIC = "nothing"
"""What an address needs that answers everybody."""


@dataclass(frozen=True)
class Route:
    """An address and what is there."""

    path: str
    name: str
    summary: str
    answer: Callable[[Asked], Awaitable[Response]]
    answers: tuple[Answers, ...]
    parameters: tuple[Parameter, ...] = ()
    more_parameters_are_passed_over: bool = False
    """As the old platform did; elsewhere one that is not known is an error."""
    problems: tuple[int, ...] = (503,)
    """Statuses beside 200, 304, 400 and 429 that it may answer with."""
    has_parts: bool = False
    """Whether a part may be asked for (Range)."""
    redirects: Mapping[int, str] = field(default_factory=dict)
    """Statuses by which it leads elsewhere."""
    done: Mapping[int, str] = field(default_factory=dict)
    """Statuses beside 200 by which it says that something was done."""
    body: tuple[Answers, ...] = ()
    """What a request brings, if anything; then all parameters are in the address."""
    methods: tuple[str, ...] = ("GET",)
    """Those by which it is asked. By POST the parameters come as a form."""
    is_endless: bool = False
    """Whether the answer goes on until the client has enough."""
    is_for_browsers: bool = False
    """Whether it answers only who asks for a page; others are answered as if it were not there."""
    has_page: bool = False
    """Whether who asks for a page is answered by another route at the same address."""
    needs: str | None = None
    """What who asks must be allowed (`objects/rights.py`), or `PUBLIC`. A test fails where it is
    not said."""

    @property
    def address(self) -> str:
        """Its path as documents have it: without what tells the framework how to match it."""
        return self.path.replace(":path}", "}")

    def route(self, work: Work) -> StarletteRoute:
        async def endpoint(request: Request) -> Response:
            try:
                given = await self.given(request)
                response = await self.answer(self.read(request, work, given))
            except Exception as error:
                response = response_of(problem_of(error), request.url.path)
            if self.is_for_browsers or self.has_page:
                response.headers.add_vary_header("Accept")
            return response

        kind = _RouteForBrowsers if self.is_for_browsers else StarletteRoute
        return kind(self.path, endpoint, methods=self.methods, name=self.name)

    async def given(self, request: Request) -> ImmutableMultiDict[str, str]:
        """The parameters as they were given. Raises Problem."""
        return request.query_params

    def read(
        self, request: Request, work: Work, given: ImmutableMultiDict[str, str] | None = None
    ) -> Asked:
        """What a request asks, by the parameters of its address or those given. Raises Problem."""
        given = request.query_params if given is None else given
        conditions = self._conditions(given)
        values = {
            p.name: p.value(_given(request, given, p))
            for p in self.parameters
            if not isinstance(p, Conditions)
        }
        return Asked(request, work, values, conditions)

    def _conditions(self, given: ImmutableMultiDict[str, str]) -> tuple[tuple[str, str], ...]:
        """Parameters that are none of those with a fixed name. Raises Problem for unknown ones."""
        known = {
            p.name
            for p in self.parameters
            if not (p.is_in_path or p.is_in_header or isinstance(p, Conditions))
        }
        more = [pair for pair in given.multi_items() if pair[0] not in known]
        conditions = next((p for p in self.parameters if isinstance(p, Conditions)), None)
        found: list[tuple[str, str]] = []
        for name, text in more:
            if conditions is not None:
                _, operator = conditions.parts(name)
                if _NUL in text or len(text) > _LONGEST:
                    raise bad_request(f"{name} is too long, or has a NUL in it.")
                if text or operator in conditions.lone:
                    found.append((name, text))
            elif not self.more_parameters_are_passed_over:
                raise bad_request(f"There is no parameter {name[:100]!r} here.")
        return tuple(found)


def public(*routes: Route) -> tuple[Route, ...]:
    """The same, open to everybody: for what the network publishes."""
    return tuple(replace(route, needs=PUBLIC) for route in routes)


class _RouteForBrowsers(StarletteRoute):
    """Is there only for who asks for a page."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        is_read = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        if is_read and not wants_page(Headers(scope=scope).get("accept", "")):
            return Match.NONE, {}
        return super().matches(scope)


def wants_page(accept: str) -> bool:
    """Whether an `Accept` names HTML, and JSON not before it. `*/*`, as of scripts, does not."""
    qualities: dict[str, float] = {}
    for one in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in one.split(";"))
        text = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        qualities[kind] = float(text) if _QUALITY.fullmatch(text) else 0
    html = qualities.get("text/html", 0)
    return html > 0 and html >= qualities.get("application/json", 0)


def _given(
    request: Request, given: ImmutableMultiDict[str, str], parameter: Parameter
) -> Sequence[str]:
    if parameter.is_in_path:
        return [request.path_params[parameter.name]]
    if parameter.is_in_header:
        return request.headers.getlist(parameter.name)
    return given.getlist(parameter.name)
