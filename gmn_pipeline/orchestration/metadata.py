"""What Dagster shows with every asset: owners, tags, columns and where they come from.

What belongs here: metadata that more than one asset has, made from the declarations in `schemas`.
What does not: the counts of a run (`assets/`).
"""

from collections.abc import Sequence, Set
from typing import Any

import dagster as dg

from gmn_pipeline.orchestration.assets.keys import key_of
from gmn_pipeline.schemas.dataset import Dataset, Table
from gmn_pipeline.schemas.derive import describe, duckdb_type

OWNERS = ["team:gmn-operators"]
TAGS = {"domain": "meteors", "licence": "cc-by-4.0"}


def asset_spec(
    dataset: Dataset,
    stage: str,
    description: str,
    *,
    deps: Sequence[dg.AssetSpec] = (),
    kinds: Set[str] = frozenset(),
    **more: Any,
) -> dg.AssetSpec:
    """The asset of a dataset in a stage: its key, group and columns follow from the declaration."""
    tables = {"validated": dataset.checked[0], "warehouse": dataset.current}
    metadata: dict[str, Any] = {}
    if stage in tables:
        metadata["dagster/column_schema"] = column_schema(tables[stage])
    validated = key_of("validated", dataset)
    if stage == "warehouse" and validated in [spec.key for spec in deps]:
        metadata["dagster/column_lineage"] = column_lineage(
            dataset.current, dataset.checked[0], validated
        )
    return dg.AssetSpec(
        key_of(stage, dataset),
        description=description,
        deps=deps,
        group_name=stage,
        owners=OWNERS,
        kinds=set(kinds),
        metadata=metadata,
        **more,
    )


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
