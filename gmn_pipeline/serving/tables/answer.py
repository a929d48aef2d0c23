"""The answer to who asks for a page of a table: its rows, and what is said of them.

What belongs here: asking, and the body. What does not: what is asked for (`page.py`).

To find rows takes much longer than to write them. So whoever goes on after a page is given it out
of a longer stretch of rows, whose other pages are kept for when they are asked for, and rows are
counted once for all pages.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import pyarrow as pa
from starlette.responses import Response

from gmn_pipeline.serving import free_sql
from gmn_pipeline.serving.cache import Kept
from gmn_pipeline.serving.conditional import Stamp, answered, key_of
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.serving.routes import Asked, Conditions
from gmn_pipeline.serving.tables import facets, order, shapes
from gmn_pipeline.serving.tables.addresses import base_of
from gmn_pipeline.serving.tables.as_of import AS_OF, state
from gmn_pipeline.serving.tables.filters import OPERATORS, where
from gmn_pipeline.serving.tables.page import (
    NDJSON,
    NEXT,
    NL,
    NOCOUNT,
    NOFACET,
    NOSUGGEST,
    SEARCH,
    SORT,
    SORT_DESC,
    WHERE,
    Page,
    page_of,
)
from gmn_pipeline.serving.tables.relations import Relation
from gmn_pipeline.serving.tables.rows_by_key import rows_by_key
from gmn_pipeline.serving.tables.station_links import station_links
from gmn_pipeline.serving.tables.values import Bound

_JSON = "application/json"
_SUGGESTED_WITHIN_S = 0.25
_AHEAD_ROWS = 1_000
"""So many are read at once for who goes on, be they several pages."""


async def answer(asked: Asked, relation: Relation, filters: Conditions) -> Response:
    """A page."""
    stamp, base = await state(asked, relation.lake), base_of(asked)
    here = f"{base}/{asked.text('store')}/{relation.name}.json"

    async def ask() -> Kept:
        return await _Sheets(asked, page_of(asked, relation, filters), stamp, here).first()

    return await answered(asked, stamp, ask, base)


@dataclass(frozen=True)
class _Sheets:
    """The page that is asked for, and those after it that come with it."""

    asked: Asked
    page: Page
    stamp: Stamp
    path: str

    async def first(self) -> Kept:
        size = self.page.size
        # Links of facets have the page's own address in them.
        goes_on = self.page.after is not None and size > 0 and not self.page.facets
        sheets = max(1, _AHEAD_ROWS // size) if goes_on else 1
        rows, number, suggests = await self._found(sheets * size + 1)
        around = await self._around(number, rows if suggests else None)
        first = self._sheet(rows, 0, around)
        before = first
        for number in range(1, sheets):
            if number * size >= rows.num_rows:
                break
            path, _, query = before.headers["Link"][1:].partition(">")[0].partition("?")
            before = self._sheet(rows, number * size, around)
            self.asked.work.cache.put(key_of(self.stamp, path, query), before)
        return first

    async def _found(self, most: int) -> tuple[pa.Table, int | None, bool]:
        """So many rows, how many there are in all if that was found with them, and whether facets
        are to be suggested beside them: of the links of a station, all but the meteors is the same.
        """
        links = await station_links(self.asked, self.page, self.stamp.snapshot, most)
        if links is not None:
            return links.rows, links.number, False
        found = await rows_by_key(self.asked, self.page, self.stamp.snapshot, most)
        if found is not None:
            return found.rows, found.number, True
        sql, values = self.page.sql(most - 1)
        return await self._rows(sql, values, most), None, True

    async def _rows(self, sql: str, values: list[Bound], rows: int) -> pa.Table:
        """All rows of a query that has so many at most."""
        asked, snapshot = self.asked, self.stamp.snapshot
        if self.page.is_free:
            return (await free_sql.fetch(asked, snapshot, sql, values, rows=rows)).table
        return await asked.work.fetch(asked.request, snapshot, sql, values)

    def _sheet(self, rows: pa.Table, begin: int, around: Mapping[str, object]) -> Kept:
        page, size = self.page, self.page.size
        lines = rows.column("line").slice(begin, size).to_pylist()
        following = None
        if rows.num_rows > begin + size > begin:
            last = [rows.column(key)[begin + size - 1].as_py() for key in page.keys]
            following = order.written(last)
        next_url = following and self._next_url(following)
        headers = {"Link": f'<{next_url}>; rel="next"'} if next_url else {}
        if page.shape in ("arrays", "objects"):
            more = {
                **around, "next": following, "next_url": next_url,
                "snapshot": self.stamp.snapshot.id,
            }  # fmt: skip
            return Kept(shapes.page_body(lines, self._before(), more), _JSON, headers)
        is_ndjson = page.shape == "array" and self.asked.text(NL.name) is not None
        keys = self._row_keys(rows.slice(begin, size)) if page.shape == "object" else []
        body = shapes.rows_body(lines, page.shape, keys, is_ndjson=is_ndjson)
        return Kept(body, NDJSON if is_ndjson else _JSON, headers)

    def _row_keys(self, rows: pa.Table) -> list[str]:
        page = self.page
        places = {t.field.name: k for t, k in zip(page.terms, page.keys, strict=True)}
        return [
            order.written([row[places[name]] for name in page.relation.key])
            for row in rows.select(page.keys).to_pylist()
        ]

    def _next_url(self, following: str) -> str:
        """On the same state, whatever is loaded meanwhile."""
        given = [
            pair
            for pair in self.asked.request.query_params.multi_items()
            if pair[0] not in (NEXT.name, AS_OF.name)
        ]
        pinned = [*given, (AS_OF.name, self.stamp.snapshot.name), (NEXT.name, following)]
        return f"{self.path}?{urlencode(pinned)}"

    def _before(self) -> dict[str, object]:
        """What is said before the rows: Datasette's keys."""
        relation = self.page.relation
        return {
            "database": self.asked.text("store"), "table": relation.name,
            "is_view": relation.is_view, "human_description_en": _description(self.asked),
        }  # fmt: skip

    async def _around(self, number: int | None, rows: pa.Table | None) -> dict[str, object]:
        """What is said after them, of all pages the same. `number`: of rows, if it is known;
        `rows`: for which facets are to be suggested."""
        page, relation = self.page, self.page.relation
        if page.shape not in ("arrays", "objects"):
            return {}
        clause, values = where(page.conditions)
        number, results = await self._counted(clause, values, number)
        return {
            "truncated": False,
            "filtered_table_rows_count": number,
            "expanded_columns": [],
            "expandable_columns": [],
            "columns": [field.name for field in page.fields],
            "primary_keys": [] if relation.is_view else list(relation.key),
            "units": {field.name: field.unit for field in page.fields if field.unit},
            "query": {"sql": f"SELECT * FROM {relation.in_sql} {clause}".strip(),
                      "params": [shapes.json_value(value) for value in values]},
            "facet_results": results,
            "suggested_facets": [] if rows is None else await self._suggested(clause, values, rows),
            "private": False,
            "allow_execute_sql": True,
        }  # fmt: skip

    async def _counted(
        self, clause: str, values: list[Bound], number: int | None
    ) -> tuple[int | None, dict[str, object]]:
        """How many rows the filters let through, unless that is known, and the facets' values."""
        page = self.page
        is_counted = self.asked.text(NOCOUNT.name) is None and page.relation.is_counted
        counting = facets.Counting(tuple(one for one in page.facets if one.kind != "array"))
        if not counting.facets:
            number = await self._number(clause, values, number) if is_counted else None
            found: dict[str, list[tuple[object, int]]] = {}
        else:
            sql = counting.sql(page.relation, clause, page.facet_size)
            rows = await self._rows(sql, values, counting.most_rows(page.facet_size))
            number, found = counting.found(rows)
        for one in page.facets:
            if one.kind == "array":
                sql = facets.members_sql(one, page.relation, clause, page.facet_size)
                rows = await self._rows(sql, values, page.facet_size + 1)
                found[one.key] = [(row["value"], row["n"]) for row in rows.to_pylist()]
        given = self.asked.request.query_params.multi_items()
        results: dict[str, object] = {
            one.key: facets.facet_result(one, found[one.key], page.facet_size, self.path, given)
            for one in page.facets
        }
        return number if is_counted else None, results

    async def _number(self, clause: str, values: list[Bound], known: int | None) -> int:
        """How many rows the filters let through: kept for the pages after this one."""
        sql = f"SELECT count(*) AS n FROM {self.page.relation.name} {clause}"

        async def count() -> Kept:
            if known is not None:
                return Kept(str(known).encode(), _JSON, {})
            found = await self._rows(sql, values, 1)
            return Kept(str(found.column("n")[0].as_py()).encode(), _JSON, {})

        return int((await self._kept(sql, values, count)).body)

    async def _suggested(
        self, clause: str, values: list[Bound], rows: pa.Table
    ) -> list[dict[str, object]]:
        """Facets that might be of use: on the first page only, as in Datasette. The rows of the
        page say which, where they are enough."""
        asked, relation = self.asked, self.page.relation
        if (
            self.page.after is not None
            or self.page.is_free
            or asked.text(NOSUGGEST.name) is not None
            or asked.text(NOFACET.name) is not None
        ):
            return []
        sql = facets.suggestions_sql(relation, clause)

        async def look() -> Kept:
            found = await asked.work.fetch(
                asked.request, self.stamp.snapshot, sql, values, seconds=_SUGGESTED_WITHIN_S
            )
            (counts,) = found.to_pylist()
            return Kept(json.dumps(counts).encode(), _JSON, {})

        lines = rows.column("line").slice(0, self.page.size).to_pylist()
        counts = facets.counts_of(
            relation, self.page.fields, lines, is_all=rows.num_rows <= self.page.size
        )
        try:
            if counts is None:
                counts = json.loads((await self._kept(sql, values, look)).body)
        except Problem as problem:
            if problem.status != 503:
                raise
            return []  # it takes too long: they are no more than an offer
        given = asked.request.query_params.multi_items()
        return facets.suggested(relation, counts, self.path, given)

    async def _kept(
        self, sql: str, values: list[Bound], ask: Callable[[], Awaitable[Kept]]
    ) -> Kept:
        """What was found before for another page of the same rows, or is found now."""
        key = (self.stamp.snapshot.mark, sql, repr(values))
        return self.asked.work.cache.get(key) or await self.asked.work.once.answer(key, ask)


def _description(asked: Asked) -> str:
    """The filters and the order in words."""
    said = []
    for name, text in asked.conditions:
        column_name, sign, operator = name.rpartition("__")
        if sign and operator in OPERATORS:
            shown = "" if OPERATORS[operator].is_lone else f" {text}"
            said.append(f"{column_name} {operator}{shown}")
        else:
            said.append(f"{name} = {text}")
    if SEARCH.name in asked.values and (looked_for := asked.text(SEARCH.name)):
        said.append(f'search matches "{looked_for}"')
    said += asked.texts(WHERE.name) if WHERE.name in asked.values else ()
    words = f"where {' and '.join(said)}" if said else ""
    if by := asked.text(SORT.name):
        words += f" sorted by {by}"
    elif by := asked.text(SORT_DESC.name):
        words += f" sorted by {by} descending"
    return words.strip()
