"""How a sensor asks for a run: not while one is under way, not for ever, never in vain.

What belongs here: a state (of files, of offsets) that a run is to deal with, and how often it was
asked for. What does not: finding such states (the sensors).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

STATE_TAG = "gmn/source_state"
_REMEMBERED_STATES = 200
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class RunRequests:
    """One look of a sensor. How often each state was asked for is kept in the sensor's cursor."""

    def __init__(self, context: dg.SensorEvaluationContext, most_attempts: int) -> None:
        self._context = context
        self._most_attempts = most_attempts
        self._attempts: dict[str, int] = json.loads(context.cursor) if context.cursor else {}
        self.under_way = 0
        """States of this look that a run deals with already."""

    def request(
        self,
        state: str,
        subject: str,
        *,
        tags: Mapping[str, str] | None = None,
        run_config: Any = None,
    ) -> dg.RunRequest | dg.SkipReason:
        """A request for a run that deals with the state, or why there is none."""
        runs = dg.RunsFilter(tags={STATE_TAG: state}, statuses=_UNFINISHED)
        if self._context.instance.get_runs_count(runs):
            self.under_way += 1
            return dg.SkipReason(f"{subject}: a run is under way.")
        attempt = self._attempts.pop(state, 0) + 1
        if attempt > self._most_attempts:
            self._attempts[state] = self._most_attempts
            self._context.log.error(
                f"{subject}: given up after {self._most_attempts} attempts. See why those runs "
                "failed ('gmn status' tells of days), then materialize by hand."
            )
            return dg.SkipReason(f"{subject}: given up.")
        self._attempts[state] = attempt
        # Dagster never launches a run key twice: without the attempt a failure would be final.
        return dg.RunRequest(
            run_key=f"{state}-{attempt}",
            run_config=run_config,
            tags={**(tags or {}), STATE_TAG: state},
        )

    def result(self, requests: Sequence[dg.RunRequest]) -> dg.SensorResult:
        """The requests, and the cursor for the next look."""
        newest = list(self._attempts.items())[-_REMEMBERED_STATES:]
        return dg.SensorResult(run_requests=requests, cursor=json.dumps(dict(newest)))

    def single(self, state: str, subject: str, **more: Any) -> dg.SensorResult | dg.SkipReason:
        """The answer of a sensor that has one state to ask for."""
        answer = self.request(state, subject, **more)
        return answer if isinstance(answer, dg.SkipReason) else self.result([answer])
