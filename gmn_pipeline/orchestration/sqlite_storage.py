"""Dagster's runs and schedules in SQLite files of DAGSTER_HOME, wherever that lies.

What belongs here: where the files are, and that they are made once and whole. What does not:
tables and queries, which are Dagster's; the event log (`event_log.py`), which is made the same way.

Dagster's own classes make a file's tables one by one, so of two processes in a new folder one
fails; and they put paths into addresses as they are, where `?`, `#` and `%` mean something else.
"""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as db
from dagster import StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._serdes import ConfigurableClassData

from gmn_pipeline.storage.files import exclusive, temporary_place_of_user, working_folder


class RunStorage(SqliteRunStorage):
    """Dagster's runs, in the file that Dagster would use itself."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {"home": StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "RunStorage":
        file = Path(config_value["home"]) / "history" / "runs.db"
        make_once(file, lambda folder: SqliteRunStorage.from_local(str(folder)))
        return cls(sqlite_address(file), inst_data)


class ScheduleStorage(SqliteScheduleStorage):
    """The state of schedules and sensors, in the file that Dagster would use itself."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {"home": StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "ScheduleStorage":
        file = Path(config_value["home"]) / "schedules" / "schedules.db"
        make_once(file, lambda folder: SqliteScheduleStorage.from_local(str(folder)))
        return cls(sqlite_address(file), inst_data)


def sqlite_address(file: Path) -> str:
    """SQLAlchemy's address of a file, whatever letters are in its path."""
    return db.URL.create("sqlite", database=str(file)).render_as_string(hide_password=False)


def make_once(file: Path, make: Callable[[Path], object]) -> None:
    """Make a file if there is none: whole or not at all, by one process; others wait.

    `make` makes a file of that name in the folder that it is given, whose path is a plain one.
    """
    if file.exists():
        return
    with exclusive(file.parent / "making.lock"):
        if file.exists():
            return
        with (
            working_folder(temporary_place_of_user()) as plain,
            working_folder(file.parent / ".making") as folder,
        ):
            make(plain)
            copy_database(plain / file.name, folder / file.name)
            (folder / file.name).replace(file)


def copy_database(source: Path, target: Path) -> None:
    """All of a database in one file, what its log holds too."""
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)
        written.execute("PRAGMA journal_mode = WAL")
        written.execute("PRAGMA wal_checkpoint(TRUNCATE)")
