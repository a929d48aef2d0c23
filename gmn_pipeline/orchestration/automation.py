"""Dagster's automation conditions: what is made anew because something before it changed."""

import dagster as dg

from gmn_pipeline.orchestration.assets import keys
from gmn_pipeline.orchestration.run_requests import WHY_TAG

WHEN_WAREHOUSE_CHANGED = (
    dg.AutomationCondition.any_deps_updated()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
)

snapshot_automation = dg.AutomationConditionSensorDefinition(
    "snapshot_automation",
    target=dg.AssetSelection.assets(keys.WAREHOUSE_SNAPSHOT),
    description="Makes gmn.duckdb and Parquet anew when trajectories or showers in the warehouse "
    "changed, once no run is at work on them.",
    run_tags={WHY_TAG: "the warehouse changed"},
)
