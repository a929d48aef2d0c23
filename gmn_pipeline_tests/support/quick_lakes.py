"""Lakes that are made quickly by the tests of one process.

What belongs here: a new lake is a copy of the first one that the process made, which saves 1 s of
processor time. What does not: processes that tests start; these make lakes as anybody does.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from gmn_pipeline.warehouse import ddl, views
from gmn_pipeline.warehouse.sqlite_catalog import SqliteCatalog


@contextmanager
def lakes_copied(folder: Path) -> Iterator[None]:
    """New lakes are copies of the first of their name, which is put aside in a folder; those that
    a test defines otherwise are made."""
    make = SqliteCatalog.make
    usual = _definition()

    def make_quickly(self: SqliteCatalog, fill: Callable[..., None]) -> None:
        template = folder / f"{self._folder.name}.sqlite"
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
    return (
        ddl.create, ddl._INLINED_ROWS, ddl.TABLES, views.VIEWS, views.MACROS,
        ddl.READINGS_TABLES, ddl.READINGS_VIEWS,
    )  # fmt: skip
