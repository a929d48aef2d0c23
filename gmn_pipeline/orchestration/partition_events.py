"""Tell Dagster of many days at once, and ask which it shows already.

Dagster's own `add_asset_metadata` and `log_event` take one day at a time; the first goes through
all days of the run for each of them, the second commits each by itself. Here is the same for all
days in one go (docs/decisions/0008-dagsters-bookkeeping.md).
"""

from collections.abc import Callable, Mapping, Set
from datetime import date
from typing import Any, TypeAlias, TypeVar
from uuid import uuid4

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata
from dagster._core.execution.context.metadata_logging import (
    AssetMetadataHandle,
    OutputMetadataAccumulator,
)
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from dagster._core.storage.tags import BACKFILL_ID_TAG

from gmn_pipeline.orchestration.partitions import DAYS

MetadataByDay: TypeAlias = Mapping[str, Mapping[str, Any]]
"""What the UI shows with a day, by the key of its partition."""


class _ManyDays(dg.DailyPartitionsDefinition):
    """Days that are known by their names: Dagster makes a time with a zone of each, 50 us."""

    def filter_valid_partition_keys(self, partition_keys: set[str]) -> Set[str]:
        first, last = self.get_first_partition_key(), self.get_last_partition_key()
        if first is None or last is None:
            return set()
        return {key for key in partition_keys if first <= key <= last and _is_date(key)}


def _is_date(key: str) -> bool:
    try:
        return date.fromisoformat(key).isoformat() == key
    except ValueError:
        return False


# The same definition for Dagster, which notes what it is told under it.
MANY_DAYS = _ManyDays(DAYS.start, timezone=DAYS.timezone, end_offset=DAYS.end_offset)


def shown_days(context: dg.AssetExecutionContext, asset: dg.AssetKey) -> set[str]:
    """Days that the UI shows as materialized, without those that failed since."""
    cached = get_and_update_asset_status_cache_value(context.instance, asset, MANY_DAYS)
    if cached is None:
        return set()
    materialized = cached.deserialize_materialized_partition_subsets(DAYS).get_partition_keys()
    failed = cached.deserialize_failed_partition_subsets(DAYS).get_partition_keys()
    return set(materialized).difference(failed)


def add_metadata(
    context: dg.AssetExecutionContext, asset: dg.AssetKey, by_day: MetadataByDay
) -> None:
    """Give the materializations that an output of the step will make their metadata."""
    step = context.get_step_execution_context()
    metadata = dict(step._metadata_accumulator.per_output_metadata)
    for day, of_day in by_day.items():
        metadata[AssetMetadataHandle(asset_key=asset, partition_key=day)] = of_day
    step._metadata_accumulator = OutputMetadataAccumulator(per_output_metadata=metadata)


def log_materializations(
    context: dg.AssetExecutionContext, asset: dg.AssetKey, by_day: MetadataByDay
) -> None:
    """Log days as materialized while the step goes on."""
    backfill = context.run.tags.get(BACKFILL_ID_TAG)
    tags = {BACKFILL_ID_TAG: backfill} if backfill else {}
    _log(
        context, by_day,
        lambda day, metadata: dg.AssetMaterialization(
            asset, partition=day, metadata=metadata,
            tags={**tags, DATA_VERSION_TAG: f"{context.run.run_id} {day}"},
        ),
        DagsterEvent.asset_materialization,
    )  # fmt: skip


def log_observations(
    context: dg.AssetExecutionContext, asset: dg.AssetKey, by_day: MetadataByDay
) -> None:
    """Log something of days that are not materialized by it."""
    _log(
        context, by_day,
        lambda day, metadata: dg.AssetObservation(asset, partition=day, metadata=metadata),
        DagsterEvent.asset_observation,
    )  # fmt: skip


Event = TypeVar("Event")


def _log(
    context: dg.AssetExecutionContext,
    by_day: MetadataByDay,
    event: Callable[[str, Mapping[str, Any]], Event],
    log: Callable[[Any, Event, DagsterEventBatchMetadata], object],
) -> None:
    step = context.get_step_execution_context()
    batch_id = str(uuid4())
    for number, (day, metadata) in enumerate(by_day.items(), start=1):
        batch = DagsterEventBatchMetadata(batch_id, is_end=number == len(by_day))
        log(step, event(day, metadata), batch)


def quiet_output(asset: dg.AssetKey) -> dg.MaterializeResult[None]:
    """The output of an asset whose days were logged already: steps after it may begin.

    Dagster makes no materialization of an output that is marked so: its own way for operations
    that log theirs while they go on.
    """
    return dg.MaterializeResult(
        asset_key=asset, metadata={SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}
    )
