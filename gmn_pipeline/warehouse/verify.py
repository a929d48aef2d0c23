"""Whether the warehouse is sound: what must hold of all its tables, asked of the tables.

What belongs here: questions that have no row as their answer as long as all is well. What does
not: putting anything right.
"""

from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.store import ask


def verify(warehouse: WarehouseConnection) -> list[str]:
    """What is wrong, in words; nothing if the warehouse is sound or there is none."""
    return [
        f"The trajectory {identifier} is there {count} times."
        for identifier, count in ask(
            warehouse,
            "SELECT trajectory_identifier, count(*) FROM trajectories GROUP BY 1 "
            "HAVING count(*) > 1 ORDER BY 1",
        )
    ]
