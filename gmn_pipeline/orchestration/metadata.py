"""What Dagster shows with an asset, made from the definitions in `schemas`.

What does not belong here: the counts of a run.
"""

import dagster as dg

from gmn_pipeline.schemas.derive import describe, duckdb_type
from gmn_pipeline.schemas.tables import Table


def column_schema(table: Table) -> dg.TableSchema:
    """The column schema that the UI shows with an asset."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                field.name,
                duckdb_type(field),
                description=describe(field),
                constraints=dg.TableColumnConstraints(nullable=field.nullable),
            )
            for field in table.fields
        ]
    )
