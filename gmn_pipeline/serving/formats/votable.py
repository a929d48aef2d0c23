"""VOTable 1.4: what Virtual Observatory tools (TOPCAT, Aladin, pyvo) read, with units and UCDs.

What belongs here: any columns as one table in TABLEDATA. What does not: which UCD a column has
(`schemas/ucds.py`), and TAP. Null is an empty cell; lists are their members between commas; times
are UTC as DALI's `timestamp` has it. A text that XML cannot hold has U+FFFD in its place.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl
import pyarrow as pa

from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.serving.formats.export import Export
from gmn_pipeline.serving.formats.frames import cell_text, frames, joined, lines_of, xml, xml_text


@dataclass(frozen=True)
class VoType:
    """A type of VOTable, which TAP's descriptions of columns use too."""

    datatype: str
    arraysize: str | None = None
    xtype: str | None = None


TYPES: Mapping[Kind, VoType] = MappingProxyType({
    Kind.TEXT: VoType("unicodeChar", "*"),
    Kind.TEXT_LIST: VoType("unicodeChar", "*"),
    Kind.TIMESTAMP: VoType("char", "*", "timestamp"),
    Kind.DATE: VoType("char", "*", "timestamp"),
    Kind.INTEGER: VoType("int"),
    Kind.LONG: VoType("long"),
    Kind.NUMBER: VoType("double"),
    Kind.BOOLEAN: VoType("boolean"),
})  # fmt: skip
_UTC_JULIAN_DATES = ("beginning_julian_date", "time_min", "time_max")
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_ROOT = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
)
_TIME_SYSTEMS = MappingProxyType(
    {
        "utc": '<TIMESYS ID="utc" timescale="UTC" refposition="TOPOCENTER"/>\n',
        "utc_jd": '<TIMESYS ID="utc_jd" timeorigin="JD-origin" timescale="UTC" '
        'refposition="TOPOCENTER"/>\n',
    }
)


def votable(
    export: Export,
    batches: Iterable[pa.RecordBatch],
    *,
    infos: Mapping[str, str] | None = None,
    closing_infos: Callable[[], Mapping[str, str]] = dict,
    xtypes: Mapping[str, str] | None = None,
) -> Iterator[bytes]:
    """One RESOURCE of type `results` with one TABLE; `infos` are further INFO elements of it.

    `closing_infos` are asked for when all rows are written, and stand behind the table: that it
    was cut off (QUERY_STATUS OVERFLOW), where a protocol wants that told so. `xtypes` says of
    columns what their texts hold.
    """
    about = export.about
    systems = map(_time_system, export.fields)
    yield (
        _ROOT
        + '<RESOURCE type="results">\n'
        + f"<DESCRIPTION>{xml(about.description)}</DESCRIPTION>\n"
        + "".join(
            _info(name, text)
            for name, text in ({"QUERY_STATUS": "OK"} | about.pairs() | dict(infos or {})).items()
        )
        + "".join(_TIME_SYSTEMS[one] for one in dict.fromkeys(filter(None, systems)))
        + f'<TABLE name="{xml(about.title)}">\n'
        + "".join(_field(field, xtypes or {}) for field in export.fields)
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


def failure(message: str, infos: Mapping[str, str] | None = None) -> bytes:
    """What says that there is no table, and why, in the place of one."""
    told = f'<INFO name="QUERY_STATUS" value="ERROR">{xml(message)}</INFO>\n'
    more = "".join(_info(name, text) for name, text in (infos or {}).items())
    return (_ROOT + f'<RESOURCE type="results">\n{told}{more}</RESOURCE>\n</VOTABLE>\n').encode()


def _type(field: Field, xtypes: Mapping[str, str]) -> Iterator[str]:
    known = TYPES[field.kind]
    yield f'datatype="{known.datatype}"'
    if known.arraysize:
        yield f'arraysize="{known.arraysize}"'
    if xtype := xtypes.get(field.name, known.xtype):
        yield f'xtype="{xtype}"'
    if system := _time_system(field):
        yield f'ref="{system}"'


def _time_system(field: Field) -> str | None:
    if TYPES[field.kind].xtype == "timestamp":
        return "utc"
    is_julian = field.name in _UTC_JULIAN_DATES and field.kind is Kind.NUMBER
    return "utc_jd" if is_julian else None


def _field(field: Field, xtypes: Mapping[str, str]) -> str:
    attributes = [f'name="{xml(field.name)}"', *_type(field, xtypes)]
    # Some readers call columns by their IDs.
    if _ID.fullmatch(field.name) and field.name not in _TIME_SYSTEMS:
        attributes.insert(0, f'ID="{field.name}"')
    if field.unit:
        attributes.append(f'unit="{xml(field.unit)}"')
    if field.ucd:
        attributes.append(f'ucd="{xml(field.ucd)}"')
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
