"""The sensor on the source's listing.

What belongs here: what asks for days of trajectories by itself, and for which. What does not: what
a run does. The listing is compared with ledger and warehouse.
"""

import hashlib
import json
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import date, timedelta

import dagster as dg

from gmn_pipeline.errors import RetryableError
from gmn_pipeline.ledger import Ledger
from gmn_pipeline.orchestration.jobs import trajectory_days_job
from gmn_pipeline.orchestration.partitions import range_tags
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.orchestration.run_requests import RunRequests
from gmn_pipeline.sources.bins import FileKind, bin_of_name
from gmn_pipeline.sources.directory import Directory, open_directory
from gmn_pipeline.sources.names import FOLDERS
from gmn_pipeline.warehouse.store import Warehouse


@dg.sensor(
    job=trajectory_days_job,
    minimum_interval_seconds=300,
    description="Compares the source's directory listing with what was landed and loaded, and asks "
    "for the days of which a file is new, changed, or did not get into the warehouse: this is also "
    "what fills gaps.",
)
def changed_files_sensor(
    context: dg.SensorEvaluationContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.SensorResult | dg.SkipReason:
    settings = pipeline.settings()
    try:
        changed = changed_days(
            open_directory(settings), Ledger(settings.data_dir), Warehouse(settings).taken_files()
        )
    except RetryableError as error:
        return dg.SkipReason(str(error))
    wanted = RunRequests(context, settings.sensor_attempts)
    requests: list[dg.RunRequest] = []
    for days in _ranges(sorted(changed), settings.sensor_days_per_run):
        if len(requests) + wanted.under_way == settings.sensor_runs_at_once:
            break
        answer = wanted.request(
            _state({day: changed[day] for day in days}),
            f"{days[0]} to {days[-1]}",
            tags=range_tags(days[0], days[-1]),
        )
        if isinstance(answer, dg.RunRequest):
            requests.append(answer)
    if not requests:
        return dg.SkipReason(
            f"{len(changed)} days are not in the warehouse as listed; {wanted.under_way} runs "
            "under way."
            if changed
            else "Everything that the source lists is in the warehouse."
        )
    return wanted.result(requests)


def changed_days(directory: Directory, ledger: Ledger, taken: Container[str]) -> dict[date, str]:
    """Days with a listed file that was not landed in this state, or not taken in, and the files.

    A file is landed before it is loaded: a process that ends in between leaves it landed only.
    """
    landed = ledger.newest_landed()
    states: dict[date, list[str]] = {}
    for entry in directory.list(FOLDERS[FileKind.DAILY]):
        bin_ = bin_of_name(entry.path.rsplit("/", 1)[-1])
        if bin_ is None:
            continue
        known = landed.get(entry.path)
        if known is None or known.listed_state != entry.state or known.sha256 not in taken:
            states.setdefault(bin_.date, []).append(f"{entry.path} {entry.state}")
    return {day: "; ".join(sorted(files)) for day, files in states.items()}


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
