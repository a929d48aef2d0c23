"""Write the IAU shower list to the warehouse, if it differs from what is there."""

import polars as pl

from gmn_pipeline.clock import utc_now
from gmn_pipeline.sources.iau_showers import ShowerList
from gmn_pipeline.warehouse import layout
from gmn_pipeline.warehouse.connection import WarehouseConnection, transaction


def load_showers(warehouse: WarehouseConnection, showers: ShowerList) -> bool:
    """Replace the shower table in one transaction; False if it says the same already."""
    incoming = pl.DataFrame(
        [(s.number, s.code, s.name) for s in showers.showers],
        schema={
            "iau_shower_number": pl.Int32,
            "iau_shower_code": pl.String,
            "iau_shower_name": pl.String,
        },
        orient="row",
    )
    with warehouse.writing() as connection:
        layout.create(connection)
        columns = ", ".join(incoming.columns)
        present = connection.execute(f"SELECT {columns} FROM iau_showers ORDER BY 1").pl()
        if present.equals(incoming):
            return False
        connection.register("incoming_showers", incoming)
        with transaction(connection):
            connection.execute("DELETE FROM iau_showers")
            connection.execute(
                f"INSERT INTO iau_showers SELECT {columns}, ?, ? FROM incoming_showers",
                [showers.edition, utc_now()],
            )
    return True
