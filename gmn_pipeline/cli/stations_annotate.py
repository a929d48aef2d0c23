"""`gmn stations annotate`, `annotations`, `withdraw-annotation`: what people note of a station.

What belongs here: commands and sentences. What does not: keeping notes (`database/annotations.py`).
"""

from datetime import datetime
from typing import Annotated

import typer

from gmn_pipeline.cli.console import console
from gmn_pipeline.clock import in_utc, utc_now
from gmn_pipeline.database.annotations import AnnotationStore
from gmn_pipeline.database.engine import open_database
from gmn_pipeline.errors import SettingsError
from gmn_pipeline.schemas.annotations import Annotation, NewAnnotation
from gmn_pipeline.settings import load_settings

_LONGEST = 500
_MOST = 1_000
_By = Annotated[str | None, typer.Option("--by", help="Who says so.")]


def annotate(
    station: Annotated[str, typer.Argument(help="Its code, as its readings have it.")],
    text: Annotated[str, typer.Argument(help='What was done or seen: "lens cleaned".')],
    sensor: Annotated[str | None, typer.Option(help="Of this sensor only.")] = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="When: ISO 8601, UTC without a zone. Now without.")
    ] = None,
    end: Annotated[str | None, typer.Option("--until", help="Where it lasted, its end.")] = None,
    by: _By = None,
) -> None:
    """Note what was done at a station; charts of its readings show it."""
    begin_utc = _time("--from", begin) if begin else utc_now()
    end_utc = _time("--until", end) if end else None
    if end_utc is not None and end_utc <= begin_utc:
        raise SettingsError(
            f"It would end at {end_utc}, and begin at {begin_utc} (UTC).",
            remedy="Let --until be later than --from, which is now if it is not given.",
        )
    station, text = station.strip(), " ".join(text.split())
    words = [station, text, *(word for word in (sensor, by) if word is not None)]
    if not all(0 < len(word) <= _LONGEST and word.isprintable() for word in words):
        raise SettingsError(
            f"An annotation has a station, and a text of 1 to {_LONGEST} printable characters.",
            remedy='Write: gmn stations annotate HR0010 "lens cleaned"',
        )
    _say(_store().add(NewAnnotation(station, sensor, begin_utc, end_utc, text, by)))


def annotations(
    station: Annotated[str | None, typer.Argument(help="Of this one; of all without it.")] = None,
    *,
    withdrawn: Annotated[bool, typer.Option(help="Those too that were taken back.")] = False,
) -> None:
    """List what was noted of stations, the latest first."""
    found = _store().find(_MOST, [station] if station else [], are_withdrawn_wanted=withdrawn)
    for one in found:
        _say(one)
    if not found:
        console.print("Nothing is noted.")


def withdraw(
    number: Annotated[
        int, typer.Argument(help="Its number, as 'annotations' lists it.", min=1, max=10**15)
    ],
    by: _By = None,
) -> None:
    """Take an annotation back; it is kept, and no chart shows it any more."""
    _say(_store().withdraw(number, by))


def _store() -> AnnotationStore:
    return AnnotationStore(open_database(load_settings()))


def _time(option: str, text: str) -> datetime:
    try:
        return in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise SettingsError(
            f"{option} {text!r} is no time.",
            remedy="Write 2026-08-13T21:30, in UTC or with a zone.",
        ) from None


def _say(one: Annotation) -> None:
    until = f" to {one.end_utc:%Y-%m-%d %H:%M:%S}" if one.end_utc else ""
    sensor = f"/{one.sensor_id}" if one.sensor_id is not None else ""
    by = f" ({one.noted_by})" if one.noted_by else ""
    said = f"{one.number}  {one.begin_utc:%Y-%m-%d %H:%M:%S}{until}  {one.station_code}{sensor}: "
    said += f"{one.text}{by}"
    if one.withdrawn_at_utc is not None:
        by = f" by {one.withdrawn_by}" if one.withdrawn_by else ""
        said += f"  withdrawn {one.withdrawn_at_utc:%Y-%m-%d %H:%M:%S}{by}"
    console.print(said, markup=False, highlight=False, soft_wrap=True)
