"""Dagster's asset checks: what a run found to be so, or not.

What belongs here: specs, and results made from the report of a run. What does not: the rules
themselves (`validated/`, `warehouse/`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from gmn_pipeline.flows.report import COUNTS, Report
from gmn_pipeline.orchestration.assets import keys
from gmn_pipeline.orchestration.rejected_rows import RejectedRows
from gmn_pipeline.validated.flags import Family
from gmn_pipeline.validated.trajectories.quality import QUALITY_FLAGS
from gmn_pipeline.warehouse.showers import UnknownShower

_SHOWN_SHOWERS = 20

NO_ROWS_REJECTED = dg.AssetCheckSpec(
    "no_rows_rejected",
    asset=keys.VALIDATED_TRAJECTORIES,
    description="No row of the run's days was rejected. Rejected rows stand in rejected_rows.",
)
IDENTITIES_HOLD = dg.AssetCheckSpec(
    "identities_hold",
    asset=keys.VALIDATED_TRAJECTORIES,
    description="No accepted row breaks a physical identity (such rows are probably corrupted).",
)
LIMITS_HOLD = dg.AssetCheckSpec(
    "quality_limits_hold",
    asset=keys.VALIDATED_TRAJECTORIES,
    description="All accepted rows would pass the quality limits that the network applies today.",
)
COUNTS_ADD_UP = dg.AssetCheckSpec(
    "counts_add_up",
    asset=keys.WAREHOUSE_TRAJECTORIES,
    description="Rows read = accepted + rejected, and accepted = inserted + revised + unchanged + "
    "superseded.",
)
DAYS_COMPLETE = dg.AssetCheckSpec(
    "all_days_came_through",
    asset=keys.LANDING_TRAJECTORIES,
    description="Every day of the run came through; the message names those that did not.",
)
ALL_SHOWERS_KNOWN = dg.AssetCheckSpec(
    "all_showers_known",
    asset=keys.WAREHOUSE_IAU_SHOWERS,
    description="The IAU list has every shower that trajectories belong to, under the same code.",
)

DAY_CHECKS = [NO_ROWS_REJECTED, IDENTITIES_HOLD, LIMITS_HOLD, COUNTS_ADD_UP, DAYS_COMPLETE]


def check_results(
    report: Report, rejected: RejectedRows
) -> Iterator[tuple[dg.AssetCheckSpec, dg.AssetCheckResult]]:
    """Every check of the run's days, with counts."""
    rejecting = {d.day.isoformat(): d.rejected for d in report.days.values() if d.rejected}
    shown = {"rows": dg.MetadataValue.md(rejected.table())} if rejecting else {}
    yield check_result(
        NO_ROWS_REJECTED, not rejecting,
        {"rows_rejected": sum(rejecting.values()), "by_day": rejecting, **shown},
    )  # fmt: skip
    for spec, family in ((IDENTITIES_HOLD, Family.IDENTITY), (LIMITS_HOLD, Family.LIMIT)):
        flags = [f.name for f in QUALITY_FLAGS if f.family is family]
        counts = {name: report.flag_counts.get(name, 0) for name in flags}
        yield check_result(spec, not any(counts.values()), counts)
    odd = [day.day.isoformat() for day in report.good if not day.adds_up]
    totals = {f"rows_{name}": report.total(name) for name in COUNTS}
    yield check_result(COUNTS_ADD_UP, not odd, {**totals, "days_that_do_not": odd}, error=True)
    failed = {day.day.isoformat(): str(day.error) for day in report.failed}
    seconds = {step: round(spent, 3) for step, spent in report.stopwatch.seconds.items()}
    yield check_result(
        DAYS_COMPLETE, not failed,
        {"days": len(report.days), "failed": failed, "seconds": seconds}, error=True,
    )  # fmt: skip


def all_showers_known(unknown: Sequence[UnknownShower]) -> dg.AssetCheckResult:
    """Whether the list knows the showers of all trajectories; those that it does not, counted."""
    by_shower = {f"{shower.number} {shower.code}": shower.trajectories for shower in unknown}
    _, result = check_result(
        ALL_SHOWERS_KNOWN, not unknown,
        {"showers": len(unknown), "trajectories": sum(by_shower.values()),
         "trajectories_by_shower": by_shower},
    )  # fmt: skip
    return result._replace(description="; ".join(map(str, unknown[:_SHOWN_SHOWERS])) or None)


def check_result(
    spec: dg.AssetCheckSpec, passed: bool, metadata: Mapping[str, Any], *, error: bool = False
) -> tuple[dg.AssetCheckSpec, dg.AssetCheckResult]:
    """The result of a check, with its spec; a warning where it does not pass, or an error."""
    severity = dg.AssetCheckSeverity.ERROR if error else dg.AssetCheckSeverity.WARN
    return spec, dg.AssetCheckResult(
        passed=passed, check_name=spec.name, asset_key=spec.asset_key, severity=severity,
        metadata=metadata,
    )  # fmt: skip
