"""The dataset of trajectories, declared.

What belongs here: the declaration. What does not: what it is made of (`fields.py`,
`trajectory_tables.py`, `messages.py`).
"""

from gmn_pipeline.schemas.dataset import Dataset
from gmn_pipeline.schemas.messages import TRAJECTORY_MESSAGES
from gmn_pipeline.schemas.trajectory_tables import (
    PUBLICATIONS,
    QUALITY_FLAGS_FIELD,
    REJECTED_ROWS,
    SOURCE_FILES,
    STATIONS,
    TRAJECTORIES,
    TRAJECTORY_CLAIMS,
    TRAJECTORY_REVISIONS,
    TRAJECTORY_STATIONS,
    VALIDATED_TRAJECTORIES,
)

DATASET = Dataset(
    "trajectories",
    tables=(
        TRAJECTORIES,
        TRAJECTORY_REVISIONS,
        TRAJECTORY_STATIONS,
        STATIONS,
        SOURCE_FILES,
        REJECTED_ROWS,
    ),
    key=("trajectory_identifier",),
    time_column="beginning_utc_time",
    flags=QUALITY_FLAGS_FIELD,
    validated=(VALIDATED_TRAJECTORIES,),
    working_tables=(PUBLICATIONS, TRAJECTORY_CLAIMS),
    messages=TRAJECTORY_MESSAGES,
)
