"""Tell Dagster of many days at once, and ask which it shows already.

Dagster's own `add_asset_metadata` and `log_event` take one day at a time; the first goes through
all days of the run for each of them, the second commits each by itself. Here is the same for all
days in one go (docs/decisions/0008-dagsters-bookkeeping.md).
"""

from collections.abc import Mapping
from typing import Any, TypeAlias
from uuid import uuid4

import dagster as dg
from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata
from dagster._core.execution.context.metadata_logging import (
    AssetMetadataHandle,
    OutputMetadataAccumulator,
)
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

MetadataByDay: TypeAlias = Mapping[str, Mapping[str, Any]]
"""What the UI shows with a day, by the key of its partition."""


def shown_days(
    context: dg.AssetExecutionContext, asset: dg.AssetKey, days: dg.PartitionsDefinition[str]
) -> set[str]:
    """Days that the UI shows as materialized, without those that failed since."""
    cached = get_and_update_asset_status_cache_value(context.instance, asset, days)
    if cached is None:
        return set()
    materialized = cached.deserialize_materialized_partition_subsets(days).get_partition_keys()
    failed = cached.deserialize_failed_partition_subsets(days).get_partition_keys()
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
    """Log the days as materialized, where the step makes no output that would."""
    step = context.get_step_execution_context()
    batch_id = str(uuid4())
    for number, (day, metadata) in enumerate(by_day.items(), start=1):
        materialization = dg.AssetMaterialization(asset, partition=day, metadata=metadata)
        batch = DagsterEventBatchMetadata(batch_id, is_end=number == len(by_day))
        DagsterEvent.asset_materialization(step, materialization, batch)
