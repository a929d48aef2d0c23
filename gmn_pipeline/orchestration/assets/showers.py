"""The IAU's meteor showers as Dagster shows them."""

import dagster as dg

from gmn_pipeline.errors import SourceRefused, SourceUnavailable
from gmn_pipeline.orchestration.assets.keys import WAREHOUSE_IAU_SHOWERS
from gmn_pipeline.orchestration.metadata import OWNERS, column_schema
from gmn_pipeline.orchestration.pools import WAREHOUSE_WRITER
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.schemas.tables import IAU_SHOWERS
from gmn_pipeline.sources import iau_showers
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.showers import load_showers


@dg.asset(
    key=WAREHOUSE_IAU_SHOWERS,
    group_name="warehouse",
    owners=OWNERS,
    kinds={"duckdb", "ducklake"},
    description="Number, code and name of every meteor shower of the IAU Meteor Data Center; "
    "from its list if that can be reached, else from the copy that comes along.",
    metadata={"dagster/column_schema": column_schema(IAU_SHOWERS)},
    pool=WAREHOUSE_WRITER,
)
def warehouse_iau_showers(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.MaterializeResult[None]:
    settings = pipeline.settings()
    try:
        showers = iau_showers.download(settings.iau_showers_url, settings.user_agent)
    except (SourceUnavailable, SourceRefused) as error:
        context.log.warning(str(error))
        showers = iau_showers.bundled()
    changed = load_showers(WarehouseConnection(settings), showers)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(showers.showers),
            "edition": showers.edition,
            "changed": changed,
        }
    )
