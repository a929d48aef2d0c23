"""The sensor on the source's listing.

What belongs here: what asks for days of trajectories by itself, and for which. What does not: what
a run does. The listing is compared with ledger and warehouse.
"""

import hashlib
import json
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta

import dagster as dg

from gmn_pipeline.database.ledger import Ledger
from gmn_pipeline.errors import RetryableError
from gmn_pipeline.orchestration.jobs import trajectory_days_job
from gmn_pipeline.orchestration.partitions import range_tags
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.orchestration.run_requests import RunRequests
from gmn_pipeline.readers.solar_longitude_bins import Bin, FileKind, bin_of_name
from gmn_pipeline.sources.gmn_directory import Directory, ListingEntry, open_directory
from gmn_pipeline.sources.names import FOLDERS
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.reading import read_rows
from gmn_pipeline.warehouse.trajectories.files import Warehouse

# How listings write a time: Apache, nginx, and a folder here.
_LISTED_TIMES = (
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%d-%b-%Y %H:%M",
    "%d-%b-%Y %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S",
)
# The west is up to twelve hours behind UTC; two hours are for clocks that are wrong.
_TIME_ZONES = timedelta(hours=14)


@dg.sensor(
    job=trajectory_days_job,
    minimum_interval_seconds=300,
    description="Compares the source's directory listing with what was landed and loaded, and "
    "requests runs for the days of which a daily file is new, changed, or did not get into the "
    "warehouse: this is also what fills gaps. Of days that were loaded from monthly, yearly or "
    "all-files: where the daily file was modified since (GMN_SENSOR_REFETCH_HISTORY: always).",
)
def changed_files_sensor(
    context: dg.SensorEvaluationContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.SensorResult | dg.SkipReason:
    settings = pipeline.settings()
    warehouse = Warehouse(settings)
    try:
        changed = changed_days(
            open_directory(settings), pipeline.ledger(), warehouse.taken_files(),
            {} if settings.sensor_refetch_history else history_bins(warehouse.connection),
        )  # fmt: skip
    except RetryableError as error:
        return dg.SkipReason(str(error))
    wanted = RunRequests(context, settings.sensor_attempts)
    requests: list[dg.RunRequest] = []
    is_whole = True
    for days in _ranges(sorted(changed), settings.sensor_days_per_run):
        if len(requests) + wanted.under_way == settings.sensor_runs_at_once:
            is_whole = False
            break
        answer = wanted.request(
            _state({day: changed[day] for day in days}),
            f"files of {len(days):,} days, {days[0]} to {days[-1]}, are not in the warehouse as "
            "the source lists them",
            tags=range_tags(days[0], days[-1]),
        )
        if isinstance(answer, dg.RunRequest):
            requests.append(answer)
    if not requests:
        return wanted.none(
            f"{len(changed):,} days are not in the warehouse as listed; {wanted.under_way} runs "
            f"under way, {wanted.given_up} given up."
            if changed
            else "Everything that the source lists is in the warehouse.",
            is_whole=is_whole,
        )
    return wanted.result(requests, is_whole=is_whole)


def changed_days(
    directory: Directory,
    ledger: Ledger,
    taken: Container[str],
    history: Mapping[Bin, datetime],
) -> dict[date, str]:
    """Days with a listed file that was not landed in this state, or not taken in, and the files.

    A file is landed before it is loaded: a process that ends in between leaves it landed only. A
    file that was never landed is left where its bin is in the warehouse from a history file
    (`history`: generated when) and the listing says that it was not modified since.
    """
    landed = ledger.newest_landed()
    states: dict[date, list[str]] = {}
    for entry in directory.list(FOLDERS[FileKind.DAILY]):
        bin_ = bin_of_name(entry.path.rsplit("/", 1)[-1])
        if bin_ is None:
            continue
        known = landed.get(entry.path)
        if known is None and bin_ in history and not _may_be_newer(entry, history[bin_]):
            continue
        if known is None or known.listed_state != entry.state or known.sha256 not in taken:
            states.setdefault(bin_.date, []).append(f"{entry.path} {entry.state}")
    return {day: "; ".join(sorted(files)) for day, files in states.items()}


def history_bins(warehouse: WarehouseConnection) -> dict[Bin, datetime]:
    """Bins that history files cover whole, and when the oldest of those was generated (UTC).

    A bin over the end of a month is covered by two monthly files, each to or from midnight.
    """
    rows = read_rows(
        warehouse,
        "SELECT bin_date, bin_solar_longitude_deg, min(summary_generated_at_utc) FROM ("
        "  FROM source_files WHERE outcome = 'loaded' "
        "  AND (covers_from_utc IS NULL OR covers_from_utc IS DISTINCT FROM covers_until_utc)"
        "  QUALIFY row_number() OVER ("
        "    PARTITION BY bin_date, bin_solar_longitude_deg, covers_from_utc, covers_until_utc"
        "    ORDER BY summary_generated_at_utc DESC) = 1"
        f") GROUP BY 1, 2 HAVING bool_or({_not_cut('covers_from_utc')})"
        f" AND bool_or({_not_cut('covers_until_utc')})",
    )
    return {Bin(day, degree): generated_at for day, degree, generated_at in rows}


def _not_cut(limit: str) -> str:
    """Whether a limit is the bin's own and not the midnight at which a month's file ends."""
    return f"{limit} IS NULL OR {limit} <> date_trunc('month', {limit})"


def _may_be_newer(entry: ListingEntry, generated_at_utc: datetime) -> bool:
    """Whether a listed file may have been modified after that. In doubt it may: a listing's time
    is that of the web server, wherever it stands."""
    for form in _LISTED_TIMES:
        try:
            modified = datetime.strptime(entry.modified, form)
        except ValueError:
            continue
        return modified.replace(tzinfo=None) + _TIME_ZONES > generated_at_utc
    return True


def _ranges(days: Sequence[date], most: int) -> Iterator[list[date]]:
    """Runs of neighbouring days, none longer than `most`.

    Upstream has no file for some dates; a gap of a day or two does not end a run.
    """
    group: list[date] = []
    for day in days:
        if group and (day - group[-1] > timedelta(days=3) or (day - group[0]).days >= most):
            yield group
            group = []
        group.append(day)
    if group:
        yield group


def _state(changed: Mapping[date, str]) -> str:
    text = json.dumps({day.isoformat(): state for day, state in changed.items()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
