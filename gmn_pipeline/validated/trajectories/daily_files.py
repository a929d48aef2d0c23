"""Daily files, each the whole truth of its bin: parsed a batch in each thread.

What belongs here: reading them together and by themselves, and leaving out those whose rows are
known. What does not: what becomes of their rows (`slices.py`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from datetime import date

import polars as pl

from gmn_pipeline.database.ledger import ValidatedSlice
from gmn_pipeline.errors import GmnError
from gmn_pipeline.isolate import BROKEN
from gmn_pipeline.landing.trajectories import DailyFile, Landed
from gmn_pipeline.readers.summary_file import (
    Block,
    RejectedLine,
    blocks,
    check_columns,
    parse,
    parse_together,
    read_head,
)
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.trajectory_tables import BIN_FIELDS, SOURCE_FIELDS
from gmn_pipeline.validated.trajectories.parts import (
    BYTES_A_ROW,
    HEAD_BYTES,
    PARSERS,
    Part,
    file_name,
    not_read,
)
from gmn_pipeline.validated.trajectories.slices import (
    Chunk,
    Place,
    bin_of,
    finish,
    known_slices,
    recalled,
)

_BATCH_ROWS = 10_000  # parsed together, in one thread


def validate_daily(
    files: Iterable[Landed[DailyFile]], wanted: set[date], place: Place
) -> Iterator[Chunk]:
    known = known_slices(wanted, place.settings, place.ledger)
    held_by_path: dict[str, list[tuple[Landed[DailyFile], ValidatedSlice]]] = defaultdict(list)

    def fresh() -> Iterator[Landed[DailyFile]]:
        for file in files:
            # The same bytes may stand under the name of another bin too.
            of_bin = [s for s in known.get(file.version.sha256, ()) if bin_of(s) == file.wanted.bin]
            for slice_ in of_bin:
                held_by_path[slice_.accepted_path].append((file, slice_))
            if not of_bin:
                yield file

    for group in _groups(fresh(), place.settings.chunk_rows):
        with place.stopwatch.timed("parse"):
            parts, failed = _parse_daily(group)
        yield finish(parts, failed, place)
    for held in held_by_path.values():
        yield recalled(held, place.settings)


def _groups(
    files: Iterable[Landed[DailyFile]], chunk_rows: int
) -> Iterator[list[Landed[DailyFile]]]:
    """Files in order, in groups of about `chunk_rows` rows by their size; dates stay whole."""
    group: list[Landed[DailyFile]] = []
    rows = 0
    for file in files:
        if rows >= chunk_rows and group[-1].wanted.bin.date != file.wanted.bin.date:
            yield group
            group, rows = [], 0
        group.append(file)
        rows += file.version.size_bytes // BYTES_A_ROW
    if group:
        yield group


def _parse_daily(
    files: Sequence[Landed[DailyFile]],
) -> tuple[list[Part], dict[date, GmnError]]:
    """Parse daily files, a batch in each thread."""
    batches = list(_groups(files, _BATCH_ROWS))
    parts: list[Part] = []
    failed: dict[date, GmnError] = {}
    with ThreadPoolExecutor(PARSERS, "parse") as pool:
        for parts_of_batch, failed_of_batch in pool.map(_parse_batch, batches):
            parts += parts_of_batch
            failed |= failed_of_batch
    return parts, failed


def _parse_batch(files: Sequence[Landed[DailyFile]]) -> tuple[list[Part], dict[date, GmnError]]:
    """Parse some daily files together; where anything is odd about one, each by itself."""
    read = [(file, _try_read(file)) for file in files]
    single = [(file, b[0]) for file, b in read if not isinstance(b, GmnError) and len(b) == 1]
    if len(single) == len(files) and (together := parse_together([b for _, b in single])):
        return [_daily_part(files, together.rows, [], single)], {}
    results = [(file, _try_parse(file, blocks_)) for file, blocks_ in read]
    failed = {f.wanted.bin.date: r for f, r in results if isinstance(r, GmnError)}
    # A date with two files loads both or neither.
    parts = [r for f, r in results if isinstance(r, Part) and f.wanted.bin.date not in failed]
    return parts, failed


def _try_read(file: Landed[DailyFile]) -> list[Block] | GmnError:
    name = file_name(file)
    try:
        with file.object_path.open("rb") as opened:
            head = read_head(opened.read(HEAD_BYTES), name)
        check_columns(head, name)
        return list(blocks(file.object_path, head))
    except BROKEN as error:
        return not_read(file, error)


def _try_parse(file: Landed[DailyFile], read: list[Block] | GmnError) -> Part | GmnError:
    if isinstance(read, GmnError):
        return read
    try:
        parsed = [parse(block) for block in read]
    except BROKEN as error:
        return not_read(file, error)
    rows = pl.concat([p.rows for p in parsed]).with_columns(pl.lit(0, pl.UInt32).alias("block"))
    rejected = [line for p in parsed for line in p.rejected]
    return _daily_part([file], rows, rejected, [(file, block) for block in read])


def _daily_part(
    files: Sequence[Landed[DailyFile]],
    rows: pl.DataFrame,
    rejected: list[RejectedLine],
    blocks_: list[tuple[Landed[DailyFile], Block]],
) -> Part:
    """A part of whole daily files; `block` of its rows is the number of their file."""
    sources = pl.DataFrame(
        [(*astuple(f.wanted.bin), f.generated_at_utc, f.version.sha256) for f in files],
        schema=polars_schema((*BIN_FIELDS, *SOURCE_FIELDS)), orient="row",
    )  # fmt: skip
    with_sources = pl.concat(
        [rows.drop("block"), sources[rows.get_column("block")]], how="horizontal"
    )
    bin_ = files[0].wanted.bin  # lines are refused in files parsed by themselves only
    return Part(files, with_sources, [(files[0], bin_, line) for line in rejected], blocks_)
