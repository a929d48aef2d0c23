"""The addresses of dashboards.

What belongs here: addresses and their parameters. What does not: what is answered there.
"""

from gmn_pipeline.schemas.dashboards import SCHEMA, checked_document
from gmn_pipeline.serving.dashboards import access, answers
from gmn_pipeline.serving.dashboards.callers import IDENTIFIER, IF_MATCH, answering, changing
from gmn_pipeline.serving.dashboards.rights import WRITES_SOMEWHERE
from gmn_pipeline.serving.objects.rights import Need
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
_READERS = (Answers(_JSON, "Who reads it", object_schema(is_private="boolean", shares="array")),)
_AT = "/dashboards/{dashboard}"
_SEEN = Need.LIST.name.lower()

ROUTES = (
    Route(
        "/dashboards.json", "dashboards", "The dashboards that one may see: those that come "
        "along, and those that people saved, the latest first", answering(answers.listed),
        (Answers(_JSON, "All of them", object_schema(dashboards="array", may_make="boolean")),),
        (answers.DELETED,), problems=(401, 503), needs=_SEEN,
    ),
    Route(
        "/dashboards.json", "dashboard_make", "Save a new dashboard",
        changing(answers.made, brings=checked_document), _WHOLE, (answers.PRIVATE,),
        methods=("POST",), done={201: "It was saved, and Location says where"}, body=_DOCUMENT,
        problems=_WRITING, needs=WRITES_SOMEWHERE,
    ),
    Route(
        "/dashboards/schema.json", "dashboards_schema", "What a document of a dashboard may say",
        answers.schema, (Answers(_JSON, "A JSON Schema (2020-12)", {"type": "object"}),),
        needs=PUBLIC,
    ),
    Route(
        f"{_AT}.json", "dashboard", "A dashboard, in its newest version or another one",
        answering(answers.found), _WHOLE, (IDENTIFIER, answers.NUMBER, access.LINK),
        problems=(*_READING, 410), needs=_SEEN,
    ),
    Route(
        f"{_AT}.json", "dashboard_save", "Save the next version of a dashboard. If somebody saved "
        "one since the version that If-Match names, that is told (412)",
        changing(answers.saved, brings=checked_document), _WHOLE, (IDENTIFIER, IF_MATCH),
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
        problems=_READING, needs=_SEEN,
    ),
    Route(
        f"{_AT}/restore.json", "dashboard_restore", "Take the deletion of a dashboard back",
        changing(answers.restored), _WHOLE, (IDENTIFIER,), methods=("POST",), body=_EMPTY,
        problems=_WRITING, needs=WRITES_SOMEWHERE,
    ),
    Route(
        f"{_AT}/access.json", "dashboard_access", "Who reads a dashboard",
        changing(access.read_by), _READERS, (IDENTIFIER,), problems=_WRITING,
        needs=WRITES_SOMEWHERE,
    ),
    Route(
        f"{_AT}/access.json", "dashboard_set_access", "Let everybody read a dashboard, or only who "
        "made it, operators, and those whom it is shared with",
        changing(access.set_private, brings=access.checked_access), _READERS, (IDENTIFIER,),
        methods=("PUT",), body=(Answers(_JSON, "Which", object_schema(is_private="boolean")),),
        problems=_WRITING, needs=WRITES_SOMEWHERE,
    ),
    Route(
        f"{_AT}/shares.json", "dashboard_share", "Let one account read a private dashboard, until "
        "some time or until it is withdrawn",
        changing(access.share, brings=access.checked_share), _READERS, (IDENTIFIER,),
        methods=("PUT",),
        body=(Answers(_JSON, "Whom, and until when", object_schema(**{"with": "string"})),),
        problems=_WRITING, needs=WRITES_SOMEWHERE,
    ),
    Route(
        f"{_AT}/shares.json", "dashboard_withdraw", "Share a dashboard with an account no more",
        changing(access.withdraw), _READERS, (IDENTIFIER, access.WITH), methods=("DELETE",),
        problems=_WRITING, needs=WRITES_SOMEWHERE,
    ),
    Route(
        f"{_AT}/link.json", "dashboard_link", "Make an address that lets whoever has it read a "
        "private dashboard, for a time", changing(access.make_link),
        (Answers(_JSON, "The address", object_schema(address="string")),),
        (IDENTIFIER, access.SECONDS), methods=("POST",), body=_EMPTY, problems=_WRITING,
        needs=WRITES_SOMEWHERE,
    ),
    Route(
        f"{_AT}/link.json", "dashboard_end_links", "End all such addresses of a dashboard",
        changing(access.end_links), _READERS, (IDENTIFIER,), methods=("DELETE",),
        problems=_WRITING, needs=WRITES_SOMEWHERE,
    ),
)  # fmt: skip
