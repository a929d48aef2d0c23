"""How a sensor requests a run: not while one is under way, not for ever, never in vain.

What belongs here: a state (of files, of offsets) that a run is to deal with, and how often it was
requested. What does not: finding such states (the sensors).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

STATE_TAG = "gmn/source_state"
WHY_TAG = "gmn/why"
"""On every run that was not launched by hand: in words, what it was requested for."""
_REMEMBERED_STATES = 200
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class RunRequests:
    """One look of a sensor. How often each state was requested is kept in the sensor's cursor.

    A state that a look does not find any more was dealt with, and is forgotten: should it come
    back, it has all its attempts again.
    """

    def __init__(self, context: dg.SensorEvaluationContext, most_attempts: int) -> None:
        self._context = context
        self._most_attempts = most_attempts
        cursor = json.loads(context.cursor) if context.cursor else {}
        self._number: int = cursor.get("requests", 0)
        former: dict[str, int] = cursor.get("attempts", {})
        self._former = former
        self._attempts: dict[str, int] = {}
        self.under_way = 0
        """States of this look that a run deals with already."""
        self.given_up = 0
        """States of this look that were requested in vain too often."""

    def request(
        self,
        state: str,
        subject: str,
        *,
        tags: Mapping[str, str] | None = None,
        run_config: Any = None,
        of_job: str | None = None,
    ) -> dg.RunRequest | dg.SkipReason:
        """A request for a run that deals with the state, or why there is none: a run for this
        state is under way, or (`of_job`) any run of the job, after which the state is another."""
        self._attempts[state] = self._former.get(state, 0)
        runs = dg.RunsFilter(tags={STATE_TAG: state}, statuses=_UNFINISHED)
        if of_job:
            runs = dg.RunsFilter(job_name=of_job, statuses=_UNFINISHED)
        if self._context.instance.get_runs_count(runs):
            self.under_way += 1
            return dg.SkipReason(f"{subject}: a run is under way.")
        if self._attempts[state] >= self._most_attempts:
            self.given_up += 1
            self._context.log.error(
                f"{subject}: given up after {self._most_attempts} runs that did not deal with it. "
                "See why ('gmn status' tells of days that failed), then materialize by hand."
            )
            return dg.SkipReason(f"{subject}: given up.")
        self._attempts[state] += 1
        self._number += 1
        again = f" (attempt {self._attempts[state]})" if self._attempts[state] > 1 else ""
        self._context.log.info(f"Requested a run: {subject}{again}.")
        return dg.RunRequest(
            # Dagster never launches a run key twice: without a number of its own, a state that
            # failed or comes back would never have another run.
            run_key=f"{state}.{self._number}",
            run_config=run_config,
            tags={**(tags or {}), STATE_TAG: state, WHY_TAG: subject + again},
        )

    def result(
        self, requests: Sequence[dg.RunRequest], *, is_whole: bool = True
    ) -> dg.SensorResult:
        """The requests, and the cursor for the next look."""
        return dg.SensorResult(run_requests=requests, cursor=self._cursor(is_whole))

    def none(self, why: str, *, is_whole: bool = True) -> dg.SkipReason:
        """No request, and why. `is_whole`: whether all states that there are were looked at."""
        self._context.update_cursor(self._cursor(is_whole))
        return dg.SkipReason(why)

    def single(self, state: str, subject: str, **more: Any) -> dg.SensorResult | dg.SkipReason:
        """The answer of a sensor that has one state to request a run for."""
        answer = self.request(state, subject, **more)
        if isinstance(answer, dg.SkipReason):
            return self.none(answer.skip_message or "")
        return self.result([answer])

    def _cursor(self, is_whole: bool) -> str:
        attempts = self._attempts if is_whole else self._former | self._attempts
        newest = dict(list(attempts.items())[-_REMEMBERED_STATES:])
        return json.dumps({"requests": self._number, "attempts": newest})
