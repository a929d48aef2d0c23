"""A page of a table or view: what a request asks for, its queries, and the answer.

What belongs here: from parameters to the body. What does not: the grammar of filters, the order of
rows, facets and shapes, which have their own modules.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from gmn_pipeline.schemas.derive import describe
from gmn_pipeline.schemas.fields import Field
from gmn_pipeline.serving.cache import Kept
from gmn_pipeline.serving.conditional import Stamp, answered
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.routes import Asked, Conditions, Parameter
from gmn_pipeline.serving.tables import facets, order, shapes
from gmn_pipeline.serving.tables.as_of import AS_OF, state
from gmn_pipeline.serving.tables.facets import Facet
from gmn_pipeline.serving.tables.filters import OPERATORS, Condition, conditions, search, where
from gmn_pipeline.serving.tables.order import Term
from gmn_pipeline.serving.tables.relations import Relation
from gmn_pipeline.serving.tables.values import Bound

_DEFAULT_SIZE = 100
_JSON = "application/json"
NDJSON = "application/x-ndjson"

SORT = Parameter("_sort", "column to sort by; nulls come last")
SORT_DESC = Parameter("_sort_desc", "column to sort by, the greatest first; nulls come last")
COL = Parameter("_col", "column to show, several times for several", is_repeated=True)
NOCOL = Parameter("_nocol", "column to leave out, several times for several", is_repeated=True)
_SEARCH = Parameter(
    "_search", "words that each stand in one of the row's texts, upper or lower case"
)
_ON = ("on", "1", "true")
_SIZE = Parameter(
    "_size", f"rows of the page, {_DEFAULT_SIZE} without it; max for as many as there may be",
    pattern="^([0-9]{1,6}|max)?$",
)  # fmt: skip
_NEXT = Parameter("_next", "row after which the page begins: next_url and the header Link have it")
_SHAPE = Parameter(
    "_shape", "arrays or objects: rows in the body of a page; array, arrayfirst (first column) or "
    "object (by primary key): rows alone", "arrays", choices=shapes.SHAPES,
)  # fmt: skip
_NL = Parameter("_nl", "with _shape=array: a row a line", choices=_ON)
_NOCOUNT = Parameter("_nocount", "without counting all rows that the filters let through",
                     choices=_ON)  # fmt: skip
_FACETS = {"_facet": "column", "_facet_array": "array", "_facet_date": "date"}
_FACET_PARAMETERS = (
    Parameter("_facet", "column of which values are counted, the most frequent ones first; "
              "several times for several", is_repeated=True),
    Parameter("_facet_array", "list of which members are counted", is_repeated=True),
    Parameter("_facet_date", "time of which dates are counted", is_repeated=True),
    Parameter("_facet_size", f"values of a facet, {facets.DEFAULT_SIZE} without it",
              pattern="^([0-9]{1,6}|max)?$"),
)  # fmt: skip


def filters_of(relation: Relation) -> Conditions:
    """The parameters that are columns."""
    return Conditions(
        "filters",
        "any number of column=value and column__operator=value, of which all hold: "
        + "; ".join(f"{name}: {one.meaning}" for name, one in OPERATORS.items()),
        columns={field.name: describe(field) for field in relation.fields},
        operators={name: one.meaning for name, one in OPERATORS.items()},
        lone=frozenset(name for name, one in OPERATORS.items() if one.is_lone),
    )


def of_rows(relation: Relation) -> tuple[Parameter, ...]:
    """Those that say which rows are asked for."""
    return (filters_of(relation), *([_SEARCH] if relation.is_searched else []))


def parameters_of(relation: Relation) -> tuple[Parameter, ...]:
    return (
        *of_rows(relation), SORT, SORT_DESC, COL, NOCOL, _SIZE, _NEXT, _SHAPE, _NL, _NOCOUNT,
        *_FACET_PARAMETERS, AS_OF,
    )  # fmt: skip


# What is asked ------------------------------------------------------------------------------------


def column(relation: Relation, name: str) -> Field:
    """Raises Problem."""
    if name not in relation.by_name:
        raise bad_request(
            f"There is no column {name[:100]!r} here, but {', '.join(relation.by_name)}."
        )
    return relation.by_name[name]


def chosen(asked: Asked, relation: Relation) -> tuple[Field, ...]:
    """The columns to show; what tells rows of a table apart is always among them, as in Datasette.

    Raises Problem.
    """
    wanted = [column(relation, name) for name in asked.texts(COL.name)]
    unwanted = [column(relation, name) for name in asked.texts(NOCOL.name)]
    fields = list(dict.fromkeys(wanted)) or list(relation.fields)
    fields = [field for field in fields if field not in unwanted]
    if not relation.is_view:
        key = [relation.by_name[name] for name in relation.key]
        fields = [*(field for field in key if field not in fields), *fields]
    if not fields:
        raise bad_request("No column is left to be shown.")
    return tuple(fields)


def filtered(asked: Asked, relation: Relation, filters: Conditions) -> list[Condition]:
    """The conditions of a request. Raises Problem."""
    words = asked.text(_SEARCH.name) if relation.is_searched else None
    return [
        *conditions(relation, [(*filters.parts(name), text) for name, text in asked.conditions]),
        *(search(relation, words) if words else []),
    ]


def sorted_by(asked: Asked, relation: Relation) -> tuple[str | None, bool]:
    """The column of the client's order, and whether it descends. Raises Problem."""
    ascending, descending = asked.text(SORT.name), asked.text(SORT_DESC.name)
    if ascending and descending:
        raise bad_request("_sort and _sort_desc do not go together.")
    name = ascending or descending
    if name is not None:
        column(relation, name)
    return name, descending is not None


@dataclass(frozen=True)
class Page:
    """A page as it is asked for."""

    relation: Relation
    fields: tuple[Field, ...]
    conditions: tuple[Condition, ...]
    terms: tuple[Term, ...]
    after: tuple[Bound, ...] | None
    size: int
    shape: str
    facets: tuple[Facet, ...]
    facet_size: int

    @property
    def keys(self) -> list[str]:
        """Further columns of the query, by which its rows are told apart."""
        return [f"t{number}" for number in range(len(self.terms))]

    def sql(self) -> tuple[str, list[Bound]]:
        """The query of its rows, one more than it has, and its values."""
        some = list(self.conditions)
        if self.after is not None:
            some.append(order.after(self.terms, self.after))
        clause, values = where(some)
        names = dict.fromkeys(field.name for field in self.fields)
        terms = ", ".join(f"{t.sql} AS {k}" for t, k in zip(self.terms, self.keys, strict=True))
        rows = (
            f"SELECT {', '.join(names)}, {terms} FROM {self.relation.name} {clause} "
            f"ORDER BY {order.order_by(self.terms)} LIMIT {self.size + 1:d}"
        )
        line = shapes.line_sql(self.fields, self.shape)
        return f"SELECT {line} AS line, {', '.join(self.keys)} FROM ({rows})", values


def _page(asked: Asked, relation: Relation, filters: Conditions) -> Page:
    most = asked.work.settings.serve_page_rows
    name, descends = sorted_by(asked, relation)
    terms = order.order_of(relation, name, descends=descends)
    following = asked.text(_NEXT.name)
    shape = asked.text(_SHAPE.name) or ""
    if shape == "object" and relation.is_view:
        raise bad_request("_shape=object goes with tables only: a view has no primary key.")
    counted = tuple(
        facets.facet(relation, name, kind)
        for parameter, kind in _FACETS.items()
        for name in dict.fromkeys(asked.texts(parameter))
    )
    if len(counted) > facets.MOST:
        raise bad_request(f"{facets.MOST} facets at most, not {len(counted)}.")
    return Page(
        relation, chosen(asked, relation), tuple(filtered(asked, relation, filters)),
        tuple(terms), None if following is None else tuple(order.read(terms, following)),
        _number(asked, _SIZE.name, _DEFAULT_SIZE, most), shape, counted,
        _number(asked, "_facet_size", facets.DEFAULT_SIZE, most),
    )  # fmt: skip


def _number(asked: Asked, name: str, default: int, most: int) -> int:
    text = asked.text(name)
    if text is None:
        return min(default, most)
    if text == "max":
        return most
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) <= most):
        raise bad_request(f"{name} is 0 to {most:,}, or max, not {text[:100]!r}.")
    return int(text)


# What is answered ---------------------------------------------------------------------------------


async def answer(asked: Asked, relation: Relation, filters: Conditions, base: str) -> Response:
    """A page; `base`: the path that leads to the table, without what comes after the dot."""
    stamp = await state(asked)

    async def ask() -> Kept:
        return await _ask(asked, _page(asked, relation, filters), stamp, f"{base}.json")

    return await answered(asked, stamp, ask)


async def _ask(asked: Asked, page: Page, stamp: Stamp, path: str) -> Kept:
    sql, values = page.sql()
    found = await asked.work.fetch(asked.request, stamp.snapshot, sql, values)
    lines = found.column("line").to_pylist()[: page.size]
    following = None
    if found.num_rows > page.size > 0:
        last = [found.column(key)[page.size - 1].as_py() for key in page.keys]
        following = order.written(last)
    next_url = following and _next_url(asked.request, path, following, stamp.snapshot.id)
    headers = {"Link": f'<{next_url}>; rel="next"'} if next_url else {}
    if page.shape not in ("arrays", "objects"):
        is_ndjson = page.shape == "array" and asked.text(_NL.name) is not None
        keys = []
        if page.shape == "object":
            keys = _row_keys(page, found.select(page.keys).slice(0, page.size).to_pylist())
        body = shapes.rows_body(lines, page.shape, keys, is_ndjson=is_ndjson)
        return Kept(body, NDJSON if is_ndjson else _JSON, headers)
    before, more = await _around(asked, page, stamp, path)
    more |= {"next": following, "next_url": next_url, "snapshot": stamp.snapshot.id}
    return Kept(shapes.page_body(lines, before, more), _JSON, headers)


def _row_keys(page: Page, rows: Sequence[dict[str, Bound]]) -> list[str]:
    places = {t.field.name: k for t, k in zip(page.terms, page.keys, strict=True)}
    return [order.written([row[places[name]] for name in page.relation.key]) for row in rows]


def _next_url(request: Request, path: str, following: str, snapshot: int) -> str:
    """On the same state, whatever is loaded meanwhile."""
    given = [
        pair for pair in request.query_params.multi_items() if pair[0] not in ("_next", AS_OF.name)
    ]
    return f"{path}?{urlencode([*given, (AS_OF.name, snapshot), ('_next', following)])}"


async def _around(
    asked: Asked, page: Page, stamp: Stamp, path: str
) -> tuple[dict[str, object], dict[str, object]]:
    """What is said of the rows, before them and after: Datasette's keys."""
    relation, request = page.relation, asked.request
    clause, values = where(page.conditions)
    number: int | None = None
    if asked.text(_NOCOUNT.name) is None:
        sql = f"SELECT count(*) AS n FROM {relation.name} {clause}"
        counted = await asked.work.fetch(request, stamp.snapshot, sql, values)
        number = counted.column("n")[0].as_py()
    results: dict[str, object] = {}
    given = request.query_params.multi_items()
    for one in page.facets:
        sql = facets.facet_sql(one, relation, clause, page.facet_size)
        found = await asked.work.fetch(request, stamp.snapshot, sql, values)
        results[one.key] = facets.facet_result(one, found, page.facet_size, path, given)
    before: dict[str, object] = {
        "database": path.split("/")[1], "table": relation.name, "is_view": relation.is_view,
        "human_description_en": _description(asked),
    }  # fmt: skip
    more: dict[str, object] = {
        "truncated": False,
        "filtered_table_rows_count": number,
        "expanded_columns": [],
        "expandable_columns": [],
        "columns": [field.name for field in page.fields],
        "primary_keys": [] if relation.is_view else list(relation.key),
        "units": {field.name: field.unit for field in page.fields if field.unit},
        "query": {"sql": f"SELECT * FROM {relation.name} {clause}".strip(),
                  "params": [shapes.json_value(value) for value in values]},
        "facet_results": results,
        "suggested_facets": [],
        "private": False,
        "allow_execute_sql": False,
    }  # fmt: skip
    return before, more


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
    if _SEARCH.name in asked.values and (looked_for := asked.text(_SEARCH.name)):
        said.append(f'search matches "{looked_for}"')
    words = f"where {' and '.join(said)}" if said else ""
    if by := asked.text(SORT.name):
        words += f" sorted by {by}"
    elif by := asked.text(SORT_DESC.name):
        words += f" sorted by {by} descending"
    return words.strip()
