"""The hard limits of a table as a Pandera schema.

What belongs here: what needs Pandera, which takes 0.6 s to import. What does not: the same limits
for Polars (`derive.py`); a test holds the two equal.
"""

import pandera.polars as pa

from gmn_pipeline.schemas.dataset import Table
from gmn_pipeline.schemas.derive import field_range, polars_type
from gmn_pipeline.schemas.fields import Field, Kind


def pandera_schema(table: Table) -> pa.DataFrameSchema:
    """The hard limits of a table as a Pandera schema: types, nulls, ranges and patterns.

    Strict and ordered: a column too many, too few or out of place is an error. Validate a
    DataFrame, never a LazyFrame: on the latter Pandera skips the value checks.
    """
    return pa.DataFrameSchema(
        {
            field.name: pa.Column(
                polars_type(field), checks=_checks(field), nullable=field.nullable
            )
            for field in table.fields
        },
        name=table.name,
        strict=True,
        ordered=True,
    )


def _checks(field: Field) -> list[pa.Check]:
    checks = []
    if field.kind is Kind.NUMBER:
        # Bounds of their own, since a comparison alone lets an infinity through one side.
        low = float("-inf") if field.minimum is None else field.minimum
        high = float("inf") if field.maximum is None else field.maximum
        checks.append(
            pa.Check.in_range(
                low, high, include_min=field.minimum is not None,
                include_max=field.maximum is not None, error=f"within {field_range(field)}",
            )
        )  # fmt: skip
    elif field.minimum is not None or field.maximum is not None:
        low = -(2**31) if field.minimum is None else field.minimum
        high = 2**31 - 1 if field.maximum is None else field.maximum
        checks.append(pa.Check.in_range(low, high, error=f"within {field_range(field)}"))
    if field.earliest and field.latest:
        error = f"within {field.earliest:%Y-%m-%d} to {field.latest:%Y-%m-%d}"
        checks.append(pa.Check.in_range(field.earliest, field.latest, error=error))
    if field.pattern and field.kind is Kind.TEXT:
        checks.append(pa.Check.str_matches(field.pattern, error=f"like {field.pattern}"))
    return checks
