"""The analysts' database as Dagster shows it."""

import dagster as dg
import duckdb

from gmn_pipeline.orchestration.assets import keys
from gmn_pipeline.orchestration.automation import WHEN_WAREHOUSE_CHANGED
from gmn_pipeline.orchestration.metadata import OWNERS
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.releases.snapshot import make_snapshot, read_manifest
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES


@dg.asset(
    key=keys.WAREHOUSE_SNAPSHOT,
    deps=[keys.WAREHOUSE_TRAJECTORIES, keys.WAREHOUSE_IAU_SHOWERS],
    group_name="warehouse",
    owners=OWNERS,
    kinds={"duckdb", "parquet"},
    description="gmn.duckdb and Parquet for analysts, made from one state of the warehouse, "
    "verified, and swapped in atomically with a manifest beside it.",
    automation_condition=WHEN_WAREHOUSE_CHANGED,
)
def warehouse_snapshot(pipeline: dg.ResourceParam[Pipeline]) -> dg.MaterializeResult[None]:
    settings = pipeline.settings()
    manifest, is_new = make_snapshot(settings)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": manifest.rows[TRAJECTORIES.name],
            "rows": manifest.rows,
            "warehouse_snapshot_id": manifest.warehouse_snapshot_id,
            "made_anew": is_new,
            "path": str((settings.snapshot_dir / "current").relative_to(settings.data_dir)),
        }
    )


@dg.asset_check(
    name="opens_with_all_rows",
    asset=keys.WAREHOUSE_SNAPSHOT,
    description="gmn.duckdb opens as analysts open it, and each table has the rows that the "
    "manifest beside it says.",
)
def snapshot_opens_with_all_rows(pipeline: dg.ResourceParam[Pipeline]) -> dg.AssetCheckResult:
    manifest = read_manifest(pipeline.settings())
    if manifest is None:
        return dg.AssetCheckResult(passed=False, metadata={"error": "There is no snapshot yet."})
    try:
        with pipeline.analysts_database().get_connection() as connection:
            found = {
                table: connection.table(f'"{table}"').count("*").fetchall()[0][0]
                for table in manifest.rows
            }
    except duckdb.Error as error:
        return dg.AssetCheckResult(passed=False, metadata={"error": str(error)})
    return dg.AssetCheckResult(
        passed=found == manifest.rows,
        metadata={"rows": found, "rows_of_manifest": manifest.rows},
    )
