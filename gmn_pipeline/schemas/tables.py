"""All datasets, and all tables of the warehouse. A new dataset gets a module and its line here.

What belongs here: the lists. What does not: what a dataset is (`dataset.py`), and each of them.
"""

from gmn_pipeline.schemas import showers, trajectories
from gmn_pipeline.schemas.stream_tables import DEAD_LETTERS, STREAM_OFFSETS
from gmn_pipeline.schemas.trajectory_tables import PUBLICATIONS

DATASETS = (
    trajectories.DATASET,
    showers.DATASET,
)

WAREHOUSE_TABLES = tuple(table for dataset in DATASETS for table in dataset.tables)
"""What analysts get a copy of."""

STREAM_TABLES = (PUBLICATIONS, STREAM_OFFSETS, DEAD_LETTERS)
"""What the work with Kafka needs to know."""

WORKING_TABLES = (
    *(table for dataset in DATASETS for table in dataset.working_tables),
    STREAM_OFFSETS,
    DEAD_LETTERS,
)
"""What the pipeline keeps for itself. Not copied for analysts."""
