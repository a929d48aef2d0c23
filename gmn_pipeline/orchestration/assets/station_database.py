"""The table of readings of a station's own database as Dagster shows it: what is new, and days."""

from datetime import datetime, timedelta

import dagster as dg

from gmn_pipeline.database.engine import open_database
from gmn_pipeline.database.source_marks import SourceMarks
from gmn_pipeline.errors import GmnError
from gmn_pipeline.flows.station_database import opened_road, take_between, take_what_is_new
from gmn_pipeline.orchestration.assets import keys
from gmn_pipeline.orchestration.metadata import OWNERS
from gmn_pipeline.orchestration.partitions import DAYS
from gmn_pipeline.orchestration.pools import STATION_DATABASE
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.orchestration.retries import retry_or_fail

_KINDS = {"mysql", "kafka"}
_NEW = dg.AssetSpec(
    keys.PUBLICATIONS_STATION_DATABASE,
    group_name="publications",
    owners=OWNERS,
    kinds=_KINDS,
    description="Readings of a station's own database (MySQL, MariaDB) onto the topic: the whole "
    "table the first time, and then what came since.",
)
_DAYS = dg.AssetSpec(
    keys.PUBLICATIONS_STATION_DATABASE_DAYS,
    group_name="publications",
    owners=OWNERS,
    kinds=_KINDS,
    partitions_def=DAYS,
    description="Days of a station's own database once more, by when they were measured: for "
    "backfills. Readings that are there already change nothing.",
)


@dg.multi_asset(name="publish_station_database", specs=[_NEW], pool=STATION_DATABASE)
def publish_station_database(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.MaterializeResult[None]:
    settings = pipeline.settings()
    marks = SourceMarks(open_database(settings))
    try:
        with opened_road(settings) as (database, publish):
            taken = take_what_is_new(
                database, marks, publish,
                on_page=lambda so_far: context.log.info(f"{so_far.read:,} rows so far."),
            )  # fmt: skip
    except GmnError as error:
        raise retry_or_fail(context, settings, [error]) from error
    if taken.out_of_reach:
        context.log.warning(
            f"{taken.out_of_reach:,} rows have nothing in {database.table.grows}: not taken."
        )
    return dg.MaterializeResult(metadata=taken.metadata())


@dg.multi_asset(
    name="publish_station_database_days",
    specs=[_DAYS],
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=STATION_DATABASE,
)
def publish_station_database_days(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.MaterializeResult[None]:
    settings = pipeline.settings()
    days = [datetime.fromisoformat(key) for key in context.partition_keys]
    try:
        with opened_road(settings) as (database, publish):
            taken = take_between(database, min(days), max(days) + timedelta(days=1), publish)
    except GmnError as error:
        raise retry_or_fail(context, settings, [error]) from error
    return dg.MaterializeResult(metadata=taken.metadata())
