"""Rows for message tests: real ones, and any that the schema allows."""

import polars as pl
from hypothesis import strategies as st

from gmn_pipeline.schemas.fields import Kind
from gmn_pipeline.schemas.messages import CURRENT_VERSION, MESSAGE_FIELDS, TRAJECTORY_MESSAGES

_LONG = st.integers(-(2**63), 2**63 - 1)
_VALUES: dict[Kind, st.SearchStrategy[object]] = {
    Kind.TEXT: st.text(st.characters(codec="utf-8"), max_size=80),
    Kind.NUMBER: st.floats(width=64),
    Kind.INTEGER: st.one_of(st.integers(-200, 200), _LONG),
    Kind.TIMESTAMP: _LONG,
    Kind.DATE: st.integers(-(2**31), 2**31 - 1),
    Kind.BOOLEAN: st.booleans(),
    Kind.TEXT_LIST: st.lists(st.one_of(st.none(), st.text(max_size=9)), max_size=70),
}


def any_rows(version: str = CURRENT_VERSION) -> st.SearchStrategy[pl.DataFrame]:
    """Frames of a few rows with any values that the wire types can hold."""
    fields = TRAJECTORY_MESSAGES.fields_of(version)
    record = st.tuples(*(st.one_of(st.none(), _VALUES[f.kind]) for f in fields))
    schema = {f.name: f.wire_type for f in fields}
    return st.lists(record, max_size=4).map(
        lambda records: pl.DataFrame(records, schema=schema, orient="row")
    )


def bits(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows with numbers as their bits, so that NaN equals NaN and -0.0 is not 0.0."""
    numbers = [f.name for f in MESSAGE_FIELDS if f.kind is Kind.NUMBER]
    return rows.with_columns(pl.col(name).reinterpret(signed=True) for name in numbers)
