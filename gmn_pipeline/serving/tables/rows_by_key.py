"""The first page of a selection that nobody asked for before: its keys from the lake, its rows by
key.

What belongs here: knowing which pages can be had so, and their rows. What does not: other pages
(`answer.py`), and where rows are kept (`serving/by_key/`).

The lake stores a column beside the other: it is quick in finding which rows a filter lets through,
and slow in putting a hundred of them together out of 94 columns
(docs/decisions/0060-keys-first-then-rows.md).
"""

import pyarrow as pa

from gmn_pipeline.queries.states import Snapshot
from gmn_pipeline.serving.by_key.rows import ROWS, line
from gmn_pipeline.serving.routes import Asked
from gmn_pipeline.serving.tables.order import order_of
from gmn_pipeline.serving.tables.page import Page
from gmn_pipeline.serving.tables.station_links import Found

_MOST_ROWS = 250
"""Of more rows than that the lake's own way is as quick."""


async def rows_by_key(asked: Asked, page: Page, snapshot: Snapshot, rows: int) -> Found | None:
    """So many rows at most, and how many the filters let through if that was found beside them;
    None if the lake is to be asked for all of it."""
    if (
        page.relation.name not in ROWS
        or page.is_free
        or not 1 < rows <= _MOST_ROWS
        or not await asked.work.by_key.stands_on(snapshot)
    ):
        return None
    number = None
    if page.after is None and page.terms == tuple(order_of(page.relation, None)):
        sql, values = page.first_keys_sql(rows)
        found = await asked.work.fetch(asked.request, snapshot, sql, values)
        number = found.column("n")[0].as_py()
        keys = pa.table({page.keys[0]: found.column("keys").combine_chunks().flatten()})
    else:
        sql, values = page.keys_sql(rows)
        keys = await asked.work.fetch(asked.request, snapshot, sql, values)
    identifiers = keys.column(page.keys[-1]).to_pylist()
    lines = await asked.work.by_key.lines(
        snapshot, page.relation.name, identifiers,
        lambda row: line(page.fields, row, page.shape),
    )  # fmt: skip
    if lines is None:
        return None
    return Found(keys.append_column("line", pa.array(lines, pa.string())), number)
