"""What a route says of itself: its address, its parameters, what it answers.

What belongs here: the declaration, and reading a request by it. A route sees the parameters that it
declares and no others, so the OpenAPI document, which is made of the same, names them all.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from gmn_pipeline.serving.problems import bad_request, problem_of, response_of
from gmn_pipeline.serving.work import Work

_LONGEST = 20_000
_LARGEST = 2**53 - 1

Value: TypeAlias = int | str | None


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

    @property
    def is_number(self) -> bool:
        return self.minimum is not None

    def value(self, given: Sequence[str]) -> Value:
        """Of what the request gives. Raises Problem."""
        texts = [text for text in given if text]
        if len(texts) > 1:
            raise bad_request(f"The parameter {self.name} is given more than once.")
        if not texts:
            if self.is_required:
                raise bad_request(f"The parameter {self.name} is missing: {self.meaning}.")
            return self.default
        (text,) = texts
        if len(text) > _LONGEST:
            raise bad_request(
                f"The parameter {self.name} may have {_LONGEST:,} characters, not {len(text):,}."
            )
        if self.choices and text not in self.choices:
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
        return schema


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

    def text(self, name: str) -> str | None:
        value = self.values[name]
        return None if value is None else str(value)

    def number(self, name: str) -> int | None:
        value = self.values[name]
        return None if value is None else int(value)


@dataclass(frozen=True)
class Answers:
    """One kind of answer: its media type and, for JSON, its schema."""

    media_type: str
    meaning: str
    schema: Mapping[str, object] | None = None


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

    def route(self, work: Work) -> StarletteRoute:
        async def endpoint(request: Request) -> Response:
            try:
                return await self.answer(Asked(request, work, self._values(request)))
            except Exception as error:
                return response_of(problem_of(error), request.url.path)

        return StarletteRoute(self.path, endpoint, methods=["GET"], name=self.name)

    def _values(self, request: Request) -> dict[str, Value]:
        given = request.query_params
        known = {parameter.name for parameter in self.parameters}
        for name in given:
            if name not in known and not self.more_parameters_are_passed_over:
                raise bad_request(f"There is no parameter {name[:100]!r} here.")
        return {p.name: p.value(given.getlist(p.name)) for p in self.parameters}
