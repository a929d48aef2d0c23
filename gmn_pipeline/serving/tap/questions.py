"""What a request for a query says: text, rows, format.

What belongs here: reading the parameters of TAP's queries. What does not: how they are told of
(`parameters.py`), and the query's language (`adql/`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gmn_pipeline.serving.problems import bad_request
from gmn_pipeline.serving.tap.formats import TapFormat, format_named
from gmn_pipeline.settings import TapSettings

LANGUAGES = ("ADQL", "ADQL-2.1", "ADQL-2.0")
NAMES = ("QUERY", "LANG", "MAXREC", "RESPONSEFORMAT", "FORMAT", "REQUEST", "UPLOAD", "RUNID")
"""What is kept of a request; `parameters.py` has what each means."""
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
