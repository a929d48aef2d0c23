"""VOTable 1.4: what Virtual Observatory tools (TOPCAT, Aladin, pyvo) read, with units and UCDs.

What belongs here: any columns as one table in TABLEDATA. What does not: which UCD a column has
(`schemas/ucds.py`), and TAP. Null is an empty cell; lists are their members between commas; times
are UTC as DALI's `timestamp` has it. A text that XML cannot hold has U+FFFD in its place.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

import polars as pl
import pyarrow as pa

from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.serving.formats.export import Export
from gmn_pipeline.serving.formats.frames import cell_text, frames, joined, lines_of, xml, xml_text

_TYPES = {
    Kind.TEXT: 'datatype="unicodeChar" arraysize="*"',
    Kind.TEXT_LIST: 'datatype="unicodeChar" arraysize="*"',
    Kind.TIMESTAMP: 'datatype="char" arraysize="*" xtype="timestamp" ref="utc"',
    Kind.DATE: 'datatype="char" arraysize="*" xtype="timestamp" ref="utc"',
    Kind.INTEGER: 'datatype="int"',
    Kind.LONG: 'datatype="long"',
    Kind.NUMBER: 'datatype="double"',
    Kind.BOOLEAN: 'datatype="boolean"',
}
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_ROOT = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
)
_TIME_SYSTEMS = (
    '<TIMESYS ID="utc" timescale="UTC" refposition="TOPOCENTER"/>\n'
    '<TIMESYS ID="utc_jd" timeorigin="JD-origin" timescale="UTC" refposition="TOPOCENTER"/>\n'
)


def votable(
    export: Export,
    batches: Iterable[pa.RecordBatch],
    *,
    infos: Mapping[str, str] | None = None,
    closing_infos: Callable[[], Mapping[str, str]] = dict,
) -> Iterator[bytes]:
    """One RESOURCE of type `results` with one TABLE; `infos` are further INFO elements of it.

    `closing_infos` are asked for when all rows are written, and stand behind the table: that it
    was cut off (QUERY_STATUS OVERFLOW), where a protocol wants that told so.
    """
    about = export.about
    yield (
        _ROOT
        + '<RESOURCE type="results">\n'
        + f"<DESCRIPTION>{xml(about.description)}</DESCRIPTION>\n"
        + _TIME_SYSTEMS
        + "".join(
            _info(name, text)
            for name, text in ({"QUERY_STATUS": "OK"} | about.pairs() | dict(infos or {})).items()
        )
        + f'<TABLE name="{xml(about.title)}">\n'
        + "".join(map(_field, export.fields))
        + "<DATA><TABLEDATA>\n"
    ).encode()
    row = _row(export)
    for frame in frames(export, batches):
        yield lines_of(frame.select(row).to_series())
    yield b"</TABLEDATA></DATA>\n</TABLE>\n"
    closing = "".join(_info(name, text) for name, text in closing_infos().items())
    yield closing.encode() + b"</RESOURCE>\n</VOTABLE>\n"


def _info(name: str, text: str) -> str:
    return f'<INFO name="{xml(name)}" value="{xml(text)}"/>\n'


def _field(field: Field) -> str:
    attributes = [f'name="{xml(field.name)}"', _TYPES[field.kind]]
    # Some readers call columns by their IDs.
    if _ID.fullmatch(field.name) and field.name not in ("utc", "utc_jd"):
        attributes.insert(0, f'ID="{field.name}"')
    if field.unit:
        attributes.append(f'unit="{xml(field.unit)}"')
    if field.ucd:
        attributes.append(f'ucd="{xml(field.ucd)}"')
    if field.name == "beginning_julian_date":
        attributes.append('ref="utc_jd"')
    head = f"<FIELD {' '.join(attributes)}"
    if not field.meaning:
        return f"{head}/>\n"
    return f"{head}><DESCRIPTION>{xml(field.meaning)}</DESCRIPTION></FIELD>\n"


def _row(export: Export) -> pl.Expr:
    parts: list[pl.Expr | str] = ["<TR>"]
    for field in export.fields:
        cell = cell_text(field, nan="NaN", infinity="+Inf")
        is_free_text = field.kind in (Kind.TEXT, Kind.TEXT_LIST)
        parts += ["<TD>", xml_text(cell) if is_free_text else cell, "</TD>"]
    return joined([*parts, "</TR>\n"])
