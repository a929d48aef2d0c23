"""The analysts' copy: `gmn.duckdb` and Parquet, made from one state of the warehouse.

    snapshot/current -> versions/<snapshot id>-<time>/    swapped by renaming a symbolic link
        gmn.duckdb                        plain DuckDB storage that DuckDB 1.1 and later open
        parquet/<table>.parquet
        manifest.json                     snapshot id, rows, checksums, time, licence

A version is built whole and verified before `current` points to it. A reader that has the former
one open keeps it: the version before the current one stays.
"""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import CountMismatch
from gmn_pipeline.releases.parquet import write_parquet
from gmn_pipeline.schemas.derive import sql_text
from gmn_pipeline.schemas.tables import WAREHOUSE_TABLES
from gmn_pipeline.settings import WarehouseSettings
from gmn_pipeline.storage.files import literal, without_question_mark, working_folder
from gmn_pipeline.warehouse import ddl, views
from gmn_pipeline.warehouse.backend import CATALOG
from gmn_pipeline.warehouse.connection import WarehouseConnection

LICENCE = "CC BY 4.0, Global Meteor Network"
DATABASE_NAME = "gmn.duckdb"
_COPY = "snapshot"
# The storage format of DuckDB 1.0: what every later version opens.
_STORAGE_VERSION = "v1.0.0"
_KEPT_VERSIONS = 2


@dataclass(frozen=True)
class Manifest:
    """What a snapshot holds; written beside it as JSON."""

    warehouse_snapshot_id: int
    created_at_utc: str
    licence: str
    rows: dict[str, int]
    sha256: dict[str, str]
    duckdb_storage_version: str = _STORAGE_VERSION


def read_manifest(settings: WarehouseSettings) -> Manifest | None:
    """The manifest of the current snapshot, if there is one."""
    return manifest_of(settings.snapshot_dir / "current")


def manifest_of(folder: Path) -> Manifest | None:
    """That of a version in its folder."""
    try:
        return Manifest(**json.loads((folder / "manifest.json").read_text("utf-8")))
    except FileNotFoundError:
        return None


def make_snapshot(settings: WarehouseSettings) -> tuple[Manifest, bool]:
    """Make a snapshot of the warehouse as it is now; (manifest, whether it was made anew).

    Nothing is done where the warehouse has not changed since the current snapshot.
    """
    warehouse = WarehouseConnection(settings)
    with warehouse.writing() as connection:
        ddl.create(connection)
    with warehouse.open(read_only=True) as connection:
        # One transaction: every table is read as of the same snapshot of the warehouse.
        connection.execute("BEGIN")
        snapshot_id = _scalar(connection, f"FROM ducklake_current_snapshot('{CATALOG}')")
        current = read_manifest(settings)
        if current is not None and current.warehouse_snapshot_id == snapshot_id:
            return current, False
        created_at = utc_now()
        versions = settings.snapshot_dir / "versions"
        folder = versions / f"{snapshot_id}-{created_at:%Y%m%dT%H%M%S%f}"
        with working_folder(versions / ".building") as unfinished:
            with without_question_mark(unfinished) as place:
                building = place / folder.name
                (building / "parquet").mkdir(parents=True)
                rows = _copy(connection, building, snapshot_id)
                manifest = Manifest(
                    snapshot_id, created_at.isoformat(), LICENCE, rows, _checksums(building)
                )
                text = json.dumps(asdict(manifest), indent=2)
                (building / "manifest.json").write_text(text, "utf-8")
            (unfinished / folder.name).replace(folder)
    _point_to(settings.snapshot_dir, folder)
    _remove_old(versions, folder)
    return manifest, True


def _copy(connection: duckdb.DuckDBPyConnection, folder: Path, snapshot_id: int) -> dict[str, int]:
    """Copy every table to the DuckDB file and to Parquet; row counts, verified."""
    about = {"licence": LICENCE, "warehouse_snapshot_id": str(snapshot_id)}
    database = sql_text(str(folder / DATABASE_NAME))
    connection.execute(f"ATTACH {database} AS {_COPY} (STORAGE_VERSION '{_STORAGE_VERSION}')")
    ddl.create_tables(connection, _COPY)
    rows = {}
    for table in WAREHOUSE_TABLES:
        name = table.name
        # By name: a column that came later stands last in a warehouse that was there before.
        columns = ", ".join(table.columns)
        connection.execute(
            f"INSERT INTO {_COPY}.{name} ({columns}) SELECT {columns} FROM {CATALOG}.{name}"
        )
        parquet = folder / "parquet" / f"{name}.parquet"
        write_parquet(
            connection, f"{CATALOG}.{name}", parquet, table.fields,
            {"table": name, "description": table.meaning, **about},
        )  # fmt: skip
        counts = [
            _scalar(connection, f"SELECT count(*) FROM {where}")
            for where in (
                f"{CATALOG}.{name}",
                f"{_COPY}.{name}",
                f"read_parquet({sql_text(literal(parquet))})",
            )
        ]
        if len(set(counts)) > 1:
            raise CountMismatch(
                f"Snapshot of {name}: {counts} rows in warehouse, database and Parquet.",
                remedy="The former snapshot stays. Please report it.",
            )
        rows[name] = counts[0]
    views.create_views(connection, _COPY, with_comments_on_columns=True)
    flags = views.FLAG_DEFINITIONS
    write_parquet(
        connection, f"{CATALOG}.{flags.name}", folder / "parquet" / f"{flags.name}.parquet",
        flags.fields, {"table": flags.name, "description": flags.meaning, **about},
    )  # fmt: skip
    connection.execute("COMMIT")
    connection.execute(f"DETACH {_COPY}")  # which also writes the log into the file
    return rows


def _scalar(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    assert row is not None
    return int(row[0])


def _checksums(folder: Path) -> dict[str, str]:
    files = [folder / DATABASE_NAME, *sorted((folder / "parquet").iterdir())]
    sums = {}
    for file in files:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        sums[file.relative_to(folder).as_posix()] = digest
    return sums


def _point_to(root: Path, folder: Path) -> None:
    """Let `current` (and a stable name of the database) point to a version, atomically."""
    for name, target in (
        ("current", folder.relative_to(root)),
        (DATABASE_NAME, Path("current") / DATABASE_NAME),
    ):
        new = root / f".{name}.new"
        new.unlink(missing_ok=True)
        new.symlink_to(target)
        new.replace(root / name)


def _remove_old(versions: Path, current: Path) -> None:
    kept = sorted((p for p in versions.iterdir() if not p.name.startswith(".")),
                  key=lambda p: p.stat().st_mtime)[-_KEPT_VERSIONS:]  # fmt: skip
    for version in versions.iterdir():
        if version not in kept and version != current and not version.name.startswith("."):
            shutil.rmtree(version, ignore_errors=True)
