"""The IAU's meteor showers as Dagster shows them."""

import dagster as dg

from gmn_pipeline.orchestration.asset_checks import ALL_SHOWERS_KNOWN, all_showers_known
from gmn_pipeline.orchestration.assets.keys import WAREHOUSE_IAU_SHOWERS
from gmn_pipeline.orchestration.metadata import OWNERS, column_schema
from gmn_pipeline.orchestration.pools import WAREHOUSE_WRITER
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.schemas.tables import IAU_SHOWERS
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.showers import refresh_showers, unknown_showers


@dg.asset(
    key=WAREHOUSE_IAU_SHOWERS,
    group_name="warehouse",
    owners=OWNERS,
    kinds={"duckdb", "ducklake"},
    description="Every meteor shower of the IAU Meteor Data Center, and in iau_shower_solutions "
    "its radiants, speeds and orbits; from its list if that can be had, else from the copy that "
    "comes along.",
    metadata={"dagster/column_schema": column_schema(IAU_SHOWERS)},
    check_specs=[ALL_SHOWERS_KNOWN],
    pool=WAREHOUSE_WRITER,
)
def warehouse_iau_showers(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.MaterializeResult:  # type: ignore[type-arg]  # beside checks Dagster refuses [None]
    settings = pipeline.settings()
    refresh = refresh_showers(settings)
    for warning in refresh.warnings:
        context.log.warning(warning)
    context.log.info(f"The IAU shower list in use: {refresh.edition}.")
    with WarehouseConnection(settings).open(read_only=True) as connection:
        unknown = unknown_showers(connection)
    return dg.MaterializeResult(
        metadata=refresh.metadata(), check_results=[all_showers_known(unknown)]
    )
