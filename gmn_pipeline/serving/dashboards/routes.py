"""The addresses of dashboards.

What belongs here: addresses and their parameters. What does not: what is answered there.
"""

from gmn_pipeline.schemas.dashboards import SCHEMA
from gmn_pipeline.serving.dashboards import answers
from gmn_pipeline.serving.dashboards.answers import (
    IDENTIFIER,
    IF_MATCH,
    NUMBER,
    answering,
    changing,
)
from gmn_pipeline.serving.dashboards.rights import WRITES_SOMEWHERE
from gmn_pipeline.serving.routes import PUBLIC, Answers, Route, object_schema

_JSON = "application/json"
_WHOLE = (Answers(_JSON, "The dashboard; its ETag is what a save stands on", {
    "type": "object", "required": ["id", "title", "document", "may_change"],
    "properties": {"document": dict(SCHEMA)},
}),)  # fmt: skip
_SUMMARY = (Answers(_JSON, "What is said of it in the list", object_schema(
    id="string", title="string")),)  # fmt: skip
_DOCUMENT = (Answers(_JSON, "The document", dict(SCHEMA)),)
_READING = (401, 403, 404, 503)
_WRITING = (*_READING, 408, 409, 412, 413, 415, 428)
_EMPTY = (Answers(_JSON, "{}", {"type": "object"}),)
_AT = "/dashboards/{dashboard}"

ROUTES = (
    Route(
        "/dashboards.json", "dashboards", "The dashboards that there are: those that come along, "
        "and those that people saved, the latest first", answering(answers.listed),
        (Answers(_JSON, "All of them", object_schema(dashboards="array", may_make="boolean")),),
        (answers.DELETED,), problems=(401, 503), needs=PUBLIC,
    ),
    Route(
        "/dashboards.json", "dashboard_make", "Save a new dashboard",
        changing(answers.made, takes_document=True), _WHOLE, methods=("POST",),
        done={201: "It was saved, and Location says where"}, body=_DOCUMENT, problems=_WRITING,
        needs=WRITES_SOMEWHERE,
    ),
    Route(
        "/dashboards/schema.json", "dashboards_schema", "What a document of a dashboard may say",
        answers.schema, (Answers(_JSON, "A JSON Schema (2020-12)", {"type": "object"}),),
        needs=PUBLIC,
    ),
    Route(
        f"{_AT}.json", "dashboard", "A dashboard, in its newest version or another one",
        answering(answers.found), _WHOLE, (IDENTIFIER, NUMBER), problems=_READING, needs=PUBLIC,
    ),
    Route(
        f"{_AT}.json", "dashboard_save", "Save the next version of a dashboard. If somebody saved "
        "one since the version that If-Match names, that is told (412)",
        changing(answers.saved, takes_document=True), _WHOLE, (IDENTIFIER, IF_MATCH),
        methods=("PUT",), body=_DOCUMENT, problems=_WRITING,
        needs=WRITES_SOMEWHERE,
    ),
    Route(
        f"{_AT}.json", "dashboard_delete", "Delete a dashboard; it can come back",
        changing(answers.deleted), _SUMMARY, (IDENTIFIER, IF_MATCH), methods=("DELETE",),
        problems=_WRITING, needs=WRITES_SOMEWHERE,
    ),
    Route(
        f"{_AT}/versions.json", "dashboard_versions", "The versions of a dashboard, the newest "
        "first, with who saved each and when", answering(answers.versions),
        (Answers(_JSON, "All of them", object_schema(versions="array")),), (IDENTIFIER,),
        problems=_READING, needs=PUBLIC,
    ),
    Route(
        f"{_AT}/restore.json", "dashboard_restore", "Take the deletion of a dashboard back",
        changing(answers.restored), _WHOLE, (IDENTIFIER,), methods=("POST",), body=_EMPTY,
        problems=_WRITING, needs=WRITES_SOMEWHERE,
    ),
)  # fmt: skip
