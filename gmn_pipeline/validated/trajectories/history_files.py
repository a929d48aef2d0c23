"""Monthly, yearly and all-files, split over the bins that the times of their rows fall into.

What belongs here: the bin of each row and refused line, and which bins are complete. What does
not: what becomes of the rows (`slices.py`).
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta

import polars as pl

from gmn_pipeline.errors import FileIncomplete, GmnError, SourceRefused, SummaryFormatError
from gmn_pipeline.isolate import BROKEN
from gmn_pipeline.landing.trajectories import HistoryFile, Landed, days_of
from gmn_pipeline.readers.solar_longitude_bins import Bin, bins_between, bins_of_times
from gmn_pipeline.readers.summary_file import (
    Block,
    RejectedLine,
    blocks,
    check_columns,
    parse,
    read_head,
)
from gmn_pipeline.readers.times import utc_time
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELD
from gmn_pipeline.schemas.trajectory_tables import BIN_FIELDS
from gmn_pipeline.validated.trajectories.parts import (
    BIN_COLUMNS,
    HEAD_BYTES,
    PARSERS,
    Part,
    file_name,
    not_read,
)
from gmn_pipeline.validated.trajectories.slices import Chunk, Place, finish

# Upstream's files run in order of time; a row this many bins late would open a closed bin again.
_OPEN_BINS = 2
_UNREADABLE = (SummaryFormatError, SourceRefused, FileIncomplete)
_A_DAY = timedelta(days=1)
_CUT_US = 2_000_000  # an identifier's time is cut to seconds


def validate_history(file: Landed[HistoryFile], wanted: set[date], place: Place) -> Iterator[Chunk]:
    """Split a monthly, yearly or all-file over its bins; a chunk holds whole bins only."""
    held: list[Part] = []
    closed_bins: set[Bin] = set()
    failed: dict[date, GmnError] = {}
    try:
        for parsed in place.stopwatch.each("parse", _history_parts(file, wanted)):
            part, late = _without_late(parsed, closed_bins)
            failed |= late
            if part.bins:
                held.append(part)
            if sum(p.rows.height for p in held) >= place.settings.chunk_rows:
                closed, held = _closed_bins(held)
                closed_bins |= {bin_ for p in closed for bin_ in p.bins}
                yield finish(closed, {}, place)
        seen = closed_bins.union(*(part.bins for part in held))
        if missing := _bins_of_history(file, wanted) - seen:
            held.append(_nothing_of(file, missing))
        yield finish(held, {}, place)
    except _UNREADABLE as error:
        failed |= dict.fromkeys(days_of(file.wanted, sorted(wanted)), error)
    yield Chunk(failed_days=failed)


def _bins_of_history(file: Landed[HistoryFile], wanted: set[date]) -> set[Bin]:
    """The wanted bins that a history file speaks of: those that began before it was made."""
    begin, end = file.wanted.interval
    first, last = (datetime.combine(day, datetime.min.time()) for day in (min(wanted), max(wanted)))
    end = min(end, file.generated_at_utc)
    timed = bins_between(max(begin, first), min(end, last + _A_DAY))
    return {t.bin for t in timed if t.bin.date in wanted and t.begins_at < end}


def _nothing_of(file: Landed[HistoryFile], bins: set[Bin]) -> Part:
    """A part without rows, of bins of which the file has none."""
    part = _parse_history(Block(b"", 1), file, file_name(file), set())
    return replace(part, empty_bins=frozenset(bins))


def _history_parts(file: Landed[HistoryFile], wanted: set[date]) -> Iterator[Part]:
    """The wanted rows of a file in its order, a few blocks parsed side by side."""
    name = file_name(file)
    with file.object_path.open("rb") as opened:
        head = read_head(opened.read(HEAD_BYTES), name)
    check_columns(head, name)
    with ThreadPoolExecutor(PARSERS, "parse") as pool:
        pending: deque[Future[Part]] = deque()
        for block in blocks(file.object_path, head):
            pending.append(pool.submit(_parse_history, block, file, name, wanted))
            if len(pending) > PARSERS:
                yield _parsed(pending.popleft(), file)
        while pending:
            yield _parsed(pending.popleft(), file)


def _parsed(future: "Future[Part]", file: Landed[HistoryFile]) -> Part:
    try:
        return future.result()
    except BROKEN as error:
        raise not_read(file, error) from error


def _parse_history(block: Block, file: Landed[HistoryFile], name: str, wanted: set[date]) -> Part:
    """Rows of a block with the bin that their time falls into; rows of other days are left."""
    parsed = parse(block)
    rows = _with_bin_of_time(parsed.rows, file)
    if (parsed.rows.height or parsed.rejected) and not rows.height:
        raise SummaryFormatError(
            f"{name}: no row from line {block.first_line_number} on tells its time.",
            remedy="Its days are not loaded from it. Look at the file, or load the daily files.",
        )
    rejected = [(file, bin_, line) for bin_, line in _with_bins(parsed.rejected, rows)
                if bin_.date in wanted]  # fmt: skip
    rows = rows.filter(pl.col("bin_date").is_in(sorted(wanted))).with_columns(
        pl.lit(file.generated_at_utc, pl.Datetime("us")).alias("summary_generated_at_utc"),
        pl.lit(file.version.sha256).alias("source_file_sha256"),
        pl.lit(value=True).alias("bin_computed"),
    )
    return Part([file], rows, rejected, [(file, block)])


def _with_bin_of_time(rows: pl.DataFrame, file: Landed[HistoryFile]) -> pl.DataFrame:
    """Rows with the bin that their time falls into. One whose time cannot be, for this file, goes
    with the row above it; none if no row has a time."""
    begin, end = file.wanted.interval
    earliest, latest = TRAJECTORY_FIELD["beginning_utc_time"].earliest, file.generated_at_utc
    assert earliest is not None
    begins = utc_time(pl.col("beginning_utc_time").str.strip_chars(" "))
    # To the second, as in the identifier: the same in each solution of a trajectory.
    named = pl.col("trajectory_identifier").str.strip_chars(" ").str.head(14).str.to_datetime(
        "%Y%m%d%H%M%S", time_unit="us", strict=False
    )  # fmt: skip
    is_cut = (named - begins).dt.total_microseconds().abs() < _CUT_US
    when = pl.when(is_cut).then(named).otherwise(begins)
    # A day of grace: a bin reaches over the edges of a month.
    can_be = when.is_between(max(begin, earliest + _A_DAY) - _A_DAY, min(end, latest) + _A_DAY)
    timed = rows.with_columns(pl.when(can_be).then(when).alias("when").forward_fill()).with_columns(
        pl.col("when").backward_fill()
    )
    timed = timed.filter(pl.col("when").is_not_null())
    bins = bins_of_times(timed.get_column("when"))
    return pl.concat([timed.drop("when"), bins], how="horizontal")


def _with_bins(lines: list[RejectedLine], rows: pl.DataFrame) -> list[tuple[Bin, RejectedLine]]:
    """Lines that are not rows go to the bin of the nearest row above them, else below."""
    if not lines or not rows.height:
        return []
    ordered = rows.sort("line_number")
    numbers = ordered.get_column("line_number")
    placed = []
    for line in lines:
        index = max(int(numbers.search_sorted(line.line_number)) - 1, 0)
        day, degree = ordered.row(index, named=False)[-2:]
        placed.append((Bin(day, degree), line))
    return placed


def _closed_bins(parts: list[Part]) -> tuple[list[Part], list[Part]]:
    """Split held parts into bins that are complete and bins that may still get rows."""
    key = pl.struct("bin_date", "bin_solar_longitude_deg")
    newest = (
        pl.concat([p.rows.select(key.alias("bin")) for p in parts])
        .unique().get_column("bin").sort().tail(_OPEN_BINS)
    )  # fmt: skip
    is_open = key.is_in(newest.implode())
    open_bins = {Bin(b["bin_date"], b["bin_solar_longitude_deg"]) for b in newest}

    def part(of: Part, rows: pl.DataFrame, keep_open: bool) -> Part:
        rejected = [refused for refused in of.rejected if (refused[1] in open_bins) is keep_open]
        return replace(of, rows=rows, rejected=rejected)

    closed = [part(p, p.rows.filter(~is_open), False) for p in parts]
    still = [part(p, p.rows.filter(is_open), True) for p in parts]
    return [p for p in closed if p.bins], [p for p in still if p.bins]


def _without_late(part: Part, closed_bins: set[Bin]) -> tuple[Part, dict[date, GmnError]]:
    """The part less what belongs to bins that went out already, and the days that this fails: a
    second slice of a bin would pass for the whole truth of it."""
    late = part.bins & closed_bins
    if not late:
        return part, {}
    late_bins = pl.DataFrame(
        [(b.date, b.solar_longitude_deg) for b in late],
        schema=polars_schema(BIN_FIELDS), orient="row",
    )  # fmt: skip
    rows = part.rows.join(late_bins, on=BIN_COLUMNS, how="anti", maintain_order="left")
    rejected = [refused for refused in part.rejected if refused[1] not in late]
    error = SummaryFormatError(
        f"{part.files[0].version.path}: {part.rows.height - rows.height} rows from line "
        f"{part.blocks[0][1].first_line_number} on stand below the other rows of their bin.",
        remedy="They are left out; load the daily files of their days.",
    )
    return replace(part, rows=rows, rejected=rejected), {bin_.date: error for bin_ in late}
