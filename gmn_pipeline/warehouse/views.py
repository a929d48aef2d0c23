"""Views and macros of the warehouse, and of the analysts' copy of it.

What belongs here: each view with its query and the meaning of each of its columns, and creating
views and macros anew where they have changed. What does not: tables (`ddl.py`), the macros'
SQL (`macros.py`). The SQL stays in the subset that DuckLake and a plain DuckDB file both take.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import duckdb

from gmn_pipeline.schemas.derive import describe, sql_text
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS, Field, Kind
from gmn_pipeline.schemas.showers import IAU_SHOWERS
from gmn_pipeline.schemas.tables import WAREHOUSE_TABLES
from gmn_pipeline.schemas.trajectory_tables import (
    STATIONS,
    TRAJECTORIES,
    TRAJECTORY_REVISIONS,
    TRAJECTORY_STATIONS,
)
from gmn_pipeline.validated.trajectories.quality import QUALITY_FLAGS
from gmn_pipeline.warehouse.macros import MACROS, Macro

LEGACY_SCHEMA_VERSION = "2.0"
"""The `schema_version` that the old platform's rows and messages carry."""

_VERSION_MACRO = "definitions_sha256"


@dataclass(frozen=True)
class View:
    """A view: its columns, in the order of its query."""

    name: str
    meaning: str
    query: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Definitions:
    """The views and macros of a lake."""

    views: tuple[View, ...]
    macros: tuple[Macro, ...] = ()

    @property
    def sha256(self) -> str:
        """What tells one set of definitions from another."""
        return hashlib.sha256("\n".join(_statements(self, "catalog")).encode()).hexdigest()


def of_warehouse() -> Definitions:
    """Those of the warehouse."""
    return Definitions(VIEWS, MACROS)


def are_current(
    connection: duckdb.DuckDBPyConnection, catalog: str, definitions: Definitions | None = None
) -> bool:
    """Whether the views and macros are there as this version defines them.

    They name themselves by a hash of all definitions, so that a warehouse which another version
    made gets them anew, once.
    """
    try:
        row = connection.execute(f"SELECT {catalog}.{_VERSION_MACRO}()").fetchone()
    except duckdb.CatalogException:
        return False
    return row == ((definitions or of_warehouse()).sha256,)


def create_views(
    connection: duckdb.DuckDBPyConnection,
    catalog: str,
    definitions: Definitions | None = None,
    *,
    with_comments_on_columns: bool,
) -> None:
    """Create or replace all views and macros, whose tables must be there.

    DuckLake takes no comment on a column of a view or on a macro; a DuckDB file does. Both have
    the same texts in the views `column_definitions` and `macro_definitions`.
    """
    definitions = definitions or of_warehouse()
    for statement in _statements(definitions, catalog):
        connection.execute(statement)
    connection.execute(
        f"CREATE OR REPLACE MACRO {catalog}.{_VERSION_MACRO}() AS {sql_text(definitions.sha256)}"
    )
    if with_comments_on_columns:
        for statement in _comments_of_a_file(definitions, catalog):
            connection.execute(statement)


def _statements(definitions: Definitions, catalog: str) -> Iterable[str]:
    for view in definitions.views:
        yield f"CREATE OR REPLACE VIEW {catalog}.{view.name} AS {view.query}"
        yield f"COMMENT ON VIEW {catalog}.{view.name} IS {sql_text(view.meaning)}"
    for macro in definitions.macros:
        yield macro.create(catalog)


def _comments_of_a_file(definitions: Definitions, catalog: str) -> Iterable[str]:
    for view in definitions.views:
        for field in view.fields:
            column = f"{catalog}.{view.name}.{field.name}"
            yield f"COMMENT ON COLUMN {column} IS {sql_text(describe(field))}"
    for macro in definitions.macros:
        kind = "MACRO TABLE" if macro.is_table else "MACRO"
        yield f"COMMENT ON {kind} {catalog}.{macro.name} IS {sql_text(macro.meaning)}"


def _text(name: str, meaning: str) -> Field:
    return Field(name, meaning, Kind.TEXT)


def _renamed(field: Field, name: str | None, meaning: str | None = None) -> Field:
    return replace(field, name=name or field.name, meaning=meaning or field.meaning)


# Under the legacy names ---------------------------------------------------------------------------

_SCHEMA_VERSION = _text("schema_version", "version of the old platform's rows, always the same")
_NOT_IN_METEOR = {"iau_no", "iau_code", "num_stat", "participating_stations"}
_LEGACY = [f for f in TRAJECTORY_FIELDS if f.legacy_name]
_METEOR = [f for f in _LEGACY if f.legacy_name not in _NOT_IN_METEOR]


# As the old platform had them: nothing for a sporadic meteor, stations as one text.
_OLD_VALUES = {
    "iau_shower_number": "nullif(iau_shower_number, -1)",
    "iau_shower_code": "nullif(iau_shower_code, '...')",
    "participating_stations": "array_to_string(participating_stations, ',')",
}
_OLD_MEANINGS = {
    "iau_shower_number": "IAU number of the meteor shower, null for a sporadic meteor",
    "iau_shower_code": "three-letter IAU code of the meteor shower, null for a sporadic meteor",
    "participating_stations": "codes of the participating stations, with commas between them",
}


def _legacy_column(field: Field) -> str:
    return f"{_OLD_VALUES.get(field.name, field.name)} AS {field.legacy_name}"


def _legacy_fields(fields: Iterable[Field]) -> tuple[Field, ...]:
    fields = [
        replace(field, kind=Kind.TEXT, pattern=None) if field.kind is Kind.TEXT_LIST else field
        for field in fields
    ]
    return tuple(
        _renamed(field, field.legacy_name, _OLD_MEANINGS.get(field.name)) for field in fields
    )


def _legacy_columns(fields: Iterable[Field]) -> str:
    return ",\n  ".join(map(_legacy_column, fields))


def _by_name(fields: Sequence[Field], name: str) -> Field:
    (field,) = (f for f in fields if f.name == name)
    return field


_KEY = TRAJECTORY_FIELDS[0]
_NUMBER = _by_name(TRAJECTORY_FIELDS, "iau_shower_number")
_FIRST_LOADED = _by_name(TRAJECTORIES.fields, "first_loaded_at_utc")
_VALID_FROM = _by_name(TRAJECTORIES.fields, "valid_from_utc")
_STATION_NUMBER = _by_name(STATIONS.fields, "station_number")
_STATION_SINCE = _by_name(STATIONS.fields, "first_loaded_at_utc")
_SHOWERS_SINCE = _by_name(IAU_SHOWERS.fields, "loaded_at_utc")


def _created_and_updated(created: Field, updated: Field) -> tuple[Field, ...]:
    return (_renamed(created, "created_at"), _renamed(updated, "updated_at"))


_LEGACY_VIEWS = (
    View(
        "meteor_summary",
        "legacy: one row per trajectory with the column names of the old platform",
        f"SELECT {_legacy_columns(_LEGACY)}\nFROM trajectories",
        _legacy_fields(_LEGACY),
    ),
    View(
        "meteor",
        "legacy: trajectories without shower code and stations, which have tables of their own",
        f"""SELECT trajectory_identifier AS id,
  first_loaded_at_utc AS created_at,
  valid_from_utc AS updated_at,
  {sql_text(LEGACY_SCHEMA_VERSION)} AS schema_version,
  nullif(iau_shower_number, -1) AS iau_shower_id,
  {_legacy_columns(_METEOR)}
FROM trajectories""",
        (
            _renamed(_KEY, "id"),
            *_created_and_updated(_FIRST_LOADED, _VALID_FROM),
            _SCHEMA_VERSION,
            _renamed(_NUMBER, "iau_shower_id", "IAU number, null for a sporadic meteor"),
            *_legacy_fields(_METEOR),
        ),
    ),
    View(
        "iau_shower",
        "legacy: meteor showers of the IAU list",
        """SELECT iau_shower_number AS id, iau_shower_code AS code, iau_shower_name AS name,
  loaded_at_utc AS created_at, loaded_at_utc AS updated_at
FROM iau_showers""",
        (
            _renamed(_by_name(IAU_SHOWERS.fields, "iau_shower_number"), "id"),
            _renamed(_by_name(IAU_SHOWERS.fields, "iau_shower_code"), "code"),
            _renamed(_by_name(IAU_SHOWERS.fields, "iau_shower_name"), "name"),
            *_created_and_updated(_SHOWERS_SINCE, _SHOWERS_SINCE),
        ),
    ),
    View(
        "station",
        "legacy: stations with their numbers",
        """SELECT station_number AS id, station_code AS code,
  first_loaded_at_utc AS created_at, first_loaded_at_utc AS updated_at
FROM stations""",
        (
            _renamed(_STATION_NUMBER, "id"),
            _renamed(_by_name(STATIONS.fields, "station_code"), "code"),
            *_created_and_updated(_STATION_SINCE, _STATION_SINCE),
        ),
    ),
    View(
        "participating_station",
        "legacy: which station took part in which meteor; `id` counts the rows of the answer",
        """SELECT row_number() OVER () AS id,
  first_loaded_at_utc AS created_at, first_loaded_at_utc AS updated_at,
  trajectory_identifier AS meteor_id, station_number AS station_id
FROM trajectory_stations JOIN stations USING (station_code)""",
        (
            Field("id", "counts the rows of the answer: not the same each time", Kind.LONG),
            *_created_and_updated(_STATION_SINCE, _STATION_SINCE),
            _renamed(_by_name(TRAJECTORY_STATIONS.fields, "trajectory_identifier"), "meteor_id"),
            _renamed(_STATION_NUMBER, "station_id"),
        ),
    ),
)

# For questions that are often asked ---------------------------------------------------------------

_VALID_UNTIL = _by_name(TRAJECTORY_REVISIONS.fields, "valid_until_utc")
_CHANGE = _by_name(TRAJECTORY_REVISIONS.fields, "change")
_STATE = ", ".join(TRAJECTORIES.columns)
_HISTORY = View(
    "trajectory_history",
    "every state of every trajectory, former ones and the current one, with the interval in "
    "which it was current; a withdrawn trajectory has no current state",
    f"""SELECT {_STATE},
  CAST(NULL AS TIMESTAMP) AS valid_until_utc, CAST(NULL AS VARCHAR) AS change,
  true AS is_current
FROM trajectories
UNION ALL
SELECT {_STATE}, valid_until_utc, change, false AS is_current FROM trajectory_revisions""",
    (
        *TRAJECTORIES.fields,
        _renamed(_VALID_UNTIL, None, f"{_VALID_UNTIL.meaning}; null for the current state"),
        _renamed(_CHANGE, None, f"{_CHANGE.meaning}; null for the current state"),
        Field("is_current", "whether it is the current state", Kind.BOOLEAN),
    ),
)

_OF_THE_LIST = tuple(
    field
    for field in IAU_SHOWERS.fields
    if field.name not in {*TRAJECTORIES.columns, "iau_shower_name", "source", "loaded_at_utc"}
)


def _of_the_list(name: str) -> str:
    return name if name.startswith("iau_shower_") else f"iau_shower_{name}"


_WITH_SHOWERS = View(
    "trajectories_with_showers",
    "the trajectories, each with what the IAU list says of its shower; sporadic meteors are "
    "there with the name 'sporadic', and showers that the list does not have without a name",
    "SELECT "
    + ", ".join(f"t.{name}" for name in TRAJECTORIES.columns)
    + """,
  CASE WHEN t.iau_shower_number = -1 THEN 'sporadic' ELSE s.iau_shower_name END
    AS iau_shower_name,
  CASE WHEN t.iau_shower_number <> -1 THEN s.iau_shower_number IS NOT NULL END
    AS iau_shower_is_known"""
    + "".join(f",\n  s.{f.name} AS {_of_the_list(f.name)}" for f in _OF_THE_LIST)
    + """
FROM trajectories t LEFT JOIN iau_showers s ON t.iau_shower_number = s.iau_shower_number""",
    (
        *TRAJECTORIES.fields,
        _text(
            "iau_shower_name",
            "name of the shower, 'sporadic' for a sporadic meteor; null for a shower that the "
            "IAU list does not have",
        ),
        Field(
            "iau_shower_is_known",
            "whether the IAU list has the shower; null for a sporadic meteor",
            Kind.BOOLEAN,
        ),
        *(_renamed(field, _of_the_list(field.name)) for field in _OF_THE_LIST),
    ),
)

# What there is, and what it means -----------------------------------------------------------------


def _constants(
    name: str, meaning: str, fields: tuple[Field, ...], rows: Iterable[Sequence[str | None]]
) -> View:
    """A view of constants: it follows from the definitions, so nothing is to be kept in step."""
    values = ",\n  ".join(
        f"({', '.join('NULL' if cell is None else sql_text(cell) for cell in row)})" for row in rows
    )
    columns = ", ".join(field.name for field in fields)
    typed = ", ".join(f"CAST({field.name} AS VARCHAR) AS {field.name}" for field in fields)
    return View(
        name, meaning, f"SELECT {typed} FROM (VALUES\n  {values}\n) AS v({columns})", fields
    )


FLAG_DEFINITIONS = _constants(
    "quality_flag_definitions",
    "what each quality flag means; `trajectories.quality_flags` has their names",
    (
        _text("flag_name", "name of the flag, as it stands in quality_flags"),
        _text(
            "family",
            "identity: columns contradict each other; limit: beyond what the network accepts "
            "today; note: worth knowing, nothing wrong",
        ),
        _text("meaning", "when a row has it"),
    ),
    [(flag.name, flag.family, flag.meaning) for flag in QUALITY_FLAGS],
)
_MACRO_DEFINITIONS = _constants(
    "macro_definitions",
    "the functions that this database brings along",
    (
        _text("macro_name", "name of the function"),
        _text("call", "how it is called"),
        _text("meaning", "what it answers, with units"),
    ),
    [(macro.name, macro.call, macro.meaning) for macro in MACROS],
)
_COLUMN_FIELDS = (
    _text("relation_name", "name of the table or view"),
    _text("relation_type", "table or view"),
    _text("column_name", "name of the column"),
    _text("unit", "unit of its values; null where they have none"),
    _text("meaning", "what it says"),
)
_DOCUMENTED_VIEWS = (
    *_LEGACY_VIEWS,
    _HISTORY,
    _WITH_SHOWERS,
    FLAG_DEFINITIONS,
    _MACRO_DEFINITIONS,
)
_COLUMN_DEFINITIONS = _constants(
    "column_definitions",
    "unit and meaning of each column of each table and view that analysts get",
    _COLUMN_FIELDS,
    [
        (name, kind, field.name, field.unit, field.meaning)
        for name, kind, fields in (
            *((t.name, "table", t.fields) for t in WAREHOUSE_TABLES),
            *((v.name, "view", v.fields) for v in _DOCUMENTED_VIEWS),
            ("column_definitions", "view", _COLUMN_FIELDS),
        )
        for field in fields
    ],
)

VIEWS = (*_DOCUMENTED_VIEWS, _COLUMN_DEFINITIONS)
