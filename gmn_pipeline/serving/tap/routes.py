"""The addresses of TAP.

What belongs here: addresses and their parameters. What does not: what is answered there.
"""

from gmn_pipeline.serving.routes import Answers
from gmn_pipeline.serving.tap import parameters, sync, vosi
from gmn_pipeline.serving.tap.formats import TAP_FORMATS
from gmn_pipeline.serving.tap.jobs import routes as jobs
from gmn_pipeline.serving.tap.requests import TapRoute

_XML = "text/xml"
_TABLE = tuple(
    Answers(kind, "A table")
    for kind in dict.fromkeys(one.media_type.split(";")[0] for one in TAP_FORMATS)
)

ROUTES = (
    TapRoute(
        "/tap/sync", "tap_sync", "TAP: a query in ADQL, and its answer at once", sync.answer,
        _TABLE, parameters.PARAMETERS, problems=(410, 413, 503), methods=("GET", "POST"),
    ),
    *jobs.routes(_TABLE),
    TapRoute(
        "/tap/capabilities", "tap_capabilities", "TAP: what it can do", vosi.capabilities,
        (Answers(_XML, "VOSI capabilities"),), problems=(),
    ),
    TapRoute(
        "/tap/availability", "tap_availability", "TAP: whether it can be asked just now",
        vosi.availability, (Answers(_XML, "VOSI availability"),), problems=(),
    ),
    TapRoute(
        "/tap/tables", "tap_tables", "TAP: tables, columns, keys", vosi.tables,
        (Answers(_XML, "VOSI tables"),), problems=(),
    ),
    TapRoute(
        "/tap/examples", "tap_examples", "TAP: examples of queries", vosi.examples,
        (Answers("text/html", "DALI examples"),), problems=(),
    ),
)  # fmt: skip
