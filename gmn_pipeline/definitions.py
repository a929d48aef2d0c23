"""What Dagster loads: `defs`. Wiring only."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from gmn_pipeline.assets import ASSETS, Pipeline
from gmn_pipeline.automation import JOBS, SCHEDULES, SENSORS
from gmn_pipeline.trajectory_days import Watch


def build_defs(
    overrides: Mapping[str, Any] | None = None, *, watch: Watch | None = None
) -> dg.Definitions:
    """The definitions. Settings in `overrides` take the place of the environment's."""
    return dg.Definitions(
        assets=ASSETS,
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=SENSORS,
        resources={"pipeline": Pipeline(overrides or {}, watch)},
    )


defs = build_defs()
