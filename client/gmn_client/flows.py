"""What happens between a question and its answer, written once for both clients.

What belongs here: which requests, in which order, and what of their answers is handed out. What
does not: sending (`transport.py`), waiting for a server (`retries.py`), following (`following.py`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from gmn_client import requests
from gmn_client.arrow_stream import ArrowDecoder
from gmn_client.effects import Flow, Give, Stream, call, read
from gmn_client.errors import BrokenTransfer, Truncated, UnexpectedAnswer
from gmn_client.progress import Meter, silent
from gmn_client.reading import Reading, snapshot_of
from gmn_client.requests import Request
from gmn_client.retries import Patience, opened, whole
from gmn_client.spooled import Spool

_RESUMED = frozenset({200, 206})
_PARTIAL = 206
_DIGEST_DIGITS = 64


@dataclass(frozen=True)
class Page:
    """Rows of a table as the server's JSON has them: times are texts."""

    rows: list[dict[str, Any]]
    columns: list[str]
    total_rows: int | None
    """All that the conditions let through. Only the first page counts them."""


@dataclass(frozen=True)
class State:
    """A state of the warehouse."""

    snapshot: int
    committed_at_utc: datetime | None


def read_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise UnexpectedAnswer("The answer is no JSON. Is the address right?") from error


# A table ------------------------------------------------------------------------------------------


def table(reading: Reading) -> Flow[pa.Table]:
    """All rows at once."""
    total = yield from _total(reading)
    decoder = yield from _begin(reading)
    batches: list[pa.RecordBatch] = []
    with Meter(reading.tell, total) as meter:
        while (found := (yield from _more(decoder, meter))) is not None:
            batches += found
    _end(reading, decoder, meter.rows)
    return pa.Table.from_batches(batches, decoder.schema)


def mapped_table(reading: Reading, most_bytes: int) -> Flow[pa.Table]:
    """All rows at once, of which so many bytes are in memory: what is more is on the disk."""
    decoder = yield from _begin(reading)
    spool = Spool(most_bytes)
    try:
        with Meter(reading.tell) as meter:
            while (found := (yield from _more(decoder, meter))) is not None:
                yield from call(partial(spool.add, found))
        _end(reading, decoder, meter.rows)
        return (yield from call(partial(spool.table, decoder.schema)))
    finally:
        spool.close()


def batches(reading: Reading) -> Stream[pa.RecordBatch]:
    """The rows as they come: memory for one batch."""
    total = yield from _total(reading)
    decoder = yield from _begin(reading)
    with Meter(reading.tell, total) as meter:
        while (found := (yield from _more(decoder, meter))) is not None:
            for batch in found:
                yield Give(batch)
    _end(reading, decoder, meter.rows)


def _total(reading: Reading) -> Flow[int | None]:
    """How many rows there will be, if somebody wants to see progress."""
    if reading.tell is silent or not reading.question.has_pages:
        return None
    return (yield from count(reading))


def _begin(reading: Reading) -> Flow[ArrowDecoder]:
    head = yield from opened(reading.export("arrow"), reading.patience)
    reading.note(head)
    return ArrowDecoder()


def _more(decoder: ArrowDecoder, meter: Meter) -> Flow[list[pa.RecordBatch] | None]:
    piece = yield from read()
    if piece is None:
        return None
    found = decoder.feed(piece)
    meter.add(len(piece), sum(batch.num_rows for batch in found))
    return found


def _end(reading: Reading, decoder: ArrowDecoder, rows: int) -> None:
    decoder.close()
    reading.note_rows(rows)


def count(reading: Reading) -> Flow[int]:
    """How many rows there are; none of them is sent."""
    _need_pages(reading)
    head, body = yield from whole(reading.page(0), reading.patience)
    reading.note(head)
    rows = int(read_json(body)["filtered_table_rows_count"])
    reading.note_rows(rows)
    return rows


def pages(reading: Reading, size: int) -> Stream[Page]:
    """The rows in pages of JSON, all of one state."""
    _need_pages(reading)
    request: Request | None = reading.page(size)
    while request is not None:
        head, body = yield from whole(request, reading.patience)
        reading.note(head)
        told = read_json(body)
        columns = told["columns"]
        rows = [dict(zip(columns, row, strict=True)) for row in told["rows"]]
        yield Give(Page(rows, columns, told["filtered_table_rows_count"]))
        following = told["next_url"]
        # Counting costs as much as a page: once is enough.
        request = Request(f"{following}&_nocount=on" if "_nocount" not in following else following
                          ) if following else None  # fmt: skip


def _need_pages(reading: Reading) -> None:
    if not reading.question.has_pages:
        raise ValueError("The answer to a ready question comes whole: arrow(), or iterate.")


def save(reading: Reading, path: Path, suffix: str | None) -> Flow[Path]:
    """The rows as a file in one of the server's formats, whole or not at all."""
    suffix = suffix or path.name.partition(".")[2]
    part = path.with_name(f".{path.name}.part")
    head = yield from opened(reading.export(suffix), reading.patience)
    reading.note(head)
    try:
        with part.open("wb") as file, Meter(reading.tell) as meter:
            while (piece := (yield from read())) is not None:
                yield from call(partial(write_piece, file, piece))
                meter.add(len(piece))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


# Small answers ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """The answer to a query of one's own."""

    table: pa.Table
    snapshot: int
    truncated: bool
    reading: Reading


def sql(reading: Reading, request: Request, *, is_part_enough: bool) -> Flow[Found]:
    """Raises Truncated where the server had more rows than it gives at once."""
    head, body = yield from whole(request, reading.patience)
    reading.note(head)
    told = read_json(body)
    if told["truncated"] and not is_part_enough:
        raise Truncated(
            f"There are more than the {len(told['rows']):,} rows that the server gives for a query "
            "of one's own. Ask for a table, for less, or with truncated=True for these."
        )
    reading.note_rows(len(told["rows"]))
    found = _table(told["columns"], told["rows"])
    return Found(found, snapshot_of(head.headers), bool(told["truncated"]), reading)


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    cells = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in columns]
    return pa.table([pa.array(column) for column in cells], names=list(columns))


def document(request: Request, patience: Patience) -> Flow[dict[str, Any]]:
    """A JSON object."""
    _, body = yield from whole(request, patience)
    told = read_json(body)
    if not isinstance(told, dict):
        raise UnexpectedAnswer("The answer is no JSON object. Is the address right?")
    return told


def newest(patience: Patience) -> Flow[State]:
    """The state that answers just now."""
    head, _ = yield from whole(requests.state(0), patience)
    when = head.headers.get("last-modified")
    committed = parsedate_to_datetime(when) if when else None
    return State(snapshot_of(head.headers), committed)


# Files --------------------------------------------------------------------------------------------


def download(reading: Reading, target: Path) -> Flow[Path]:
    """A published file. What came of it before a transfer broke is kept, and gone on from.

    Raises BrokenTransfer where it breaks once more, or is not what its checksum says.
    """
    part, note = (target.with_name(f".{target.name}.{end}") for end in ("part", "etag"))
    for attempt in range(reading.patience.tries):
        try:
            etag = yield from _fetch(reading, part, note)
            break
        except BrokenTransfer:
            if attempt == reading.patience.tries - 1:
                raise
    note.unlink(missing_ok=True)
    digest = etag.strip('"')
    if len(digest) == _DIGEST_DIGITS:
        found = yield from call(partial(_sha256, part))
        if found != digest:
            part.unlink()
            raise BrokenTransfer(f"{target.name} is not what its checksum says. Fetch it again.")
    part.replace(target)
    return target


def _fetch(reading: Reading, part: Path, note: Path) -> Flow[str]:
    begin = part.stat().st_size if part.exists() and note.exists() else 0
    request = requests.download(reading.question.path, begin, note.read_text() if begin else None)
    head = yield from opened(request, reading.patience, _RESUMED | {416})
    if head.status == 416:  # all of it had come
        return note.read_text()
    reading.note(head)
    if head.status != _PARTIAL:
        begin = 0
        # Before it is noted what comes now: else a former one might be gone on with as this one.
        part.unlink(missing_ok=True)
    etag = head.headers.get("etag", "")
    note.write_text(etag)
    total = begin + int(head.headers.get("content-length", 0)) or None
    meter = Meter(reading.tell, total_bytes=total, received=begin)
    with part.open("ab" if begin else "wb") as file, meter:
        while (piece := (yield from read())) is not None:
            yield from call(partial(write_piece, file, piece))
            meter.add(len(piece))
    return etag


def write_piece(file: BinaryIO, piece: bytes) -> None:
    file.write(piece)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Ready questions ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReadyQuestion:
    """What the server can be asked by name; `parameters` are told as the server tells them."""

    name: str
    title: str
    description: str
    parameters: tuple[Mapping[str, Any], ...]
    sql: str


def ready_questions(patience: Patience) -> Flow[list[ReadyQuestion]]:
    told = yield from document(Request("/gmn/queries.json"), patience)
    return [
        ReadyQuestion(
            one["name"], one["title"], one["description"], tuple(one["parameters"]), one["sql"]
        )
        for one in told["queries"]
    ]
