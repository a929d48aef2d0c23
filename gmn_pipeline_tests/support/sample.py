"""The network's own sample file, variants of it, and a bench that lands and validates them.

The sample (534 rows of March 2022, CC BY 4.0, Global Meteor Network) comes inside the network's
Python client `gmn-python-api` 0.0.13; it is found without importing that package.
"""

import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from gmn_pipeline.database.ledger import ValidatedSlice, open_ledger
from gmn_pipeline.errors import GmnError
from gmn_pipeline.landing.trajectories import Landing, land
from gmn_pipeline.readers.solar_longitude_bins import Bin
from gmn_pipeline.readers.summary_file import RejectedLine, blocks, parse, read_head
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.settings import load_settings
from gmn_pipeline.sources.gmn_directory import Directory, open_directory
from gmn_pipeline.storage.object_store import ObjectStore
from gmn_pipeline.validated.trajectories.validate import validate

DAY = date(2022, 3, 4)
SAMPLE_NAME = "traj_summary_20220304_solrange_344.0-345.0.txt"
DAILY = f"daily/{SAMPLE_NAME}"
HEAD_LINES = 4
FIRST_ROW = HEAD_LINES + 1
"""Line of a file's first row."""
CASES = Path(__file__).parents[1] / "cases"
_NAMES = [column.name for column in TRAJECTORY_FIELDS]
_JULIAN_DAY_OF_1970 = 2440587.5
Row = tuple[str, ...]


@cache
def client_folder() -> Path:
    """Where the network's Python client is installed."""
    spec = importlib.util.find_spec("gmn_python_api")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("The tests need: uv pip install --no-deps gmn-python-api==0.0.13")
    return Path(next(iter(spec.submodule_search_locations)))


def sample_path() -> Path:
    return client_folder() / "data_models" / SAMPLE_NAME


@cache
def sample_bytes() -> bytes:
    return sample_path().read_bytes()


@dataclass(frozen=True)
class Summary:
    """A summary file in pieces: its first line, and the fields of the lines below (three of the
    head, then the rows), padding and all."""

    generated: str
    head: tuple[Row, ...]
    rows: tuple[Row, ...]

    def to_bytes(self, line_end: str = "\n\r") -> bytes:
        lines = [self.generated, *(";".join(fields) for fields in (*self.head, *self.rows))]
        return "".join(line + line_end for line in lines).encode()

    def lines(self) -> list[bytes]:
        """The rows as lines without their ends."""
        return self.to_bytes("\n").split(b"\n")[HEAD_LINES:-1]

    def first(self, rows: int) -> "Summary":
        return replace(self, rows=self.rows[:rows])

    def stamped(self, generated_at: str) -> "Summary":
        return replace(self, generated=f"# Summary generated on {generated_at} UTC")

    def with_fields(self, row: int, **texts: str) -> "Summary":
        """Another text in some fields of one row."""
        fields = list(self.rows[row])
        for name, text in texts.items():
            fields[_NAMES.index(name)] = text
        return replace(self, rows=(*self.rows[:row], tuple(fields), *self.rows[row + 1 :]))

    def with_columns(self, change: Callable[[Row], Row]) -> "Summary":
        """The same change of columns in the head and in every row."""
        changed = [tuple(change(fields)) for fields in (*self.head, *self.rows)]
        return replace(self, head=tuple(changed[:3]), rows=tuple(changed[3:]))

    def spread(self, begin: datetime, end: datetime) -> "Summary":
        """The rows evenly in time from `begin` to before `end`: times and identifiers moved."""
        step, moved = (end - begin) / max(len(self.rows), 1), self
        for number in range(len(self.rows)):
            moved = moved.with_fields(number, **when_fields(begin + number * step, number))
        return moved


def when_fields(when: datetime, number: int = 0) -> dict[str, str]:
    """The three fields that tell the beginning; `number` makes the identifier unique."""
    days = when.replace(tzinfo=UTC).timestamp() / 86400
    return {
        "trajectory_identifier": f"{when:%Y%m%d%H%M%S}_{number:05d}",
        "beginning_julian_date": f" {_JULIAN_DAY_OF_1970 + days:.9f}",
        "beginning_utc_time": f" {when:%Y-%m-%d %H:%M:%S.%f}",
    }


@cache
def sample() -> Summary:
    text = sample_bytes().decode("ascii").replace("\r", "")
    generated, *lines = text.rstrip("\n").split("\n")
    fields = tuple(tuple(line.split(";")) for line in lines)
    return Summary(generated, fields[:3], fields[3:])


def read_rows(data: bytes, block_bytes: int = 1 << 24) -> tuple[pl.DataFrame, list[RejectedLine]]:
    """Rows and rejected lines of a file with these bytes, read block by block."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.txt"
        path.write_bytes(data)
        parsed = [parse(b) for b in blocks(path, read_head(data, "file"), block_bytes)]
    rows = pl.concat([p.rows for p in parsed])
    return rows, [line for p in parsed for line in p.rejected]


def with_source(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows as the reader left them, with the bin and the source of the sample's file."""
    return rows.with_columns(
        pl.lit(DAY).alias("bin_date"), pl.lit(344, pl.Int32).alias("bin_solar_longitude_deg"),
        pl.lit(datetime(2022, 3, 16)).alias("summary_generated_at_utc"),
        pl.lit("sha").alias("source_file_sha256"),
    )  # fmt: skip


@dataclass
class Validated:
    """All that came of validating: rows, slices and failed days."""

    slices: list[ValidatedSlice] = field(default_factory=list)
    failed_days: dict[date, GmnError] = field(default_factory=dict)
    chunks: int = 0
    accepted: pl.DataFrame = field(default_factory=pl.DataFrame)
    rejected: pl.DataFrame = field(default_factory=pl.DataFrame)

    @property
    def counts(self) -> dict[tuple[str, int], tuple[int, int]]:
        """Rows accepted and rejected of each bin."""
        return {
            (s.bin_date.isoformat(), s.bin_solar_longitude_deg): (s.rows_accepted, s.rows_rejected)
            for s in self.slices
        }

    def reasons(self) -> dict[int, list[str]]:
        """Reasons of the rejected rows by line number."""
        return dict(self.rejected.select("line_number", "reasons").iter_rows())

    def row(self, number: int) -> dict[str, Any]:
        """The accepted row that stood in the file's row `number`, counted from 0."""
        return self.accepted.row(
            by_predicate=pl.col("line_number") == FIRST_ROW + number, named=True
        )


class Bench:
    """A site (a folder, unless `source_url` is given) and a data folder to land it in."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.site = folder / "site"
        self.site.mkdir(exist_ok=True)
        given = {"source_url": str(self.site), "data_dir": folder / "data", "http_backoff_s": 0.0}
        # Not checked, so that a test may have chunks of few rows.
        self.settings = load_settings().model_copy(update=given | settings)
        self.ledger = open_ledger(self.settings)

    @property
    def directory(self) -> Directory:
        return open_directory(self.settings)

    @property
    def objects(self) -> ObjectStore:
        return ObjectStore(self.settings.landing_dir)

    def put(self, path: str, content: bytes | Summary) -> Path:
        file = self.site / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.to_bytes() if isinstance(content, Summary) else content)
        return file

    def land(self, *days: date) -> Landing:
        landing = Landing()
        for landed in land(
            days or (DAY,), settings=self.settings, directory=self.directory,
            objects=self.objects, ledger=self.ledger,
        ):  # fmt: skip
            landing.files += landed.files
            landing.failed_days |= landed.failed_days
            landing.unread += landed.unread
        return landing

    def validate(self, *days: date) -> Validated:
        """Land and validate days; every file must land."""
        days = days or (DAY,)
        landing = self.land(*days)
        assert not landing.failed_days
        done = Validated()
        for chunk in validate(landing.files, days, settings=self.settings, ledger=self.ledger):
            done.slices += chunk.slices
            done.failed_days |= chunk.failed_days
            done.chunks += bool(chunk.slices)
        done.accepted = self._stored([s.accepted_path for s in done.slices])
        done.rejected = self._stored([s.rejected_path for s in done.slices])
        return done

    def check(self, content: bytes | Summary) -> Validated:
        """Validate one daily file with this content."""
        self.put(DAILY, content)
        return self.validate()

    def _stored(self, paths: Sequence[str]) -> pl.DataFrame:
        files = [self.settings.validated_dir / path for path in sorted(set(paths))]
        return pl.concat([pl.read_parquet(f) for f in files]) if files else pl.DataFrame()


def put_bins(bench: Bench, *bins: tuple[date, int, Summary]) -> list[date]:
    """Daily files of bins: date, degree, content; the dates."""
    for day, degree, summary in bins:
        bench.put(f"daily/{Bin(day, degree).file_name}", summary)
    return [day for day, _, _ in bins]
