"""What the UI shows with a day of an asset: files, counts, some rows.

What belongs here: metadata of partitions, made from the report of a run. What does not: when it is
told (`partition_events.py`, `assets/`).
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from gmn_pipeline.config import Settings
from gmn_pipeline.flows.trajectory_days import DayReport, Stage
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.store import ask

_PREVIEW_DAYS, _PREVIEW_ROWS = 10, 5
_PREVIEW_COLUMNS = (
    "trajectory_identifier",
    "beginning_utc_time",
    "iau_shower_code",
    "vgeo_km_s",
    "peak_absolute_magnitude",
    "station_count",
)


def previews(settings: Settings, days: Sequence[date]) -> dict[date, str]:
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


def day_metadata(stage: Stage, day: DayReport, shown: Mapping[date, str]) -> Mapping[str, Any]:
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
    preview = {"preview": dg.MetadataValue.md(shown[day.day])} if day.day in shown else {}
    return {
        "dagster/partition_row_count": day.accepted,
        "rows_inserted": day.inserted,
        "rows_revised": day.revised,
        "rows_unchanged": day.unchanged,
        "rows_withdrawn": day.withdrawn,
        **preview,
    }
