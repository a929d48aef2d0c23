"""The sensor on objects that wait to be read."""

import hashlib
import json

import dagster as dg

from gmn_pipeline.errors import RetryableError
from gmn_pipeline.flows.object_processing import ObjectProcessing, is_being_processed
from gmn_pipeline.orchestration.jobs import object_processing_job
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.orchestration.run_requests import RunRequests
from gmn_pipeline.schemas.objects import By

OBJECTS_TAG = "gmn/objects"
"""On a run: the ids of the objects that it was requested for, as far as they fit."""
_LONGEST_TAG = 200


@dg.sensor(
    job=object_processing_job,
    minimum_interval_seconds=5,
    description="Requests a run for the next batch of objects that are new, are to be read again, "
    "or have not been read by this version of a processor. Rests while "
    "'gmn objects process --follow' works.",
)
def objects_sensor(
    context: dg.SensorEvaluationContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.SensorResult | dg.SkipReason:
    """One run for the first batch of what waits."""
    settings = pipeline.settings()
    requests = RunRequests(context, settings.sensor_attempts)
    if is_being_processed(settings):
        return dg.SkipReason("'gmn objects process' (or a run) reads objects already.")
    try:
        processing = ObjectProcessing(settings, By("Dagster"))
        waiting = processing.waiting(settings.objects_process_batch)
        mark = processing.runs.mark()
        is_all_done = not waiting and processing.is_mirrored()
    except RetryableError as error:
        return dg.SkipReason(str(error))
    if is_all_done:
        return requests.none("Every object has been read.")
    pairs = [(one.object_id, one.version, names) for one, names in waiting]
    text = json.dumps([mark, pairs])
    ids = ",".join(str(one.object_id) for one, _ in waiting)
    shown = ids if len(ids) <= _LONGEST_TAG else ids[: ids.rindex(",", 0, _LONGEST_TAG)] + ",..."
    return requests.single(
        hashlib.sha256(text.encode()).hexdigest()[:16],
        f"{len(waiting):,} objects wait to be read" if waiting else "objects were moved or deleted",
        tags={OBJECTS_TAG: shown},
        of_job=object_processing_job.name,
    )
