"""`gmn sql`: ask the warehouse."""

import csv
import json
import sys
from enum import StrEnum
from typing import Annotated

import duckdb
import typer

from gmn_pipeline.cli.console import console, errors
from gmn_pipeline.config import load_settings
from gmn_pipeline.errors import SettingsError
from gmn_pipeline.warehouse.connection import WarehouseConnection


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def sql(
    query: Annotated[str, typer.Argument(help="A query in DuckDB's SQL.")],
    output: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
) -> None:
    """Ask the warehouse. Reads only; works while a load runs."""
    warehouse = WarehouseConnection(load_settings())
    if not warehouse.exists:
        raise SettingsError(
            "There is no warehouse yet.", remedy="'make run' (or 'gmn run') makes one."
        )
    try:
        with warehouse.open(read_only=True) as connection:
            warehouse.confine(connection)
            _print_relation(connection.sql(query), output)
    except duckdb.Error as error:
        errors.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error


def _print_relation(relation: duckdb.DuckDBPyRelation | None, output: Format) -> None:
    if relation is None:
        return
    if output is Format.TABLE:
        relation.show(max_width=console.width, max_rows=40)
    elif output is Format.CSV:
        rows = csv.writer(sys.stdout)
        rows.writerow(relation.columns)
        rows.writerows(relation.fetchall())
    else:
        names = relation.columns
        answer = [dict(zip(names, row, strict=True)) for row in relation.fetchall()]
        json.dump(answer, sys.stdout, default=str)
        sys.stdout.write("\n")
