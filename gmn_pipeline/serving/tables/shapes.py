"""Rows and pages as JSON, in Datasette's shapes.

What belongs here: a row as DuckDB is to write it, and the body around the rows. What does not:
which rows (`page.py`). Times are ISO 8601 with six decimals and a Z; a number that is not finite is
null, which JSON has no other word for.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.schemas.sql import sql_text

SHAPES = ("arrays", "objects", "array", "arrayfirst", "object")


def line_sql(fields: Sequence[Field], shape: str) -> str:
    """A row as one text of JSON, which DuckDB writes: ten times as fast as writing it here."""
    if shape == "arrayfirst":
        return f"to_json({value_sql(fields[0])})::VARCHAR"
    if shape == "arrays":
        return f"json_array({', '.join(value_sql(field) for field in fields)})::VARCHAR"
    members = ", ".join(f"{sql_text(field.name)}, {value_sql(field)}" for field in fields)
    return f"json_object({members})::VARCHAR"


def value_sql(field: Field) -> str:
    """A value as it is to be shown."""
    match field.kind:
        case Kind.TIMESTAMP:
            return f"strftime({field.name}, '%Y-%m-%dT%H:%M:%S.%fZ')"
        case Kind.NUMBER:
            return f"CASE WHEN isfinite({field.name}) THEN {field.name} END"
        case _:
            return field.name


def json_value(value: object) -> object:
    """A value as these rows have it."""
    match value:
        case datetime():
            return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
        case date():
            return value.isoformat()
        case None | str() | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return json_value(float(value))
        case list() | tuple():
            return [json_value(one) for one in value]
        case dict():
            return {str(name): json_value(one) for name, one in value.items()}
        case bytes():
            return value.hex()
        case _:
            return str(value)


def rows_body(lines: Iterable[str], shape: str, keys: Sequence[str], *, is_ndjson: bool) -> bytes:
    """The rows alone: `array`, `arrayfirst`, and `object`, whose members are named by `keys`."""
    if shape == "object":
        members = (f"{json.dumps(k)}: {line}" for k, line in zip(keys, lines, strict=True))
        return f"{{{', '.join(members)}}}\n".encode()
    if is_ndjson:
        return "".join(f"{line}\n" for line in lines).encode()
    return f"[{', '.join(lines)}]\n".encode()


def page_body(
    lines: Iterable[str], before: Mapping[str, object], more: Mapping[str, object]
) -> bytes:
    """The rows with what is said of them."""
    first = json.dumps(before, ensure_ascii=False)[:-1]
    rest = json.dumps(more, ensure_ascii=False)[1:]
    return f'{first}, "rows": [{", ".join(lines)}], {rest}\n'.encode()
