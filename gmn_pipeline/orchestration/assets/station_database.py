"""The table of readings of a station's own database as Dagster shows it: what is new, and days."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from gmn_pipeline.database.engine import open_database
from gmn_pipeline.database.source_marks import SourceMarks
from gmn_pipeline.flows.station_database import (
    opened_database,
    publishing,
    take_between,
    take_what_is_new,
)
from gmn_pipeline.orchestration.assets.keys import (
    PUBLICATIONS_STATION_DATABASE,
    PUBLICATIONS_STATION_DATABASE_DAYS,
)
from gmn_pipeline.orchestration.partitions import DAYS
from gmn_pipeline.orchestration.pools import STATION_DATABASE
from gmn_pipeline.orchestration.resources import Pipeline


@dg.asset(
    key=PUBLICATIONS_STATION_DATABASE,
    group_name="publications",
    kinds={"mysql", "kafka"},
    pool=STATION_DATABASE,
    description="Readings of a station's own database (MySQL, MariaDB) onto the topic: the whole "
    "table the first time, and then what came since.",
)
def publish_station_database(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.MaterializeResult[None]:
    settings = pipeline.settings()
    marks = SourceMarks(open_database(settings))
    with (
        opened_database(settings) as database,
        publishing(settings, database.table.place) as publish,
    ):
        taken = take_what_is_new(
            database, marks, publish,
            on_page=lambda so_far: context.log.info(f"{so_far.read:,} rows so far."),
        )  # fmt: skip
    if taken.out_of_reach:
        context.log.warning(
            f"{taken.out_of_reach:,} rows have nothing in {database.table.grows}: not taken."
        )
    return dg.MaterializeResult(metadata=taken.metadata())


@dg.asset(
    key=PUBLICATIONS_STATION_DATABASE_DAYS,
    group_name="publications",
    kinds={"mysql", "kafka"},
    pool=STATION_DATABASE,
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="Days of a station's own database once more, by when they were measured: for "
    "backfills. Readings that are there already change nothing.",
)
def publish_station_database_days(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.MaterializeResult[None]:
    settings = pipeline.settings()
    days = context.partition_keys
    begin = _midnight(days[0])
    end = _midnight(days[-1]) + timedelta(days=1)
    with (
        opened_database(settings) as database,
        publishing(settings, database.table.place) as publish,
    ):
        taken = take_between(database, begin, end, publish)
    return dg.MaterializeResult(metadata=taken.metadata())


def _midnight(day: str) -> datetime:
    return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).replace(tzinfo=None)
