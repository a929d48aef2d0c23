"""The days of trajectories as Dagster shows them: landing, validated, warehouse.

What belongs here: specs, the operation, and how a run's outcome becomes events. What does not: the
work itself (`flows/trajectory_days.py` and the folders of the stages).

One operation takes any range of days through landing, validated and warehouse. A day that fails
gets no materialization and fails the run at its end, after all other days were loaded: in the UI
that one day is red, the others are green (docs/decisions/0003-one-operation-for-days.md).
"""

import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import dagster as dg
from dagster._core.storage.tags import BACKFILL_ID_TAG

from gmn_pipeline.errors import GmnError, RetryableError
from gmn_pipeline.flows.report import COUNTS, DayReport, Report, Stage
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.orchestration.asset_checks import DAY_CHECKS, check_results
from gmn_pipeline.orchestration.day_metadata import day_metadata, failure_metadata, previews
from gmn_pipeline.orchestration.metadata import TAGS, asset_spec
from gmn_pipeline.orchestration.partition_events import (
    log_materializations,
    log_observations,
    quiet_output,
    shown_days,
)
from gmn_pipeline.orchestration.partitions import DAYS
from gmn_pipeline.orchestration.pools import WAREHOUSE_WRITER
from gmn_pipeline.orchestration.rejected_rows import RejectedRows
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.orchestration.retries import retry_or_fail
from gmn_pipeline.schemas.trajectories import DATASET

_SHOWN_DAYS = 10


def _spec(stage: Stage, description: str, **more: Any) -> dg.AssetSpec:
    return asset_spec(
        DATASET, stage.value, description, partitions_def=DAYS, skippable=True, tags=TAGS, **more
    )


LANDING = _spec(
    Stage.LANDING,
    "The trajectory summary files of a day, byte for byte as the network served them, every "
    "version kept. A day is the UTC date on which a bin of one degree of solar longitude begins: "
    "some dates have two files, some none. Fails if the source cannot be reached, or a file was "
    "caught half written; it is then taken again.",
    kinds={"http", "file"},
)
VALIDATED = _spec(
    Stage.VALIDATED,
    "Rows of the landed files, typed and checked against the definition of the 86 columns. Rows "
    "that cannot be real are set apart with their line and every reason; rows that are merely odd "
    "carry quality flags. Fails if a file has other columns than the known ones.",
    deps=[LANDING],
    kinds={"polars", "parquet"},
)
WAREHOUSE = _spec(
    Stage.WAREHOUSE,
    "Current trajectories with their revisions, station links and source files. A file is the "
    "whole truth of its bin: new trajectories are inserted, changed ones revised, vanished ones "
    "withdrawn; every former state stays in trajectory_revisions.",
    deps=[VALIDATED],
    kinds={"duckdb", "ducklake"},
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
    settings = pipeline.settings()
    stages = [s for s in Stage if _SPECS[s].key in context.selected_asset_keys]
    days = [date.fromisoformat(key) for key in context.partition_keys]
    if Stage.LANDING not in stages:
        context.log.warning(
            "Nothing is fetched: the run is of later stages alone, and takes what was landed "
            "before. The job trajectory_days takes days from the source to the warehouse."
        )
    telling = _Telling(context, pipeline, stages)
    try:
        report = load_days(
            days,
            settings,
            stages=frozenset(stages),
            listener=pipeline.listener,
            on_days=telling.of_days,
        )
    except GmnError as error:
        raise retry_or_fail(context, settings, [error]) from error
    _try_failed_days_again(context, pipeline, telling, report)
    _log(context, report)
    told = telling.of_the_rest(report)
    if not report.failed:
        # Not where a day failed: steps that come after would take the failed day for done.
        yield from (quiet_output(_SPECS[stage].key) for stage in told)
    telling.rejected.add(report.days.values())
    for check, result in check_results(report, telling.rejected):
        if check.key in context.selected_asset_check_keys:
            yield result
    if report.failed:
        raise _days_failure(report)


class _Telling:
    """Tells Dagster of days as they come through, so that they show while the run goes on."""

    def __init__(
        self, context: dg.AssetExecutionContext, pipeline: Pipeline, stages: Sequence[Stage]
    ) -> None:
        self._context = context
        self._pipeline = pipeline
        self.stages = stages
        self._unchanged: list[DayReport] = []
        self._has_told = False
        self.rejected = RejectedRows(pipeline.ledger(), pipeline.settings().validated_dir)

    def of_days(self, days: Sequence[DayReport]) -> None:
        """Days that are through, or have failed. Those of which nothing is new wait."""
        self._materialized([day for day in days if day.error is None and day.is_news])
        self._unchanged += [day for day in days if day.error is None and not day.is_news]
        failed = {day.day.isoformat(): failure_metadata(day) for day in days if day.error}
        for stage in self.stages if failed else ():
            log_observations(self._context, _SPECS[stage].key, failed)

    def of_the_rest(self, report: Report) -> list[Stage]:
        """The days of which nothing is new, where they do not show as materialized, or would not
        any more; and the stages that steps which come after shall take for done.

        With a failed run, days that it does not tell of would show as failed; in a backfill, too.
        If there is nothing to tell at all the assets are skipped, and what depends on them.
        """
        must = bool(report.failed) or BACKFILL_ID_TAG in self._context.run.tags
        told = []
        for stage in self.stages:
            shown = set() if must else shown_days(self._context, _SPECS[stage].key)
            days = [day for day in self._unchanged if day.day.isoformat() not in shown]
            self._materialized(days, [stage])
            if days or self._has_told:
                told.append(stage)
        return told

    def _materialized(
        self, days: Sequence[DayReport], stages: Sequence[Stage] | None = None
    ) -> None:
        if not days:
            return
        self._has_told |= stages is None
        for row in self.rejected.add(days):
            self._context.log.warning(f"Rejected: {row}")
        shown = {}
        if Stage.WAREHOUSE in (stages or self.stages):
            shown = previews(self._pipeline.warehouse(), [day.day for day in days])
        for stage in stages or self.stages:
            by_day = {
                day.day.isoformat(): day_metadata(
                    stage, day, shown, self.rejected, is_fetched=Stage.LANDING in self.stages
                )
                for day in days
            }
            log_materializations(self._context, _SPECS[stage].key, by_day)


def _try_failed_days_again(
    context: dg.AssetExecutionContext, pipeline: Pipeline, telling: _Telling, report: Report
) -> None:
    """Try again those days whose failure may pass, and no others; each time after twice the pause.

    In this step: another attempt of the step would take all days of the run again.
    """
    settings = pipeline.settings()
    for attempt in range(settings.run_retries):
        days = [day.day for day in report.failed if isinstance(day.error, RetryableError)]
        if not days:
            return
        pause_s = settings.run_retry_pause_s * 2**attempt
        context.log.warning(
            f"{len(days)} of {len(report.days)} days failed for a reason that may pass; they alone "
            f"are tried again in {pause_s:g} s: {', '.join(map(str, days[:_SHOWN_DAYS]))}"
            + (f" and {len(days) - _SHOWN_DAYS} more." if len(days) > _SHOWN_DAYS else ".")
        )
        time.sleep(pause_s)
        try:
            again = load_days(
                days, settings, stages=frozenset(telling.stages), listener=pipeline.listener,
                on_days=telling.of_days,
            )  # fmt: skip
        except GmnError as error:
            context.log.warning(str(error))
            continue
        report.take_over(again)
        if pipeline.listener:
            pipeline.listener.finished(report)


def _log(context: dg.AssetExecutionContext, report: Report) -> None:
    for warning in report.warnings:
        context.log.warning(warning)
    for day in report.failed:
        context.log.error(f"{day.day}: {day.error}")
    counts = {name: f"{report.total(name):,} {name}" for name in COUNTS}
    files = f"{len(report.files):,} {report.kind or 'landed'} files"
    context.log.info(
        f"{len(report.good):,} of {len(report.days):,} days came through, from {files}"
        f"{f' of {report.source}' if report.source else ''}: rows {', '.join(counts.values())}."
    )


def _days_failure(report: Report) -> dg.Failure:
    """What ends a run in which some days failed."""
    failed = report.failed
    shown = "; ".join(f"{day.day}: {day.error}" for day in failed[:3])
    more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
    return dg.Failure(
        f"{len(failed)} of {len(report.days)} days failed, the others came through. {shown}{more}",
        metadata={day.day.isoformat(): str(day.error) for day in failed},
        allow_retries=False,
    )
