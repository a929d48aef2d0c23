"""A page of a table or view: what a request asks for, and the query of its rows.

What belongs here: from parameters to SQL. What does not: the grammar of filters, the order of rows,
facets and shapes, which have their own modules, and what is answered (`answer.py`).
"""

from dataclasses import dataclass

from gmn_pipeline.schemas.derive import describe
from gmn_pipeline.schemas.fields import Field
from gmn_pipeline.serving import free_sql
from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.routes import Asked, Conditions, Parameter
from gmn_pipeline.serving.tables import facets, order, shapes
from gmn_pipeline.serving.tables.as_of import AS_OF
from gmn_pipeline.serving.tables.facets import Facet
from gmn_pipeline.serving.tables.filters import OPERATORS, Condition, conditions, search, where
from gmn_pipeline.serving.tables.order import Term
from gmn_pipeline.serving.tables.relations import Relation
from gmn_pipeline.serving.tables.values import Bound
from gmn_pipeline.warehouse.lakes import WAREHOUSE

_DEFAULT_SIZE = 100
NDJSON = "application/x-ndjson"

SORT = Parameter("_sort", "column to sort by; nulls come last")
SORT_DESC = Parameter("_sort_desc", "column to sort by, the greatest first; nulls come last")
COL = Parameter("_col", "column to show, several times for several", is_repeated=True)
NOCOL = Parameter("_nocol", "column to leave out, several times for several", is_repeated=True)
SEARCH = Parameter(
    "_search", "words that each stand in one of the row's texts, upper or lower case"
)
WHERE = Parameter(
    "_where", "condition in SQL with the columns of the table; several times for several, that all "
    "hold", is_repeated=True, example="vgeo_km_s * 2 > 130",
)  # fmt: skip
_ON = ("on", "1", "true")
_SIZE = Parameter(
    "_size", f"rows of the page, {_DEFAULT_SIZE} without it; max for as many as there may be",
    pattern="^([0-9]{1,6}|max)?$",
)  # fmt: skip
NEXT = Parameter("_next", "row after which the page begins: next_url and the header Link have it")
_SHAPE = Parameter(
    "_shape", "arrays or objects: rows in the body of a page; array, arrayfirst (first column) or "
    "object (by primary key): rows alone", "arrays", choices=shapes.SHAPES,
)  # fmt: skip
NL = Parameter("_nl", "with _shape=array: a row a line", choices=_ON)
NOCOUNT = Parameter("_nocount", "without counting all rows that the filters let through",
                     choices=_ON)  # fmt: skip
NOFACET = Parameter("_nofacet", "no facets, and none suggested", choices=_ON)
NOSUGGEST = Parameter("_nosuggest", "no facets suggested", choices=_ON)
_FACETS = {"_facet": "column", "_facet_array": "array", "_facet_date": "date"}
_FACET_PARAMETERS = (
    Parameter("_facet", "column of which values are counted, the most frequent ones first; "
              "several times for several", is_repeated=True),
    Parameter("_facet_array", "list of which members are counted", is_repeated=True),
    Parameter("_facet_date", "time of which dates are counted", is_repeated=True),
    NOFACET, NOSUGGEST,
    Parameter("_facet_size", f"values of a facet, {facets.DEFAULT_SIZE} without it; max for all, "
              f"{facets.MOST_VALUES:,} at most",
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
    # SQL of clients is asked of the warehouse's states; there it names readings.
    is_free = relation.lake == WAREHOUSE.name
    free, words = ([WHERE] if is_free else []), ([SEARCH] if relation.is_searched else [])
    return (filters_of(relation), *free, *words)


def parameters_of(relation: Relation) -> tuple[Parameter, ...]:
    return (
        *of_rows(relation), SORT, SORT_DESC, COL, NOCOL, _SIZE, NEXT, _SHAPE, NL, NOCOUNT,
        *_FACET_PARAMETERS, AS_OF,
    )  # fmt: skip


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
    # Not every route that has filters takes SQL: it has to ask it in a process of its own.
    texts = asked.texts(WHERE.name) if WHERE.name in asked.values else ()
    free = free_sql.conditions(texts, WHERE.name)
    words = asked.text(SEARCH.name) if relation.is_searched else None
    return [
        *conditions(relation, [(*filters.parts(name), text) for name, text in asked.conditions]),
        *(search(relation, words) if words else []),
        *(Condition(text, is_free=True) for text in free),
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
    def is_free(self) -> bool:
        """Whether it holds text of the client."""
        return any(one.is_free for one in self.conditions)

    @property
    def keys(self) -> list[str]:
        """Further columns of the query, by which its rows are told apart."""
        return [f"t{number}" for number in range(len(self.terms))]

    def sql(self, rows: int) -> tuple[str, list[Bound]]:
        """The query of so many rows and one more, from where it begins, and its values."""
        names = dict.fromkeys(field.name for field in self.fields)
        some_rows, values = self._rows_sql([*names, self._terms], rows + 1)
        line = shapes.line_sql(self.fields, self.shape)
        return f"SELECT {line} AS line, {', '.join(self.keys)} FROM ({some_rows})", values

    def keys_sql(self, rows: int) -> tuple[str, list[Bound]]:
        """The query of the keys alone of so many rows."""
        return self._rows_sql([self._terms], rows)

    def first_keys_sql(self, rows: int) -> tuple[str, list[Bound]]:
        """The query of the first keys, `keys`, of a relation that has one column of them, and of
        how many there are, `n`, in one reading. Without any row `keys` is null."""
        clause, values = where(self.conditions)
        (term,) = self.terms
        return (
            f"SELECT count(*) AS n, min({term.sql}, {rows:d}) AS keys "
            f"FROM {self.relation.name} {clause}"
        ), values

    def _rows_sql(self, columns: list[str], rows: int) -> tuple[str, list[Bound]]:
        some = list(self.conditions)
        if self.after is not None:
            some.append(order.after(self.terms, self.after))
        clause, values = where(some)
        return (
            f"SELECT {', '.join(columns)} FROM {self.relation.name} {clause} "
            f"ORDER BY {order.order_by(self.terms)} LIMIT {rows:d}"
        ), values

    @property
    def _terms(self) -> str:
        return ", ".join(f"{t.sql} AS {k}" for t, k in zip(self.terms, self.keys, strict=True))


def page_of(asked: Asked, relation: Relation, filters: Conditions) -> Page:
    """The page that a request asks for. Raises Problem."""
    most = asked.work.settings.serve_page_rows
    name, descends = sorted_by(asked, relation)
    terms = order.order_of(relation, name, descends=descends)
    following = asked.text(NEXT.name)
    shape = asked.text(_SHAPE.name) or ""
    if shape == "object" and relation.is_view:
        raise bad_request("_shape=object goes with tables only: a view has no primary key.")
    counted = tuple(
        facets.facet(relation, name, kind)
        for parameter, kind in _FACETS.items()
        for name in dict.fromkeys(asked.texts(parameter))
    )
    if asked.text(NOFACET.name) is not None:
        counted = ()
    if len(counted) > facets.MOST:
        raise bad_request(f"{facets.MOST} facets at most, not {len(counted)}.")
    return Page(
        relation, chosen(asked, relation), tuple(filtered(asked, relation, filters)),
        tuple(terms), None if following is None else tuple(order.read(terms, following)),
        _number(asked, _SIZE.name, _DEFAULT_SIZE, most), shape, counted,
        _number(asked, "_facet_size", facets.DEFAULT_SIZE, facets.MOST_VALUES),
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
