"""Loads that go on while something else is measured.

What belongs here: files that say something else each time, and loading their days. What does not:
what is measured meanwhile.
"""

import random
from datetime import date, datetime
from pathlib import Path

from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.ledger import open_ledger
from gmn_pipeline.flows.maintenance import maintain
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.settings import Settings

_MAINTENANCE_EACH = 10
"""Loads after which the warehouse is put in order."""
_SMALL_LINES = 30


class Reloading:
    """Days of chance of a generated archive, solved again and loaded, one after the other."""

    def __init__(self, settings: Settings) -> None:
        # The large file of an archive goes before the daily ones, but for the last days.
        self._settings = settings.model_copy(update={"history": "daily"})
        self._files = sorted((Path(settings.source_url) / "daily").glob("*.txt"))
        self._chance = random.Random(3)
        self._ledger = open_ledger(settings)
        self.loads = 0

    def load(self) -> None:
        """Raises what the load does, and RuntimeError for a day that failed."""
        file = self._chance.choice(self._files)
        day = date.fromisoformat(f"{file.name[13:17]}-{file.name[17:19]}-{file.name[19:21]}")
        _solve_again(file, self.loads, utc_now())
        report = load_days([day], self._settings)
        for failed in report.failed:
            raise RuntimeError(f"load of {day}: {failed.error}")
        self.loads += 1
        if self.loads % _MAINTENANCE_EACH == 0:
            maintain(self._settings, self._ledger)


def _solve_again(file: Path, number: int, now: datetime) -> None:
    """The rows once more, generated now; every tenth one is left out."""
    lines = file.read_bytes().split(b"\n")
    lines[0] = f"# Summary generated on {now:%Y-%m-%d %H:%M:%S.%f} UTC".encode()
    begin = next(at for at, line in enumerate(lines) if line.strip()[:1].isdigit())
    *rows, end = lines[begin:]
    if len(rows) >= _SMALL_LINES:
        rows = [line for at, line in enumerate(rows) if (at + number) % 10]
    file.write_bytes(b"\n".join([*lines[:begin], *rows, end]))
