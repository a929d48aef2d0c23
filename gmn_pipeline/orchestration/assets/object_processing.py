"""What is read out of objects as Dagster shows it: an asset without partitions.

What belongs here: the asset, its check, what a run tells. What does not: reading
(`flows/object_processing.py`).
"""

from collections.abc import Iterator

import dagster as dg

from gmn_pipeline.errors import GmnError
from gmn_pipeline.flows.object_processing import ObjectProcessing
from gmn_pipeline.orchestration.asset_checks import check_result
from gmn_pipeline.orchestration.assets import keys
from gmn_pipeline.orchestration.metadata import OWNERS, column_schema
from gmn_pipeline.orchestration.pools import OBJECTS_READER
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.orchestration.retries import retry_or_fail
from gmn_pipeline.schemas.object_tables import CATALOGUE
from gmn_pipeline.schemas.objects import By

_SHOWN = 50

_READ = dg.AssetCheckSpec(
    "every_object_was_read",
    asset=keys.PROCESSING_OBJECTS,
    description="Every object of the run was read by all processors that take its type; the "
    "message has the reasons why not. Each is tried GMN_OBJECTS_PROCESS_TRIES times.",
)
_SPEC = dg.AssetSpec(
    keys.PROCESSING_OBJECTS,
    group_name="processing",
    owners=OWNERS,
    kinds={"duckdb", "ducklake"},
    description="What is read out of objects by their type, in a lake of its own: tables, "
    "detections, calibrations, documents, and the catalogue of objects as a table. A run takes a "
    "batch of what waits; one bad object fails alone.",
    metadata={"dagster/column_schema": column_schema(CATALOGUE)},
)


@dg.multi_asset(name="process_objects", specs=[_SPEC], check_specs=[_READ], pool=OBJECTS_READER)
def process_objects(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Read a batch of the objects that wait."""
    settings = pipeline.settings()
    processing = ObjectProcessing(settings, By("Dagster", context.run.run_id))
    try:
        with processing.working() as workshop:
            done = processing.process_waiting(workshop)
    except GmnError as error:
        raise retry_or_fail(context, settings, [error]) from error
    for name, why in done.failures.items():
        context.log.warning(f"{name}: {why}")
    yield dg.MaterializeResult(
        asset_key=_SPEC.key,
        metadata={
            "read": done.finished, "failed": len(done.failures), "rows": done.rows,
            "objects_made": done.made, "objects_mirrored": done.mirrored,
        },
    )  # fmt: skip
    some = dict(list(done.failures.items())[:_SHOWN])
    found = {"failed": len(done.failures), "reasons": some} if some else {}
    yield check_result(_READ, not done.failures, found)[1]
