"""The assets as Dagster shows them: trajectory days, showers, snapshot, maintenance.

What belongs here: keys, partitions, metadata, checks, and how a run's outcome becomes events.
What does not: the work itself (`trajectory_days.py` and the folders of the stages).

One operation takes any range of days through landing, validated and warehouse. A day that fails
gets no materialization and fails the run at its end, after all other days were loaded: in the UI
that one day is red, the others are green (docs/decisions/0003-one-operation-for-days.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any

import dagster as dg

from gmn_pipeline.config import Settings, load_settings
from gmn_pipeline.day_events import add_metadata, log_materializations, shown_days
from gmn_pipeline.errors import GmnError, RetryableError, SourceRefused, SourceUnavailable
from gmn_pipeline.schemas.derive import dagster_schema
from gmn_pipeline.schemas.tables import IAU_SHOWERS, TRAJECTORIES, VALIDATED_TRAJECTORIES
from gmn_pipeline.sources import iau_showers
from gmn_pipeline.sources.bins import FIRST_DAY
from gmn_pipeline.trajectory_days import DayReport, Report, Stage, Watch, load_days
from gmn_pipeline.validated.quality import QUALITY_FLAGS, Family
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.maintenance import maintain
from gmn_pipeline.warehouse.showers import load_showers
from gmn_pipeline.warehouse.snapshot import make_snapshot
from gmn_pipeline.warehouse.store import ask

# The bin of today begins today: its partition is there from midnight on.
DAYS = dg.DailyPartitionsDefinition(FIRST_DAY.isoformat(), timezone="UTC", end_offset=1)
WRITER_POOL = "gmn_warehouse_writer"
_PREVIEW_DAYS, _PREVIEW_ROWS = 10, 5
_PREVIEW_COLUMNS = (
    "trajectory_identifier",
    "beginning_utc_time",
    "iau_shower_code",
    "vgeo_km_s",
    "peak_absolute_magnitude",
    "station_count",
)
_OWNERS = ["team:gmn-operators"]


@dataclass(frozen=True)
class Pipeline:
    """The resource `pipeline`: settings, read when a run needs them, and who watches the run."""

    overrides: Mapping[str, Any] = field(default_factory=dict)
    watch: Watch | None = None

    def settings(self) -> Settings:
        """From the environment (`GMN_...`), with the overrides on top."""
        return load_settings(**self.overrides)


def _spec(stage: Stage, name: str, description: str, **more: Any) -> dg.AssetSpec:
    return dg.AssetSpec(
        [stage.value, name],
        description=description,
        group_name=stage.value,
        owners=_OWNERS,
        partitions_def=DAYS,
        skippable=True,
        tags={"domain": "meteors", "licence": "cc-by-4.0"},
        **more,
    )


def _same_columns(upstream: dg.AssetSpec) -> dg.TableColumnLineage:
    """Lineage of the columns that a stage hands on unchanged."""
    return dg.TableColumnLineage(
        {
            name: [dg.TableColumnDep(upstream.key, name)]
            for name in TRAJECTORIES.columns
            if name in VALIDATED_TRAJECTORIES.columns
        }
    )


LANDING = _spec(
    Stage.LANDING,
    "gmn_trajectory_files",
    "The trajectory summary files of a day, byte for byte as the network served them, every "
    "version kept. A day is the UTC date on which a bin of one degree of solar longitude begins: "
    "some dates have two files, some none. Fails if the source cannot be reached, or a file was "
    "caught half written; it is then taken again.",
    kinds={"http", "file"},
)
VALIDATED = _spec(
    Stage.VALIDATED,
    "gmn_trajectories",
    "Rows of the landed files, typed and checked against the definition of the 86 columns. Rows "
    "that cannot be real are set apart with their line and every reason; rows that are merely odd "
    "carry quality flags. Fails if a file has other columns than the known ones.",
    deps=[LANDING],
    kinds={"polars", "parquet"},
    metadata={"dagster/column_schema": dagster_schema(VALIDATED_TRAJECTORIES)},
)
WAREHOUSE = _spec(
    Stage.WAREHOUSE,
    "trajectories",
    "Current trajectories with their revisions, station links and source files. A file is the "
    "whole truth of its bin: new trajectories are inserted, changed ones revised, vanished ones "
    "withdrawn; every former state stays in trajectory_revisions.",
    deps=[VALIDATED],
    kinds={"duckdb", "ducklake"},
    metadata={
        "dagster/column_schema": dagster_schema(TRAJECTORIES),
        "dagster/column_lineage": _same_columns(VALIDATED),
    },
    freshness_policy=dg.FreshnessPolicy.time_window(
        fail_window=timedelta(hours=50), warn_window=timedelta(hours=26)
    ),
)
_SPECS = {Stage.LANDING: LANDING, Stage.VALIDATED: VALIDATED, Stage.WAREHOUSE: WAREHOUSE}

NO_ROWS_REJECTED = dg.AssetCheckSpec(
    "no_rows_rejected",
    asset=VALIDATED.key,
    description="No row of the run's days was rejected. Rejected rows stand in rejected_rows.",
)
IDENTITIES_HOLD = dg.AssetCheckSpec(
    "identities_hold",
    asset=VALIDATED.key,
    description="No accepted row breaks a physical identity (such rows are probably corrupted).",
)
LIMITS_HOLD = dg.AssetCheckSpec(
    "quality_limits_hold",
    asset=VALIDATED.key,
    description="All accepted rows would pass the quality limits that the network applies today.",
)
COUNTS_ADD_UP = dg.AssetCheckSpec(
    "counts_add_up",
    asset=WAREHOUSE.key,
    description="Rows read = accepted + rejected, and accepted = inserted + revised + unchanged.",
)
DAYS_COMPLETE = dg.AssetCheckSpec(
    "all_days_came_through",
    asset=LANDING.key,
    description="Every day of the run came through; the message names those that did not.",
)


@dg.multi_asset(
    name="gmn_trajectory_days",
    specs=list(_SPECS.values()),
    check_specs=[NO_ROWS_REJECTED, IDENTITIES_HOLD, LIMITS_HOLD, COUNTS_ADD_UP, DAYS_COMPLETE],
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=WRITER_POOL,
)
def gmn_trajectory_days(
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
    previews = _previews(settings, days)
    for stage in Stage:
        asset = _SPECS[stage].key
        if stage not in stages or _is_shown(context, asset, report):
            continue
        metadata = {d.day.isoformat(): _metadata(stage, d, previews) for d in report.good}
        if report.failed:
            # Not as an output: that would mark every day of the range as materialized.
            log_materializations(context, asset, metadata)
        else:
            add_metadata(context, asset, metadata)
            yield dg.MaterializeResult(asset_key=asset)
    for check, result in _checks(report):
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
    for day in report.failed:
        context.log.error(f"{day.day}: {day.error}")
    context.log.info(
        f"{len(report.good)} of {len(report.days)} days came through: "
        f"{report.total('read')} rows read, {report.total('accepted')} accepted, "
        f"{report.total('rejected')} rejected; {report.total('inserted')} inserted, "
        f"{report.total('revised')} revised, {report.total('unchanged')} unchanged, "
        f"{report.total('withdrawn')} withdrawn."
    )


def _previews(settings: Settings, days: Sequence[date]) -> dict[date, str]:
    """A few trajectories of each day as Markdown, where the run has few days."""
    if len(days) > _PREVIEW_DAYS:
        return {}
    rows = ask(
        WarehouseConnection(settings),
        f"SELECT bin_date, {', '.join(_PREVIEW_COLUMNS)} FROM trajectories "
        "WHERE bin_date BETWEEN ? AND ? QUALIFY row_number() OVER "
        f"(PARTITION BY bin_date ORDER BY beginning_utc_time) <= {_PREVIEW_ROWS}",
        [min(days), max(days)],
    )
    head = [" | ".join(_PREVIEW_COLUMNS), " | ".join("---" for _ in _PREVIEW_COLUMNS)]
    lines: dict[date, list[str]] = {}
    for day, *values in rows:
        lines.setdefault(day, list(head)).append(" | ".join(map(str, values)))
    return {day: "\n".join(f"| {line} |" for line in found) for day, found in lines.items()}


def _metadata(stage: Stage, day: DayReport, previews: Mapping[date, str]) -> Mapping[str, Any]:
    """What the UI shows with a day of an asset: what its stage did."""
    if stage is Stage.LANDING:
        if not day.files:
            return {"note": "The network has no file of this date."}
        return {
            "files": ", ".join(file.version.path for file in day.files),
            "source_sha256": ", ".join(file.version.sha256 for file in day.files),
            "summary_generated_at": day.files[-1].version.generated_at_utc,
        }
    if stage is Stage.VALIDATED:
        return {
            "rows_read": day.read,
            "dagster/partition_row_count": day.accepted,
            "rows_rejected": day.rejected,
        }
    preview = {"preview": dg.MetadataValue.md(previews[day.day])} if day.day in previews else {}
    return {
        "dagster/partition_row_count": day.accepted,
        "rows_inserted": day.inserted,
        "rows_revised": day.revised,
        "rows_unchanged": day.unchanged,
        "rows_withdrawn": day.withdrawn,
        **preview,
    }


def _checks(report: Report) -> Iterator[tuple[dg.AssetCheckSpec, dg.AssetCheckResult]]:
    """Every check of the run's days, with counts."""
    rejecting = {d.day.isoformat(): d.rejected for d in report.days.values() if d.rejected}
    yield _check(
        NO_ROWS_REJECTED, not rejecting,
        {"rows_rejected": report.total("rejected"), "by_day": rejecting},
    )  # fmt: skip
    for spec, family in ((IDENTITIES_HOLD, Family.IDENTITY), (LIMITS_HOLD, Family.LIMIT)):
        flags = [f.name for f in QUALITY_FLAGS if f.family is family]
        counts = {name: report.flag_counts.get(name, 0) for name in flags}
        yield _check(spec, not any(counts.values()), counts)
    sums_hold = all(
        d.read == d.accepted + d.rejected
        and (d.older_files or d.accepted == d.inserted + d.revised + d.unchanged)
        for d in report.good
    )
    yield _check(COUNTS_ADD_UP, sums_hold, {"rows_read": report.total("read")}, error=True)
    failed = {day.day.isoformat(): str(day.error) for day in report.failed}
    seconds = {step: round(spent, 3) for step, spent in report.stopwatch.seconds.items()}
    yield _check(
        DAYS_COMPLETE, not failed,
        {"days": len(report.days), "failed": failed, "seconds": seconds}, error=True,
    )  # fmt: skip


def _check(
    spec: dg.AssetCheckSpec, passed: bool, metadata: Mapping[str, Any], *, error: bool = False
) -> tuple[dg.AssetCheckSpec, dg.AssetCheckResult]:
    severity = dg.AssetCheckSeverity.ERROR if error else dg.AssetCheckSeverity.WARN
    return spec, dg.AssetCheckResult(
        passed=passed, check_name=spec.name, asset_key=spec.asset_key, severity=severity,
        metadata=metadata,
    )  # fmt: skip


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


def retry_or_fail(
    context: dg.AssetExecutionContext,
    settings: Settings,
    errors: Sequence[GmnError],
    failure: dg.Failure | None = None,
) -> Exception:
    """What ends a run: another attempt if that may help with an error, else the failure.

    Each attempt comes after twice the pause, as long as the settings allow one.
    """
    failure = failure or dg.Failure("; ".join(map(str, errors)))
    may_pass = any(isinstance(error, RetryableError) for error in errors)
    if not may_pass or context.retry_number >= settings.run_retries:
        return failure
    context.log.warning(f"{failure.description} Trying again.")
    pause_s = settings.run_retry_pause_s * 2**context.retry_number
    return dg.RetryRequested(settings.run_retries, pause_s)


@dg.asset(
    key=["warehouse", "iau_showers"],
    group_name="warehouse",
    owners=_OWNERS,
    kinds={"duckdb", "ducklake"},
    description="Number, code and name of every meteor shower of the IAU Meteor Data Center; "
    "from its list if that can be reached, else from the copy that comes along.",
    metadata={"dagster/column_schema": dagster_schema(IAU_SHOWERS)},
    pool=WRITER_POOL,
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


@dg.asset(
    key=["warehouse", "snapshot"],
    deps=[WAREHOUSE, warehouse_iau_showers],
    group_name="warehouse",
    owners=_OWNERS,
    kinds={"duckdb", "parquet"},
    description="gmn.duckdb and Parquet for analysts, made from one state of the warehouse, "
    "verified, and swapped in atomically with a manifest beside it.",
    automation_condition=(
        dg.AutomationCondition.any_deps_updated()
        & ~dg.AutomationCondition.any_deps_in_progress()
        & ~dg.AutomationCondition.in_progress()
    ),
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


@dg.asset(
    key=["warehouse", "maintenance"],
    deps=[WAREHOUSE],
    group_name="warehouse",
    owners=_OWNERS,
    kinds={"duckdb", "ducklake"},
    description="Puts the rows and files of many small commits together, lets DuckLake's old "
    "snapshots go and removes files that nothing needs. No query has another answer or fails.",
    pool=WRITER_POOL,
)
def warehouse_maintenance(
    context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.MaterializeResult[None]:
    settings = pipeline.settings()
    try:
        done = maintain(settings)
    except GmnError as error:
        raise retry_or_fail(context, settings, [error]) from error
    return dg.MaterializeResult(metadata=asdict(done))


ASSETS = [gmn_trajectory_days, warehouse_iau_showers, warehouse_snapshot, warehouse_maintenance]
