"""Tables in files: CSV, TSV, JSON, NDJSON, Parquet; FITS and VOTable (`astronomical.py`), sheets of
spreadsheets (`spreadsheets.py`).

What belongs here: finding out their columns, and rows by the types that their table has. What does
not: the table in the lake (`warehouse/objects/loading.py`).

Without a rule a schema is proposed only, in the object's metadata. A rule of the container accepts
it: `{"names": "*.csv", "table": "weather"}` loads such files into `<container>_weather`. Of a
spreadsheet it loads each sheet into `<container>_weather_<sheet>`, or the one that is its only one,
or that the rule names (`"sheet": "Data"`), into `<container>_weather`.
"""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.processing import astronomical, spreadsheets
from gmn_pipeline.processing.processor import Found, Outcome, Rows, Task, matching
from gmn_pipeline.schemas.objects import ObjectName
from gmn_pipeline.schemas.sql import sql_text
from gmn_pipeline.storage.files import literal

if TYPE_CHECKING:
    from collections.abc import Iterator

_CSV, _TSV, _PARQUET = "text/csv", "text/tab-separated-values", "application/vnd.apache.parquet"
_NDJSON, _JSON = "application/x-ndjson", "application/json"
_SHOWN_COLUMNS = 300
_MOST_JSON_BYTES = 1 << 28  # of one value


class Tables:
    """See above."""

    name = "tables"
    version = 1
    content_types = (_CSV, _TSV, _PARQUET, _NDJSON, _JSON, *astronomical.CONTENT_TYPES,
                     *spreadsheets.CONTENT_TYPES)  # fmt: skip

    def process(self, task: Task) -> Outcome:
        """Rows for the tables that a rule names, or what is proposed."""
        rule = matching(task.rules, task.stored.name.name)
        parts = list(_parts(task))
        if rule and rule.get("sheet"):
            parts = [part for part in parts if part.sheet == rule["sheet"]]
            if not parts:
                raise ObjectRefused(f"It has no sheet {rule['sheet']!r}, which its rule names.")
        elif len(parts) > 1 and rule:
            wanted = rule.get("table") or Path(task.stored.name.name).stem
            outcomes = [
                _of_part(task, part, {**rule, "table": f"{wanted}_{part.sheet}"}) for part in parts
            ]
            return _together(parts, outcomes)
        return _together(parts, [_of_part(task, part, rule) for part in parts])


@dataclass(frozen=True)
class _Part:
    """A table of a file: of most files there is one. `sheet`: its name in a spreadsheet."""

    kind: str
    path: Path
    units: Mapping[str, str] = field(default_factory=dict)
    sheet: str = ""


def _parts(task: Task) -> "Iterator[_Part]":
    kind, path = task.stored.description.content_type, task.path
    if kind in spreadsheets.CONTENT_TYPES:
        for sheet, written in spreadsheets.as_parquet(path, task.folder):
            yield _Part(_PARQUET, written, sheet=sheet)
    elif kind in astronomical.CONTENT_TYPES:
        converted = astronomical.as_parquet(path, kind, task.folder)
        if converted is not None:
            yield _Part(_PARQUET, *converted)
    elif kind != _JSON or _is_list(path):  # else it is one thing, and no table
        yield _Part(kind, path)


def _of_part(task: Task, part: _Part, rule: Mapping[str, Any] | None) -> Outcome:
    with _duckdb(task.folder) as db:
        source = _source(part.kind, part.path)
        columns = _described(db, source)
        if rule is None:
            count = _one(db, f"SELECT count(*) FROM {source}")
            return Outcome(found=_told(columns, part.units, count, "proposed"))
        table = table_name(task.stored.name, rule.get("table"))
        # A rule may know types of columns before any file is loaded: a crawl saw all of them.
        known = {**rule.get("columns", {}), **task.known.get(table, {})}
        if part.kind in (_CSV, _TSV):
            source = _source(part.kind, part.path, _given(columns, known))
        target = task.folder / f"{part.path.stem if part.sheet else 'all'}-rows.parquet"
        rows, written = _written(db, source, columns, known, target)
    told = _told(columns, part.units, rows, "loaded", table)
    return Outcome(rows=[Rows(table, written, of_container=True)], found=told)


def _together(parts: Sequence[_Part], outcomes: Sequence[Outcome]) -> Outcome:
    """One outcome of all tables of a file; of one, what is told of it is told of the file."""
    if len(outcomes) <= 1:
        return outcomes[0] if outcomes else Outcome()
    told: list[Any] = [
        {"sheet": part.sheet, **one.found.metadata}
        for part, one in zip(parts, outcomes, strict=True)
    ]
    most = max(1, _SHOWN_COLUMNS // len(told))
    for one in told:
        one["columns"] = one["columns"][:most]
    rows = [some for one in outcomes for some in one.rows]
    return Outcome(rows=rows, found=Found(metadata={"state": told[0]["state"], "sheets": told}))


def table_name(name: ObjectName, table: str | None) -> str:
    """The name, in the lake, of a table of a container; that of the file where none is given."""
    wanted = table or Path(name.name).stem
    plain = re.sub(r"[^a-z0-9_]+", "_", f"{name.container}_{wanted}".lower()).rstrip("_")
    return f"_{plain}" if plain[0].isdigit() else plain


def _is_list(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1_024).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


@contextmanager
def _duckdb(folder: Path) -> "Iterator[duckdb.DuckDBPyConnection]":
    """A DuckDB that puts what it cannot hold into the folder: the same one for all files of a
    process, since to make one takes longer than to read a small file's schema."""
    to_folder = f"SET temp_directory = {sql_text(str(folder))}"
    try:
        _of_process(os.getpid()).execute(to_folder)
    except duckdb.Error:  # it has put something into a former one
        _of_process.cache_clear()
        _of_process(os.getpid()).execute(to_folder)
    yield _of_process(os.getpid())


@cache
def _of_process(process_id: int) -> duckdb.DuckDBPyConnection:
    """A fork must not use what its parent made."""
    del process_id
    db = duckdb.connect(":memory:")
    db.execute("SET threads = 1")  # rows keep the order of the file
    db.execute("SET TimeZone = 'UTC'")
    db.execute("SET autoinstall_known_extensions = false")
    return db


def _source(kind: str, path: Path, types: Mapping[str, str] | None = None) -> str:
    """What to select from. All of a text is looked at before its types are taken for known."""
    file = sql_text(literal(path))
    if kind == _PARQUET:
        return f"read_parquet({file})"
    if kind in (_JSON, _NDJSON):
        form = "array" if kind == _JSON else "newline_delimited"
        return (
            f"read_json({file}, format = '{form}', sample_size = -1, "
            f"maximum_object_size = {_MOST_JSON_BYTES}, map_inference_threshold = -1)"
        )
    more = ", delim = '\t'" if kind == _TSV else ""
    if types:
        given = ", ".join(f"{sql_text(name)}: {sql_text(one)}" for name, one in types.items())
        more += f", types = {{{given}}}"
    return f"read_csv({file}, sample_size = -1{more})"


def _described(db: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    rows = db.execute(
        f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {source})"
    ).fetchall()
    return dict(rows)


def _given(columns: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Types that the table has, of columns that the file has too."""
    there = {name.lower(): kind for name, kind in known.items()}
    return {name: there[name.lower()] for name in columns if name.lower() in there}


def _written(
    db: duckdb.DuckDBPyConnection, source: str, columns: Mapping[str, str],
    known: Mapping[str, str], path: Path,
) -> tuple[int, Path]:  # fmt: skip
    """Write the rows, in the types of the table where it has the columns already.

    Raises ObjectRefused where a value would be another one in the type of its column.
    """
    given = _given(columns, known)
    now = _described(db, source)
    chosen, changed = [], []
    for name, kind in now.items():
        quoted = '"' + name.replace('"', '""') + '"'
        wanted = given.get(name, "VARCHAR" if kind == "JSON" else kind)
        if wanted == kind:
            chosen.append(quoted)
            continue
        chosen.append(f"CAST({quoted} AS {wanted}) AS {quoted}")
        there_and_back = f"TRY_CAST(TRY_CAST({quoted} AS {wanted}) AS {kind})"
        differ = f"count(*) FILTER ({there_and_back} IS DISTINCT FROM {quoted})"
        if kind != "JSON" and _one(db, f"SELECT {differ} FROM {source}"):
            changed.append(f"{name} was {wanted} and is {kind}")
    if changed:
        raise ObjectRefused(f"Columns have other types than their table: {'; '.join(changed)}.")
    try:
        rows = _one(
            db, f"COPY (SELECT {', '.join(chosen)} FROM {source}) TO {sql_text(str(path))} "
            "(FORMAT parquet)",
        )  # fmt: skip
    except duckdb.ConversionException as error:
        said = str(error).split("\n\n")[0]
        raise ObjectRefused(f"Columns have other types than their table: {said}") from error
    return int(rows), path


def _one(db: duckdb.DuckDBPyConnection, sql: str) -> Any:
    row = db.execute(sql).fetchone()
    assert row is not None
    return row[0]


def _told(
    columns: Mapping[str, str], units: Mapping[str, str], rows: int, state: str, table: str = ""
) -> Found:
    some: Sequence[tuple[str, str]] = list(columns.items())[:_SHOWN_COLUMNS]
    said: dict[str, Any] = {
        "state": state,
        "rows": rows,
        "columns": [
            {"name": name, "type": kind[:200]} | ({"unit": units[name]} if name in units else {})
            for name, kind in some
        ],
        "column_count": len(columns),
    }
    return Found(metadata=said | ({"table": table} if table else {}))
