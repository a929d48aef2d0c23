"""Dagster's partitions: the days of the network, and how a run is given a range of them."""

from datetime import date

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from gmn_pipeline.readers.solar_longitude_bins import FIRST_DAY

# The bin of today begins today: its partition is there from midnight on.
DAYS = dg.DailyPartitionsDefinition(FIRST_DAY.isoformat(), timezone="UTC", end_offset=1)


def range_tags(first: date, last: date) -> dict[str, str]:
    """Tags that make a run take all days from `first` to `last` at once."""
    return {
        ASSET_PARTITION_RANGE_START_TAG: first.isoformat(),
        ASSET_PARTITION_RANGE_END_TAG: last.isoformat(),
    }
