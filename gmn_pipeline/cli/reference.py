"""Write what follows from the definitions: pages of columns, formats, functions, queries, quality
flags, settings and EPN-TAP's columns, the message schemas of the current versions, and names for
the client.

`python -m gmn_pipeline.cli.reference` writes them, `--check` fails if one is out of date.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from gmn_pipeline.cli.client_columns import columns_module
from gmn_pipeline.queries.canned.catalogue import OBJECTS, Parameter, all_queries
from gmn_pipeline.schemas import station_readings
from gmn_pipeline.schemas.dataset import Table
from gmn_pipeline.schemas.derive import duckdb_column, field_range
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS, Kind
from gmn_pipeline.schemas.message_schema import schema_file
from gmn_pipeline.schemas.object_messages import OBJECT_MESSAGES
from gmn_pipeline.schemas.object_tables import OBJECT_TABLES, OBJECT_WORKING_TABLES
from gmn_pipeline.schemas.tables import (
    DATASETS,
    READINGS_TABLES,
    WAREHOUSE_TABLES,
    WORKING_TABLES,
)
from gmn_pipeline.serving.formats import ground_track, mdc_csv, ufo_csv, ukmon_csv
from gmn_pipeline.serving.formats.registry import FORMATS
from gmn_pipeline.serving.tap import epn_core
from gmn_pipeline.settings import GROUPS, variable
from gmn_pipeline.validated.trajectories.quality import QUALITY_FLAGS
from gmn_pipeline.warehouse.macros import MACROS
from gmn_pipeline.warehouse.views import VIEWS

_ROOT = Path(__file__).parents[2]
_DOCS = _ROOT / "docs"
_CLIENT_COLUMNS = _ROOT / "client" / "gmn_client" / "columns.py"
_GENERATED = "<!-- Written by `make docs` from the definitions in the code: change them there. -->"


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for row in rows:
        cells = [str(cell if cell is not None else "").replace("|", "\\|") for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def columns_page() -> str:
    """The column reference."""
    rows = [
        (
            number,
            f"`{field.name}`",
            f"`{field.legacy_name}`",
            " / ".join(part for part in field.header or () if part),
            field.unit,
            duckdb_column(field).split(" ")[1],
            field_range(field) if field.kind in (Kind.NUMBER, Kind.INTEGER) else field.pattern,
            field.null if field.nullable else "",
            field.meaning,
        )
        for number, field in enumerate(TRAJECTORY_FIELDS, 1)
    ]
    parts = [
        _GENERATED,
        "# Columns",
        "## The 86 columns of a trajectory summary file\n\n"
        "A value beyond its limits cannot be real: its row is rejected. `null` says when a value "
        "may be missing; upstream prints `nan` for what is undefined and `None` for what was not "
        "computed. Legacy names live on in the views `meteor_summary` and `meteor`.",
        _table(("#", "column", "legacy name", "head in the file", "unit", "type", "limits",
                "null", "meaning"), rows),
    ]  # fmt: skip
    readings = (*READINGS_TABLES, *station_readings.DATASET.working_tables)
    objects = (*OBJECT_TABLES, *OBJECT_WORKING_TABLES)
    for table in (*WAREHOUSE_TABLES, *WORKING_TABLES, *readings, *objects, *_validated_tables()):
        own = [f for f in table.fields if f not in TRAJECTORY_FIELDS]
        has_all = len(own) < len(table.fields)
        parts += [
            f"## `{table.name}`\n\n{table.meaning[0].upper()}{table.meaning[1:]}."
            + _what_names_a_row(table)
            + (" The 86 columns above, and:" if has_all else ""),
            _table(
                ("column", "type", "meaning"),
                [(f"`{f.name}`", duckdb_column(f).split(" ")[1], f.meaning) for f in own],
            ),
        ]
    parts += [
        "## Views\n\nTheir columns are described in the view `column_definitions`.",
        _table(("view", "a row is"), [(f"`{view.name}`", view.meaning) for view in VIEWS]),
    ]
    return "\n\n".join(parts) + "\n"


def _validated_tables() -> Iterator[Table]:
    """Tables of checked rows that have columns beyond those in the warehouse."""
    for dataset in DATASETS:
        for table in dataset.validated:
            if not any(set(table.fields) <= set(other.fields) for other in dataset.tables):
                yield table


def _what_names_a_row(table: Table) -> str:
    """The key and the time of a dataset's current rows."""
    for dataset in DATASETS:
        if dataset.current is table:
            key = " and ".join(f"`{name}`" for name in dataset.key)
            when = f", its time is `{dataset.time_column}`" if dataset.time_column else ""
            return f" A row is named by {key}{when}."
    return ""


def epn_core_page() -> str:
    """The columns of EPN-TAP."""
    return "\n\n".join(
        [
            _GENERATED,
            "# `gmn_epn.epn_core`",
            "What [TAP](vo.md) answers of each trajectory by EPN-TAP 2.0: the columns that the "
            "standard wants of every service, then those of its others that meteors have "
            "something for. `sql` is over the trajectory `t` and its shower `s`.",
            _table(
                ("column", "type", "unit", "UCD", "meaning", "sql"),
                [
                    (f"`{one.name}`", duckdb_column(one.field).split(" ")[1], one.unit,
                     f"`{one.ucd}`", one.meaning, f"`{one.sql}`")
                    for one in (*epn_core.MANDATORY, *epn_core.OPTIONAL)
                ],
            ),
        ]
    ) + "\n"  # fmt: skip


def functions_page() -> str:
    """The macros."""
    return "\n\n".join(
        [
            _GENERATED,
            "# Functions in SQL",
            "`gmn.duckdb` and the warehouse bring them along; the view `macro_definitions` lists "
            "them too. Angles are in degrees, distances in au; a null argument gives null. "
            "Sources of the formulas: Southworth and Hawkins 1963, Smithsonian Contributions to "
            "Astrophysics 7, 261-285; Drummond 1981, Icarus 45, 545-553; Jopek 1993, Icarus 106, "
            "603-607; Vincenty 1975, Survey Review 23, 88-93; Mardia and Jupp 2000, Directional "
            "Statistics. Where the file is attached and not in use, write its name in front "
            "(`gmn.has_flag(...)`); `trajectories_as_of` needs `USE gmn`.",
            _table(
                ("function", "answers"), [(f"`{macro.call}`", macro.meaning) for macro in MACROS]
            ),
        ]
    ) + "\n"  # fmt: skip


def quality_page() -> str:
    """The quality flags."""
    return "\n\n".join(
        [
            _GENERATED,
            "# Quality flags",
            "A row that cannot be real is rejected; a row that is merely odd is loaded and says "
            "so in `quality_flags`. **identity**: a physical identity between columns does not "
            "hold, so the row is probably corrupted. **limit**: the row would not pass the "
            "quality limits that the network applies today; older files precede some of them. "
            "**note**: worth knowing, nothing wrong.\n\n"
            "On 1,031 real rows the largest deviations from the identities were: q 8e-5 au; Q "
            "1.1e-6 and T 3.2e-5 relative; longitude of perihelion 1e-6 deg; Tisserand parameter "
            "2e-4; Julian date and UTC well under 1 ms. The tolerances leave room for the fewer "
            "digits that large semi-major axes are printed with.",
            "Trajectories without a mark against them:\n\n"
            "```sql\nSELECT * FROM trajectories\n"
            "WHERE without_flags(quality_flags, flags_of_family('identity'))\n"
            "  AND without_flags(quality_flags, flags_of_family('limit'))\n"
            "  AND without_flags(quality_flags, ['uncertainty_negative']);"
            "  -- as your study needs\n```\n\n"
            "`has_flag(quality_flags, 'hyperbolic')`, `has_any_flag` and `without_flags` refuse a "
            "name that is no flag. DuckDB's own `list_contains` and `list_has_any` take it, and "
            "find nothing. The view `quality_flag_definitions` has the table below.",
            _table(("flag", "family", "meaning"),
                   [(f"`{f.name}`", f.family, f.meaning) for f in QUALITY_FLAGS]),
        ]
    ) + "\n"  # fmt: skip


def settings_page() -> str:
    """The settings."""
    tables = [
        part
        for group in GROUPS
        for part in (
            f"## {group.heading()}",
            _table(("variable", "default", "what it is"),
                   [(f"`{variable(name)}`", f"`{field.default}`", field.description)
                    for name, field in group.own_fields().items()]),
        )
    ]  # fmt: skip
    head = "Set them in the environment; `gmn settings` shows what is in force."
    return "\n\n".join([_GENERATED, "# Settings", head, *tables]) + "\n"


def message_schemas() -> dict[Path, str]:
    """The message schemas of the current versions; that of a former version is never written."""
    schemas = [OBJECT_MESSAGES, *(dataset.messages for dataset in DATASETS if dataset.messages)]
    return {
        one.path(one.current_version): schema_file(one.generate(one.current_version))
        for one in schemas
    }


_OF_ANOTHER_LAKE = (
    "It asks the lake of [objects](processing.md), which `gmn.duckdb` has not; over HTTP it is "
    "about those that who asks may read."
)


def queries_page() -> str:
    """The canned queries."""
    parts = [
        _GENERATED,
        "# Ready questions",
        "`gmn query` lists them, and `gmn query NAME --parameter value` asks one of the "
        "warehouse (`--format csv` or `json`). In `gmn.duckdb` they give the same: the SQL below, "
        "with the parameters bound by name.\n\n"
        "```python\nimport duckdb\n\n"
        'gmn = duckdb.connect("gmn.duckdb", read_only=True)\n'
        'values = {"perihelion_au": 0.1, "sporadic_only": False}\n'
        "gmn.execute(sql, values).df()\n```\n\n"
        "A date is written 2026-08-13, a time (UTC) 2026-08-13T22:00:00. More questions, without "
        "parameters, are in the [cookbook](cookbook.md).",
        _table(("name", "question"),
               [(f"[`{one.name}`](#{one.name})", one.title) for one in all_queries(OBJECTS)]),
    ]  # fmt: skip
    for one in all_queries(OBJECTS):
        parts += [f"## {one.name}", f"**{one.title}.** {one.description}"]
        if one.needs:
            parts.append(_OF_ANOTHER_LAKE)
        if one.parameters:
            parts.append(_table(("parameter", "type", "unit", "default", "meaning"),
                                [_parameter(p) for p in one.parameters]))  # fmt: skip
        parts.append(f"```sql\n{one.sql}\n```")
    return "\n\n".join(parts) + "\n"


def _parameter(parameter: Parameter) -> tuple[str | None, ...]:
    default = "required" if parameter.is_required else parameter.default or ""
    kind = " or ".join(parameter.choices) or parameter.type
    return (f"`{parameter.name}`", kind, parameter.unit, default, parameter.meaning)


def formats_page() -> str:
    """The formats that answers go out in."""
    rows = [
        (
            f"`.{one.suffix}`",
            one.name,
            one.description,
            "" if one.says_units else "no",
            "any" if one.is_for_any_columns else "all of a trajectory"
            if len(one.needs) > len(ground_track.COLUMNS) else "those of the track",
            f"`{one.media_type}`",
        )
        for one in FORMATS.values()
    ]  # fmt: skip
    foreign = (
        ("ufo.csv", ufo_csv.COLUMNS), ("ukmon.csv", ukmon_csv.COLUMNS), ("mdc.csv", mdc_csv.COLUMNS)
    )  # fmt: skip
    parts = [
        _GENERATED,
        "# Formats",
        "What tables and answers can be had in, by what the address ends in. They are written as "
        "the rows come, without a limit of rows; what breaks off breaks the transfer, and never "
        "ends as a shorter, valid file. Those with *no* under *units* have no place for units, "
        "licence and snapshot.",
        _table(("suffix", "format", "for", "units", "columns", "media type"), rows),
        "- **Null** is an empty cell, `null` in JSON; in CSV an empty text is `\"\"`. ECSV cannot "
        "tell the two apart. A number that is not finite is `NaN` or `inf`, and null in JSON.\n"
        "- **Times** are UTC with six decimals; CSV has a blank where the others have a T, and "
        "JSON a Z at the end.\n"
        "- **Lists** are their members between commas; JSON, Parquet and Arrow have real ones.\n"
        "- **CSV**: a text that begins like a formula (`=`, `+`, `-`, `@`) and is no number has an "
        "apostrophe in front, so that no spreadsheet runs it. The other formats have it as it is, "
        "but for the name of a shower in the columns of other programs.\n"
        "- **GeoJSON and KML** show the straight line from beginning to end; heights are those "
        "above the WGS84 ellipsoid. KML counts from sea level, up to 107 m off. GeoJSON cuts a "
        "track at the 180th meridian, as the standard wants.\n"
        "- **`summary.txt`** has each line byte for byte as it stood in the network's file, taken "
        "from the landed file; rows that came in messages, or in files of the format of 2021, are "
        "printed from their values. Its first line says when the export was made.",
    ]  # fmt: skip
    for suffix, columns in foreign:
        empty = ", ".join(f"`{c.name}`" for c in columns if c.source is None)
        parts += [
            f"## `.{suffix}`",
            _table(("column", "unit", "meaning"),
                   [(f"`{c.name}`", c.unit, c.meaning) for c in columns if c.source is not None]),
            f"Empty, since nothing here says it: {empty}.",
        ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


PAGES = {
    "columns.md": columns_page,
    "epn-core.md": epn_core_page,
    "formats.md": formats_page,
    "functions.md": functions_page,
    "quality.md": quality_page,
    "queries.md": queries_page,
    "settings.md": settings_page,
}


def main() -> None:
    """Write the pages, or check them."""
    check = "--check" in sys.argv[1:]
    stale = []
    files = {_DOCS / name: page() for name, page in PAGES.items()} | message_schemas()
    files[_CLIENT_COLUMNS] = columns_module()
    for path, text in files.items():
        if not path.is_file() or path.read_text("utf-8") != text:
            stale.append(path.name)
            if not check:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, "utf-8")
    if check and stale:
        sys.exit(f"Out of date: {', '.join(stale)}. Run 'make docs'.")


if __name__ == "__main__":
    main()
