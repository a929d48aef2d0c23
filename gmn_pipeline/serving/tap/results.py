"""Running a question, and writing its answer into a file.

What belongs here: one question on one state of the lake. What does not: waiting for a turn, and
where the file lies (`sync.py`, `jobs/`).

The answer is written whole before any of it is sent: it takes no memory, holds no process while a
client takes it slowly, and whatever goes wrong is told in its place, as the protocol wants it.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import IO, TypeAlias

from gmn_pipeline.errors import FormatRefused, GmnError, QueryFailed, QueryLimit, QueryRefused
from gmn_pipeline.queries.answer import Answer, Cancellation
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.schemas.fields import Field
from gmn_pipeline.serving.formats.export import About, Export
from gmn_pipeline.serving.lake import again_if_busy
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.serving.tap.adql.places import with_place
from gmn_pipeline.serving.tap.adql.translate import Translation, translated
from gmn_pipeline.serving.tap.catalogue import CATALOGUE
from gmn_pipeline.serving.tap.formats import Told
from gmn_pipeline.serving.tap.questions import Question

_log = logging.getLogger(__name__)

Ask: TypeAlias = Callable[[Snapshot, str, Mapping[str, str], Limits, Cancellation], Answer]
"""How a query is run: see `Work.ask_free`."""


@dataclass(frozen=True)
class Written:
    """An answer in its file."""

    media_type: str
    rows: int
    is_cut_off: bool
    size: int
    snapshot: int


def write(
    question: Question,
    snapshot: Snapshot,
    ask: Ask,
    limits: Limits,
    cancellation: Cancellation,
    target: IO[bytes],
    most_bytes: int,
) -> Written:
    """Raises QueryRefused, QueryFailed, QueryLimit, and what says that the lake cannot be read."""
    one = translated(question.adql, CATALOGUE, question.most_rows)
    limits = replace(limits, rows=question.most_rows)

    def from_its_beginning() -> Written:
        if target.tell():  # it is asked once more
            target.seek(0)
            target.truncate()
        with ask(snapshot, one.sql, one.parameters, limits, cancellation) as answer:
            return _written(question, one, snapshot, answer, target, most_bytes)

    try:
        return again_if_busy(from_its_beginning)
    except (QueryFailed, QueryRefused) as error:
        if cancellation.cancelled:
            raise
        raise _at_its_place(one, error) from error
    except FormatRefused as error:
        raise QueryRefused(str(error)) from error


def _written(
    question: Question,
    one: Translation,
    snapshot: Snapshot,
    answer: Answer,
    target: IO[bytes],
    most_bytes: int,
) -> Written:
    def is_cut_off() -> bool:
        return answer.truncated or not question.most_rows

    told = Told(
        {"QUERY": question.adql},
        lambda: {"QUERY_STATUS": "OVERFLOW"} if is_cut_off() else {},
        _xtypes(),
    )
    about = About(
        "result", "Answer to a query in ADQL", str(snapshot.id),
        datetime.now(UTC).replace(tzinfo=None, microsecond=0),
    )  # fmt: skip
    export = Export.of(about, answer.schema, _known(one, answer.schema.names))
    size = 0
    for piece in question.format.write(export, answer, told):
        size += len(piece)
        if size > most_bytes:
            raise QueryLimit(f"The answer has more than {most_bytes >> 20:,} MB.")
        with _having_room(target):
            target.write(piece)
    with _having_room(target):
        target.flush()
    return Written(question.format.media_type, answer.rows, is_cut_off(), size, snapshot.id)


@contextmanager
def _having_room(target: IO[bytes]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        with suppress(OSError):
            target.close()  # which tries to write once more
        _log.warning("An answer cannot be written: %s", error)
        raise Problem(503, "no-room", "There is no room for the answer just now.", 60) from error


def _known(one: Translation, names: list[str]) -> list[Field]:
    """What is known of the answer's columns, under the names that DuckDB gives them."""
    return [
        replace(field, name=name)
        for name in names
        if (field := one.known.get(name.lower())) is not None
    ]


def _xtypes() -> Mapping[str, str]:
    return {name: xtype for one in CATALOGUE.relations for name, xtype in one.xtypes.items()}


def _at_its_place(one: Translation, error: GmnError) -> GmnError:
    """DuckDB's error with the place in the client's text rather than in ours."""
    kind = QueryRefused if isinstance(error, QueryRefused) else QueryFailed
    return kind(with_place(one.adql, error.message))
