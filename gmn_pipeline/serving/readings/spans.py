"""From when until when, and in which steps.

What belongs here: reading `from` and `to`, and the step that goes with a span and a number of
points. What does not: what is counted or summed up in it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.readings.times import shown
from gmn_pipeline.serving.routes import Asked, Parameter
from gmn_pipeline.serving.tables.values import utc

FROM = Parameter(
    "from", "a time (UTC): where the span begins. Without it an hour (of histograms a day) before "
    "its end", example="2026-08-12T20:00:00Z",
)  # fmt: skip
TO = Parameter(
    "to", "a time (UTC): where the span ends. Without it when the state was committed",
    example="2026-08-13T04:00:00Z",
)  # fmt: skip

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_STEPS_S = (
    1, 2, 5, 10, 15, 30, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 15 * _MINUTE,
    30 * _MINUTE, _HOUR, 2 * _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 5 * _DAY,
    10 * _DAY, 30 * _DAY, 100 * _DAY, 365 * _DAY,
)  # fmt: skip
_EPOCH = datetime(1970, 1, 1)
_LONGEST = timedelta(days=200 * 365)


@dataclass(frozen=True)
class Span:
    """A span that begins and ends with a step, counted from 1970 on."""

    begin: datetime
    end: datetime
    step_s: int

    @property
    def source(self) -> str:
        """Out of what its steps are summed up: readings, or a rollup whose spans fit into them."""
        for name, seconds in (("day", _DAY), ("hour", _HOUR), ("minute", _MINUTE)):
            if self.step_s >= seconds:
                return name
        return "reading"

    @property
    def bucket(self) -> str:
        """What follows `time_bucket(` up to the time, in SQL; whole days lie apart from 1970 on."""
        return f"time_bucket(INTERVAL '{self.step_s} seconds', {{}}, TIMESTAMP '1970-01-01')"

    def told(self) -> dict[str, object]:
        return {"from": shown(self.begin), "to": shown(self.end), "step_s": self.step_s}


def span_of(
    asked: Asked, committed: datetime, *, usual: timedelta, points: int, least_s: int = 1
) -> Span:
    """The span that is asked for, in so many steps at most. Raises Problem."""
    end = time_of(asked, TO) or committed
    begin = time_of(asked, FROM) or end - usual
    return span(begin, end, points, least_s)


def span(begin: datetime, end: datetime, points: int, least_s: int = 1) -> Span:
    """Between two times. Raises Problem."""
    if not timedelta() < end - begin <= _LONGEST:
        raise bad_request("The span has to end after it begins, and within 200 years.")
    step_s = next(
        (s for s in _STEPS_S if s >= least_s and (end - begin) / timedelta(seconds=s) <= points),
        _STEPS_S[-1],
    )
    step = timedelta(seconds=step_s)
    first = (begin - _EPOCH) // step
    last = -((_EPOCH - end) // step)
    try:
        return Span(_EPOCH + first * step, _EPOCH + last * step, step_s)
    except OverflowError:
        raise bad_request("The span is beyond all times.") from None


def time_of(asked: Asked, parameter: Parameter) -> datetime | None:
    """What a parameter says, UTC; None where it is not given. Raises Problem."""
    text = asked.text(parameter.name)
    if text is None:
        return None
    try:
        return utc(text.strip())
    except (ValueError, OverflowError):
        raise bad_request(
            f"{parameter.name} is a time (UTC) such as {FROM.example}, not {text[:100]!r}."
        ) from None
