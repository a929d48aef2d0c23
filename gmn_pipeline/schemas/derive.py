"""From the one definition of a column to the forms that each library wants.

What belongs here: pure functions from `Field` and `Table` to Arrow, Polars and DuckDB. What does
not: definitions (`fields.py`, `dataset.py`), anything that reads data, and the forms of libraries
that take long to import: Pandera's (`hard_limits.py`), Dagster's (`orchestration/metadata.py`).
"""

from collections.abc import Iterable, Mapping

import polars as pl
import pyarrow as arrow

from gmn_pipeline.schemas.dataset import Table
from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.schemas.sql import sql_text as sql_text  # others import it from here

_POLARS: dict[Kind, pl.DataType] = {
    Kind.TEXT: pl.String(),
    Kind.TIMESTAMP: pl.Datetime("us"),
    Kind.DATE: pl.Date(),
    Kind.INTEGER: pl.Int32(),
    Kind.LONG: pl.Int64(),
    Kind.NUMBER: pl.Float64(),
    Kind.BOOLEAN: pl.Boolean(),
    Kind.TEXT_LIST: pl.List(pl.String()),
}
_DUCKDB = {
    Kind.TEXT: "VARCHAR",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.DATE: "DATE",
    Kind.INTEGER: "INTEGER",
    Kind.LONG: "BIGINT",
    Kind.NUMBER: "DOUBLE",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.TEXT_LIST: "VARCHAR[]",
}
# Some value of each type that is not null.
_DUCKDB_ANY = {
    Kind.TEXT: "''",
    Kind.TIMESTAMP: "TIMESTAMP '2018-12-09'",
    Kind.DATE: "DATE '2018-12-09'",
    Kind.INTEGER: "0",
    Kind.LONG: "0",
    Kind.NUMBER: "0",
    Kind.BOOLEAN: "false",
    Kind.TEXT_LIST: "[]",
}
# What the CSV reader converts by itself; the rest it reads as text, padding and all.
_ARROW_CSV: dict[Kind, arrow.DataType] = {
    Kind.INTEGER: arrow.int32(),
    Kind.NUMBER: arrow.float64(),
}


def arrow_csv_types(fields: Iterable[Field]) -> dict[str, arrow.DataType]:
    """Column types for `pyarrow.csv`, by field name."""
    return {field.name: _ARROW_CSV.get(field.kind, arrow.string()) for field in fields}


def polars_schema(fields: Iterable[Field]) -> pl.Schema:
    """The Polars schema, in order."""
    return pl.Schema({field.name: _POLARS[field.kind] for field in fields})


def polars_type(field: Field) -> pl.DataType:
    """The type of a column in a data frame."""
    return _POLARS[field.kind]


def polars_frame(
    fields: Iterable[Field], columns: Mapping[str, pl.Series], height: int
) -> pl.DataFrame:
    """A frame of the fields, in order; what no column is given for is null."""
    return pl.DataFrame(
        {
            name: columns[name]
            if name in columns
            else pl.Series([None], dtype=kind).new_from_index(0, height)
            for name, kind in polars_schema(fields).items()
        }
    )


def polars_within_limits(table: Table) -> pl.Expr:
    """True for rows within the same hard limits, all of them in one pass.

    It says only whether; Pandera says what, and takes 0.14 s to do so however few the rows.
    """
    return pl.all_horizontal(
        *(pl.col(f.name).is_not_null() for f in table.fields if not f.nullable),
        *(limit for f in table.fields for limit in _limits(f)),
    )


def _limits(field: Field) -> list[pl.Expr]:
    """The conditions of the Pandera schema, null where the value is: that passes."""
    column = pl.col(field.name)
    limits = []
    if field.kind is Kind.NUMBER:
        limits.append(column.is_finite())
    if field.minimum is not None:
        limits.append(column >= field.minimum)
    if field.maximum is not None:
        limits.append(column <= field.maximum)
    if field.earliest and field.latest:
        limits.append(column.is_between(field.earliest, field.latest))
    if field.pattern and field.kind is Kind.TEXT:
        limits.append(column.str.contains(field.pattern))
    return [limit.fill_null(value=True) for limit in limits]


def field_range(field: Field) -> str:
    """The allowed range as a person reads it, e.g. `[-90, 90] deg`."""
    low = "(-inf" if field.minimum is None else f"[{field.minimum:g}"
    high = "inf)" if field.maximum is None else f"{field.maximum:g}]"
    return f"{low}, {high}" + (f" {field.unit}" if field.unit else "")


def duckdb_type(field: Field) -> str:
    """The type of the column in DuckDB."""
    return _DUCKDB[field.kind]


def duckdb_column(field: Field) -> str:
    """`name TYPE [NOT NULL]` for a CREATE TABLE."""
    return f"{field.name} {duckdb_type(field)}" + ("" if field.nullable else " NOT NULL")


def duckdb_create_table(table: Table, *, catalog: str) -> str:
    """The CREATE TABLE statement, in the subset that DuckLake and a DuckDB file both take."""
    columns = ",\n  ".join(duckdb_column(field) for field in table.fields)
    return f"CREATE TABLE {catalog}.{table.name} (\n  {columns}\n)"


def duckdb_add_column(table: Table, field: Field, *, catalog: str) -> str:
    """The ALTER TABLE statement for a column that came later; null in the rows that are there."""
    return f"ALTER TABLE {catalog}.{table.name} ADD COLUMN {field.name} {_DUCKDB[field.kind]}"


def duckdb_any_row(table: Table) -> str:
    """The INSERT statement of a row of some value in every column, whatever their order."""
    values = ", ".join(_DUCKDB_ANY[field.kind] for field in table.fields)
    return f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({values})"


def duckdb_is_any_row(table: Table) -> str:
    """The condition that finds that row, and no real one: no table has two of its values."""
    texts = [field for field in table.fields if field.kind is Kind.TEXT]
    return " AND ".join(
        f"{field.name} = {_DUCKDB_ANY[field.kind]}" for field in texts or table.fields
    )


def duckdb_comments(table: Table, *, catalog: str) -> list[str]:
    """COMMENT ON statements for the table and each column: unit and meaning."""
    return [
        f"COMMENT ON TABLE {catalog}.{table.name} IS {sql_text(table.meaning)}",
        *(duckdb_comment(table, field, catalog=catalog) for field in table.fields),
    ]


def duckdb_comment(table: Table, field: Field, *, catalog: str) -> str:
    """The COMMENT ON statement for a column."""
    text = sql_text(describe(field))
    return f"COMMENT ON COLUMN {catalog}.{table.name}.{field.name} IS {text}"


def describe(field: Field) -> str:
    """Unit and meaning in one line."""
    return f"[{field.unit}] {field.meaning}" if field.unit else field.meaning
