"""The lakes that there are: each a DuckLake of its own, beside the others.

What belongs here: what tells one from another. What does not: what is in it (`ddl.py`), and where
its catalogue and data are (`backend.py`). Opening a lake imports this, so it imports little.
"""

from dataclasses import dataclass
from pathlib import Path

from gmn_pipeline.settings import FolderSettings


@dataclass(frozen=True)
class Lake:
    """One lake. `name` is that of its folder in the data folder, and its schema's in a PostgreSQL
    catalogue ends so; beside another lake its tables are `<name>.<table>`. `number` tells its
    locks from those of another lake in the same PostgreSQL. `main_table` is never dropped.
    `folder_name`: that of its folder, if it is another one."""

    name: str
    number: int
    main_table: str
    folder_name: str = ""

    def folder(self, settings: FolderSettings) -> Path:
        """Where it is, if the settings name no other place."""
        return settings.data_dir / (self.folder_name or self.name)


WAREHOUSE = Lake("warehouse", 0, "trajectories")
READINGS = Lake("readings", 1, "station_readings")
# The folder `objects` has the bytes of objects.
OBJECTS = Lake("objects", 2, "catalogue", "object_tables")
