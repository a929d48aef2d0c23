"""Arrow tables as what people work with; each package is asked for only when it is needed.

What belongs here: conversion, with units where the other side has a place for them.
"""

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from gmn_client.errors import PackageMissing

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl

_PANDAS_ATTRS = b"PANDAS_ATTRS"


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise PackageMissing(
            f"This needs {name}: pip install {name}, or pip install 'gmn-client[{name}]'."
        ) from error


def to_polars(table: pa.Table) -> "pl.DataFrame":
    frame: pl.DataFrame = _package("polars").from_arrow(table)
    return frame


def to_pandas(table: pa.Table) -> "pd.DataFrame":
    """Units, meanings and the state are in `frame.attrs`."""
    _package("pandas")
    frame: pd.DataFrame = table.to_pandas()
    told = (table.schema.metadata or {}).get(_PANDAS_ATTRS)
    if told:
        frame.attrs.update(json.loads(told))
    return frame


def to_duckdb(
    table: pa.Table, connection: "duckdb.DuckDBPyConnection | None"
) -> "duckdb.DuckDBPyRelation":
    module = _package("duckdb")
    relation: duckdb.DuckDBPyRelation = (
        module.from_arrow(table) if connection is None else connection.from_arrow(table)
    )
    return relation


def units(schema: pa.Schema) -> dict[str, str]:
    """Unit of each column that has one."""
    found = {field.name: (field.metadata or {}).get(b"unit") for field in schema}
    return {name: unit.decode() for name, unit in found.items() if unit}
