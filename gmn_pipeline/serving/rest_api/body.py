"""Rows as JSON and CSV, as the old platform wrote them.

What belongs here: bytes of a body. What does not: which rows (`meteor_summary.py`, `routes.py`).
"""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa

# DuckDB writes these numbers, which JSON does not have. Texts are matched to be passed over.
_NO_JSON = re.compile(r'"(?:[^"\\]|\\.)*"|NaN|-?Infinity')


def json_of_lines(lines: Sequence[str], columns: Sequence[str], shape: str, more: str) -> bytes:
    """The body around rows that are JSON already; `more`: further keys of it, as JSON."""
    rows = ", ".join(lines)
    if "NaN" in rows or "Infinity" in rows:
        rows = _NO_JSON.sub(lambda found: found[0] if found[0].startswith('"') else "null", rows)
    return _body(rows, columns, shape, more)


def json_of_table(table: pa.Table, shape: str, more: str) -> bytes:
    """The body with the rows of a query."""
    columns = table.column_names
    values = [[_json_value(cell) for cell in column.to_pylist()] for column in table.columns]
    arrays: Iterable[tuple[object, ...]] = zip(*values, strict=True)
    rows: Iterable[object] = arrays
    if shape == "objects":
        rows = (dict(zip(columns, row, strict=True)) for row in arrays)
    text = ", ".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
    return _body(text, columns, shape, more)


def _body(rows: str, columns: Sequence[str], shape: str, more: str) -> bytes:
    named = f', "columns": {json.dumps(list(columns))}' if shape == "arrays" else ""
    return f'{{"ok": true, "rows": [{rows}]{named}, {more}}}\n'.encode()


def csv_of_lines(lines: Sequence[str], columns: Sequence[str]) -> bytes:
    """The head, and rows that are CSV already."""
    return "".join(f"{line}\n" for line in (",".join(columns), *lines)).encode()


def csv_of_table(table: pa.Table) -> bytes:
    """The rows of a query; nothing for null, quotes only where they are needed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    columns = [column.to_pylist() for column in table.columns]
    writer.writerows([_csv_value(cell) for cell in row] for row in zip(*columns, strict=True))
    return text.getvalue().encode()


def _csv_value(value: object) -> object:
    plain = _json_value(value)
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, list | dict) else plain


def _json_value(value: object) -> object:
    """A value as JSON has it: 1 and 0 for a truth, six decimals of a second, null for NaN."""
    match value:
        case None | str():
            return value
        case bool():
            return int(value)
        case int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return _json_value(float(value))
        case datetime():
            return value.replace(tzinfo=None).isoformat(" ", "microseconds")
        case date():
            return value.isoformat()
        case list() | tuple():
            return [_json_value(element) for element in value]
        case dict():
            return {str(name): _json_value(element) for name, element in value.items()}
        case bytes():
            return value.hex()
        case _:
            return str(value)
