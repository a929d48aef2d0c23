"""Validated files that nothing names any more: found, and removed.

What belongs here: which files of `validated/` may go. What does not: what names them (the ledger),
and when it is time (`flows/maintenance.py`).
"""

from collections.abc import Container
from datetime import datetime
from pathlib import Path

from gmn_pipeline.clock import from_timestamp


def remove_forgotten(folder: Path, named: Container[str], before: datetime) -> list[int]:
    """Remove files that nothing names since before: they were validated anew, or a run was killed.

    The sizes (bytes) of those that went.
    """
    sizes = []
    for path in list(folder.glob("*")):
        if not path.is_file() or path.name in named:
            continue
        found = path.stat()
        if from_timestamp(found.st_mtime) < before:
            sizes.append(found.st_size)
            path.unlink()
    return sizes
