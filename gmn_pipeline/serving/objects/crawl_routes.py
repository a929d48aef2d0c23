"""The addresses of crawls, each with what it needs of who comes there.

What belongs here: addresses and their parameters. What does not: what is done there (`crawls.py`).
"""

from gmn_pipeline.serving.objects import crawls
from gmn_pipeline.serving.objects.rights import Need
from gmn_pipeline.serving.objects.visits import JSON, objects_route
from gmn_pipeline.serving.routes import Answers, Parameter, object_schema

_PROJECT = Parameter("project", "the project", is_required=True, is_in_path=True)
_CRAWL = Parameter("crawl", "the crawl", is_required=True, is_in_path=True)
_TABLE = Parameter("table", "the table, by its own name", is_required=True, is_in_path=True)
_AT = "/objects/_crawls/{project}/{crawl}"
_ONE = (
    Answers(JSON, "The crawl, its tables, how their schemas changed, files that are in none",
            object_schema(crawl="string", state="string", tables="array", changes="array")),
)  # fmt: skip
_EMPTY = (Answers(JSON, "{}", {"type": "object"}),)
_BEGUN = {202: "It is being done"}

ROUTES = (
    objects_route(
        "/objects/_crawls/{project}", "objects_crawls", "Crawls of a project: folders and buckets "
        "that are looked through for tables", Need.READ, crawls.listed,
        (Answers(JSON, "All of them", object_schema(crawls="array")),), (_PROJECT,), has_page=True,
    ),
    objects_route(
        _AT, "objects_crawl", "A crawl and what it found", Need.READ, crawls.one, _ONE,
        (_PROJECT, _CRAWL), has_page=True,
    ),
    objects_route(
        _AT, "objects_crawl_save", "Make a crawl, or let it be another one. It reads what the "
        "server can reach, so only operators may", Need.MAKE_PROJECTS, crawls.save, _ONE,
        (_PROJECT, _CRAWL), methods=("PUT",), done={201: "It was made"},
        body=(Answers(JSON, "Where files are, and what is done about tables",
                      crawls.CRAWL_SCHEMA),),
    ),
    objects_route(
        _AT, "objects_crawl_forget", "Forget a crawl: its views go, objects that were put stay",
        Need.MANAGE, crawls.forget, (Answers(JSON, "Which"),), (_PROJECT, _CRAWL),
        methods=("DELETE",),
    ),
    objects_route(
        f"{_AT}/_run", "objects_crawl_run", "Look through its files now; the crawl's own address "
        "tells how that goes", Need.PROCESS, crawls.run, _ONE, (_PROJECT, _CRAWL),
        methods=("POST",), done=_BEGUN, body=_EMPTY,
    ),
    objects_route(
        f"{_AT}/_stop", "objects_crawl_stop", "Stop a crawl that runs, whoever does it; the next "
        "one goes on from there", Need.PROCESS, crawls.stop, _ONE, (_PROJECT, _CRAWL),
        methods=("POST",), done=_BEGUN, body=_EMPTY,
    ),
    objects_route(
        f"{_AT}/{{table}}", "objects_crawl_decide", "Accept a table that was found, as a view or "
        "to be loaded, or refuse it", Need.PROCESS, crawls.decide, _ONE,
        (_PROJECT, _CRAWL, _TABLE), methods=("POST",),
        body=(Answers(JSON, "What it is to be", crawls.DECISION_SCHEMA),),
    ),
)  # fmt: skip
