"""Read the IAU Meteor Data Center's list of meteor showers, as text and as JSON.

What belongs here: bytes into texts by column. What does not: where the bytes come from
(`sources/iau_showers.py`), and what the texts mean (`iau_showers_rows.py`).

**Text** (`streamfulldata*.txt`): comments begin with `:` or `+`; a row is one published solution
of a shower, quoted fields between `|`. The columns after the code differ between the lists of
2007, 2022 and now: they are known by the header, the comment line with LP, IAUNo and Code in it.
**JSON** (`streamfulldata.json`): `data[]`, an entry a shower, with `solution[]`.

Names of columns are compared without case, blanks and punctuation, so that `inc`, `Incl`,
`sub.date` and `SubDate` are what they are.
"""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import date
from email.utils import parsedate_to_datetime

from gmn_pipeline.errors import SourceRefused
from gmn_pipeline.readers.iau_showers_rows import NEEDED, Rows, ShowerList, plain, shower_list

# The list's spelling, in small letters and digits only -> our column.
_COLUMNS = {
    "lp": "list_row",
    "iauno": "iau_shower_number",
    "adno": "solution_number",
    "code": "iau_shower_code",
    "s": "status_flag",
    "status": "status_flag",
    "sd": "submitted",
    "subdate": "submitted",
    "name": "iau_shower_name",
    "showername": "iau_shower_name",
    "showernamedesignation": "iau_shower_name",
    "designation": "provisional_name",
    "showerdesignation": "provisional_name",
    "shodes": "provisional_name",
    "provname": "provisional_name",
    "activity": "activity",
    "losb": "solar_longitude_begin_deg",
    "lose": "solar_longitude_end_deg",
    "lase": "solar_longitude_end_deg",
    "los": "solar_longitude_deg",
    "lasun": "solar_longitude_deg",
    "ra": "rageo_deg",
    "de": "decgeo_deg",
    "dra": "rageo_drift_deg_d",
    "dde": "decgeo_drift_deg_d",
    "vg": "vgeo_km_s",
    "lor": "lamgeo_deg",
    "slor": "sun_centred_longitude_deg",
    "lar": "betgeo_deg",
    "theta": "theta_deg",
    "phi": "phi_deg",
    "flags": "flags",
    "a": "semi_major_axis_au",
    "q": "perihelion_distance_au",
    "e": "eccentricity",
    "peri": "argument_of_perihelion_deg",
    "node": "ascending_node_deg",
    "inc": "inclination_deg",
    "incl": "inclination_deg",
    "n": "member_count",
    "group": "group_number",
    "cg": "group_member",
    "origin": "parent_body",
    "parentbody": "parent_body",
    "remarks": "remarks",
    "ote": "observation_technique",
    "lt": "lookup_table",
    "lookuptable": "lookup_table",
    "reference": "reference",
    "references": "reference",
}
# Names with a blank in them, which a header does not part from its other blanks.
_NAME_IN_HEADER = re.compile(
    r"shower\s+name-designation|shower\s+designation|shower\s+name|sho\.\s*des\.|sub\.\s*date"
    r"|parent\s+body|lookup\s+table|[^\s|:]+",
    re.IGNORECASE,
)
# Columns by their number, for a list whose header does not fit its rows.
_KNOWN_LAYOUTS = {
    len(names.split()): names.split()
    for names in (
        # 2007
        "LP IAUNo AdNo Code Name activity s LaSun Ra De dRa dDe Vg a q e peri node inc N Group CG "
        "Origin Remarks OTe References LookupTable SubDate",
        # 2022
        "LP IAUNo AdNo Code s SubDate Name activity LoSb LoSe LoS Ra De dRa dDe Vg LoR S_LoR LaR "
        "theta phi Flags a q e peri node inc N Group CG Origin Remarks OTe LookupTable References",
        # now
        "LP IAUNo AdNo Code s SubDate Designation Name activity LoSb LoSe LoS Ra De dRa dDe Vg "
        "LoR S_LoR LaR theta phi Flags a q e peri node inc N Group CG Origin Remarks OTe "
        "LookupTable References",
    )
}
_OF_SHOWER = (*NEEDED, "provisional_name")
# The header of some lists goes on after the last column of their rows.
_BEYOND_ROWS = {"lt", "sd"}
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
# Not splitlines: characters of Latin-1 that it takes for ends are none.
_LINE_END = re.compile(r"\r?\n\r?|\r")
_UPDATED = re.compile(r"last\s+update[d]?\s*:?(.{0,80})", re.IGNORECASE)


def parse(content: bytes, origin: str, last_modified: str | None = None) -> ShowerList:
    """The list in `content`, whichever form it has. Raises SourceRefused if it is none.

    `last_modified` (an HTTP date) dates a list that does not date itself.
    """
    text = _decode(content)
    beginning = text.lstrip()[:500].lower()
    if beginning.startswith("<") or "<html" in beginning:
        raise SourceRefused(
            f"{origin} answers with a page, not with the IAU shower list.",
            remedy="Look at it in a browser; GMN_IAU_SHOWERS_URL sets another address.",
        )
    rows = Rows()
    if beginning.startswith(("{", "[")):
        said = _read_json(text, origin, rows)
    else:
        said = _read_text(text, origin, rows)
    rows.must_be_the_list(origin)
    edition_date = find_date(said) or _http_date(last_modified)
    known_as = f"of {edition_date}" if edition_date else "undated"
    return shower_list(
        rows.named, f"IAU MDC streamfulldata {known_as}, {origin}", edition_date, rows.problems
    )


def find_date(text: str) -> date | None:
    """The date in a text: 2026-08-14, Feb 28, 10:00:00 UTC, 2022, or Oct 09 2026."""
    iso = re.search(r"\b((?:19|20)\d\d)[-.](\d\d)[-.](\d\d)", text)
    words = re.search(r"\b([A-Za-z]{3})[a-z]*\.?\s+(\d{1,2})\b.*?\b((?:19|20)\d\d)\b", text)
    if iso:
        year, month, day = (int(part) for part in iso.groups())
    elif words and words[1].lower() in _MONTHS:
        year, month, day = int(words[3]), _MONTHS.index(words[1].lower()) + 1, int(words[2])
    else:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _read_text(text: str, origin: str, rows: Rows) -> str:
    """Read the rows of the text form; what it says of its last update."""
    header: list[str] = []
    columns: dict[int, list[str]] = {}  # by the number of a row's fields
    for number, line in enumerate(_LINE_END.split(text), 1):
        if {"IAUNo", "Code", "LP"} <= set(re.findall(r"\w+", line)):
            header = _NAME_IN_HEADER.findall(line)
        if not line.strip() or line.startswith((":", "+")):
            continue
        place = f"{origin}, line {number}"
        if not line.startswith('"'):
            if line.strip("0123456789 \t") and "IAUNo" not in line:
                rows.refuse(place, f"it is no row of the list: {line[:40]!r}")
            continue
        fields = line.strip().removeprefix('"').removesuffix('"').split('"|"')
        if len(fields) not in columns:
            columns[len(fields)] = _columns(header, len(fields))
            rows.problems += _unknown(columns[len(fields)], origin)
        if not columns[len(fields)]:
            rows.refuse(place, f"{len(fields)} fields, which are no known columns")
            continue
        rows.add(place, _by_column(zip(columns[len(fields)], fields, strict=False)))
    updated = _UPDATED.search(text)
    return updated[1] if updated else ""


def _columns(header: Sequence[str], fields: int) -> list[str]:
    """Names of a row's columns, from the header if it fits; empty if nothing does."""
    beyond = {plain(name) for name in header[fields:]}
    by_header = list(header[:fields])
    if len(by_header) == fields and beyond <= _BEYOND_ROWS and _has_needed(by_header):
        return by_header
    return _KNOWN_LAYOUTS.get(fields, [])


def _has_needed(names: Iterable[str]) -> bool:
    return {_COLUMNS.get(plain(name)) for name in names} >= set(NEEDED)


def _unknown(names: Iterable[str], origin: str) -> list[str]:
    new = [name for name in names if plain(name) not in _COLUMNS]
    return [f"{origin} has columns that are not known here: {', '.join(new)}."] if new else []


def _read_json(text: str, origin: str, rows: Rows) -> str:
    """Read the showers of the JSON form; what it says of its version."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceRefused(
            f"{origin} is cut off or not JSON: {error}.", remedy="Try again later."
        ) from error
    top = document if isinstance(document, dict) else {"data": document}
    entries = top.get("data")
    if not isinstance(entries, list):
        raise SourceRefused(
            f"{origin} has no list 'data' in it.",
            remedy="Its format has changed: adapt gmn_pipeline/readers/iau_showers.py.",
        )
    declared = top.get("count")
    if isinstance(declared, int) and declared != len(entries):
        raise SourceRefused(
            f"{origin} says that it has {declared} showers, and has {len(entries)}.",
            remedy="It was caught half written: try again later.",
        )
    for index, entry in enumerate(entries):
        _read_entry(entry, f"{origin}, data[{index}]", rows)
    return " ".join(f"{name} {value}" for name, value in top.items() if isinstance(value, str))


def _read_entry(entry: object, place: str, rows: Rows) -> None:
    """Read a shower of the JSON form with its solutions."""
    if not isinstance(entry, dict):
        return rows.refuse(place, "it is no object")
    shower = _by_column((k, _text(v)) for k, v in entry.items() if k != "solution")
    solutions = entry.get("solution") or []
    if not isinstance(solutions, list):
        return rows.refuse(place, "its 'solution' is no list")
    if not solutions:
        rows.add(place, shower, alone=True)
    for index, solution in enumerate(solutions):
        there = f"{place}.solution[{index}]"
        if not isinstance(solution, dict):
            rows.refuse(there, "it is no object")
            continue
        own = _by_column((k, _text(v)) for k, v in solution.items())
        # What names the shower stands with the shower; its status counts where a solution has none.
        kept = {name: shower[name] for name in _OF_SHOWER if name in shower}
        flag = {"shower_status_flag": shower.get("status_flag", "")}
        rows.add(there, {"status_flag": flag["shower_status_flag"]} | own | kept | flag)
    return None


def _text(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(filter(None, map(_text, value)))
    return "" if value is None else str(value)


def _by_column(values: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By our names; the first of several of one name counts (a header may repeat one)."""
    found: dict[str, str] = {}
    for name, value in values:
        column = _COLUMNS.get(plain(name))
        if column:
            found.setdefault(column, value)
    return found


def _decode(content: bytes) -> str:
    """UTF-8, with or without a byte-order mark, else Latin-1, which any bytes are."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _http_date(text: str | None) -> date | None:
    try:
        return parsedate_to_datetime(text).date() if text else None
    except (TypeError, ValueError):
        return None
