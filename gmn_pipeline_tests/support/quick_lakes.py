"""Lakes that are made and opened quickly by the tests of one process.

What belongs here: leaving out what is the same each time. A new lake is a copy of the first one
that the process made, which saves 1 s of processor time; and DuckDB checks no signatures of
extensions, 0.2 s for each session. What does not: processes that tests start; these make and open
lakes as anybody does.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb

from gmn_pipeline.warehouse import ddl, views
from gmn_pipeline.warehouse.sqlite_catalog import SqliteCatalog


@contextmanager
def signatures_unchecked() -> Iterator[None]:
    """Sessions in memory that ask for nothing else load extensions as they are."""
    connect = duckdb.connect

    def connect_quickly(database: Any = ":memory:", *given: Any, **named: Any) -> Any:
        if database == ":memory:" and not given and not named:
            named = {"config": {"allow_unsigned_extensions": "true"}}
        return connect(database, *given, **named)

    with patch.object(duckdb, "connect", connect_quickly):
        yield


@contextmanager
def lakes_copied(folder: Path) -> Iterator[None]:
    """New lakes are copies of the first, which is put aside in a folder; those that a test defines
    otherwise are made."""
    make = SqliteCatalog.make
    template = folder / "empty.sqlite"
    usual = _definition()

    def make_quickly(self: SqliteCatalog, fill: Callable[..., None]) -> None:
        is_usual = self._storage.in_catalog == "data/" and _definition() == usual
        if is_usual and template.exists() and not self.exists:
            self._folder.mkdir(parents=True, exist_ok=True)
            new = self._folder / "copied.sqlite"
            shutil.copyfile(template, new)
            new.replace(self._path)
            return
        make(self, fill)
        if is_usual and not template.exists():
            shutil.copyfile(self._path, template)

    with patch.object(SqliteCatalog, "make", make_quickly):
        yield


def _definition() -> tuple[object, ...]:
    """What a lake is made by; tests of older lakes change it."""
    return (ddl.create, ddl.TABLES, ddl._INLINED_ROWS, views.VIEWS, views.MACROS)
