"""Outcomes as files, between the process that made them and the one that keeps them.

What belongs here: writing and reading them. What does not: what is in them.

They are JSON and Parquet: whatever an object made of the process that read it, it can say here
what its rows and facts are, and no more.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gmn_pipeline.processing.processor import Found, Made, Outcome
from gmn_pipeline.schemas.objects import Link, LinkKind

_NAME, _REASON = "outcome.json", "reason.txt"
_LONGEST_REASON = 1_000


@dataclass(frozen=True)
class RowsFile:
    """Rows for a table as a Parquet file."""

    table: str
    path: Path
    row_count: int
    of_container: bool
    columns: Sequence[str] = ()

    def has_columns(self, known: Collection[str]) -> bool:
        """Whether these are all of its columns, or more; DuckDB knows no case."""
        return {name.lower() for name in self.columns} <= {name.lower() for name in known}


def write(outcome: Outcome, folder: Path) -> None:
    """Put an outcome into the folder, its rows in memory as Parquet."""
    rows = []
    for number, some in enumerate(outcome.rows):
        path = some.data
        if isinstance(path, pa.Table):
            table, path = path, folder / f"rows-{number}.parquet"
            pq.write_table(table, path)
        rows.append([some.table, path.name, some.of_container])
    found = vars(outcome.found) | {
        "tags": sorted(outcome.found.tags),
        "links": sorted(outcome.found.links),
        "observed_from_utc": _text(outcome.found.observed_from_utc),
        "observed_until_utc": _text(outcome.found.observed_until_utc),
    }
    made = [[one.name, one.path.name] for one in outcome.made]
    said = {"rows": rows, "made": made, "found": found}
    (folder / _NAME).write_text(json.dumps(said), "utf-8")


def write_reason(error: BaseException, folder: Path, file: Path) -> None:
    """Put in why there is none, without saying where `file` is: that is nobody's business."""
    said = " ".join(str(error).replace(str(file), "the file").split())
    if not hasattr(error, "remedy"):  # an error of a library: its kind says as much as its text
        said = f"{type(error).__name__}: {said}" if said else type(error).__name__
    (folder / _REASON).write_text(said[:_LONGEST_REASON], "utf-8", "replace")


def reason(folder: Path) -> str | None:
    """Why there is none, if the process that was to make it could tell."""
    path = folder / _REASON
    return path.read_text("utf-8") if path.exists() else None


def size_bytes(folder: Path) -> int:
    """All that was written into the folder."""
    return sum(_size_of(path) for path in folder.rglob("*"))


def _size_of(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def too_much(most_mb: int) -> str:
    """The reason, where that is more than may be."""
    return f"It made more than {most_mb:,} MB."


def is_there(folder: Path) -> bool:
    """Whether there is one, whole or not."""
    return (folder / _NAME).exists()


def read(folder: Path) -> tuple[Outcome, list[RowsFile]]:
    """The outcome that is in the folder, and its rows as files."""
    said = json.loads((folder / _NAME).read_text("utf-8"))
    files = []
    for table, name, of_container in said["rows"]:
        path = _within(folder, name)
        columns = pq.read_schema(path).names if of_container else ()
        rows = pq.read_metadata(path).num_rows
        files.append(RowsFile(table, path, rows, of_container, columns))
    made = [Made(name, _within(folder, file)) for name, file in said["made"]]
    return Outcome((), made, _found(said["found"])), files


def _within(folder: Path, name: str) -> Path:
    path = folder / Path(name).name
    if path.is_symlink() or not path.is_file():
        raise FileNotFoundError(f"The processor names a file {name} that it did not make.")
    return path


def _found(said: dict[str, Any]) -> Found:
    return Found(
        metadata=said["metadata"],
        tags=frozenset(said["tags"]),
        links=frozenset(Link(LinkKind(kind), key) for kind, key in said["links"]),
        observed_from_utc=_time(said["observed_from_utc"]),
        observed_until_utc=_time(said["observed_until_utc"]),
        latitude_deg=said["latitude_deg"],
        longitude_deg=said["longitude_deg"],
    )


def _text(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
