"""Working jobs off.

What belongs here: threads that take jobs in their order, each with one query in a process, and
ending them. What does not: which jobs there are (`store.py`), and HTTP.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from gmn_pipeline.queries.answer import Cancellation
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.serving.problems import Problem, bad_request, problem_of
from gmn_pipeline.serving.tap import questions, results
from gmn_pipeline.serving.tap.jobs.job import CHANGING, UNDER_WAY, Job, Phase, now
from gmn_pipeline.serving.tap.jobs.store import Jobs
from gmn_pipeline.settings import ServingSettings

_CLEANED_EVERY_S = 10.0


class Runner:
    """The jobs of a server. `start` it, and `stop` it at the end."""

    def __init__(
        self,
        settings: ServingSettings,
        newest: Callable[[], Snapshot],
        ask: results.Ask,
    ) -> None:
        self.jobs = Jobs(settings)
        self._settings = settings
        self._newest = newest
        self._ask = ask
        self._threads = ThreadPoolExecutor(settings.serve_tap_queries, "tap")
        self._cancellations: dict[str, Cancellation] = {}
        self._ended = threading.Event()
        self._cleaning = threading.Thread(target=self._clean, name="tap-jobs", daemon=True)

    @property
    def folder(self) -> Path:
        """Where answers may be put that are on their way."""
        return self.jobs.folder

    def start(self) -> None:
        """Take over what a former server left. Raises ServiceRunning."""
        for job in self.jobs.open():
            self._threads.submit(self._work, job)
        self._cleaning.start()

    def stop(self) -> None:
        """End what is under way. Jobs that wait for their turn are for the next server."""
        self._ended.set()
        with self.jobs.changing():
            for cancellation in self._cancellations.values():
                cancellation.cancel()
        self._threads.shutdown(cancel_futures=True)
        if self._cleaning.is_alive():
            self._cleaning.join()
        self.jobs.close()

    def run(self, job: Job) -> None:
        """Let it wait for its turn. Raises Problem."""
        with self.jobs.changing():
            if job.phase is not Phase.PENDING:
                raise bad_request(f"The job is {job.phase}: it can be run once.")
            if self.jobs.under_way() >= self._settings.serve_queue:
                raise Problem(503, "busy", "Too many jobs are waiting for their turn.", 60)
            job.phase = Phase.QUEUED
            self.jobs.save(job)
            self._threads.submit(self._work, job)

    def abort(self, job: Job) -> None:
        """End it, whatever it is at; one that is over stays as it is."""
        with self.jobs.changing():
            if job.phase in CHANGING:
                self._end(job, Phase.ABORTED)
            if (cancellation := self._cancellations.get(job.id)) is not None:
                cancellation.cancel()

    def remove(self, job: Job) -> None:
        with self.jobs.changing():
            self.abort(job)
            self.jobs.remove(job)

    def _clean(self) -> None:
        while not self._ended.wait(_CLEANED_EVERY_S):
            with suppress(OSError), self.jobs.changing():
                self.jobs.remove_old()
                for cancellation in [
                    one for identifier, one in self._cancellations.items()
                    if not self.jobs.is_known(identifier)
                ]:  # fmt: skip
                    cancellation.cancel()

    def _work(self, job: Job) -> None:
        cancellation = Cancellation()
        with self.jobs.changing():
            if job.phase is not Phase.QUEUED or self._ended.is_set():
                return
            job.phase, job.started_at = Phase.EXECUTING, now()
            self._cancellations[job.id] = cancellation
            self.jobs.save(job)
        try:
            written = self._written(job, cancellation)
        except Exception as error:
            with self.jobs.changing():
                if job.phase in UNDER_WAY:  # and was not ended, or removed with its folder
                    job.failure = self._reason(error)
                    self._end(job, Phase.ERROR)
        else:
            with self.jobs.changing():
                if job.phase in UNDER_WAY:
                    job.written = written
                    self._end(job, Phase.COMPLETED)
        finally:
            with self.jobs.changing():
                del self._cancellations[job.id]

    def _reason(self, error: Exception) -> str:
        if self._ended.is_set():
            return "The server was stopped. Run it again."
        return problem_of(error).detail

    def _written(self, job: Job, cancellation: Cancellation) -> results.Written:
        settings = self._settings
        question = questions.question(job.parameters, settings)
        limits = Limits(
            job.duration_s, settings.serve_sql_memory_mb, disk_mb=0, rows=question.most_rows
        )
        unfinished = self.jobs.unfinished_of(job)
        try:
            with unfinished.open("wb") as target:
                written = results.write(
                    question, self._newest(), self._ask, limits, cancellation, target,
                    settings.serve_tap_answer_mb << 20,
                )  # fmt: skip
            unfinished.replace(self.jobs.answer_of(job))
        finally:
            unfinished.unlink(missing_ok=True)
        return written

    def _end(self, job: Job, phase: Phase) -> None:
        job.phase, job.ended_at = phase, now()
        self.jobs.save(job)
