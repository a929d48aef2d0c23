"""The addresses of the network's REST API: parameters in, pages out.

What belongs here: what a request may say, and what stands around the rows. What does not: SQL
(`meteor_summary.py`) and bytes (`body.py`).
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import urlencode

import pyarrow as pa
from starlette.responses import Response

from gmn_pipeline.queries.states import MARK_SHOWN, Snapshot
from gmn_pipeline.serving import free_sql
from gmn_pipeline.serving.cache import Kept
from gmn_pipeline.serving.conditional import Stamp, answered, key_of
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.rest_api import body
from gmn_pipeline.serving.rest_api.meteor_summary import COLUMNS, Key, Page, page_sql
from gmn_pipeline.serving.routes import SNAPSHOT, Answers, Asked, Parameter, Route

_SUMMARY = "/gmn_rest_api/meteor_summary"
_KEY = re.compile(r"(\d{1,17})_([0-9A-Za-z_]{1,40})", re.ASCII)
_MOST_PAGES = 1_000_000
_SHEETS = 4
"""Pages that are read at once for who goes on. At a million rows one takes 118 ms of processor
time, four of them 136."""
_LAST = ("time_us", "id")
"""Columns of the query that name a row."""
_JSON_TYPE = "application/json"
_CSV_TYPE = "text/plain; charset=utf-8"
"""Not text/csv: the old platform's was shown by browsers."""
_SHAPE = Parameter(
    "data_shape", "whether a row of JSON is an object or an array", "objects",
    choices=("objects", "arrays"),
)  # fmt: skip
_FORMAT = Parameter("data_format", "JSON or CSV", "json", choices=("json", "csv"))
_PAGE = Parameter("page", "number of the page, from 1", 1, minimum=1)
_AFTER = Parameter(
    "after", "row after which the page begins; links have it", pattern=f"^({_KEY.pattern})?$"
)
_MARK = Parameter(
    "mark", "tells the state of that number from one that another warehouse had; links have it",
    pattern=f"^([0-9a-f]{{{MARK_SHOWN}}})?$",
)  # fmt: skip
_WHERE = Parameter(
    "where", "condition in SQL, with the columns of the answer and those of meteor, iau_shower, "
    "station and participating_station", example="iau_code = 'PER'",
)  # fmt: skip
_HAVING = Parameter("having", "another one", example="participating_stations LIKE '%US0003%'")
_ORDER_BY = Parameter(
    "order_by", "order in SQL; without it newest first",
    example="meteor.unique_trajectory_identifier DESC",
)  # fmt: skip
_SQL = Parameter(
    "sql", "one SELECT", is_required=True, example="SELECT code, name FROM iau_shower LIMIT 10"
)


async def meteor_summary(asked: Asked) -> Response:
    """A page of trajectories."""
    return await _answered(asked, _summary_page)


async def sql_query(asked: Asked) -> Response:
    """A query of the client's own."""
    return await _answered(asked, _rows_of_sql)


async def _answered(asked: Asked, ask: Callable[[Asked, Snapshot], Awaitable[Kept]]) -> Response:
    number = asked.number("snapshot")
    snapshot = await asked.work.snapshot(number)
    snapshot.must_have(asked.text(_MARK.name) or "")
    return await answered(asked, Stamp(snapshot, number is not None), lambda: ask(asked, snapshot))


async def _summary_page(asked: Asked, snapshot: Snapshot) -> Kept:
    """A page. Who comes by a link gets it out of a longer stretch of rows, whose other pages are
    kept for when they are asked for: to find rows takes longer than to write them."""
    page = _page(asked)
    sheets = _SHEETS if page.after is not None and not page.is_free else 1
    rows = sheets * page.rows
    sql, values = page_sql(replace(page, rows=rows))
    if page.is_free:
        table = (await free_sql.fetch(asked, snapshot, sql, values, rows=rows + 1)).table
    else:
        table = await asked.work.fetch(asked.request, snapshot, sql, values)
    first = _sheet(asked, page, snapshot, table, 0)
    before = first
    for number in range(1, sheets):
        if number * page.rows >= table.num_rows:
            break
        path, _, query = before.headers["Link"][1:].partition(">")[0].partition("?")
        before = _sheet(asked, page, snapshot, table, number)
        asked.work.cache.put(key_of(Stamp(snapshot, is_pinned=True), path, query), before)
    return first


def _sheet(asked: Asked, page: Page, snapshot: Snapshot, table: pa.Table, number: int) -> Kept:
    """One of the pages that the rows are; `number`: so many of them come before."""
    begin = number * page.rows
    lines = table.column("line").slice(begin, page.rows).to_pylist()
    headers = {}
    if table.num_rows > begin + page.rows:
        last = {name: table.column(name)[begin + page.rows - 1].as_py() for name in _LAST}
        key = Key(last["time_us"], last["id"])
        following = _next(asked, page, snapshot, key, number + 1)
        headers["Link"] = f'<{_SUMMARY}?{urlencode(following)}>; rel="next"'
    if page.shape == "csv":
        return Kept(body.csv_of_lines(lines, COLUMNS), _CSV_TYPE, headers)
    more = f'"truncated": false, "snapshot": {snapshot.id}'
    return Kept(body.json_of_lines(lines, COLUMNS, page.shape, more), _JSON_TYPE, headers)


async def _rows_of_sql(asked: Asked, snapshot: Snapshot) -> Kept:
    sql = free_sql.query(asked.text("sql") or "")
    found = await free_sql.fetch(asked, snapshot, sql, [], rows=asked.work.settings.serve_page_rows)
    if asked.text("data_format") == "csv":
        return Kept(body.csv_of_table(found.table), _CSV_TYPE, {})
    more = f'"truncated": {str(found.truncated).lower()}, "snapshot": {snapshot.id}'
    content = body.json_of_table(found.table, asked.text("data_shape") or "", more)
    return Kept(content, _JSON_TYPE, {})


def _page(asked: Asked) -> Page:
    rows = asked.work.settings.serve_page_rows
    number = asked.number("page") or 1
    if number > _MOST_PAGES:
        raise bad_request(f"page is at most {_MOST_PAGES:,}.")
    is_csv = asked.text("data_format") == "csv"
    after = _key(asked.text("after"))
    order_by = asked.text("order_by")
    if after is not None and order_by:
        raise bad_request("after goes with the order of newest first: without order_by.")
    return Page(
        shape="csv" if is_csv else asked.text("data_shape") or "", rows=rows,
        where=asked.text("where"), having=asked.text("having"), order_by=order_by, after=after,
        skipped_rows=0 if after else (number - 1) * rows,
    )  # fmt: skip


def _key(text: str | None) -> Key | None:
    if text is None:
        return None
    found = _KEY.fullmatch(text)
    if found is None:
        raise bad_request("after is not one that a link has.")
    return Key(int(found[1]), found[2])


def _next(asked: Asked, page: Page, snapshot: Snapshot, last: Key, pages: int) -> dict[str, object]:
    """The parameters of the page after so many, on the same state: the old ones as they were
    documented, with empty ones, then ours."""
    given = {
        name: asked.text(name) or ""
        for name in ("where", "having", "order_by", "data_format", "data_shape")
    }
    after = {} if page.order_by else {"after": f"{last.time_us}_{last.identifier}"}
    number = (asked.number("page") or 1) + pages
    state = {"snapshot": snapshot.id, _MARK.name: snapshot.mark[:MARK_SHOWN]}
    return {"page": number, **given, **state, **after}


def _rows_schema(row: dict[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "required": ["ok", "rows", "truncated", "snapshot"],
        "properties": {
            "ok": {"const": True},
            "rows": {"type": "array", "items": {"anyOf": [row, {"type": "array"}]}},
            "columns": {"type": "array", "items": {"type": "string"}},
            "truncated": {"type": "boolean", "description": "whether there were more rows"},
            "snapshot": {"type": "integer", "description": "the state that was asked"},
        },
    }


_CSV_ANSWER = Answers("text/plain", "CSV, with data_format=csv")

ROUTES = (
    Route(
        _SUMMARY, "meteor_summary", "Trajectories, newest first, in pages", meteor_summary,
        (
            Answers(
                "application/json", "A page; the header Link leads to the next one",
                _rows_schema({"$ref": "#/components/schemas/MeteorSummary"}),
            ),
            _CSV_ANSWER,
        ),
        (_PAGE, _WHERE, _HAVING, _ORDER_BY, _SHAPE, _FORMAT, SNAPSHOT, _MARK, _AFTER),
        more_parameters_are_passed_over=True, problems=(410, 503),
    ),
    Route(
        "/gmn_rest_api", "gmn_rest_api", "The answer to a query in SQL", sql_query,
        (
            Answers(
                "application/json", "Up to as many rows as a page has",
                _rows_schema({"type": "object"}),
            ),
            _CSV_ANSWER,
        ),
        (_SQL, _SHAPE, _FORMAT, SNAPSHOT, _MARK),
        more_parameters_are_passed_over=True, problems=(410, 503),
    ),
)  # fmt: skip
