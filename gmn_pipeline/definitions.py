"""What Dagster loads: `defs`. Wiring only."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from gmn_pipeline.assets import ASSETS, Pipeline
from gmn_pipeline.automation import JOBS, SCHEDULES, SENSORS
from gmn_pipeline.publications.assets import (
    publications_job,
    publications_trajectory_summary_raw,
    unpublished_sensor,
)
from gmn_pipeline.streams.assets import stream_sensor, streams_job, streams_trajectory_summary_raw
from gmn_pipeline.trajectory_days import Watch


def build_defs(
    overrides: Mapping[str, Any] | None = None, *, watch: Watch | None = None
) -> dg.Definitions:
    """The definitions. Settings in `overrides` take the place of the environment's."""
    return dg.Definitions(
        assets=[*ASSETS, publications_trajectory_summary_raw, streams_trajectory_summary_raw],
        jobs=[*JOBS, publications_job, streams_job],
        schedules=SCHEDULES,
        sensors=[*SENSORS, unpublished_sensor, stream_sensor],
        resources={"pipeline": Pipeline(overrides or {}, watch)},
    )


defs = build_defs()
