"""What the service says of itself: capabilities, availability, tables (VOSI), examples (DALI).

What belongs here: documents that programs read before they ask. What does not: tables that can be
asked (`tap_schema.py`).
"""

import html
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache

from starlette.responses import Response

from gmn_pipeline.serving.formats.frames import xml
from gmn_pipeline.serving.formats.votable import TYPES
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.serving.routes import Asked
from gmn_pipeline.serving.tap import epn_core, tap_schema
from gmn_pipeline.serving.tap.adql.functions import OF_THE_OBSERVATORY
from gmn_pipeline.serving.tap.catalogue import CATALOGUE
from gmn_pipeline.serving.tap.formats import TAP_FORMATS
from gmn_pipeline.serving.tap.relations import Relation
from gmn_pipeline.serving.tap.requests import base_url
from gmn_pipeline.settings import TapSettings

XML = "text/xml; charset=utf-8"
_NO_STORE = {"Cache-Control": "no-store"}
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
_RESOURCE = 'xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1"'
_EXTENSION = "ivo://ivoa.net/std/TAPRegExt#features"
_FEATURES = {
    f"{_EXTENSION}-udf": tuple(OF_THE_OBSERVATORY.items()),
    f"{_EXTENSION}-adqlgeo": tuple(
        (name, "")
        for name in (
            "POINT", "CIRCLE", "BOX", "POLYGON", "CONTAINS", "INTERSECTS", "DISTANCE", "AREA",
            "CENTROID", "COORD1", "COORD2", "COORDSYS",
        )
    ),
    f"{_EXTENSION}-adql-string": (("LOWER", ""), ("UPPER", ""), ("ILIKE", "")),
    f"{_EXTENSION}-adql-sets": (("UNION", ""), ("EXCEPT", ""), ("INTERSECT", "")),
    f"{_EXTENSION}-adql-common-table": (("WITH", ""),),
    f"{_EXTENSION}-adql-type": (("CAST", ""),),
    f"{_EXTENSION}-adql-unit": (("IN_UNIT", ""),),
    f"{_EXTENSION}-adql-offset": (("OFFSET", ""),),
}  # fmt: skip
_OUTPUTS = {"votable": "ivo://ivoa.net/std/TAPRegExt#output-votable-td"}


async def capabilities(asked: Asked) -> Response:
    text = "".join(_capabilities(base_url(asked), asked.work.settings))
    return Response(text, headers=_NO_STORE, media_type=XML)


def _capabilities(base: str, settings: TapSettings) -> Iterator[str]:
    yield (
        f'{_HEAD}<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0" '
        f'xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0" {_RESOURCE} {_XSI}>\n'
        '<capability standardID="ivo://ivoa.net/std/TAP" xsi:type="tr:TableAccess">\n'
        '<interface xsi:type="vs:ParamHTTP" role="std" version="1.1">\n'
        f'<accessURL use="base">{xml(base)}</accessURL>\n</interface>\n'
        f'<dataModel ivo-id="{epn_core.UTYPE}">EPN-TAP 2.0</dataModel>\n'
        "<language><name>ADQL</name>"
        '<version ivo-id="ivo://ivoa.net/std/ADQL#v2.0">2.0</version>'
        '<version ivo-id="ivo://ivoa.net/std/ADQL#v2.1">2.1</version>'
        "<description>Astronomical Data Query Language</description>\n"
    )
    for kind, features in _FEATURES.items():
        told = "".join(
            f"<feature><form>{xml(form)}</form>"
            + (f"<description>{xml(meaning)}</description>" if meaning else "")
            + "</feature>\n"
            for form, meaning in features
        )
        yield f'<languageFeatures type="{kind}">\n{told}</languageFeatures>\n'
    yield "</language>\n"
    for one in TAP_FORMATS:
        name = f' ivo-id="{_OUTPUTS[one.name]}"' if one.name in _OUTPUTS else ""
        kind = one.media_type.split(";")[0]
        yield f"<outputFormat{name}><mime>{kind}</mime><alias>{one.name}</alias></outputFormat>\n"
    kept = round(settings.serve_tap_keep_days * 86_400)
    seconds = round(settings.serve_tap_timeout_s)
    yield (
        f"<retentionPeriod><default>{kept}</default><hard>{kept}</hard></retentionPeriod>\n"
        f"<executionDuration><default>{seconds}</default><hard>{seconds}</hard>"
        "</executionDuration>\n"
        f'<outputLimit><default unit="row">{settings.serve_tap_rows}</default>'
        f'<hard unit="row">{settings.serve_tap_most_rows}</hard></outputLimit>\n</capability>\n'
    )
    for standard, path in (
        ("VOSI#capabilities", "capabilities"), ("VOSI#availability", "availability"),
        ("VOSI#tables-1.1", "tables"), ("DALI#examples", "examples"),
    ):  # fmt: skip
        kind = "vr:WebBrowser" if path == "examples" else "vs:ParamHTTP"
        space = ' xmlns:vr="http://www.ivoa.net/xml/VOResource/v1.0"'
        yield (
            f'<capability standardID="ivo://ivoa.net/std/{standard}">\n'
            f'<interface xsi:type="{kind}"{space}{_role(standard)}>'
            f'<accessURL use="full">{xml(base)}/{path}</accessURL></interface>\n</capability>\n'
        )
    yield "</vosi:capabilities>\n"


def _role(standard: str) -> str:
    return "" if standard.startswith("DALI") else ' role="std"'


async def availability(asked: Asked) -> Response:
    """Whether the newest state of the lake can be read."""
    try:
        asked.work.lake.snapshot()
        is_there, why = True, "The service answers."
    except Problem as problem:
        is_there, why = False, problem.detail
    text = (
        f'{_HEAD}<vosi:availability xmlns:vosi="http://www.ivoa.net/xml/VOSIAvailability/v1.0">'
        f"<vosi:available>{str(is_there).lower()}</vosi:available>"
        f"<vosi:upSince>{_UP_SINCE}</vosi:upSince>"
        f"<vosi:note>{xml(why)}</vosi:note></vosi:availability>\n"
    )
    return Response(text, headers=_NO_STORE, media_type=XML)


_UP_SINCE = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def tables(asked: Asked) -> Response:
    """All tables with their columns and keys."""
    del asked
    return Response(_tables(), headers={"Cache-Control": "public, max-age=300"}, media_type=XML)


@cache
def _tables() -> str:
    head = (
        f'{_HEAD}<vosi:tableset xmlns:vosi="http://www.ivoa.net/xml/VOSITables/v1.0" '
        f"{_RESOURCE} {_XSI}>\n"
    )
    schemas = "".join(_schema(name, meaning) for name, meaning in tap_schema.SCHEMAS.items())
    return f"{head}{schemas}</vosi:tableset>\n"


def _schema(name: str, meaning: str) -> str:
    utype = tap_schema.UTYPES.get(name)
    return (
        f"<schema><name>{name}</name><description>{xml(meaning)}</description>"
        + (f"<utype>{xml(utype)}</utype>" if utype else "")
        + "\n"
        + "".join(_table(one) for one in CATALOGUE.relations if one.schema == name)
        + "</schema>\n"
    )


def _table(one: Relation) -> str:
    return (
        f'<table type="{"view" if one.is_view else "table"}"><name>{one.full_name}</name>'
        f"<description>{xml(one.meaning)}</description>"
        + (f"<utype>{xml(one.utype)}</utype>" if one.utype else "")
        + "\n"
        + "".join(_columns(one))
        + "".join(_keys(one))
        + "</table>\n"
    )


def _columns(one: Relation) -> Iterator[str]:
    for field in one.fields:
        known = TYPES[field.kind]
        xtype = one.xtypes.get(field.name, known.xtype)
        size = f' arraysize="{known.arraysize}"' if known.arraysize else ""
        extended = f' extendedType="{xtype}"' if xtype else ""
        flags = "<flag>principal</flag>" if tap_schema.is_principal(field) else ""
        yield (
            f'<column std="{str(field.name in one.standard).lower()}">'
            f"<name>{xml(tap_schema.spelt(field.name))}</name>"
            + _element("description", field.meaning)
            + _element("unit", field.unit)
            + _element("ucd", field.ucd)
            + f'<dataType xsi:type="vs:VOTableType"{size}{extended}>{known.datatype}</dataType>'
            + f"{flags}</column>\n"
        )


def _element(name: str, text: str | None) -> str:
    return f"<{name}>{xml(text)}</{name}>" if text else ""


def _keys(one: Relation) -> Iterable[str]:
    for key in tap_schema.KEYS:
        if key.from_table == one.full_name:
            pairs = "".join(
                f"<fkColumn><fromColumn>{begin}</fromColumn><targetColumn>{end}</targetColumn>"
                "</fkColumn>"
                for begin, end in key.columns
            )
            yield (
                f"<foreignKey><targetTable>{key.target_table}</targetTable>{pairs}"
                f"<description>{xml(key.meaning)}</description></foreignKey>\n"
            )


EXAMPLES = (
    ("Fireballs of a shower",
     "SELECT beginning_utc_time, peak_absolute_magnitude, rageo_deg, decgeo_deg\n"
     "FROM gmn.trajectories\nWHERE iau_shower_code = 'PER' AND peak_absolute_magnitude < -4"),
    ("Radiants near a place in the sky",
     "SELECT TOP 100 granule_uid, ra, dec, alt_target_name\nFROM gmn_epn.epn_core\n"
     "WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 48, 58, 3))"),
    ("Showers by the number of their meteors",
     "SELECT TOP 20 s.iau_shower_name, COUNT(*) AS meteors, AVG(t.vgeo_km_s) AS vgeo_km_s\n"
     "FROM gmn.trajectories AS t\nJOIN gmn.iau_showers AS s "
     "ON t.iau_shower_number = s.iau_shower_number\n"
     "GROUP BY s.iau_shower_name\nORDER BY meteors DESC"),
    ("What two stations saw together",
     "SELECT a.trajectory_identifier\nFROM gmn.trajectory_stations AS a\n"
     "JOIN gmn.trajectory_stations AS b ON a.trajectory_identifier = b.trajectory_identifier\n"
     "WHERE a.station_code < b.station_code AND a.station_code LIKE 'UK%'"),
    ("Meteors over an area, as EPN-TAP portals ask",
     "SELECT TOP 100 *\nFROM gmn_epn.epn_core\nWHERE c1min >= 10 AND c1max <= 20 AND c2min >= 44 "
     "AND c2max <= 48\nAND ivo_hashlist_has(event_type, 'meteor_shower') = 1"),
    ("Velocities in another unit",
     "SELECT TOP 10 trajectory_identifier, IN_UNIT(vgeo_km_s, 'm/s') AS vgeo_m_s\n"
     "FROM gmn.trajectories\nORDER BY vgeo_km_s DESC"),
)  # fmt: skip
"""Title and ADQL. A test asks each."""


async def examples(asked: Asked) -> Response:
    del asked
    headers = {"Cache-Control": "public, max-age=300"}
    return Response(_examples(), headers=headers, media_type="text/html; charset=utf-8")


@cache
def _examples() -> str:
    told = "\n".join(
        f'<div typeof="example" id="example-{number}" resource="#example-{number}">'
        f'<h2 property="name">{html.escape(title)}</h2>'
        f'<pre property="query">{html.escape(adql)}</pre></div>'
        for number, (title, adql) in enumerate(EXAMPLES, 1)
    )
    return (
        '<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml" lang="en">'
        "<head><title>Examples of queries</title></head>\n"
        '<body vocab="http://www.ivoa.net/rdf/examples#">\n<h1>Examples of queries</h1>\n'
        f"{told}\n</body></html>\n"
    )
