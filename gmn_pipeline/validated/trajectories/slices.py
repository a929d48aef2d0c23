"""Slices: the rows of one bin out of one landed file, checked, counted, and written to Parquet.

What belongs here: chunks of slices, their counts, and what is known of slices from before. What
does not: reading files (`daily_files.py`, `history_files.py`), and what makes a row acceptable
(`validated/checks.py`, `quality.py`).
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from gmn_pipeline.database.ledger import Ledger, ValidatedSlice
from gmn_pipeline.errors import CountMismatch, GmnError, RetryableError, SummaryFormatError
from gmn_pipeline.isolate import BROKEN, in_words
from gmn_pipeline.landing.trajectories import DailyFile, LandedFile
from gmn_pipeline.readers.solar_longitude_bins import Bin, bins_between
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.schemas.trajectory_tables import BIN_FIELDS, QUALITY_FLAGS_FIELD
from gmn_pipeline.settings import LoadSettings
from gmn_pipeline.storage.files import working_folder
from gmn_pipeline.telemetry import Stopwatch
from gmn_pipeline.validated.trajectories.checks import check_rows
from gmn_pipeline.validated.trajectories.parts import SLICE_KEY, Part, file_name, files_of
from gmn_pipeline.validated.trajectories.quality import QUALITY_FLAGS
from gmn_pipeline.validated.trajectories.rejected_rows import refused_by_check, rejected_rows
from gmn_pipeline.validated.trajectories.shower_codes import iau_codes

_ROW_GROUP_ROWS = 50_000
_TIME = "beginning_utc_time"
_A_DAY = timedelta(days=1)

_RULES = 2  # raise it when checks.py changes what it accepts or how it converts

_FLAGS = [(f.name, str(f.condition)) for f in QUALITY_FLAGS]
DEFINITION = hashlib.sha256(
    repr((_RULES, TRAJECTORY_FIELDS, _FLAGS, sorted(iau_codes().items()))).encode()
).hexdigest()[:16]
"""Changes with the definition of any column or flag, and with the IAU list that a flag asks; what
was validated under another is not used again."""


@dataclass(frozen=True)
class Place:
    """Where what is validated goes, and who takes the time."""

    settings: LoadSettings
    ledger: Ledger
    stopwatch: Stopwatch


@dataclass
class Chunk:
    """Slices whose rows lie in the same Parquet files, ready to be loaded together; and the
    files they are from, by SHA-256."""

    slices: list[ValidatedSlice] = field(default_factory=list)
    files: Mapping[str, LandedFile] = field(default_factory=dict)
    failed_days: dict[date, GmnError] = field(default_factory=dict)
    flag_counts: Counter[str] = field(default_factory=Counter)


def known_slices(
    days: set[date], settings: LoadSettings, ledger: Ledger
) -> dict[str, list[ValidatedSlice]]:
    known = defaultdict(list)
    for slice_ in ledger.validated(days):
        whole = slice_.covers_from_utc is None and slice_.covers_until_utc is None
        there = (settings.validated_dir / slice_.accepted_path).is_file()
        if whole and there and slice_.definition == DEFINITION:
            known[slice_.source_file_sha256].append(slice_)
    return known


def bin_of(slice_: ValidatedSlice) -> Bin:
    return Bin(slice_.bin_date, slice_.bin_solar_longitude_deg)


def finish(parts: list[Part], failed: dict[date, GmnError], place: Place) -> Chunk:
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
    return Chunk(slices, files_of(checked.parts), failed, _flag_counts(checked.accepted))


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
    refused = rejected_rows(line for part in parts for line in part.rejected)
    rejected = pl.concat([refused, refused_by_check(rows, checked, parts)])
    read = pl.concat([rows.select(SLICE_KEY), refused.select(SLICE_KEY)])
    slices = _slices(parts, read, checked.accepted, rejected)
    # What a station saw stands together: a query for one station then reads a part of the rows.
    # The chunks follow each other in time.
    accepted = checked.accepted.sort(pl.col("participating_stations").list.first(), _TIME)
    return _CheckedParts(parts, accepted, rejected, slices)


def _days(parts: list[Part]) -> list[date]:
    daily = {
        f.wanted.bin.date
        for part in parts for f in part.files if isinstance(f.wanted, DailyFile)
    }  # fmt: skip
    return sorted(daily | {bin_.date for part in parts for bin_ in part.bins})


def _of_day(part: Part, day: date) -> Part:
    """What a part has of one day."""
    return replace(
        part,
        files=[
            f for f in part.files if not isinstance(f.wanted, DailyFile) or f.wanted.bin.date == day
        ],
        rows=part.rows.filter(pl.col("bin_date") == day),
        rejected=[refused for refused in part.rejected if refused[1].date == day],
        empty_bins=frozenset(bin_ for bin_ in part.empty_bins if bin_.date == day),
    )


def _not_checked(parts: list[Part], error: BaseException) -> GmnError:
    if isinstance(error, GmnError):
        return error
    names = ", ".join(sorted({file_name(file) for part in parts for file in part.files}))
    return SummaryFormatError(
        f"{names}: its rows cannot be checked ({in_words(error)}).",
        remedy="This is a fault of this program: please report it with the file.",
    )


def recalled(held: Sequence[tuple[LandedFile, ValidatedSlice]], settings: LoadSettings) -> Chunk:
    """A chunk of slices that were validated before and share their Parquet files."""
    slices = [slice_ for _, slice_ in held]
    keys = pl.DataFrame(
        [(s.source_file_sha256, *astuple(bin_of(s))) for s in slices],
        schema=[SLICE_KEY[0], *polars_schema(BIN_FIELDS).items()], orient="row",
    )  # fmt: skip
    rows = pl.read_parquet(
        settings.validated_dir / slices[0].accepted_path,
        columns=[*SLICE_KEY, QUALITY_FLAGS_FIELD.name],
        glob=False,
    )
    return Chunk(
        slices,
        {file.version.sha256: file for file, _ in held},
        flag_counts=_flag_counts(rows.join(keys, on=SLICE_KEY, how="semi")),
    )


def _flag_counts(rows: pl.DataFrame) -> Counter[str]:
    """How many rows carry each quality flag."""
    flags = rows.get_column(QUALITY_FLAGS_FIELD.name)
    return Counter(dict(flags.explode().drop_nulls().value_counts().iter_rows()))


def _slices(
    parts: list[Part], read: pl.DataFrame, accepted: pl.DataFrame, rejected: pl.DataFrame
) -> list[ValidatedSlice]:
    """One slice for each bin of each file, with its counts; they add up or it raises."""

    def counts(frame: pl.DataFrame) -> dict[tuple[str, date, int], int]:
        return {(a, b, c): n for a, b, c, n in frame.group_by(SLICE_KEY).len().iter_rows()}

    accepted_rows, rejected_rows = counts(accepted), counts(rejected)
    files = files_of(parts)
    # A daily file whose every line is blank is still the whole truth of its bin.
    read_rows = {
        (sha256, *astuple(file.wanted.bin)): 0
        for sha256, file in files.items() if isinstance(file.wanted, DailyFile)
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
    if isinstance(file.wanted, DailyFile):
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
