"""All datasets, and all tables of the warehouse. A new dataset gets a module and its line here.

What belongs here: the lists. What does not: what a dataset is (`dataset.py`), and each of them.
"""

from gmn_pipeline.schemas import showers, station_readings, trajectories
from gmn_pipeline.schemas.stream_tables import DEAD_LETTERS, STREAM_OFFSETS
from gmn_pipeline.schemas.trajectory_tables import PUBLICATIONS

DATASETS = (
    trajectories.DATASET,
    showers.DATASET,
    station_readings.DATASET,
)

_IN_WAREHOUSE = tuple(dataset for dataset in DATASETS if dataset.lake == "warehouse")

WAREHOUSE_TABLES = tuple(table for dataset in _IN_WAREHOUSE for table in dataset.tables)
"""What analysts get a copy of."""

STREAM_TABLES = (PUBLICATIONS, STREAM_OFFSETS, DEAD_LETTERS)
"""What the work with Kafka needs to know."""

WORKING_TABLES = (
    *(table for dataset in _IN_WAREHOUSE for table in dataset.working_tables),
    STREAM_OFFSETS,
    DEAD_LETTERS,
)
"""What the pipeline keeps for itself. Not copied for analysts."""

READINGS_TABLES = station_readings.DATASET.tables
"""What the lake of readings has for those who ask it; it is another lake (docs/decisions/0064)."""

READINGS_WORKING_TABLES = (*station_readings.DATASET.working_tables, STREAM_OFFSETS, DEAD_LETTERS)
"""What the pipeline keeps for itself in that lake."""
