"""What a request for a query says: text, rows, format.

What belongs here: the parameters of TAP's queries. What does not: how jobs are led (`jobs/`), and
the query's language (`adql/`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.routes import Parameter
from gmn_pipeline.serving.tap.formats import TAP_FORMATS, TapFormat, format_named
from gmn_pipeline.settings import TapSettings

_FORMAT_NAMES = ", ".join(one.name for one in TAP_FORMATS)
LANGUAGES = ("ADQL", "ADQL-2.1", "ADQL-2.0")
_QUERY = Parameter(
    "QUERY", "the query, in ADQL", is_required=True, example="SELECT TOP 10 * FROM gmn.epn_core"
)
PARAMETERS = (
    _QUERY,
    Parameter("LANG", f"its language: {', '.join(LANGUAGES)}", example="ADQL"),
    Parameter("MAXREC", "rows of the answer at most; 0: only what its columns are"),
    Parameter("RESPONSEFORMAT", f"{_FORMAT_NAMES}, or a media type of these", example="csv"),
    Parameter("FORMAT", "the same, as TAP 1.0 called it"),
    Parameter("REQUEST", "doQuery, as TAP 1.0 wanted it"),
    Parameter("UPLOAD", "tables of the client's own are not taken"),
    Parameter("RUNID", "a name of the client's own for the job"),
)
OF_JOBS = (replace(_QUERY, is_required=False), *PARAMETERS[1:])
"""A job may be made without its query, which can be given it later."""
NAMES = tuple(parameter.name for parameter in PARAMETERS)
_LARGEST = 2**53


@dataclass(frozen=True)
class Question:
    """A query that can be run, as far as its parameters go."""

    adql: str
    most_rows: int
    format: TapFormat


def question(given: Mapping[str, str], settings: TapSettings) -> Question:
    """Of the parameters that were given. Raises Problem."""
    request = given.get("REQUEST", "doQuery")
    if request.lower() != "doquery":
        raise bad_request(f"REQUEST is doQuery, not {request[:50]!r}.")
    language = given.get("LANG", "ADQL")
    if language.upper() not in LANGUAGES:
        raise bad_request(f"LANG is one of {', '.join(LANGUAGES)}, not {language[:50]!r}.")
    if "UPLOAD" in given:
        raise bad_request("Tables of your own cannot be uploaded here.")
    adql = given.get("QUERY", "").strip()
    if not adql:
        raise bad_request("The parameter QUERY is missing: the query, in ADQL.")
    rows = _rows(given.get("MAXREC"), settings)
    return Question(adql, rows, format_named(given.get("RESPONSEFORMAT", given.get("FORMAT"))))


def _rows(text: str | None, settings: TapSettings) -> int:
    if text is None:
        return settings.serve_tap_rows
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST))):
        raise bad_request(f"MAXREC is a whole number, not {text[:50]!r}.")
    return min(int(text), settings.serve_tap_most_rows)
