"""The IAU's meteor showers as Dagster shows them."""

import dagster as dg

from gmn_pipeline.orchestration.asset_checks import ALL_SHOWERS_KNOWN, all_showers_known
from gmn_pipeline.orchestration.metadata import asset_spec
from gmn_pipeline.orchestration.pools import WAREHOUSE_WRITER
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.schemas.showers import DATASET
from gmn_pipeline.warehouse.showers import refresh_showers, unknown_showers

WAREHOUSE = asset_spec(
    DATASET,
    "warehouse",
    "Every meteor shower of the IAU Meteor Data Center, and in iau_shower_solutions its radiants, "
    "speeds and orbits; from its list if that can be had, else from the copy that comes along.",
    kinds={"duckdb", "ducklake"},
)


@dg.asset(
    key=WAREHOUSE.key,
    group_name=WAREHOUSE.group_name,
    owners=WAREHOUSE.owners,
    kinds=WAREHOUSE.kinds,
    description=WAREHOUSE.description,
    metadata=WAREHOUSE.metadata,
    check_specs=[ALL_SHOWERS_KNOWN],
    pool=WAREHOUSE_WRITER,
)
def warehouse_iau_showers(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.MaterializeResult:  # type: ignore[type-arg]  # beside checks Dagster refuses [None]
    warehouse = pipeline.warehouse()
    refresh = refresh_showers(pipeline.settings(), warehouse)
    for warning in refresh.warnings:
        context.log.warning(warning)
    context.log.info(f"The IAU shower list in use: {refresh.edition}.")
    with warehouse.open(read_only=True) as connection:
        unknown = unknown_showers(connection)
    return dg.MaterializeResult(
        metadata=refresh.metadata(), check_results=[all_showers_known(unknown)]
    )
