"""The directory: which file holds which rows, and when each was written.

What belongs here: daily, monthly, yearly and all files, their names and times, and writing a
whole directory. What does not: the bytes of a row or header (`text.py`), and rewriting a
directory that is there (`generation.py`).
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gmn_pipeline_tests.support.archive.meteors import draw_rows, published_volume
from gmn_pipeline_tests.support.archive.sky import Bin, bins
from gmn_pipeline_tests.support.archive.text import (
    LINE_END,
    Integers,
    generated_line,
    header,
    header_lines,
    is_wide,
    split_header,
    to_matrix,
    to_text,
    widened,
)

FIRST_DATE = date(2018, 12, 9)
LAST_DATE = date(2026, 11, 20)
KINDS = ("daily", "monthly", "yearly", "all")
_CHUNK_ROWS = 16_384

# --- Names and times ------------------------------------------------------------------------


def summary_name(kind: str, month: str) -> str:
    """The file of a kind other than daily that holds a month (YYYYMM)."""
    return {
        "monthly": f"monthly/traj_summary_monthly_{month}.txt",
        "yearly": f"traj_summary_yearly_{month[:4]}.txt",
        "all": "traj_summary_all.txt",
    }[kind]


def summary_kinds(root: Path) -> list[str]:
    """The kinds other than daily that a directory has."""
    return [kind for kind in KINDS[1:] if any(root.glob(summary_name(kind, "*")))]


def bins_of(root: Path) -> list[Bin]:
    """The bins that a directory has daily files of."""
    names = {path.name for path in (root / "daily").glob("traj_summary_*_solrange_*.txt")}
    days = [datetime.strptime(name[13:21], "%Y%m%d").date() for name in names]
    return [one for one in bins(min(days), max(days)) if one.file_name in names]


def stamp(path: Path, generated_on: datetime) -> None:
    os.utime(path, (generated_on.timestamp(), generated_on.timestamp()))


def copy_latest(daily: Path, some: Sequence[Bin]) -> None:
    """The last two daily files under upstream's second names for them."""
    for one, alias in zip(reversed(some[-2:]), ("latest_daily", "yesterday"), strict=False):
        shutil.copy2(daily / one.file_name, daily / f"traj_summary_{alias}.txt")


def _month_end(month: str) -> datetime:
    year, number = divmod(int(month[:4]) * 12 + int(month[4:]), 12)
    return datetime(year, number + 1, 1, tzinfo=UTC)


def _draw_generated_on(ends_at: datetime, now: datetime, seed: int) -> datetime:
    """Upstream rewrites the last ten bins, so a file is final ten days after its bin."""
    rng = np.random.default_rng((seed, ends_at.toordinal(), ends_at.hour))
    after = timedelta(days=10, microseconds=int(rng.integers(2, 7 * 3_600_000_000)))
    return min(ends_at + after, now)


# --- Monthly, yearly and all files ----------------------------------------------------------


class Summaries:
    """The monthly, yearly and all files, written along with the rows in order of time.

    Every month is read, for the yearly and all files; of the monthly files only those of
    `rewritten` are written, where it is given.
    """

    def __init__(
        self,
        root: Path,
        kinds: Sequence[str],
        generated_on: datetime,
        month_generated_on: Callable[[str], datetime],
        rewritten: set[str] | None = None,
    ):
        self._root, self._kinds, self._generated_on = root, kinds, generated_on
        self._month_generated_on, self._rewritten = month_generated_on, rewritten
        self._month, self._wide = "", False
        self._files: dict[str, tuple[Path, BinaryIO, datetime]] = {}

    def add_daily(self, one: Bin) -> None:
        """Add the rows of a daily file: to two months where it runs into the next."""
        if not set(self._kinds) - {"daily"}:
            return
        wide, body = split_header((self._root / "daily" / one.file_name).read_bytes())
        first, last = f"{one.begins_at:%Y%m}", f"{one.ends_at:%Y%m}"
        split = len(body)
        if first != last:
            lines = bytes(body).split(LINE_END)
            split = sum(len(line) + 2 for line in lines if line.startswith(first.encode()))
        for month, part in ((first, body[:split]), (last, body[split:])):
            if part:
                self._add(month, part, wide)

    def close(self) -> None:
        for kind in list(self._files):
            self._shut(kind)

    def _add(self, month: str, text: memoryview, wide: bool) -> None:
        if month != self._month:
            self._turn_to(month)
        if self._wide and not wide:
            text = memoryview(widened(bytes(text)))
        if "monthly" in self._files:
            self._files["monthly"][1].write(text)
        if self._files.keys() & {"yearly", "all"}:
            # LF CR to LF LF, at a fifth of the time that bytes.replace takes
            raw = np.frombuffer(text, np.uint8)
            doubled = raw - (ord("\r") - ord("\n")) * (raw == ord("\r")).view(np.uint8)
            for kind in self._files.keys() & {"yearly", "all"}:
                self._files[kind][1].write(doubled.data)

    def _turn_to(self, month: str) -> None:
        generated_on = self._month_generated_on(month)
        self._wide = is_wide(generated_on)
        self._shut("monthly")
        if "monthly" in self._kinds and (self._rewritten is None or month in self._rewritten):
            self._open("monthly", month, generated_on).write(header(generated_on))
        for kind in ("yearly", "all"):
            if kind in self._kinds:
                self._continue(kind, month)
        self._month = month

    def _continue(self, kind: str, month: str) -> None:
        """Begin the month in the file that holds several, which upstream makes from the months.

        It reads them as text, where each line end LF CR becomes two.
        """
        if kind in self._files and (kind == "all" or month[:4] == self._month[:4]):
            self._files[kind][1].write(b"\n" * 4)  # what is left of the month's header
            return
        file = self._open(kind, month, self._generated_on)
        file.write(generated_line(self._generated_on) + LINE_END + b"\n")
        file.write(b"".join(line + b"\n\n" for line in header_lines(self._wide)))

    def _open(self, kind: str, month: str, generated_on: datetime) -> BinaryIO:
        self._shut(kind)
        path = self._root / summary_name(kind, month)
        path.parent.mkdir(exist_ok=True)
        file = path.open("wb")
        self._files[kind] = path, file, generated_on
        return file

    def _shut(self, kind: str) -> None:
        if kind in self._files:
            path, file, generated_on = self._files.pop(kind)
            file.close()
            stamp(path, generated_on)


# --- Daily files ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Chunk:
    """Neighbouring bins of one form, drawn together."""

    bins: list[Bin]
    counts: list[int]
    generated_on: list[datetime]
    seed: tuple[int, int]
    first_sequence: int


def _chunks(some: Sequence[Bin], counts: Integers, generated_on: Sequence[datetime],
            seed: int) -> Iterator[_Chunk]:  # fmt: skip
    kept = np.nonzero(counts)[0].tolist()  # a bin without a meteor has no file
    total = np.concatenate(([0], np.cumsum(counts)))
    start = 0
    for k, one in enumerate(kept):
        last = k + 1 == len(kept)
        full = last or total[kept[k + 1] + 1] - total[kept[start]] > _CHUNK_ROWS
        if full or is_wide(generated_on[one]) != is_wide(generated_on[kept[k + 1]]):
            mine = kept[start : k + 1]
            yield _Chunk([some[j] for j in mine], counts[mine].tolist(),
                         [generated_on[j] for j in mine], (seed, mine[0]),
                         int(total[mine[0]]))  # fmt: skip
            start = k + 1


def _write_chunk(daily: Path, chunk: _Chunk) -> None:
    rng = np.random.default_rng(chunk.seed)
    rows = draw_rows(chunk.bins, chunk.counts, rng, chunk.first_sequence)
    matrix = to_matrix(rows, is_wide(chunk.generated_on[0]))
    start = 0
    for one, count, moment in zip(chunk.bins, chunk.counts, chunk.generated_on, strict=True):
        path = daily / one.file_name
        path.write_bytes(header(moment) + to_text(matrix[start : start + count]))
        stamp(path, moment)
        start += count


def _written(daily: Path, chunks: Sequence[_Chunk], workers: int) -> Iterator[_Chunk]:
    """Write the chunks side by side and give them back in order."""
    if workers < 2:
        for chunk in chunks:
            _write_chunk(daily, chunk)
            yield chunk
        return
    # Processes, as threads would wait for each other; spawned, as a forked child of a process
    # with threads may hang.
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        running = [pool.submit(_write_chunk, daily, chunk) for chunk in chunks]
        for chunk, one in zip(chunks, running, strict=True):
            one.result()
            yield chunk


# --- The whole directory --------------------------------------------------------------------


@dataclass(frozen=True)
class Archive:
    """What `generate` wrote."""

    rows: int
    daily_files: int
    generated_on: datetime  # of its newest file


def generate(out_dir: Path, rows: int, seed: int = 1, from_date: date = FIRST_DATE,
             to_date: date = LAST_DATE, kinds: Sequence[str] = ("daily", "monthly", "all"),
             workers: int | None = None) -> Archive:  # fmt: skip
    """Write a data directory with exactly so many rows, spread over time as upstream's are."""
    if unknown := set(kinds) - set(KINDS):
        raise ValueError(f"unknown kinds {sorted(unknown)}, known are {KINDS}")
    some = bins(from_date, to_date)
    volume = np.cumsum(published_volume(some))
    counts = np.diff(np.rint(volume / volume[-1] * rows).astype(np.int64), prepend=0)
    now = some[-1].ends_at + timedelta(hours=5, minutes=47, microseconds=311_273)
    chunks = list(
        _chunks(some, counts, [_draw_generated_on(b.ends_at, now, seed) for b in some], seed)
    )
    daily = out_dir / "daily"
    daily.mkdir(parents=True)
    summaries = Summaries(
        out_dir, kinds, now, lambda month: _draw_generated_on(_month_end(month), now, seed)
    )
    written: list[Bin] = []
    for chunk in _written(daily, chunks, workers or (2 if rows > 100_000 else 1)):
        written += chunk.bins
        for one in chunk.bins:
            summaries.add_daily(one)
    summaries.close()
    if "daily" in kinds:
        copy_latest(daily, written)
    else:
        shutil.rmtree(daily)
    return Archive(rows, len(written), now)
