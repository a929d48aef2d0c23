"""An answer as text: DuckDB's own CSV and JSON.

What belongs here: forms that more than one way in hands out. What does not: what only a terminal
shows (`cli/`).
"""

import os
import re
import threading
from collections.abc import Callable
from enum import StrEnum
from typing import IO

import duckdb

from gmn_pipeline.errors import QueryFailed
from gmn_pipeline.queries.answer import Answer


class Format(StrEnum):
    CSV = "csv"
    JSON = "json"


_OPTIONS = {Format.CSV: "FORMAT csv, HEADER true", Format.JSON: "FORMAT json, ARRAY true"}
# DuckDB writes these numbers, which JSON does not have. Texts are matched to be passed over.
_NO_JSON = re.compile(rb'"(?:[^"\\]|\\.)*"|NaN|-?Infinity')


def write(answer: Answer, output: Format, target: IO[bytes]) -> None:
    """Write an answer as it comes. In JSON a number that is not finite becomes null.

    `answer` is one with exact types, so that DuckDB's writers see what the query gave. Raises
    what ended the answer, after the rows before it were written.
    """
    change = _finite if output is Format.JSON else _same
    reading, writing = os.pipe()
    failures: list[BaseException] = []
    copying = threading.Thread(target=_copy, args=(reading, target, change, failures))
    copying.start()
    try:
        with duckdb.connect(":memory:", config={"threads": 1}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.register("answer", answer.reader())
            connection.execute(f"COPY (FROM answer) TO '/dev/fd/{writing}' ({_OPTIONS[output]})")
    except duckdb.Error as error:
        if failures:
            raise failures[0] from error
        if answer.failure is not None:
            raise answer.failure from None
        raise QueryFailed(f"The answer cannot be written as {output}: {error}.") from error
    finally:
        os.close(writing)
        copying.join()
    if failures:
        raise failures[0]


def _copy(
    descriptor: int,
    target: IO[bytes],
    change: Callable[[bytes], bytes],
    failures: list[BaseException],
) -> None:
    try:
        with os.fdopen(descriptor, "rb") as lines:
            for line in lines:
                target.write(change(line))
            target.flush()
    except OSError as error:  # whoever reads the output has gone
        failures.append(error)


def _same(line: bytes) -> bytes:
    return line


def _finite(line: bytes) -> bytes:
    if b"NaN" not in line and b"Infinity" not in line:
        return line
    return _NO_JSON.sub(lambda found: found[0] if found[0].startswith(b'"') else b"null", line)
