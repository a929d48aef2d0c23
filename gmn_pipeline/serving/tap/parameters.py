"""The parameters of TAP's queries, as the OpenAPI document tells of them.

What belongs here: names and meanings. What does not: reading them (`questions.py`).
"""

from dataclasses import replace

from gmn_pipeline.serving.routes import Parameter
from gmn_pipeline.serving.tap.formats import TAP_FORMATS
from gmn_pipeline.serving.tap.questions import LANGUAGES

_FORMAT_NAMES = ", ".join(one.name for one in TAP_FORMATS)
_QUERY = Parameter(
    "QUERY", "the query, in ADQL", is_required=True, example="SELECT TOP 10 * FROM gmn_epn.epn_core"
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
