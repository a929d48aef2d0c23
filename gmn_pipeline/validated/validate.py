"""From landed files to validated Parquet, a bounded chunk of rows at a time.

What belongs here: which rows belong to which bin, chunks, and writing them. What does not: what
makes a row acceptable (`check.py`, `quality.py`).

Validating the same landed file again is no work: its Parquet is found in the ledger, unless the
definition of the columns or flags has changed since.
"""

import hashlib
import os
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import astuple, dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import groupby
from pathlib import Path

import polars as pl

from gmn_pipeline.clock import Stopwatch
from gmn_pipeline.config import Settings
from gmn_pipeline.database.ledger import Ledger, ValidatedSlice
from gmn_pipeline.errors import (
    CountMismatch,
    FileIncomplete,
    GmnError,
    RetryableError,
    SourceRefused,
    SummaryFormatError,
)
from gmn_pipeline.isolate import BROKEN, in_words
from gmn_pipeline.landing.land import LandedFile, days_of
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELD, TRAJECTORY_FIELDS
from gmn_pipeline.schemas.tables import BIN_FIELDS, REJECTED_ROWS, SOURCE_FIELDS
from gmn_pipeline.schemas.tables import QUALITY_FLAGS as QUALITY_FLAGS_COLUMN
from gmn_pipeline.sources.bins import Bin, bins_between
from gmn_pipeline.sources.summary_file import (
    Block,
    RejectedLine,
    blocks,
    check_columns,
    parse,
    parse_together,
    read_head,
)
from gmn_pipeline.sources.times import utc_time
from gmn_pipeline.storage.files import working_folder
from gmn_pipeline.validated.check import Checked, check_rows
from gmn_pipeline.validated.quality import QUALITY_FLAGS
from gmn_pipeline.validated.shower_codes import iau_codes

_HEAD_BYTES = 1 << 14
BYTES_A_ROW = 925  # of a summary file, on average
_ROW_GROUP_ROWS = 50_000
_BATCH_ROWS = 10_000  # parsed together, in one thread
_PARSERS = min(4, os.cpu_count() or 1)
# Upstream's files run in order of time; a row this many bins late would open a closed bin again.
_OPEN_BINS = 2
_UNREADABLE = (SummaryFormatError, SourceRefused, FileIncomplete)
_BIN_COLUMNS = [f.name for f in BIN_FIELDS]
_TIME = "beginning_utc_time"
_SLICE_KEY = ["source_file_sha256", *_BIN_COLUMNS]
_A_DAY = timedelta(days=1)
_CUT_US = 2_000_000  # an identifier's time is cut to seconds

_RULES = 2  # raise it when check.py changes what it accepts or how it converts

_FLAGS = [(f.name, str(f.condition)) for f in QUALITY_FLAGS]
DEFINITION = hashlib.sha256(
    repr((_RULES, TRAJECTORY_FIELDS, _FLAGS, sorted(iau_codes().items()))).encode()
).hexdigest()[:16]
"""Changes with the definition of any column or flag, and with the IAU list that a flag asks; what
was validated under another is not used again."""


@dataclass(frozen=True)
class _Place:
    """Where what is validated goes, and who takes the time."""

    settings: Settings
    ledger: Ledger
    stopwatch: Stopwatch


@dataclass(frozen=True)
class Part:
    """Rows of some files as the reader left them, with their bins and sources; the lines it
    refused; and the text that both were read from."""

    files: Sequence[LandedFile]
    rows: pl.DataFrame
    rejected: list[tuple[LandedFile, Bin, RejectedLine]]
    blocks: list[tuple[LandedFile, Block]]
    empty_bins: frozenset[Bin] = frozenset()
    """Bins of which a history file has no row: it says so."""

    @cached_property
    def bins(self) -> set[Bin]:
        """Bins of which the part has rows or refused lines."""
        bins = {Bin(*row) for row in self.rows.select(_BIN_COLUMNS).unique().iter_rows()}
        return bins | {bin_ for _, bin_, _ in self.rejected} | self.empty_bins


@dataclass
class Chunk:
    """Slices whose rows lie in the same Parquet files, ready to be loaded together; and the
    files they are from, by SHA-256."""

    slices: list[ValidatedSlice] = field(default_factory=list)
    files: Mapping[str, LandedFile] = field(default_factory=dict)
    failed_days: dict[date, GmnError] = field(default_factory=dict)
    flag_counts: Counter[str] = field(default_factory=Counter)


def validate(
    files: Iterable[LandedFile],
    days: Sequence[date],
    *,
    settings: Settings,
    ledger: Ledger,
    stopwatch: Stopwatch | None = None,
) -> Iterator[Chunk]:
    """Validate landed files as they come, chunk by chunk; slices known already are no work.

    A file that cannot be read fails the days it carries (`Chunk.failed_days`), and no others.
    The stopwatch gets the seconds of the steps `parse`, `check` and `write`.
    """
    place = _Place(settings, ledger, stopwatch or Stopwatch())
    wanted = set(days)
    for is_daily, some in groupby(files, key=lambda file: file.wanted.bin is not None):
        if is_daily:
            yield from _validate_daily(some, wanted, place)
        else:
            for file in some:
                yield from _validate_history(file, wanted, place)


def _validate_daily(
    files: Iterable[LandedFile], wanted: set[date], place: _Place
) -> Iterator[Chunk]:
    known = _known_slices(wanted, place.settings, place.ledger)
    recalled: dict[str, list[tuple[LandedFile, ValidatedSlice]]] = defaultdict(list)

    def fresh() -> Iterator[LandedFile]:
        for file in files:
            # The same bytes may stand under the name of another bin too.
            of_bin = [s for s in known.get(file.version.sha256, ()) if _bin(s) == file.wanted.bin]
            for slice_ in of_bin:
                recalled[slice_.accepted_path].append((file, slice_))
            if not of_bin:
                yield file

    for group in _groups(fresh(), place.settings.chunk_rows):
        with place.stopwatch.timed("parse"):
            parts, failed = _parse_daily(group)
        yield _finish(parts, failed, place)
    for held in recalled.values():
        yield _recalled(held, place.settings)


def _known_slices(
    days: set[date], settings: Settings, ledger: Ledger
) -> dict[str, list[ValidatedSlice]]:
    known = defaultdict(list)
    for slice_ in ledger.validated(days):
        whole = slice_.covers_from_utc is None and slice_.covers_until_utc is None
        there = (settings.validated_dir / slice_.accepted_path).is_file()
        if whole and there and slice_.definition == DEFINITION:
            known[slice_.source_file_sha256].append(slice_)
    return known


def _bin(slice_: ValidatedSlice) -> Bin:
    return Bin(slice_.bin_date, slice_.bin_solar_longitude_deg)


def _groups(files: Iterable[LandedFile], chunk_rows: int) -> Iterator[list[LandedFile]]:
    """Files in order, in groups of about `chunk_rows` rows by their size; dates stay whole."""
    group: list[LandedFile] = []
    rows = 0
    for file in files:
        if rows >= chunk_rows and group[-1].wanted.bin.date != file.wanted.bin.date:  # type: ignore[union-attr]
            yield group
            group, rows = [], 0
        group.append(file)
        rows += file.version.size_bytes // BYTES_A_ROW
    if group:
        yield group


def _parse_daily(
    files: Sequence[LandedFile],
) -> tuple[list[Part], dict[date, GmnError]]:
    """Parse daily files, a batch in each thread."""
    batches = list(_groups(files, _BATCH_ROWS))
    parts: list[Part] = []
    failed: dict[date, GmnError] = {}
    with ThreadPoolExecutor(_PARSERS, "parse") as pool:
        for parts_of_batch, failed_of_batch in pool.map(_parse_batch, batches):
            parts += parts_of_batch
            failed |= failed_of_batch
    return parts, failed


def _daily_bin(file: LandedFile) -> Bin:
    assert file.wanted.bin is not None
    return file.wanted.bin


def _parse_batch(files: Sequence[LandedFile]) -> tuple[list[Part], dict[date, GmnError]]:
    """Parse some daily files together; where anything is odd about one, each by itself."""
    read = [(file, _try_read(file)) for file in files]
    single = [(file, b[0]) for file, b in read if not isinstance(b, GmnError) and len(b) == 1]
    if len(single) == len(files) and (together := parse_together([b for _, b in single])):
        return [_daily_part(files, together.rows, [], single)], {}
    results = [(file, _try_parse(file, blocks_)) for file, blocks_ in read]
    failed = {_daily_bin(f).date: r for f, r in results if isinstance(r, GmnError)}
    # A date with two files loads both or neither.
    parts = [r for f, r in results if isinstance(r, Part) and _daily_bin(f).date not in failed]
    return parts, failed


def _try_read(file: LandedFile) -> list[Block] | GmnError:
    name = _name(file)
    try:
        with file.object_path.open("rb") as opened:
            head = read_head(opened.read(_HEAD_BYTES), name)
        check_columns(head, name)
        return list(blocks(file.object_path, head))
    except BROKEN as error:
        return _not_read(file, error)


def _try_parse(file: LandedFile, read: list[Block] | GmnError) -> Part | GmnError:
    if isinstance(read, GmnError):
        return read
    try:
        parsed = [parse(block) for block in read]
    except BROKEN as error:
        return _not_read(file, error)
    rows = pl.concat([p.rows for p in parsed]).with_columns(pl.lit(0, pl.UInt32).alias("block"))
    rejected = [line for p in parsed for line in p.rejected]
    return _daily_part([file], rows, rejected, [(file, block) for block in read])


def _not_read(file: LandedFile, error: BaseException) -> GmnError:
    if isinstance(error, GmnError):
        return error
    if isinstance(error, OSError):
        return RetryableError(f"{_name(file)} cannot be read: {error}.", remedy="Try again.")
    return SummaryFormatError(
        f"{_name(file)} cannot be read ({in_words(error)}).",
        remedy="Its days are not loaded from it: please report it with the file.",
    )


def _daily_part(
    files: Sequence[LandedFile],
    rows: pl.DataFrame,
    rejected: list[RejectedLine],
    blocks_: list[tuple[LandedFile, Block]],
) -> Part:
    """A part of whole daily files; `block` of its rows is the number of their file."""
    sources = pl.DataFrame(
        [(*astuple(_daily_bin(f)), f.generated_at_utc, f.version.sha256) for f in files],
        schema=polars_schema((*BIN_FIELDS, *SOURCE_FIELDS)), orient="row",
    )  # fmt: skip
    with_sources = pl.concat(
        [rows.drop("block"), sources[rows.get_column("block")]], how="horizontal"
    )
    bin_ = _daily_bin(files[0])  # lines are refused in files parsed by themselves only
    return Part(files, with_sources, [(files[0], bin_, line) for line in rejected], blocks_)


def _name(file: LandedFile) -> str:
    """How messages name a landed file."""
    return f"{file.version.path} ({file.object_path.name})"


def _validate_history(file: LandedFile, wanted: set[date], place: _Place) -> Iterator[Chunk]:
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
                yield _finish(closed, {}, place)
        seen = closed_bins.union(*(part.bins for part in held))
        if missing := _bins_of_history(file, wanted) - seen:
            held.append(_nothing_of(file, missing))
        yield _finish(held, {}, place)
    except _UNREADABLE as error:
        failed |= dict.fromkeys(days_of(file.wanted, sorted(wanted)), error)
    yield Chunk(failed_days=failed)


def _bins_of_history(file: LandedFile, wanted: set[date]) -> set[Bin]:
    """The wanted bins that a history file speaks of: those that began before it was made."""
    assert file.wanted.interval is not None
    begin, end = file.wanted.interval
    first, last = (datetime.combine(day, datetime.min.time()) for day in (min(wanted), max(wanted)))
    end = min(end, file.generated_at_utc)
    timed = bins_between(max(begin, first), min(end, last + _A_DAY))
    return {t.bin for t in timed if t.bin.date in wanted and t.begins_at < end}


def _nothing_of(file: LandedFile, bins: set[Bin]) -> Part:
    """A part without rows, of bins of which the file has none."""
    part = _parse_history(Block(b"", 1), file, _name(file), set())
    return replace(part, empty_bins=frozenset(bins))


def _history_parts(file: LandedFile, wanted: set[date]) -> Iterator[Part]:
    """The wanted rows of a file in its order, a few blocks parsed side by side."""
    name = _name(file)
    with file.object_path.open("rb") as opened:
        head = read_head(opened.read(_HEAD_BYTES), name)
    check_columns(head, name)
    with ThreadPoolExecutor(_PARSERS, "parse") as pool:
        pending: deque[Future[Part]] = deque()
        for block in blocks(file.object_path, head):
            pending.append(pool.submit(_parse_history, block, file, name, wanted))
            if len(pending) > _PARSERS:
                yield _parsed(pending.popleft(), file)
        while pending:
            yield _parsed(pending.popleft(), file)


def _parsed(future: "Future[Part]", file: LandedFile) -> Part:
    try:
        return future.result()
    except BROKEN as error:
        raise _not_read(file, error) from error


def _parse_history(block: Block, file: LandedFile, name: str, wanted: set[date]) -> Part:
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


def _with_bin_of_time(rows: pl.DataFrame, file: LandedFile) -> pl.DataFrame:
    """Rows with the bin that their time falls into. One whose time cannot be, for this file, goes
    with the row above it; none if no row has a time."""
    assert file.wanted.interval is not None
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
    first, last = timed.select(pl.min("when").alias("first"), pl.max("when").alias("last")).row(0)
    bins = [] if first is None else bins_between(first, last + _A_DAY)
    limits = pl.DataFrame(
        {
            "begins_at": [b.begins_at for b in bins],
            "bin_date": [b.bin.date for b in bins],
            "bin_solar_longitude_deg": [b.bin.solar_longitude_deg for b in bins],
        },
        schema={"begins_at": pl.Datetime("us"), **polars_schema(BIN_FIELDS)},
    ).set_sorted("begins_at")
    return (
        timed.filter(pl.col("when").is_not_null())
        .sort("when")
        .join_asof(limits, left_on="when", right_on="begins_at")
        .drop("when", "begins_at")
    )


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
    rows = part.rows.join(late_bins, on=_BIN_COLUMNS, how="anti", maintain_order="left")
    rejected = [refused for refused in part.rejected if refused[1] not in late]
    error = SummaryFormatError(
        f"{part.files[0].version.path}: {part.rows.height - rows.height} rows from line "
        f"{part.blocks[0][1].first_line_number} on stand below the other rows of their bin.",
        remedy="They are left out; load the daily files of their days.",
    )
    return replace(part, rows=rows, rejected=rejected), {bin_.date: error for bin_ in late}


def _finish(parts: list[Part], failed: dict[date, GmnError], place: _Place) -> Chunk:
    """Check the rows of a chunk, write accepted and rejected ones, and record its slices."""
    with place.stopwatch.timed("check"):
        checked, unchecked = _check_days(parts)
    failed = failed | unchecked
    if checked is None:
        return Chunk(failed_days=failed)
    slices = checked.slices
    with place.stopwatch.timed("write"):
        _write(checked.accepted, place.settings.validated_dir / slices[0].accepted_path)
        _write(checked.rejected, place.settings.validated_dir / slices[0].rejected_path)
        place.ledger.record_validated(slices)
    return Chunk(slices, _files(checked.parts), failed, _flag_counts(checked.accepted))


@dataclass(frozen=True)
class _CheckedParts:
    """What became of the rows of some parts."""

    parts: list[Part]
    accepted: pl.DataFrame
    rejected: pl.DataFrame
    slices: list[ValidatedSlice]


def _check_days(parts: list[Part]) -> tuple[_CheckedParts | None, dict[date, GmnError]]:
    """Check all days at once; if that breaks on one that cannot be checked, the days without it."""
    failed: dict[date, GmnError] = {}
    try:
        return (_check(parts) if parts else None), failed
    except BROKEN as error:
        days = {day: [_of_day(part, day) for part in parts] for day in _days(parts)}
        for day, parts_of_day in days.items():
            try:
                _check(parts_of_day)
            except BROKEN as error_of_day:
                failed[day] = _not_checked(parts_of_day, error_of_day)
        if not failed:  # it breaks on no day by itself
            return None, {day: _not_checked(of_day, error) for day, of_day in days.items()}
    sound = [part for day in days if day not in failed for part in days[day]]
    return (_check(sound) if sound else None), failed


def _check(parts: list[Part]) -> _CheckedParts:
    # Rows of the former format have marks that others lack.
    rows = pl.concat([part.rows for part in parts], how="diagonal")
    checked = check_rows(rows)
    refused = _rejected_rows(line for part in parts for line in part.rejected)
    rejected = pl.concat([refused, _refused_by_check(rows, checked, parts)])
    read = pl.concat([rows.select(_SLICE_KEY), refused.select(_SLICE_KEY)])
    slices = _slices(parts, read, checked.accepted, rejected)
    # What a station saw stands together: a query for one station then reads a part of the rows.
    # The chunks follow each other in time.
    accepted = checked.accepted.sort(pl.col("participating_stations").list.first(), _TIME)
    return _CheckedParts(parts, accepted, rejected, slices)


def _days(parts: list[Part]) -> list[date]:
    daily = {f.wanted.bin.date for part in parts for f in part.files if f.wanted.bin}
    return sorted(daily | {bin_.date for part in parts for bin_ in part.bins})


def _of_day(part: Part, day: date) -> Part:
    """What a part has of one day."""
    return replace(
        part,
        files=[f for f in part.files if f.wanted.bin is None or f.wanted.bin.date == day],
        rows=part.rows.filter(pl.col("bin_date") == day),
        rejected=[refused for refused in part.rejected if refused[1].date == day],
        empty_bins=frozenset(bin_ for bin_ in part.empty_bins if bin_.date == day),
    )


def _not_checked(parts: list[Part], error: BaseException) -> GmnError:
    if isinstance(error, GmnError):
        return error
    names = ", ".join(sorted({_name(file) for part in parts for file in part.files}))
    return SummaryFormatError(
        f"{names}: its rows cannot be checked ({in_words(error)}).",
        remedy="This is a fault of this program: please report it with the file.",
    )


def _files(parts: Iterable[Part]) -> dict[str, LandedFile]:
    """The files of some parts by their SHA-256."""
    return {file.version.sha256: file for part in parts for file in part.files}


def _recalled(held: Sequence[tuple[LandedFile, ValidatedSlice]], settings: Settings) -> Chunk:
    """A chunk of slices that were validated before and share their Parquet files."""
    slices = [slice_ for _, slice_ in held]
    keys = pl.DataFrame(
        [(s.source_file_sha256, *astuple(_bin(s))) for s in slices],
        schema=[_SLICE_KEY[0], *polars_schema(BIN_FIELDS).items()], orient="row",
    )  # fmt: skip
    rows = pl.read_parquet(
        settings.validated_dir / slices[0].accepted_path,
        columns=[*_SLICE_KEY, QUALITY_FLAGS_COLUMN.name],
        glob=False,
    )
    return Chunk(
        slices,
        {file.version.sha256: file for file, _ in held},
        flag_counts=_flag_counts(rows.join(keys, on=_SLICE_KEY, how="semi")),
    )


def _flag_counts(rows: pl.DataFrame) -> Counter[str]:
    """How many rows carry each quality flag."""
    flags = rows.get_column(QUALITY_FLAGS_COLUMN.name)
    return Counter(dict(flags.explode().drop_nulls().value_counts().iter_rows()))


def _refused_by_check(rows: pl.DataFrame, checked: Checked, parts: list[Part]) -> pl.DataFrame:
    """Rejected rows with the raw line each was read from."""
    if not checked.rejected.height:
        return _rejected_rows(())
    where = rows.select(*_SLICE_KEY, "line_number").with_row_index("row")
    found = checked.rejected.join(where, on="row").rows(named=True)
    raw = _raw_lines(parts, {(r["source_file_sha256"], r["line_number"]) for r in found})
    files = _files(parts)
    return _rejected_rows(
        (
            files[r["source_file_sha256"]],
            Bin(r["bin_date"], r["bin_solar_longitude_deg"]),
            RejectedLine(
                r["line_number"], raw[r["source_file_sha256"], r["line_number"]], r["reasons"]
            ),
        )
        for r in found
    )


def _raw_lines(parts: list[Part], wanted: set[tuple[str, int]]) -> dict[tuple[str, int], bytes]:
    """The lines themselves, from the blocks at hand that hold them."""
    files = {sha256 for sha256, _ in wanted}
    held = {
        id(block): (file.version.sha256, block)
        for part in parts for file, block in part.blocks if file.version.sha256 in files
    }  # fmt: skip
    return {
        (sha256, number): line
        for sha256, block in held.values()
        for number, line in block.lines()
        if (sha256, number) in wanted
    }


def _rejected_rows(found: Iterable[tuple[LandedFile, Bin, RejectedLine]]) -> pl.DataFrame:
    rows = [
        (
            bin_.date,
            bin_.solar_longitude_deg,
            file.generated_at_utc,
            file.version.sha256,
            line.line_number,
            line.raw_line.decode("ascii", "backslashreplace"),
            line.reasons,
        )
        for file, bin_, line in found
    ]
    return pl.DataFrame(rows, schema=polars_schema(REJECTED_ROWS.fields), orient="row")


def _slices(
    parts: list[Part], read: pl.DataFrame, accepted: pl.DataFrame, rejected: pl.DataFrame
) -> list[ValidatedSlice]:
    """One slice for each bin of each file, with its counts; they add up or it raises."""

    def counts(frame: pl.DataFrame) -> dict[tuple[str, date, int], int]:
        return {(a, b, c): n for a, b, c, n in frame.group_by(_SLICE_KEY).len().iter_rows()}

    accepted_rows, rejected_rows = counts(accepted), counts(rejected)
    files = _files(parts)
    # A daily file whose every line is blank is still the whole truth of its bin.
    read_rows = {
        (sha256, *astuple(file.wanted.bin)): 0
        for sha256, file in files.items() if file.wanted.bin
    }  # fmt: skip
    for part in parts:
        read_rows |= {(part.files[0].version.sha256, *astuple(b)): 0 for b in part.empty_bins}
    read_rows |= counts(read)
    name = _chunk_name(read_rows)
    slices = []
    for (sha256, day, degree), n_read in sorted(read_rows.items(), key=lambda item: item[0][1:]):
        n_accepted = accepted_rows.get((sha256, day, degree), 0)
        n_rejected = rejected_rows.get((sha256, day, degree), 0)
        if n_read != n_accepted + n_rejected:
            raise CountMismatch(
                f"{files[sha256].version.path}, bin {day} {degree} deg: {n_read} rows read, but "
                f"{n_accepted} accepted and {n_rejected} rejected.",
                remedy="This is a fault of this program: please report it with the file.",
            )
        covers = _covered(files[sha256], Bin(day, degree))
        slices.append(
            ValidatedSlice(
                sha256, day, degree, DEFINITION, f"{name}.parquet",
                f"{name}.rejected.parquet", n_read, n_accepted, n_rejected, *covers,
            )
        )  # fmt: skip
    return slices


def _chunk_name(keys: Iterable[tuple[str, date, int]]) -> str:
    """A name by content: the same slices under the same definition give the same name."""
    listed = sorted(keys, key=lambda key: (key[1], key[2], key[0]))
    digest = hashlib.sha256(repr((DEFINITION, listed)).encode()).hexdigest()[:16]
    return f"{listed[0][1]:%Y%m%d}_{listed[-1][1]:%Y%m%d}_{digest}"


def _covered(file: LandedFile, bin_: Bin) -> tuple[datetime | None, datetime | None]:
    """Which part of the bin the file is the whole truth about; None for a daily file: all of it.

    A history file names no bin: it has the computed one, or the part of it in the months of the
    file, which end at midnight, in the middle of a bin.
    """
    if file.wanted.interval is None:
        return None, None
    begin, end = file.wanted.interval
    midnight = datetime.combine(bin_.date, datetime.min.time())
    timed = next(b for b in bins_between(midnight, midnight + _A_DAY) if b.bin == bin_)
    covers_from = max(begin, timed.begins_at)
    # A row that the file has of after its months lies in a bin of which it claims nothing.
    return covers_from, max(covers_from, min(end, timed.ends_at))


def _write(frame: pl.DataFrame, path: Path) -> None:
    """Write Parquet under a temporary name, then give it its own."""
    try:
        with working_folder(path.parent / ".incoming") as folder:
            new = folder / path.name
            frame.write_parquet(new, compression="lz4", row_group_size=_ROW_GROUP_ROWS)
            new.replace(path)
    except OSError as error:
        raise RetryableError(
            f"{path.name} cannot be written: {error}.", remedy="Free space under the data folder."
        ) from error
