"""The addresses of jobs.

What belongs here: what is done by GET, POST and DELETE at each. What does not: jobs themselves.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import TypeAlias

import anyio
import anyio.to_thread
from starlette.responses import FileResponse, Response

from gmn_pipeline.serving.conditional import SNAPSHOT_HEADER
from gmn_pipeline.serving.formats.votable import failure
from gmn_pipeline.serving.limits import customer
from gmn_pipeline.serving.problems import VOTABLE_TYPE, Problem, bad_request
from gmn_pipeline.serving.routes import Answers, Asked, Parameter
from gmn_pipeline.serving.tables.values import utc as time_of
from gmn_pipeline.serving.tap import parameters, questions
from gmn_pipeline.serving.tap.jobs import document
from gmn_pipeline.serving.tap.jobs.job import CHANGING, Job, Phase
from gmn_pipeline.serving.tap.requests import TapRoute, all_texts, base_url

_XML = "text/xml; charset=utf-8"
_NO_STORE = {"Cache-Control": "no-store"}
_LONGEST_WAIT_S = 60.0
_POLL_S = 0.05
_LONGEST_DURATION = 10**9

_JOB = Parameter("job", "identifier of the job", is_required=True, is_in_path=True)
_PHASE = Parameter("PHASE", "RUN: run it; ABORT: end it. By GET: the phase that is known")
_ACTION = Parameter("ACTION", "DELETE: remove the job with its answer")
_WAIT = Parameter(
    "WAIT", "seconds to wait for another phase of the job, 60 at most; -1: as long as may be"
)
_DESTRUCTION = Parameter("DESTRUCTION", "time (UTC) at which the job is removed")
_DURATION = Parameter("EXECUTIONDURATION", "seconds that its query may work")
_LAST = Parameter("LAST", "so many of the newest jobs")
_AFTER = Parameter("AFTER", "jobs made after this time")


Answer: TypeAlias = Callable[[Asked], Awaitable[Response]]


def _threaded(answer: Callable[[Asked], Response]) -> Answer:
    """In a thread: jobs are on disk, and others may just be changing one."""

    async def answer_in_thread(asked: Asked) -> Response:
        return await anyio.to_thread.run_sync(answer, asked)

    return answer_in_thread


def _list(asked: Asked) -> Response:
    """GET: no jobs, since nobody is to see those of others. POST: a new one."""
    if asked.request.method != "POST":
        return Response(document.NO_JOBS, headers=_NO_STORE, media_type=_XML)
    base_url(asked)  # raises before there is a job that nobody can be led to
    given = all_texts(asked, questions.NAMES)
    client = asked.request.client
    job = asked.work.tap.jobs.make(given, customer(client.host if client else ""))
    try:
        _change(asked, job)
    except Problem:
        asked.work.tap.remove(job)
        raise
    return _to_job(asked, job)


def _change(asked: Asked, job: Job) -> None:
    """What a form says of how a job is to be led. Raises Problem."""
    tap, settings = asked.work.tap, asked.work.settings
    with tap.jobs.changing():
        if (text := asked.values.get("DESTRUCTION")) is not None:
            job.removed_at = min(
                _time(str(text)), job.created_at + timedelta(days=settings.serve_tap_keep_days)
            )
        if (text := asked.values.get("EXECUTIONDURATION")) is not None:
            if job.phase is not Phase.PENDING:
                raise bad_request(f"The job is {job.phase}: how long it may work is settled.")
            job.duration_s = _duration(str(text), settings.serve_tap_timeout_s)
        tap.jobs.save(job)
        match str(asked.values.get("PHASE") or "").strip().upper():
            case "":
                pass
            case "RUN":
                tap.run(job)
            case "ABORT":
                tap.abort(job)
            case other:
                raise bad_request(f"PHASE is RUN or ABORT, not {other[:50]!r}.")


def _time(text: str) -> datetime:
    try:
        return time_of(text.strip()).replace(microsecond=0)
    except (ValueError, OverflowError):
        raise bad_request(
            f"DESTRUCTION is a time (UTC) such as 2026-09-01T12:00:00Z, not {text[:50]!r}."
        ) from None


def _duration(text: str, most_s: float) -> float:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_LONGEST_DURATION))):
        raise bad_request(f"EXECUTIONDURATION is a number of seconds, not {text[:50]!r}.")
    return min(float(text), most_s) or most_s  # 0: without a limit, as far as there is none here


async def _one(asked: Asked) -> Response:
    job = await anyio.to_thread.run_sync(_found, asked)
    if asked.request.method in ("POST", "DELETE"):
        return await anyio.to_thread.run_sync(_changed, asked, job)
    await _wait(asked, job)
    text = document.job_document(job, f"{base_url(asked)}/async/{job.id}")
    return Response(text, headers=_NO_STORE, media_type=_XML)


def _changed(asked: Asked, job: Job) -> Response:
    if asked.request.method == "DELETE":
        return _removed(asked, job)
    action = asked.text("ACTION")
    if action is None:
        _change(asked, job)
        return _to_job(asked, job)
    if action.strip().upper() != "DELETE":
        raise bad_request(f"ACTION is DELETE, not {action[:50]!r}.")
    return _removed(asked, job)


def _found(asked: Asked) -> Job:
    return asked.work.tap.jobs.find(asked.text("job") or "")


def _removed(asked: Asked, job: Job) -> Response:
    asked.work.tap.remove(job)
    return _to(f"{base_url(asked)}/async")


def _to_job(asked: Asked, job: Job) -> Response:
    return _to(f"{base_url(asked)}/async/{job.id}")


def _to(address: str) -> Response:
    """STILTS and TOPCAT take whole addresses only."""
    return Response(status_code=303, headers={"Location": address, **_NO_STORE})


async def _wait(asked: Asked, job: Job) -> None:
    """Until the job's phase is another one, or the client has waited for so long."""
    wait = asked.text("WAIT")
    if wait is None:
        return
    try:
        seconds = float(wait)
    except ValueError:
        raise bad_request(f"WAIT is a number of seconds, not {wait[:50]!r}.") from None
    if not seconds >= 0:
        seconds = _LONGEST_WAIT_S
    deadline = time.monotonic() + min(seconds, _LONGEST_WAIT_S)
    known, begun = asked.text("PHASE"), job.phase
    while (
        job.phase is begun
        and job.phase in CHANGING
        and (known is None or known == job.phase)
        and time.monotonic() < deadline
        and not await asked.request.is_disconnected()
    ):
        await anyio.sleep(_POLL_S)


def _part(read: Callable[[Job], str], *names: str) -> Callable[[Asked], Response]:
    """One value of a job, which a POST of these parameters may change."""

    def answer(asked: Asked) -> Response:
        job = _found(asked)
        if asked.request.method == "POST":
            if all(asked.text(name) is None for name in names):
                raise bad_request(f"The parameter {names[0]} is missing.")
            _change(asked, job)
            return _to_job(asked, job)
        return Response(read(job), headers=_NO_STORE, media_type="text/plain; charset=utf-8")

    return answer


def _parameters(asked: Asked) -> Response:
    job = _found(asked)
    if asked.request.method == "POST":
        given = all_texts(asked, questions.NAMES)
        with asked.work.tap.jobs.changing():
            if job.phase is not Phase.PENDING:
                raise bad_request(f"The job is {job.phase}: what it asks is settled.")
            job.parameters |= given
            asked.work.tap.jobs.save(job)
        return _to_job(asked, job)
    text = document.parameters_document(job)
    return Response(text, headers=_NO_STORE, media_type=_XML)


def _results(asked: Asked) -> Response:
    job = _found(asked)
    text = document.results_document(job, f"{base_url(asked)}/async/{job.id}")
    return Response(text, headers=_NO_STORE, media_type=_XML)


def _result(asked: Asked) -> Response:
    job = _found(asked)
    if job.phase is not Phase.COMPLETED or job.written is None:
        raise Problem(404, "not-found", f"There is no answer: the job is {job.phase}.")
    headers = {SNAPSHOT_HEADER: str(job.written.snapshot), **_NO_STORE}
    return FileResponse(
        asked.work.tap.jobs.answer_of(job), headers=headers, media_type=job.written.media_type
    )


def _error(asked: Asked) -> Response:
    job = _found(asked)
    if job.phase is not Phase.ERROR:
        raise Problem(404, "not-found", f"There is no error: the job is {job.phase}.")
    return Response(failure(job.failure or ""), headers=_NO_STORE, media_type=VOTABLE_TYPE)


_TEXT = (Answers("text/plain", "The value"),)
_DOCUMENT = (Answers("text/xml", "UWS 1.1"),)
_TO_JOB: Mapping[int, str] = {303: "It is done; Location is the job"}
_BOTH = ("GET", "POST")


def _of_job(
    path: str,
    what: str,
    answer: Callable[[Asked], Response],
    answers: tuple[Answers, ...],
    *parameters: Parameter,
) -> TapRoute:
    """An address below that of a job; `parameters` are what a POST may change."""
    is_changed = bool(parameters)
    return TapRoute(
        f"/tap/async/{{job}}/{path}", f"tap_job_{path.replace('/', '_')}",
        f"TAP: {what} of a job", _threaded(answer), answers, (_JOB, *parameters),
        problems=(404, 413, 503),
        methods=_BOTH if is_changed else ("GET",), redirects=_TO_JOB if is_changed else {},
    )  # fmt: skip


def routes(answers: tuple[Answers, ...]) -> tuple[TapRoute, ...]:
    """`answers`: what answers of queries may be."""
    return (
        TapRoute(
            "/tap/async", "tap_jobs", "TAP: a new job. The list of jobs is empty: a job is for "
            "whoever knows its address", _threaded(_list), _DOCUMENT,
            (*parameters.OF_JOBS, _PHASE, _DESTRUCTION, _DURATION, _LAST, _AFTER),
            problems=(413, 503), methods=_BOTH, redirects=_TO_JOB,
        ),
        TapRoute(
            "/tap/async/{job}", "tap_job", "TAP: a job", _one, _DOCUMENT,
            (_JOB, _WAIT, _PHASE, _ACTION, _DESTRUCTION, _DURATION), problems=(404, 413, 503),
            methods=(*_BOTH, "DELETE"), redirects=_TO_JOB,
        ),
        _of_job("phase", "the phase", _part(lambda job: job.phase, "PHASE"), _TEXT, _PHASE),
        _of_job(
            "executionduration", "the seconds that the query may work",
            _part(lambda job: str(round(job.duration_s)), "EXECUTIONDURATION"), _TEXT, _DURATION,
        ),
        _of_job(
            "destruction", "the time of removal",
            _part(lambda job: document.utc(job.removed_at), "DESTRUCTION"), _TEXT, _DESTRUCTION,
        ),
        _of_job("quote", "the time of its end, which nobody knows", _part(lambda _: ""), _TEXT),
        _of_job("owner", "the owner, of which nothing is known", _part(lambda _: ""), _TEXT),
        _of_job("parameters", "the query", _parameters, _DOCUMENT, *parameters.OF_JOBS),
        _of_job("results", "the list of answers", _results, _DOCUMENT),
        _of_job("results/result", "the answer", _result, answers),
        _of_job("error", "what went wrong", _error, (Answers("application/x-votable+xml", "It"),)),
    )  # fmt: skip
