"""`gmn stations database`: readings of a station's own database to the topic.

What belongs here: the command and its sentences. What does not: what it does
(`flows/station_database.py`).
"""

import threading
from datetime import datetime
from typing import Annotated

import typer

from gmn_pipeline.cli.console import console, errors
from gmn_pipeline.cli.signals import on_signals
from gmn_pipeline.database.engine import open_database
from gmn_pipeline.database.source_marks import SourceMarks
from gmn_pipeline.errors import RetryableError, SettingsError
from gmn_pipeline.flows.station_database import (
    LastSent,
    Taken,
    opened_road,
    take_between,
    take_what_is_new,
)
from gmn_pipeline.settings import Settings, load_settings

_DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


def database(
    every: Annotated[
        float | None, typer.Option(help="Look for what is new every so many seconds.", min=1)
    ] = None,
    begin: Annotated[
        datetime | None,
        typer.Option("--from", formats=_DATES, help="Only what was measured from then on (UTC)."),
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", formats=_DATES, help="... and before then (UTC).")
    ] = None,
) -> None:
    """Take what is new in a station's own database (MySQL, MariaDB) to the topic, or a span once
    more."""
    settings = load_settings()
    if (begin is None) != (end is None):
        raise SettingsError("A span has both --from and --to.", remedy="Name both, or neither.")
    if begin is not None and end is not None:
        with opened_road(settings) as (opened, publish):
            _say(take_between(opened, begin, end, publish))
        return
    if every is None:
        _take(settings, LastSent())
        return
    stopped, sent = threading.Event(), LastSent()
    with on_signals(stopped.set):
        while True:
            try:
                _take(settings, sent)
            except RetryableError as error:
                errors.print(str(error), markup=False, soft_wrap=True)
            if stopped.wait(every):
                return


def _take(settings: Settings, sent: LastSent) -> None:
    marks = SourceMarks(open_database(settings))
    with opened_road(settings) as (opened, publish):
        taken = take_what_is_new(
            opened, marks, publish, sent=sent,
            on_page=lambda so_far: console.print(f"{so_far.read:,} rows"),
        )  # fmt: skip
    _say(taken)


def _say(taken: Taken) -> None:
    said = (
        f"{taken.read:,} rows: {taken.published:,} published, {taken.refused:,} refused, "
        f"{taken.unchanged:,} read again as they were."
    )
    if taken.out_of_reach:
        said += f" {taken.out_of_reach:,} have nothing in the column that grows: not taken."
    console.print(said, highlight=False)
