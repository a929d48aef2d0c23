"""Maintenance of the warehouse as Dagster shows it."""

from dataclasses import asdict

import dagster as dg

from gmn_pipeline.errors import GmnError
from gmn_pipeline.flows.maintenance import maintain, maintain_objects
from gmn_pipeline.orchestration.assets import keys
from gmn_pipeline.orchestration.metadata import OWNERS
from gmn_pipeline.orchestration.pools import WAREHOUSE_WRITER
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.orchestration.retries import retry_or_fail


@dg.asset(
    key=keys.WAREHOUSE_MAINTENANCE,
    deps=[keys.WAREHOUSE_TRAJECTORIES],
    group_name="warehouse",
    owners=OWNERS,
    kinds={"duckdb", "ducklake"},
    description="Puts the rows and files of many small commits together, lets DuckLake's old "
    "snapshots go and removes files that nothing needs. No query has another answer or fails.",
    pool=WAREHOUSE_WRITER,
)
def warehouse_maintenance(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.MaterializeResult[None]:
    settings = pipeline.settings()
    try:
        done = asdict(maintain(settings, pipeline.ledger()))
        objects = maintain_objects(settings)
    except GmnError as error:
        raise retry_or_fail(context, settings, [error]) from error
    if objects is not None:
        done |= {f"objects_{name}": count for name, count in asdict(objects).items()}
    return dg.MaterializeResult(metadata=done)
