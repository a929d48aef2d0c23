"""Lists of tables and columns without those that are hidden from whoever asks.

What belongs here: putting them out of what a judged query reads. What does not: judging it
(`statement.py`), and which tables are hidden, which is for whoever opens a session.

DuckDB's own lists name every table there is. A query that reads one of them gets it without some,
under the same name.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import duckdb

from gmn_pipeline.schemas.sql import sql_text

_COLUMNS: Mapping[str, str] = MappingProxyType({
    "duckdb_columns()": "table_name",
    "duckdb_tables()": "table_name",
    "information_schema.columns": "table_name",
    "information_schema.tables": "table_name",
    "(SHOW TABLES)": "name",
})  # fmt: skip
"""What lists tables -> its column of their names. Those that are hidden are no views."""


def rewritten(
    connection: duckdb.DuckDBPyConnection, tree: Mapping[str, Any], hidden: frozenset[str]
) -> str | None:
    """The text of a query that reads such lists without the hidden tables; None if it reads none.

    `tree`: the query as DuckDB serializes it.
    """
    changed = _changed(connection, tree, hidden)
    if changed == tree:
        return None
    statements = json.dumps({"error": False, "statements": [changed]})
    row = connection.execute("SELECT json_deserialize_sql(?::JSON)", [statements]).fetchone()
    assert row is not None
    return str(row[0])


def _changed(connection: duckdb.DuckDBPyConnection, node: Any, hidden: frozenset[str]) -> Any:
    if isinstance(node, list):
        return [_changed(connection, one, hidden) for one in node]
    if not isinstance(node, dict):
        return node
    name = _list_of(node)
    if name is None:
        return {key: _changed(connection, one, hidden) for key, one in node.items()}
    instead = json.loads(_without(connection, name, hidden))
    instead["alias"] = node.get("alias") or name.rpartition(".")[2].strip("()").lower()
    instead["sample"] = node.get("sample")
    instead["column_name_alias"] = node.get("column_name_alias", [])
    return instead


def _list_of(node: Mapping[str, Any]) -> str | None:
    match node.get("type"):
        case "TABLE_FUNCTION":
            name = f"{node['function']['function_name'].lower()}()"
        case "BASE_TABLE" if node.get("schema_name"):
            name = f"{node['schema_name']}.{node['table_name']}".lower()
        case "SHOW_REF" if node.get("show_type") == "SHOW_UNQUALIFIED":
            name = "(SHOW TABLES)"
        case _:
            return None
    return name if name in _COLUMNS else None


def _without(connection: duckdb.DuckDBPyConnection, name: str, hidden: frozenset[str]) -> str:
    """The part of a tree that reads the list without them, as JSON."""
    names = ", ".join(map(sql_text, sorted(hidden)))
    sql = f"FROM (SELECT * FROM {name} WHERE {_COLUMNS[name]} NOT IN ({names}))"
    row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
    assert row is not None
    return json.dumps(json.loads(row[0])["statements"][0]["node"]["from_table"])
