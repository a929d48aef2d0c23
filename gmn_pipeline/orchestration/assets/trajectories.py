"""The days of trajectories as Dagster shows them: landing, validated, warehouse.

What belongs here: specs, the operation, and how a run's outcome becomes events. What does not: the
work itself (`flows/trajectory_days.py` and the folders of the stages).

One operation takes any range of days through landing, validated and warehouse. A day that fails
gets no materialization and fails the run at its end, after all other days were loaded: in the UI
that one day is red, the others are green (docs/decisions/0003-one-operation-for-days.md).
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import dagster as dg

from gmn_pipeline.config import Settings
from gmn_pipeline.errors import GmnError
from gmn_pipeline.flows.trajectory_days import Report, Stage, load_days
from gmn_pipeline.orchestration.asset_checks import DAY_CHECKS, check_results
from gmn_pipeline.orchestration.assets import keys
from gmn_pipeline.orchestration.day_metadata import day_metadata, previews
from gmn_pipeline.orchestration.metadata import OWNERS, TAGS, column_lineage, column_schema
from gmn_pipeline.orchestration.partition_events import (
    add_metadata,
    log_materializations,
    shown_days,
)
from gmn_pipeline.orchestration.partitions import DAYS
from gmn_pipeline.orchestration.pools import WAREHOUSE_WRITER
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.orchestration.retries import retry_or_fail
from gmn_pipeline.schemas.tables import TRAJECTORIES, VALIDATED_TRAJECTORIES


def _spec(key: dg.AssetKey, description: str, **more: Any) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        description=description,
        group_name=key.path[0],
        owners=OWNERS,
        partitions_def=DAYS,
        skippable=True,
        tags=TAGS,
        **more,
    )


LANDING = _spec(
    keys.LANDING_TRAJECTORIES,
    "The trajectory summary files of a day, byte for byte as the network served them, every "
    "version kept. A day is the UTC date on which a bin of one degree of solar longitude begins: "
    "some dates have two files, some none. Fails if the source cannot be reached, or a file was "
    "caught half written; it is then taken again.",
    kinds={"http", "file"},
)
VALIDATED = _spec(
    keys.VALIDATED_TRAJECTORIES,
    "Rows of the landed files, typed and checked against the definition of the 86 columns. Rows "
    "that cannot be real are set apart with their line and every reason; rows that are merely odd "
    "carry quality flags. Fails if a file has other columns than the known ones.",
    deps=[LANDING],
    kinds={"polars", "parquet"},
    metadata={"dagster/column_schema": column_schema(VALIDATED_TRAJECTORIES)},
)
WAREHOUSE = _spec(
    keys.WAREHOUSE_TRAJECTORIES,
    "Current trajectories with their revisions, station links and source files. A file is the "
    "whole truth of its bin: new trajectories are inserted, changed ones revised, vanished ones "
    "withdrawn; every former state stays in trajectory_revisions.",
    deps=[VALIDATED],
    kinds={"duckdb", "ducklake"},
    metadata={
        "dagster/column_schema": column_schema(TRAJECTORIES),
        "dagster/column_lineage": column_lineage(
            TRAJECTORIES, VALIDATED_TRAJECTORIES, keys.VALIDATED_TRAJECTORIES
        ),
    },
    freshness_policy=dg.FreshnessPolicy.time_window(
        fail_window=timedelta(hours=50), warn_window=timedelta(hours=26)
    ),
)
_SPECS = {Stage.LANDING: LANDING, Stage.VALIDATED: VALIDATED, Stage.WAREHOUSE: WAREHOUSE}


@dg.multi_asset(
    name="load_trajectory_days",
    specs=list(_SPECS.values()),
    check_specs=DAY_CHECKS,
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=WAREHOUSE_WRITER,
)
def load_trajectory_days(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Take the run's days through the selected stages."""
    days = [date.fromisoformat(key) for key in context.partition_keys]
    stages = frozenset(s for s, spec in _SPECS.items() if spec.key in context.selected_asset_keys)
    settings = pipeline.settings()
    try:
        report = load_days(days, settings, stages=stages, watch=pipeline.watch)
    except GmnError as error:
        raise retry_or_fail(context, settings, [error]) from error
    _log(context, report)
    shown = previews(settings, days)
    for stage in Stage:
        asset = _SPECS[stage].key
        if stage not in stages or _is_shown(context, asset, report):
            continue
        metadata = {d.day.isoformat(): day_metadata(stage, d, shown) for d in report.good}
        if report.failed:
            # Not as an output: that would mark every day of the range as materialized.
            log_materializations(context, asset, metadata)
        else:
            add_metadata(context, asset, metadata)
            yield dg.MaterializeResult(asset_key=asset)
    for check, result in check_results(report):
        if check.key in context.selected_asset_check_keys:
            yield result
    if report.failed:
        raise _days_failure(context, settings, report)


def _is_shown(context: dg.AssetExecutionContext, asset: dg.AssetKey, report: Report) -> bool:
    """Whether the run did nothing, and all its days show as materialized already.

    Then the asset is skipped, and so is what depends on it: thousands of days are not told anew.
    Not where a day failed: those that are not told of would show as failed with it.
    """
    if report.failed or any(day.is_news for day in report.days.values()):
        return False
    return shown_days(context, asset, DAYS).issuperset(context.partition_keys)


def _log(context: dg.AssetExecutionContext, report: Report) -> None:
    for warning in report.warnings:
        context.log.warning(warning)
    for day in report.failed:
        context.log.error(f"{day.day}: {day.error}")
    context.log.info(
        f"{len(report.good)} of {len(report.days)} days came through: "
        f"{report.total('read')} rows read, {report.total('accepted')} accepted, "
        f"{report.total('rejected')} rejected; {report.total('inserted')} inserted, "
        f"{report.total('revised')} revised, {report.total('unchanged')} unchanged, "
        f"{report.total('withdrawn')} withdrawn."
    )


def _days_failure(
    context: dg.AssetExecutionContext, settings: Settings, report: Report
) -> Exception:
    """What ends a run in which some days failed: again if that may help, else for good."""
    failed = report.failed
    shown = "; ".join(f"{day.day}: {day.error}" for day in failed[:3])
    more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
    failure = dg.Failure(
        f"{len(failed)} of {len(report.days)} days failed, the others came through. {shown}{more}",
        metadata={day.day.isoformat(): str(day.error) for day in failed},
    )
    errors = [day.error for day in failed if day.error is not None]
    return retry_or_fail(context, settings, errors, failure)
