"""Is this text one SELECT of our tables? DuckDB's own parser says so, or the text is not run.

What belongs here: judging a query before it is run, by the tree that DuckDB serializes of it.
What does not: what the session could do if this failed (`session.py`, `sandbox.py`). What is not
known to be harmless is refused: kinds of nodes and table functions are listed, not guessed.
"""

import json
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

import duckdb

from gmn_pipeline.errors import QueryFailed, QueryRefused
from gmn_pipeline.queries.functions import HUNGRY, INFORMATION_SCHEMA, REFUSED, TABLE_FUNCTIONS
from gmn_pipeline.queries.hiding import rewritten

_ASK = "Ask with one SELECT; 'SHOW TABLES' lists the tables, 'DESCRIBE trajectories' the columns."
_LONGEST = 100_000
EXPLAIN = re.compile(r"\s*EXPLAIN\s+(?=(?:SELECT|WITH|FROM)\b)", re.IGNORECASE | re.ASCII)
"""What may stand before a query, which is planned then, and not run. ANALYZE would run it."""
# DuckDB compares names without regard to case in ASCII only: `K` (Kelvin) is not `k` there.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

_QUERIES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE"}
_TABLES = {"JOIN", "SUBQUERY", "EXPRESSION_LIST", "EMPTY", "PIVOT"}
_EXPRESSIONS = {
    "BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT",
    "DEFAULT", "FUNCTION", "LAMBDA", "LAMBDA_REF", "OPERATOR", "PARAMETER",
    "POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "TYPE", "WINDOW",
}  # fmt: skip
# Parts of a query that hold neither a table nor a function by themselves.
_PARTS = {
    "ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER",
    "ORDER_DEFAULT", "ASCENDING", "DESCENDING",
}  # fmt: skip
_SHOWN = {"DESCRIBE", "SUMMARY"}


@dataclass(frozen=True)
class Catalogue:
    """What there is to ask: names in lower case. `beside` has the tables of other lakes, which
    are asked as `<lake>.<table>`."""

    name: str
    tables: frozenset[str]
    table_macros: frozenset[str]
    beside: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, connection: duckdb.DuckDBPyConnection, name: str, beside: Sequence[str] = ()
    ) -> "Catalogue":
        """What a session has to ask, of its own lake and of others."""
        others = {other: cls.of(connection, other).tables for other in beside}
        rows = connection.execute(
            "SELECT 'table', table_name FROM duckdb_tables() WHERE database_name = $name "
            "UNION ALL SELECT 'table', view_name FROM duckdb_views() WHERE database_name = $name "
            "UNION ALL SELECT function_type, function_name FROM duckdb_functions() "
            "WHERE database_name = $name",
            {"name": name},
        ).fetchall()
        return cls(
            name,
            frozenset(lower(found) for kind, found in rows if kind == "table"),
            frozenset(lower(found) for kind, found in rows if kind == "table_macro"),
            others,
        )

    def without(self, hidden: frozenset[str]) -> "Catalogue":
        """The same but for some tables."""
        beside = {name: tables - hidden for name, tables in self.beside.items()}
        return replace(self, tables=self.tables - hidden, beside=beside)


def may_ask(sql: str, lake: str) -> bool:
    """Whether a query may be about the tables of a lake beside its own: it would name it."""
    return lake in lower(sql)


def lower(name: str) -> str:
    """A name as DuckDB compares it."""
    return name.translate(_LOWER)


def one_select(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    catalogue: Catalogue,
    *,
    hungry: bool,
    hidden: frozenset[str] = frozenset(),
) -> duckdb.Statement:
    """The statement, if it is one SELECT that may be run, or EXPLAIN of such a one, which plans it;
    `hungry`: it may call such functions. `hidden`: tables that lists of tables do not name.

    Raises QueryRefused if it is anything else, QueryFailed if it is no SQL.
    """
    if len(sql) > _LONGEST:
        raise QueryRefused(f"A query may have {_LONGEST:,} characters, not {len(sql):,}.")
    if "\0" in sql:
        raise QueryRefused("A query cannot hold the character NUL.")
    # First, since it only parses: `extract_statements` runs what a PRAGMA stands for.
    explained = EXPLAIN.match(sql)
    tree = _tree(connection, sql[explained.end() :] if explained else sql)
    if len(tree) != 1:
        what = f"{len(tree)} statements" if tree else "no statement"
        raise QueryRefused(f"The query holds {what}.", remedy=_ASK)
    try:
        _Walk(catalogue, hungry=hungry).query(tree[0]["node"], frozenset())
    except RecursionError as error:
        raise QueryRefused("The query is nested too deeply.") from error
    if hidden and (text := rewritten(connection, tree[0], hidden)) is not None:
        sql = f"EXPLAIN {text}" if explained else text
    statements = connection.extract_statements(sql)
    kind = duckdb.StatementType.EXPLAIN if explained else duckdb.StatementType.SELECT
    if [statement.type for statement in statements] != [kind]:
        raise QueryRefused("The query is not one SELECT.", remedy=_ASK)
    return statements[0]


def _tree(connection: duckdb.DuckDBPyConnection, sql: str) -> Sequence[Any]:
    try:
        row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
    except duckdb.Error as error:
        raise failed(str(error)) from error
    assert row is not None
    try:
        answer = json.loads(row[0])
    except RecursionError as error:
        raise QueryRefused("The query is nested too deeply.") from error
    if not answer["error"]:
        statements: Sequence[Any] = answer["statements"]
        return statements
    if answer["error_type"] == "not implemented":
        raise QueryRefused(_not_a_select(sql, answer["error_message"]), remedy=_ASK)
    raise QueryFailed(_sentence(answer["error_message"]) + _place(sql, answer.get("position")))


def _not_a_select(sql: str, message: str) -> str:
    if "Only SELECT" not in message:
        return _sentence(message)
    words = [
        sql[begin:].split(maxsplit=1)[0].strip("();").upper()
        for begin, kind in duckdb.tokenize(sql)
        if kind is not duckdb.token_type.comment
    ]
    if "PIVOT" in words:
        return "A PIVOT here names the values of its columns: PIVOT ... ON column IN ('a', 'b')."
    first = words[0] if words else "?"
    return f"{first} is not a SELECT: a query reads the warehouse and changes nothing."


class _Walk:
    """Looks at every node of a query; `names` are the CTEs that can be seen from there."""

    def __init__(self, catalogue: Catalogue, *, hungry: bool) -> None:
        self._catalogue = catalogue
        self._hungry = hungry

    def query(self, node: Mapping[str, Any], names: frozenset[str]) -> None:
        kind = node.get("type")
        if kind not in _QUERIES:
            raise _unknown(kind)
        rest = dict(node)
        for entry in rest.pop("cte_map", {}).get("map", []):
            names = self._cte(entry, names)
        if kind == "RECURSIVE_CTE_NODE":
            self._any(rest.pop("left"), names)  # where it begins, it does not know itself yet
            names |= {lower(node["cte_name"])}
        for value in rest.values():
            self._any(value, names)

    def _cte(self, entry: Mapping[str, Any], names: frozenset[str]) -> frozenset[str]:
        """Look into a CTE; the names that can be seen after it."""
        self._any(entry["value"], names)
        return names | {lower(entry["key"])}

    def _any(self, value: Any, names: frozenset[str]) -> None:
        if isinstance(value, list):
            for element in value:
                self._any(element, names)
        elif isinstance(value, dict):
            self._node(value, names)

    def _node(self, node: Mapping[str, Any], names: frozenset[str]) -> None:
        kind = node.get("type") if isinstance(node.get("type"), str) else None
        if "class" in node:
            self._expression(node)
            if node["class"] == "CONSTANT":
                return  # a value and its type
        elif kind in _QUERIES:
            self.query(node, names)
            return
        elif kind == "TABLE_FUNCTION":
            self._table_function(node, names)
            return
        elif kind == "BASE_TABLE":
            self._table(node, names)
        elif kind == "SHOW_REF":
            self._show(node)
        elif kind is not None and kind not in _TABLES | _PARTS and not kind.endswith("_TYPE_INFO"):
            raise _unknown(kind)
        for child in node.values():
            self._any(child, names)

    def _table(self, node: Mapping[str, Any], names: frozenset[str]) -> None:
        catalog, schema, name = (
            lower(node.get(part) or "") for part in ("catalog_name", "schema_name", "table_name")
        )
        ours = self._catalogue.name
        if not catalog and not schema and name in names:
            return
        if not catalog and schema == "recurring" and name in names:
            return
        if (catalog, schema) in {("", ""), ("", "main"), ("", ours), (ours, ""), (ours, "main")}:
            if name in self._catalogue.tables:
                return
        elif self._is_beside(catalog, schema, name):
            return
        if schema == "information_schema" and name in INFORMATION_SCHEMA:
            return
        raise self._no_table(".".join(part for part in (catalog, schema, name) if part))

    def _is_beside(self, catalog: str, schema: str, name: str) -> bool:
        lake = catalog or schema
        is_of_lake = schema == "main" if catalog else True
        return is_of_lake and name in self._catalogue.beside.get(lake, ())

    def _no_table(self, name: str) -> QueryRefused:
        others = [f"{lake}.{t}" for lake, tables in self._catalogue.beside.items() for t in tables]
        near = get_close_matches(name, [*self._catalogue.tables, *others], n=1)
        remedy = f"Did you mean {near[0]}?" if near else "'SHOW TABLES' lists what there is."
        return QueryRefused(f"There is no table {name!r} in the warehouse.", remedy=remedy)

    def _table_function(self, node: Mapping[str, Any], names: frozenset[str]) -> None:
        function = node.get("function")
        if not isinstance(function, dict) or function.get("class") != "FUNCTION":
            raise _unknown("TABLE_FUNCTION")
        name = lower(function["function_name"])
        if name not in TABLE_FUNCTIONS | self._catalogue.table_macros:
            raise QueryRefused(
                f"The table function {name} cannot be used here.",
                remedy="A query reads the tables of the warehouse, no file and no setting.",
            )
        for part, value in node.items():
            self._any(function["children"] if part == "function" else value, names)

    def _show(self, node: Mapping[str, Any]) -> None:
        if node.get("show_type") in _SHOWN and node.get("query"):
            return
        if node.get("show_type") == "SHOW_UNQUALIFIED" and node.get("table_name") == '"tables"':
            return
        raise QueryRefused("Of SHOW, only SHOW TABLES and SHOW of a table are answered.")

    def _expression(self, node: Mapping[str, Any]) -> None:
        if node["class"] not in _EXPRESSIONS:
            raise _unknown(node["class"])
        name = lower(node.get("function_name") or "")
        if name in REFUSED:
            raise QueryRefused(f"The function {name} cannot be used here: it {REFUSED[name]}.")
        if name in HUNGRY and not self._hungry:
            raise QueryRefused(
                f"The function {name} cannot be used here: it can take all memory.",
                remedy="It can where a query runs in a process of its own.",
            )


def _unknown(kind: object) -> QueryRefused:
    return QueryRefused(f"The query has a part that is not known to be harmless ({kind}).")


def failed(message: str) -> QueryFailed:
    """DuckDB's own error as a sentence."""
    gone = _OUT_OF_REACH.search(message)
    if gone:  # of a view over files where they lie: a query itself names none
        return QueryFailed(
            f"{gone[1]} is not there any more.",
            remedy="'gmn objects crawl NAME' brings the view up to date that reads it.",
        )
    return QueryFailed(_sentence(message))


# A closed DuckDB takes a file that is gone for a folder that it may not look into.
_OUT_OF_REACH = re.compile(
    r'Cannot access file "(.+?)(?:/\*\*/\*\.\w+)?" - file system operations are disabled'
)
_KIND = re.compile(r"[A-Z][\w ]* Error: ")


def _sentence(message: str) -> str:
    """DuckDB's message without the kind of error before it and the picture of the place after."""
    text, _, picture = message.partition("\n\nLINE ")
    text = " ".join(_KIND.sub("", text, count=1).split())
    text = text if text.endswith((".", "!", "?")) else f"{text}."
    shown = picture.split("\n")
    if len(shown) > 1 and "^" in shown[1]:
        number, _, line = shown[0].partition(": ")
        column = shown[1].index("^") - len(f"LINE {number}: ")
        text += f" (Line {number}, at: {line[column:][:40].strip()})"
    return text


def _place(sql: str, position: str | None) -> str:
    if position is None or not position.isdigit():
        return ""
    before = sql.encode()[: int(position)].decode(errors="ignore")
    rest = sql[len(before) :].split("\n", 1)[0]
    return f" (Line {before.count(chr(10)) + 1}, at: {rest[:40].strip()})"
