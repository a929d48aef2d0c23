"""A row as it is kept: its values as JSON, one after the other, as DuckDB writes them.

What belongs here: packing, and what rows of which tables and views follow from a row of
`trajectories`. What does not: where rows are kept (`file.py`).

A view's row is put together of the same pieces of text, so it is byte for byte what the lake
answers.
"""

import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS, Field
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES
from gmn_pipeline.serving.tables.relations import RELATIONS, Relation
from gmn_pipeline.serving.tables.shapes import value_sql
from gmn_pipeline.warehouse.views import LEGACY_SCHEMA_VERSION

Values: TypeAlias = Sequence[str]
"""The values of a row, each as JSON."""

_BETWEEN = "\x1f"
"""In JSON it stands in no text but escaped."""
_FAST = 1
_NULL = "null"
_PLACES = {field.name: place for place, field in enumerate(TRAJECTORIES.fields)}


def packed_sql(fields: Sequence[Field]) -> str:
    """A row's values as one text."""
    values = (f"coalesce(to_json({value_sql(field)})::VARCHAR, '{_NULL}')" for field in fields)
    return f"concat_ws(chr({ord(_BETWEEN):d}), {', '.join(values)})"


def packed(text: str) -> bytes:
    """As it is kept: half as long, and with a checksum."""
    return zlib.compress(text.encode(), _FAST)


def unpacked(kept: bytes) -> list[str]:
    """Raises zlib.error or UnicodeError if it is not what was kept."""
    return values_of(zlib.decompress(kept).decode())


def values_of(text: str) -> list[str]:
    return text.split(_BETWEEN)


def packed_texts(values: Iterable[str]) -> bytes:
    """Other texts that are kept in the same way, such as identifiers."""
    return packed(_BETWEEN.join(values))


def read(names: Sequence[str], values: Values) -> dict[str, Any]:
    """A row by its names. Raises ValueError if it has another number of values."""
    return dict(zip(names, json.loads(f"[{','.join(values)}]"), strict=True))


def line(fields: Sequence[Field], row: Mapping[str, str], shape: str) -> str:
    """A row of these columns as JSON in a shape, as `shapes.line_sql` writes it."""
    if shape == "arrayfirst":
        return row[fields[0].name]
    if shape == "arrays":
        return f"[{','.join(row[field.name] for field in fields)}]"
    members = (f"{json.dumps(field.name)}:{row[field.name]}" for field in fields)
    return f"{{{','.join(members)}}}"


def stations_of(values: Values) -> list[str]:
    """Codes of the stations of a trajectory, each once."""
    codes: list[str] = json.loads(values[_PLACES["participating_stations"]])
    return list(dict.fromkeys(codes))


# Views of one trajectory each -----------------------------------------------------------------

_OF_METEOR = {
    "id": "trajectory_identifier",
    "created_at": "first_loaded_at_utc",
    "updated_at": "valid_from_utc",
    "iau_shower_id": "iau_shower_number",
}
_OLD_NAMES = {f.legacy_name: f.name for f in TRAJECTORY_FIELDS if f.legacy_name}


def _old_text(stations: str) -> str:
    return json.dumps(",".join(json.loads(stations)), ensure_ascii=False)


_OLD_VALUES: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "iau_shower_number": lambda value: _NULL if value == "-1" else value,
        "iau_shower_code": lambda value: _NULL if value == '"..."' else value,
        "participating_stations": _old_text,
    }
)


def _of_trajectories(values: Values) -> dict[str, str]:
    return dict(zip(_PLACES, values, strict=True))


def _of_view(relation: Relation) -> Callable[[Values], dict[str, str]]:
    names = {f.name: _OF_METEOR.get(f.name) or _OLD_NAMES.get(f.name) for f in relation.fields}

    def row(values: Values) -> dict[str, str]:
        told = {}
        for shown, name in names.items():
            if name is None:
                told[shown] = json.dumps(LEGACY_SCHEMA_VERSION)
                continue
            value = values[_PLACES[name]]
            told[shown] = _OLD_VALUES[name](value) if name in _OLD_VALUES else value
        return told

    return row


_BY_NAME = {relation.name: relation for relation in RELATIONS}
ROWS: Mapping[str, Callable[[Values], dict[str, str]]] = MappingProxyType(
    {
        TRAJECTORIES.name: _of_trajectories,
        "meteor": _of_view(_BY_NAME["meteor"]),
        "meteor_summary": _of_view(_BY_NAME["meteor_summary"]),
    }
)
"""What has a row for each trajectory, by whose identifier it is asked -> the row."""
