"""What is published: the versions of the analysts' copy that there are, and their files.

What belongs here: finding them. What does not: making them (`snapshot.py`), and sending them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gmn_pipeline.releases.snapshot import DATABASE_NAME, Manifest, manifest_of
from gmn_pipeline.schemas.tables import WAREHOUSE_TABLES
from gmn_pipeline.warehouse.views import FLAG_DEFINITIONS

_PARQUET = "parquet"
FILE_NAMES = (
    DATABASE_NAME,
    *(f"{table.name}.parquet" for table in WAREHOUSE_TABLES),
    f"{FLAG_DEFINITIONS.name}.parquet",
)
"""The files of a version, by the names that they are given away under."""


@dataclass(frozen=True)
class Version:
    """A version of the copy, whole and never changed."""

    folder: Path
    manifest: Manifest

    def path(self, name: str) -> Path:
        """Where one of FILE_NAMES lies."""
        return self.folder / _place(name)

    def sha256(self, name: str) -> str | None:
        """None where this version has no such file: it was made before there was one."""
        return self.manifest.sha256.get(_place(name))


def _place(name: str) -> str:
    return name if name == DATABASE_NAME else f"{_PARQUET}/{name}"


def versions(root: Path) -> Iterator[Version]:
    """Those in the folder of the copies, the current one first."""
    current = (root / "current").resolve()
    others = sorted((root / "versions").glob("[0-9]*"), key=lambda one: one.name, reverse=True)
    for folder in dict.fromkeys([current, *(one.resolve() for one in others)]):
        # One that is just being removed, or was never finished, is none.
        if (manifest := manifest_of(folder)) is not None:
            yield Version(folder, manifest)


def version(root: Path, snapshot_id: int | None = None) -> Version | None:
    """The current one, or that of a state of the warehouse."""
    for one in versions(root):
        if snapshot_id is None or one.manifest.warehouse_snapshot_id == snapshot_id:
            return one
    return None
