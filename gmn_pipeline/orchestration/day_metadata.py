"""What the UI shows with a day of an asset: files, counts, some rows.

What belongs here: metadata of partitions, made from the report of a run. What does not: when it is
told (`partition_events.py`, `assets/`).
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from gmn_pipeline.errors import RetryableError
from gmn_pipeline.flows.report import DayReport, Stage
from gmn_pipeline.orchestration.markdown import cell, table
from gmn_pipeline.orchestration.rejected_rows import RejectedRows
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.reading import read_rows

NO_FILE = "The network has no file of this date."
_PREVIEW_DAYS, _PREVIEW_ROWS = 10, 5
_PREVIEW_COLUMNS = (
    "trajectory_identifier",
    "beginning_utc_time",
    "iau_shower_code",
    "vgeo_km_s",
    "peak_absolute_magnitude",
    "station_count",
)


def previews(warehouse: WarehouseConnection, days: Sequence[date]) -> dict[date, str]:
    """A few trajectories of each day as Markdown, where there are few days."""
    if not 0 < len(days) <= _PREVIEW_DAYS:
        return {}
    rows = read_rows(
        warehouse,
        f"SELECT bin_date, {', '.join(_PREVIEW_COLUMNS)} FROM trajectories "
        "WHERE bin_date BETWEEN ? AND ? QUALIFY row_number() OVER "
        f"(PARTITION BY bin_date ORDER BY beginning_utc_time) <= {_PREVIEW_ROWS}",
        [min(days), max(days)],
    )
    found: dict[date, list[list[str]]] = {}
    for day, *values in rows:
        found.setdefault(day, []).append([cell(value) for value in values])
    return {day: table(_PREVIEW_COLUMNS, lines) for day, lines in found.items()}


def day_metadata(
    stage: Stage,
    day: DayReport,
    shown: Mapping[date, str],
    rejected: RejectedRows,
    *,
    is_fetched: bool,
) -> Mapping[str, Any]:
    """What the UI shows with a day of an asset: what its stage did."""
    note = {} if day.files else {"note": NO_FILE if is_fetched else "No file of it is landed."}
    if stage is Stage.LANDING:
        return note or {
            "files": ", ".join(file.version.path for file in day.files),
            "source_sha256": ", ".join(file.version.sha256 for file in day.files),
            "summary_generated_at": day.files[-1].version.generated_at_utc.isoformat(),
        }
    if stage is Stage.VALIDATED:
        rows = {"rejected": dg.MetadataValue.md(rejected.table(day.day))} if day.rejected else {}
        return {
            "rows_read": day.read,
            "dagster/partition_row_count": day.accepted,
            "rows_rejected": day.rejected,
            **rows,
            **note,
        }
    preview = {"preview": dg.MetadataValue.md(shown[day.day])} if day.day in shown else {}
    return {
        "dagster/partition_row_count": day.accepted,
        "rows_inserted": day.inserted,
        "rows_revised": day.revised,
        "rows_unchanged": day.unchanged,
        "rows_superseded": day.superseded,
        "rows_withdrawn": day.withdrawn,
        "rows_restored": day.restored,
        **preview,
        **note,
    }


def failure_metadata(day: DayReport) -> Mapping[str, Any]:
    """What the UI shows with a day that failed: where, why, and what to do."""
    error = day.error
    assert error is not None
    remedy = {"what_to_do": error.remedy} if error.remedy else {}
    files = {"files": ", ".join(file.version.path for file in day.files)} if day.files else {}
    return {
        "failed_in": str(day.failed_stage),
        "why": error.message,
        **remedy,
        "is_tried_again": isinstance(error, RetryableError),
        **files,
    }
