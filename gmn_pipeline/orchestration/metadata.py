"""What Dagster shows with every asset: owners, tags, columns and where they come from.

What belongs here: metadata that more than one asset has, made from the definitions in `schemas`.
What does not: the counts of a run (`assets/`).
"""

import dagster as dg

from gmn_pipeline.schemas.derive import describe, duckdb_type
from gmn_pipeline.schemas.tables import Table

OWNERS = ["team:gmn-operators"]
TAGS = {"domain": "meteors", "licence": "cc-by-4.0"}


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


def column_lineage(of: Table, upstream: Table, key: dg.AssetKey) -> dg.TableColumnLineage:
    """Lineage of the columns that a stage hands on unchanged."""
    return dg.TableColumnLineage(
        {name: [dg.TableColumnDep(key, name)] for name in of.columns if name in upstream.columns}
    )
