"""From landed files to validated Parquet, a bounded chunk of rows at a time.

What belongs here: which way a file goes. What does not: the ways (`daily_files.py`,
`history_files.py`), writing what comes of them (`slices.py`), and what makes a row acceptable
(`validated/checks.py`, `quality.py`).

Validating the same landed file again is no work: its Parquet is found in the ledger, unless the
definition of the columns or flags has changed since.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import groupby

from gmn_pipeline.database.ledger import Ledger
from gmn_pipeline.landing.trajectories import LandedFile, is_daily, is_history
from gmn_pipeline.settings import LoadSettings
from gmn_pipeline.telemetry import Stopwatch
from gmn_pipeline.validated.trajectories.daily_files import validate_daily
from gmn_pipeline.validated.trajectories.history_files import validate_history
from gmn_pipeline.validated.trajectories.slices import Chunk, Place


def validate(
    files: Iterable[LandedFile],
    days: Sequence[date],
    *,
    settings: LoadSettings,
    ledger: Ledger,
    stopwatch: Stopwatch | None = None,
) -> Iterator[Chunk]:
    """Validate landed files as they come, chunk by chunk; slices known already are no work.

    A file that cannot be read fails the days it carries (`Chunk.failed_days`), and no others.
    The stopwatch gets the seconds of the steps `parse`, `check` and `write`.
    """
    place = Place(settings, ledger, stopwatch or Stopwatch())
    wanted = set(days)
    for daily, some in groupby(files, key=is_daily):
        if daily:
            yield from validate_daily(filter(is_daily, some), wanted, place)
        else:
            for file in filter(is_history, some):
                yield from validate_history(file, wanted, place)
