"""TAP_SCHEMA: what there is to ask, as tables that can be asked themselves.

What belongs here: the five tables of the protocol, made of the descriptions of all others. What
does not: those descriptions. They follow from this program and not from the lake, so the tables'
rows come with the query, as one text of JSON each.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.serving.formats.votable import TYPES
from gmn_pipeline.serving.tap.epn_core import SCHEMA as EPN
from gmn_pipeline.serving.tap.relations import OURS, Relation

NAME = "tap_schema"


@dataclass(frozen=True)
class Key:
    """A foreign key: columns of a table, and those of another one that they name a row of."""

    from_table: str
    target_table: str
    columns: tuple[tuple[str, str], ...]
    meaning: str


_WORDS_OF_ADQL = frozenset({"SIZE"})
"""Those that a column is called by; a test holds that there are no others."""

SCHEMAS: Mapping[str, str] = MappingProxyType(
    {
        OURS: "Meteor trajectories and orbits of the Global Meteor Network (CC BY 4.0)",
        EPN: "the trajectories as EPN-TAP 2.0 has them",
        NAME: "what there is to ask: schemas, tables, columns and keys",
    }
)
UTYPES: Mapping[str, str] = MappingProxyType(
    {
        EPN: "ivo://vopdc.obspm/std/epncore#schema-2.0",
    }
)

_STATION_OF, _METEOR_OF = f"{OURS}.trajectory_stations", f"{OURS}.participating_station"
KEYS = (
    Key(_STATION_OF, f"{OURS}.trajectories", (("trajectory_identifier",) * 2,), "the trajectory"),
    Key(_STATION_OF, f"{OURS}.stations", (("station_code",) * 2,), "the station"),
    Key(f"{OURS}.iau_shower_solutions", f"{OURS}.iau_showers", (("iau_shower_number",) * 2,),
        "the shower"),
    Key(_METEOR_OF, f"{OURS}.meteor", (("meteor_id", "id"),), "the meteor"),
    Key(_METEOR_OF, f"{OURS}.station", (("station_id", "id"),), "the station"),
    Key(f"{EPN}.epn_core", f"{OURS}.trajectories", (("granule_uid", "trajectory_identifier"),),
        "the trajectory that a granule is"),
    Key(f"{NAME}.tables", f"{NAME}.schemas", (("schema_name",) * 2,), "the schema"),
    Key(f"{NAME}.columns", f"{NAME}.tables", (("table_name",) * 2,), "the table"),
    Key(f"{NAME}.keys", f"{NAME}.tables", (("from_table", "table_name"),), "the table that points"),
    Key(f"{NAME}.keys", f"{NAME}.tables", (("target_table", "table_name"),), "the table that is "
        "pointed to"),
    Key(f"{NAME}.key_columns", f"{NAME}.keys", (("key_id",) * 2,), "the key"),
)  # fmt: skip


def _text(name: str, meaning: str) -> Field:
    return Field(name, meaning, Kind.TEXT)


def _number(name: str, meaning: str) -> Field:
    return Field(name, meaning, Kind.INTEGER)


_UTYPE = _text("utype", "the utype, if a standard gives it one")
_DESCRIPTION = _text("description", "what it is")
_TABLES: Mapping[str, tuple[str, tuple[Field, ...]]] = MappingProxyType({
    "schemas": ("schemas that tables are in", (
        _text("schema_name", "name of the schema"), _UTYPE, _DESCRIPTION,
        _number("schema_index", "place in an order to show them in"),
    )),
    "tables": ("tables and views", (
        _text("schema_name", "name of its schema"),
        _text("table_name", "name of the table, the schema's before it"),
        _text("table_type", "table or view"), _UTYPE, _DESCRIPTION,
        _number("table_index", "place in an order to show them in"),
    )),
    "columns": ("columns of tables and views", (
        _text("table_name", "name of its table, the schema's before it"),
        _text("column_name", "name of the column"),
        _text("datatype", "type of its values, as in a VOTable"),
        _text("arraysize", "how many of them a value is, as in a VOTable"),
        _text("xtype", "what the text of a value holds, as in a VOTable"),
        _number("size", "the same as arraysize, where that is a number"),
        _DESCRIPTION, _UTYPE, _text("unit", "unit of its values"),
        _text("ucd", "Unified Content Descriptor: what it is, in the Virtual Observatory's words"),
        _number("indexed", "1 if there is an index, else 0"),
        _number("principal", "1 if it is one of those to show first, else 0"),
        _number("std", "1 if a standard defines it, else 0"),
        _number("column_index", "place in the table"),
    )),
    "keys": ("foreign keys", (
        _text("key_id", "name of the key"), _text("from_table", "the table that points"),
        _text("target_table", "the table that is pointed to"), _DESCRIPTION, _UTYPE,
    )),
    "key_columns": ("columns of foreign keys", (
        _text("key_id", "name of the key"), _text("from_column", "column of the table that points"),
        _text("target_column", "column of the table that is pointed to"),
    )),
})  # fmt: skip


def relations(others: Sequence[Relation]) -> tuple[Relation, ...]:
    """The five tables, which tell of themselves too."""
    bare = [
        Relation(NAME, name, meaning, fields, "", is_view=False,
                 standard=frozenset(field.name for field in fields))
        for name, (meaning, fields) in _TABLES.items()
    ]  # fmt: skip
    rows = _rows((*others, *bare))
    return tuple(_filled(one, rows[one.name]) for one in bare)


def _filled(one: Relation, rows: Sequence[Mapping[str, object]]) -> Relation:
    parameter = f"{NAME}_{one.name}"
    shape = json.dumps([
        {f.name: "INTEGER" if f.kind is Kind.INTEGER else "VARCHAR" for f in one.fields}
    ])  # fmt: skip
    source = f"(SELECT r.* FROM (SELECT unnest(from_json(${parameter}::JSON, '{shape}')) AS r))"
    return Relation(
        one.schema, one.name, one.meaning, one.fields, source, is_view=False,
        standard=one.standard, parameters={parameter: json.dumps(rows)},
    )  # fmt: skip


def _rows(relations: Sequence[Relation]) -> dict[str, list[dict[str, object]]]:
    return {
        "schemas": [
            {"schema_name": name, "utype": UTYPES.get(name), "description": meaning,
             "schema_index": index}
            for index, (name, meaning) in enumerate(SCHEMAS.items())
        ],
        "tables": [
            {"schema_name": one.schema, "table_name": one.full_name,
             "table_type": "view" if one.is_view else "table", "utype": one.utype,
             "description": one.meaning, "table_index": index}
            for index, one in enumerate(relations)
        ],
        "columns": [row for one in relations for row in _columns(one)],
        "keys": [
            {"key_id": key_id(key), "from_table": key.from_table,
             "target_table": key.target_table, "description": key.meaning}
            for key in KEYS
        ],
        "key_columns": [
            {"key_id": key_id(key), "from_column": begin, "target_column": end}
            for key in KEYS for begin, end in key.columns
        ],
    }  # fmt: skip


def _columns(one: Relation) -> Iterator[dict[str, object]]:
    for index, field in enumerate(one.fields):
        known = TYPES[field.kind]
        yield {
            "table_name": one.full_name, "column_name": spelt(field.name),
            "datatype": known.datatype, "arraysize": known.arraysize,
            "xtype": one.xtypes.get(field.name, known.xtype),
            "description": field.meaning, "unit": field.unit, "ucd": field.ucd, "indexed": 0,
            "principal": int(is_principal(field)), "std": int(field.name in one.standard),
            "column_index": index,
        }  # fmt: skip


def is_principal(field: Field) -> bool:
    """Whether a client shows it first: uncertainties stand behind their values."""
    return field.sigma_of is None


def spelt(name: str) -> str:
    """A column as it has to be written in ADQL: a word of the language stands in quotes."""
    return f'"{name}"' if name.upper() in _WORDS_OF_ADQL else name


def key_id(key: Key) -> str:
    """A name that says what it is."""
    columns = "_".join(begin for begin, _ in key.columns)
    return f"{key.from_table}.{columns}-{key.target_table}"
