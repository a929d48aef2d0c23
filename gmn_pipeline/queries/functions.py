"""Which functions a query may call.

What belongs here: names, with the reason. What does not: finding them in a query
(`statement.py`). Table functions are allowed by name. Scalar functions and aggregates are so
many that those refused are named; a test holds the list of all that DuckDB has, so that a new
version's are looked at before they can be called.
"""

TABLE_FUNCTIONS = frozenset({
    # Rows out of nothing but their arguments.
    "generate_series", "json_each", "json_tree", "range", "repeat", "repeat_row", "unnest",
    "icu_calendar_names", "pg_timezone_names",
    # What there is: names, types and comments. No path, setting or other session.
    "duckdb_columns", "duckdb_functions", "duckdb_tables", "duckdb_views",
})  # fmt: skip
"""Beside these, the warehouse's own table macros (`trajectories_as_of`)."""

INFORMATION_SCHEMA = frozenset({"columns", "schemata", "tables", "views"})
"""Views of `information_schema`, for the same purpose."""

REFUSED = {
    "current_query": "shows how the query is run",
    "current_setting": "reads settings",
    "currval": "reads a sequence",
    "get_block_size": "reads the catalogue",
    "getenv": "reads the environment",
    "getvariable": "reads variables of the session",
    "json_deserialize_sql": "takes SQL as text",
    "json_execute_serialized_sql": "takes SQL as text",
    "json_serialize_plan": "takes SQL as text",
    "json_serialize_sql": "takes SQL as text",
    "nextval": "changes a sequence",
    "write_log": "writes to DuckDB's log",
}
"""Scalar functions that nobody may call -> what they do."""

HUNGRY = frozenset({
    "array_resize", "bar", "bitstring", "damerau_levenshtein", "editdist3", "format",
    "generate_series", "generate_subscripts", "hamming", "jaro_similarity",
    "jaro_winkler_similarity", "levenshtein", "list_resize", "lpad", "mismatches", "pg_sleep",
    "printf", "range", "repeat", "rpad", "sleep_ms",
})  # fmt: skip
"""Functions that a few characters make take all memory, or minutes that nothing interrupts.

In a process of its own a query may call them: that ends at the limits. In one that others share
it may not.
"""
