"""`/tap/sync`: a query, and its answer at once.

What belongs here: waiting for a turn, and sending. What does not: running it (`results.py`).
"""

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import IO

from starlette.responses import Response, StreamingResponse

from gmn_pipeline.queries.answer import Cancellation
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.serving.conditional import SNAPSHOT_HEADER
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.serving.routes import Asked
from gmn_pipeline.serving.tap import questions, results
from gmn_pipeline.serving.tap.requests import all_texts

_IN_MEMORY_BYTES = 1 << 20
_PIECE_BYTES = 1 << 18


async def answer(asked: Asked) -> Response:
    """Raises Problem for whatever goes wrong; the answer is whole when it begins to be sent."""
    work = asked.work
    question = questions.question(all_texts(asked, questions.NAMES), work.settings)
    snapshot = await work.snapshot(None)
    # Closed when it is sent, or when it came to nothing.
    target = SpooledTemporaryFile(_IN_MEMORY_BYTES, dir=str(work.tap.folder))  # noqa: SIM115

    def ask(cancellation: Cancellation) -> results.Written:
        limits = Limits(
            work.settings.serve_sql_timeout_s, work.settings.serve_sql_memory_mb, disk_mb=0,
            rows=question.most_rows,
        )  # fmt: skip
        most_bytes = work.settings.serve_tap_answer_mb << 20
        return results.write(
            question, snapshot, work.ask_free, limits, cancellation, target, most_bytes
        )

    try:
        written = await work.in_turn(asked.request, ask)
    except Problem as problem:
        target.close()
        raise _with_a_way_out(problem, work.settings.serve_tap_timeout_s) from problem
    except BaseException:
        target.close()
        raise
    headers = {
        SNAPSHOT_HEADER: str(snapshot.id),
        "Content-Length": str(written.size),
        "Cache-Control": "no-store",
    }
    return StreamingResponse(_pieces(target), headers=headers, media_type=written.media_type)


def _with_a_way_out(problem: Problem, seconds: float) -> Problem:
    if problem.kind == "query-limit":
        problem.detail += f" Or ask by a job (/tap/async), which may work for {seconds:g} s."
    return problem


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    with source:
        source.seek(0)
        while piece := source.read(_PIECE_BYTES):
            yield piece
