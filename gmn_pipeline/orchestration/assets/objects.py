"""The lake of objects as Dagster shows it: how much there is, swept, and whether its bytes are
right.

What belongs here: the asset and its check. What does not: what they do (`landing/objects.py`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from gmn_pipeline.database.object_search import Search
from gmn_pipeline.errors import GmnError
from gmn_pipeline.flows.objects import opened_objects
from gmn_pipeline.orchestration.assets import keys
from gmn_pipeline.orchestration.markdown import cell, table
from gmn_pipeline.orchestration.metadata import OWNERS
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.orchestration.retries import retry_or_fail
from gmn_pipeline.schemas.objects import StoredObject

_SHOWN = 100


@dg.asset(
    key=keys.OBJECTS_CATALOGUE,
    group_name="objects",
    owners=OWNERS,
    description="All objects. A run forgets those that can be restored no more, removes bytes that "
    "nothing names, and counts what there is.",
)
def objects_catalogue(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.MaterializeResult[None]:
    settings = pipeline.settings()
    lake = opened_objects(settings)
    try:
        removed = lake.landing.sweep(timedelta(hours=settings.objects_claim_hours))
        counts = {one: lake.search.count(Search(project=one)) for one in lake.catalogue.projects()}
    except GmnError as error:
        raise retry_or_fail(context, settings, [error]) from error
    rows = [
        (cell(project), f"{objects:,}", f"{size_bytes:,}")
        for project, (objects, size_bytes) in counts.items()
    ]
    return dg.MaterializeResult(
        metadata={
            "objects": sum(objects for objects, _ in counts.values()),
            "bytes": sum(size_bytes for _, size_bytes in counts.values()),
            "contents_removed": removed,
            "by_project": dg.MetadataValue.md(table(("project", "objects", "bytes"), rows)),
        }
    )


@dg.asset_check(
    name=keys.BYTES_ARE_RIGHT,
    asset=keys.OBJECTS_CATALOGUE,
    description="The bytes of all objects have the hashes that they came with, in every version. "
    "Those that were checked in the last GMN_OBJECTS_CHECK_DAYS are not read again. 'gmn objects "
    "verify' asks the same.",
)
def bytes_are_right(
    context: dg.AssetCheckExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.AssetCheckResult:
    settings = pipeline.settings()
    lake = opened_objects(settings)
    before_utc = _began_utc(context) - timedelta(days=settings.objects_check_days)
    try:
        done = lake.landing.verify(before_utc)
        damaged = lake.catalogue.damaged()
    except GmnError as error:
        raise retry_or_fail(context, settings, [error]) from error
    for stored, fault in damaged:
        context.log.error(f"{stored.name}, version {stored.version}: {fault}")
    return dg.AssetCheckResult(
        passed=not damaged,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "contents_checked": done.checked,
            "bytes_checked": done.size_bytes,
            "damaged": len(damaged),
            "which": dg.MetadataValue.md(_shown(damaged)),
        },
    )


def _began_utc(context: dg.AssetCheckExecutionContext) -> datetime:
    """When the run began of which this is a retry, or this one: what was checked since then was
    checked by it, and is not read once more."""
    run_id = context.run.root_run_id or context.run.run_id
    record = context.instance.get_run_record_by_id(run_id)
    assert record is not None
    began: datetime = record.create_timestamp
    return began.astimezone(UTC).replace(tzinfo=None)


def _shown(damaged: Sequence[tuple[StoredObject, str]]) -> str:
    rows = [
        (cell(stored.name), f"{stored.version}", cell(fault)) for stored, fault in damaged[:_SHOWN]
    ]
    return table(("object", "version", "fault"), rows) if rows else "none"
