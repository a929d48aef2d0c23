"""The next generation of a directory: what upstream rewrites later, and a record of it.

What belongs here: rows solved again, under another identifier, withdrawn, duplicated, corrupted
or added, and the truth about them. Everything unsound comes from here. What does not: writing
sound rows for the first time (`directory.py`).
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from gmn_pipeline_tests.support.archive.directory import (
    Summaries,
    bins_of,
    copy_latest,
    stamp,
    summary_kinds,
    summary_name,
)
from gmn_pipeline_tests.support.archive.meteors import draw_rows
from gmn_pipeline_tests.support.archive.sky import Bin, Floats, orbit, to_ecliptic
from gmn_pipeline_tests.support.archive.text import (
    COLUMNS,
    LINE_END,
    SUFFIX_COUNT,
    Rows,
    format_rows,
    header,
    is_wide,
    other_suffix,
    parse_generated_line,
    parse_rows,
    split_header,
    widened,
)

CHANGES = ("resolved", "reidentified", "withdrawn", "duplicated", "corrupted")
CORRUPTIONS = ("cut", "letters", "fields", "latitude")
_GROUP_BYTES = 64_000_000

# --- What is asked for, and what was done ---------------------------------------------------


@dataclass(frozen=True)
class Shares:
    """Of the rows of each file that changes; a row suffers one of these at most."""

    resolved: float = 0.05  # the values changed, the identifier kept
    reidentified: float = 0.005  # the identifier changed, the values kept
    withdrawn: float = 0.005
    duplicated: float = 0.001  # the identifier once more, with other stations
    corrupted: float = 0.0005
    added: float = 0.01


@dataclass
class FileTruth:
    """What became of one rewritten daily file. Rows are lines, sound or not."""

    rows_before: int = 0
    rows_after: int = 0
    resolved: int = 0
    reidentified: int = 0
    withdrawn: int = 0
    duplicated: int = 0
    corrupted: int = 0
    added: int = 0


@dataclass
class Truth:
    """What a next generation changed: by file, and the identifiers of each kind.

    Of the reidentified rows there are two lists in step, `reidentified` with the old
    identifiers and `reidentified_as`; of the corrupted one for each of CORRUPTIONS.
    """

    generated_on: str
    files: dict[str, FileTruth] = field(default_factory=dict)
    identifiers: dict[str, list[str]] = field(default_factory=dict)

    def note(self, what: str, line: bytes) -> None:
        self.identifiers.setdefault(what, []).append(line[:20].decode())

    def total(self, what: str) -> int:
        return sum(getattr(file, what) for file in self.files.values())

    def write(self, path: Path) -> None:
        totals = {one.name: self.total(one.name) for one in fields(FileTruth)}
        path.write_text(json.dumps({"totals": totals, **asdict(self)}, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Truth":
        raw = json.loads(path.read_text())
        files = {name: FileTruth(**counts) for name, counts in raw["files"].items()}
        return cls(raw["generated_on"], files, raw["identifiers"])


# --- Changes of rows ------------------------------------------------------------------------


def _resolve_again(rows: Rows, rng: np.random.Generator) -> Rows:
    """The same meteors solved with other measurements: all that follows from them changes."""
    old = rows.values
    noise = rng.standard_normal((6, len(rows.jd))).clip(-3, 3)
    values = old | _other_radiants(old, noise)
    for name in ("htbeg_km", "peak_ht_km", "htend_km"):
        values[name] = old[name] + 0.02 * noise[3]
    values["peak_absmag"] = old["peak_absmag"] + 0.05 * noise[4]
    values["medianfiterr_arcsec"] = old["medianfiterr_arcsec"] * np.exp(0.1 * noise[5])
    for name in ("m_deg", "t_years"):
        sigma = old[f"{name}_sigma"]
        values[f"{name}_sigma"] = np.where(np.isnan(values[name]) & (sigma < np.inf), np.nan, sigma)
    return replace(rows, values=values)


def _other_radiants(old: dict[str, Floats], noise: Floats) -> dict[str, Floats]:
    """Radiants and speeds that differ a little, and the orbits that follow."""
    ra_shift_deg, dec_shift_deg = 0.02 * noise[0], 0.02 * noise[1]
    ra = (old["rageo_deg"] + ra_shift_deg) % 360
    dec = np.clip(old["decgeo_deg"] + dec_shift_deg, -90, 90)
    vgeo = old["vgeo_km_s"] * (1 + 0.0005 * noise[2])
    vinit = np.sqrt(vgeo**2 + (old["vinit_km_s"] ** 2 - old["vgeo_km_s"] ** 2))
    lam, bet = to_ecliptic(ra, dec)
    return {
        "rageo_deg": ra,
        "decgeo_deg": dec,
        "lamgeo_deg": lam,
        "betgeo_deg": bet,
        "vgeo_km_s": vgeo,
        "raapp_deg": (old["raapp_deg"] + ra_shift_deg) % 360,
        "decapp_deg": np.clip(old["decapp_deg"] + dec_shift_deg, -90, 90),
        "vinit_km_s": vinit,
        "vavg_km_s": old["vavg_km_s"] / old["vinit_km_s"] * vinit,
        **orbit(old["sol_lon_deg"], lam, bet, vgeo),
    }


def _other_stations(line: bytes) -> bytes:
    head, _, stations = line.rsplit(b"; ", 2)
    codes = stations.split(b",")
    # A code past the last of its country is nobody's, so it is new in any list.
    codes = codes[:-1] if len(codes) > 2 else [*codes, codes[-1][:2] + b"00ZZ"]
    return b"; ".join([head, b"%4d" % len(codes), b",".join(codes)])


_LETTERS = b" 3x.1f0a4"


def _is_sound(line: bytes) -> bool:
    return line.count(b";") == len(COLUMNS) - 1 and _LETTERS not in line


def _corrupt(line: bytes, how: str, rng: np.random.Generator) -> bytes:
    cells = line.split(b"; ")
    if how == "cut":
        return line[: int(rng.integers(100, 700))]
    if how == "letters":
        cells[15] = _LETTERS
    elif how == "fields":
        cells.append(b"0")
    else:
        cells[63] = b"   91.000000"
    return b"; ".join(cells)


# --- Daily files ----------------------------------------------------------------------------


class _Daily:
    """A daily file being rewritten: its lines, and which of them change how."""

    def __init__(self, path: Path, one: Bin, shares: Shares, seed: int, wide: bool):
        was_wide, body = split_header(path.read_bytes())
        text = widened(bytes(body)) if wide and not was_wide else bytes(body)
        self.bin, self.lines = one, text.split(LINE_END)[:-1]
        self.rng = np.random.default_rng(
            (seed, one.start_date.toordinal(), one.solar_longitude_deg)
        )
        size = len(self.lines)
        limits = np.cumsum([getattr(shares, change) for change in CHANGES])
        fate = np.searchsorted(limits, self.rng.random(size), side="right")
        # What a former generation corrupted stays as it is.
        fate[[not _is_sound(line) for line in self.lines]] = len(CHANGES)
        self.chosen = {c: np.nonzero(fate == k)[0].tolist() for k, c in enumerate(CHANGES)}
        self.added = int(self.rng.binomial(size, shares.added))

    @property
    def changes(self) -> bool:
        return self.added > 0 or any(self.chosen.values())

    def rewrite(self, solved: Iterator[bytes], added: Iterator[bytes], truth: Truth) -> bytes:
        """The rows anew; takes its own from the lines solved again and from those added."""
        counts = {change: len(rows) for change, rows in self.chosen.items()}
        file = FileTruth(len(self.lines), added=self.added, **counts)
        for change, rows in self.chosen.items():
            for k in rows:
                truth.note(change, self.lines[k])
        self._change_lines(solved, truth)
        gone = set(self.chosen["withdrawn"])
        lines = [line for k, line in enumerate(self.lines) if k not in gone]
        for _ in range(self.added):
            lines.append(next(added))
            truth.note("added", lines[-1])
        lines.sort(key=lambda line: line[22:42])
        file.rows_after = len(lines) + file.duplicated
        truth.files[self.bin.file_name] = file
        return b"".join(line + LINE_END for line in lines)

    def _change_lines(self, solved: Iterator[bytes], truth: Truth) -> None:
        lines, chosen = self.lines, self.chosen
        for k in chosen["resolved"]:
            lines[k] = next(solved)
        for k in chosen["reidentified"]:
            lines[k] = other_suffix(lines[k])
            truth.note("reidentified_as", lines[k])
        for k in chosen["duplicated"]:
            lines[k] += LINE_END + _other_stations(lines[k])
        for k in chosen["corrupted"]:
            how = CORRUPTIONS[int(self.rng.integers(len(CORRUPTIONS)))]
            truth.note(how, lines[k])
            lines[k] = _corrupt(lines[k], how, self.rng)


def _groups(daily: Path, some: Sequence[Bin]) -> Iterator[list[Bin]]:
    """As many bins together as fit into memory."""
    group: list[Bin] = []
    size_bytes = 0
    for one in some:
        group.append(one)
        size_bytes += (daily / one.file_name).stat().st_size
        if size_bytes > _GROUP_BYTES:
            yield group
            group, size_bytes = [], 0
    if group:
        yield group


def _solved_lines(files: Sequence[_Daily], rng: np.random.Generator, wide: bool) -> Iterator[bytes]:
    again = [file.lines[k] for file in files for k in file.chosen["resolved"]]
    text = format_rows(_resolve_again(parse_rows(again), rng), wide) if again else b""
    return iter(text.split(LINE_END))


def _added_lines(
    files: Sequence[_Daily], rng: np.random.Generator, wide: bool, truth: Truth
) -> Iterator[bytes]:
    counts = [file.added for file in files]
    if not any(counts):
        return iter(())
    # Far above the numbers that `generate` gives out, so that the identifiers are new.
    first = SUFFIX_COUNT // 2 + truth.total("added")
    rows = draw_rows([file.bin for file in files], counts, rng, first)
    return iter(format_rows(rows, wide).split(LINE_END))


def _rewrite(files: Sequence[_Daily], out: Path, truth: Truth, now: datetime, seed: int) -> None:
    """Rewrite some daily files together, as the numbers of all are drawn and printed at once."""
    rng = np.random.default_rng((seed, files[0].bin.start_date.toordinal()))
    solved = _solved_lines(files, rng, is_wide(now))
    added = _added_lines(files, rng, is_wide(now), truth)
    for file in files:
        path = out / file.bin.file_name
        path.write_bytes(header(now) + file.rewrite(solved, added, truth))
        stamp(path, now)


# --- The whole directory --------------------------------------------------------------------


def _read_generated_on(path: Path) -> datetime:
    with path.open("rb") as file:
        return parse_generated_line(file.readline())


def _rewrite_summaries(source_dir: Path, out_dir: Path, some: Sequence[Bin], truth: Truth,
                       now: datetime) -> None:  # fmt: skip
    """The months that a changed bin touches, and all the years and the all-file, as upstream."""
    changed = {f"{moment:%Y%m}" for one in some if one.file_name in truth.files
               for moment in (one.begins_at, one.ends_at)}  # fmt: skip

    def month_generated_on(month: str) -> datetime:
        old = source_dir / summary_name("monthly", month)
        return now if month in changed or not old.exists() else _read_generated_on(old)

    kinds = summary_kinds(source_dir)
    summaries = Summaries(out_dir, kinds, now, month_generated_on, changed)
    for one in some:
        summaries.add_daily(one)
    summaries.close()
    for old in source_dir.glob("monthly/*"):
        new = out_dir / "monthly" / old.name
        if not new.exists():
            new.parent.mkdir(exist_ok=True)
            shutil.copy2(old, new)


def next_generation(source_dir: Path, out_dir: Path, seed: int = 2, shares: Shares | None = None,
                    last_bins: int | None = None,
                    generated_on: datetime | None = None) -> Truth:  # fmt: skip
    """Write the directory as upstream might rewrite it later, and `truth.json` beside it.

    Only the last bins change where their number is given (upstream's usual ten). A daily file
    without a change is copied byte for byte; the others are written in the form of their time.
    """
    shares = shares or Shares()
    source, out = source_dir / "daily", out_dir / "daily"
    some = bins_of(source_dir)
    later = timedelta(hours=6, microseconds=90_210)
    now = generated_on or _read_generated_on(source / some[-1].file_name) + later
    truth = Truth(now.isoformat())
    out.mkdir(parents=True)
    still = some[:-last_bins] if last_bins else []
    for group in _groups(source, some[len(still) :]):
        files = [_Daily(source / one.file_name, one, shares, seed, is_wide(now)) for one in group]
        still.extend(file.bin for file in files if not file.changes)
        if changing := [file for file in files if file.changes]:
            _rewrite(changing, out, truth, now, seed)
    for one in still:
        shutil.copy2(source / one.file_name, out)
    copy_latest(out, some)
    _rewrite_summaries(source_dir, out_dir, some, truth, now)
    truth.write(out_dir / "truth.json")
    return truth
