"""Where the portal is: one page at many addresses, and the files that it is made of.

What belongs here: those addresses and their headers. What does not: what the page shows, which it
asks for itself at the public addresses; which page an address is, `portal/src/lib/router.ts` knows.
"""

import re
from dataclasses import replace
from datetime import date

from starlette.requests import Request
from starlette.responses import Response

from gmn_pipeline.schemas.dashboards import DASHBOARD_PATTERN
from gmn_pipeline.serving.cubes import ahead
from gmn_pipeline.serving.portal import map_tiles
from gmn_pipeline.serving.portal.built_files import (
    INDEX,
    MEDIA_TYPES,
    BuiltFile,
    built_files,
    tag_of,
)
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.serving.routes import Answers, Asked, Parameter, Route, wants_page
from gmn_pipeline.serving.tables.relations import READINGS_RELATIONS, RELATIONS

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src {}; "
    "media-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors {}"
)
_HAS_READINGS = '<meta name="readings" content="yes" />'
"""So that no page asks for what is not there; the live page asks for it in any case."""
_HAS_SIGN_IN = '<meta name="sign-in" content="yes" />'
"""So that a page asks who is there only where somebody can be."""
_ALWAYS_ASKED_FOR = "public, no-cache"
_NEVER_ASKED_FOR_AGAIN = "public, max-age=31536000, immutable"
_LINKED_VIEWS = "/explore"
_SEEN_FIRST_THERE = f"<{ahead.PATH}?{ahead.QUERIES[0]}>; rel=preload; as=fetch; crossorigin"
"""So that a browser asks for it while it reads the code that will."""
_QUESTIONS = "queries"
_TABLES = "|".join((_QUESTIONS, *(relation.name for relation in RELATIONS)))
_READINGS = "|".join(relation.name for relation in READINGS_RELATIONS)
_NAMES = {
    "date": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "trajectory": r"[^./]+", "shower": r"[^./]+", "station": r"[^./]+",
    "country": r"[^./]+", "dashboard": DASHBOARD_PATTERN,
    "table": _TABLES, "of_readings": _READINGS, "row": r"[^./]+",
    "project": r"[a-z0-9][a-z0-9-]{0,62}", "container": r"[a-z0-9][a-z0-9-]{0,62}",
    "crawl": r"[a-z0-9][a-z0-9-]{0,62}",
}  # fmt: skip
"""What a page may be of. A dot begins a format, which is another address."""


async def page(asked: Asked) -> Response:
    """The portal's one page. Raises Problem (404) for an address that can be none of its; who asks
    for a page is told so by the page."""
    settings, found = asked.work.settings, _of(INDEX)
    pictures = " ".join(filter(None, ("'self'", map_tiles.origin(settings))))
    policy = _POLICY.format(pictures, _frames(asked))
    # To this server alone, a form of the page says where it comes from: else it is another site's.
    status, headers = 200, {"Content-Security-Policy": policy, "Referrer-Policy": "same-origin"}
    if asked.request.url.path == _LINKED_VIEWS and not asked.request.url.query:
        headers["Link"] = _SEEN_FIRST_THERE
    for name, value in asked.values.items():
        if not _may_be(name, str(value)):
            if not wants_page(asked.request.headers.get("accept", "")):
                raise Problem(404, "not-found", f"There is no page of {name} {str(value)[:100]!r}.")
            status, headers["Vary"] = 404, "Accept"
    body = map_tiles.told(found.body, settings)
    if asked.work.readings.is_there:
        body = map_tiles.in_head(body, _HAS_READINGS)
    if asked.work.objects.sign_in is not None:
        body = map_tiles.in_head(body, _HAS_SIGN_IN)
    return _answer(asked.request, replace(found, body=body, etag=tag_of(body)), headers, status)


def _frames(asked: Asked) -> str:
    """Who may show the page in a frame: of a dashboard without its editor, those whom the operator
    lets. Pages that change something are shown by nobody, so that no click is led to them."""
    # Once: of two, the page may see the other one, and show its editor.
    is_framed = asked.request.query_params.getlist("embed") == ["1"]
    is_embedded = is_framed and "dashboard" in asked.values
    return (asked.work.settings.serve_embed_hosts if is_embedded else "") or "'none'"


def _may_be(name: str, text: str) -> bool:
    if not re.fullmatch(_NAMES[name], text):
        return False
    if name != "date":
        return True
    try:
        date.fromisoformat(text)
    except ValueError:  # 2022-02-30
        return False
    return True


async def file(asked: Asked) -> Response:
    """A file that the page is made of. Raises Problem (404)."""
    name = asked.text("file") or ""
    found = _of(name if name != INDEX else "")  # at the pages' addresses only, with their policy
    return _answer(asked.request, found, {})


def _of(name: str) -> BuiltFile:
    found = built_files().get(name)
    if found is None:
        raise Problem(404, "not-found", f"The portal has no file {name[:100]!r}.")
    return found


def _answer(
    request: Request, found: BuiltFile, more: dict[str, str], status: int = 200
) -> Response:
    cached = _NEVER_ASKED_FOR_AGAIN if found.is_named_by_content else _ALWAYS_ASKED_FOR
    headers = {"ETag": found.etag, "Cache-Control": cached, **more}
    known = [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]
    if found.etag in known and status == 200:
        return Response(status_code=304, headers=headers)
    return Response(found.body, status, headers, media_type=found.media_type)


_PAGES = (
    ("/", "home", "The portal: the newest night"),
    ("/gmn/nights/{date}", "night", "The portal: a night"),
    ("/gmn/trajectories/{trajectory}", "trajectory", "The portal: a trajectory with its past"),
    ("/gmn/showers", "showers", "The portal: all showers"),
    ("/gmn/showers/{shower}", "shower", "The portal: a shower"),
    ("/gmn/stations", "stations", "The portal: all stations"),
    ("/gmn/stations/{station}", "station", "The portal: a station"),
    (_LINKED_VIEWS, "explore", "The portal: all trajectories in linked views"),
    ("/gmn/countries", "countries", "The portal: all countries"),
    ("/gmn/countries/{country}", "country", "The portal: a country's stations"),
    ("/seen", "seen", "The portal: what was that?"),
    ("/live", "live", "The portal: what stations measure, as it comes"),
    ("/dashboards", "dashboards", "The portal: all dashboards"),
    ("/dashboards/{dashboard}", "dashboard", "The portal: a dashboard"),
    ("/data", "data", "The portal: what there is, and how to cite it"),
    ("/sql", "sql", "The portal: a query in SQL, typed"),
)
_BESIDE_DATA = (
    ("/gmn/{table}", "table", "The portal: a table or view, or the ready questions"),
    ("/gmn/{table}/{row}", "row", "The portal: a row, or a ready question"),
    ("/readings/{of_readings}", "readings", "The portal: a table or view of readings"),
    ("/readings/{of_readings}/{row}", "readings_row", "The portal: a row of it"),
    ("/gmn_data_store/{table}", "old_table", "The same, as the old platform called it"),
    ("/gmn_data_store/{table}/{row}", "old_row", "The same, as the old platform called it"),
)
"""Where scripts have always found nothing, and still do. They come after all other addresses."""
_INSTEAD_OF_DATA = (
    ("/gmn", "tables", "The portal: tables, views and ready questions"),
    ("/gmn_data_store", "old_tables", "The same, as the old platform called it"),
    ("/objects", "objects", "The portal: the lake of objects"),
    ("/objects/_crawls/{project}", "crawls", "The portal: crawls of a project"),
    ("/objects/_crawls/{project}/{crawl}", "crawl", "The portal: a crawl"),
    ("/objects/{project}", "objects_project", "The portal: a project of it"),
    ("/objects/{project}/{container}", "objects_folder", "The portal: a folder of it"),
)


def _page(path: str, name: str, summary: str, *, is_for_browsers: bool = False) -> Route:
    parameters = tuple(
        Parameter(
            of, f"which {of}", pattern=f"^({_NAMES[of]})$", is_required=True, is_in_path=True,
        )
        for of in re.findall(r"{(\w+)}", path)
    )  # fmt: skip
    return Route(
        path, f"portal_{name}", summary, page, (Answers("text/html", "A page"),), parameters,
        more_parameters_are_passed_over=True, problems=(404,), is_for_browsers=is_for_browsers,
    )  # fmt: skip


FOR_BROWSERS = tuple(_page(*one, is_for_browsers=True) for one in _INSTEAD_OF_DATA)
"""Come before the data that others get at the same addresses."""
ROUTES = (
    *(_page(*one) for one in _PAGES),
    *(_page(*one, is_for_browsers=True) for one in _BESIDE_DATA),
    Route(
        "/portal/{file}", "portal_file", "What the portal's page is made of", file,
        tuple(Answers(media_type, "A file") for media_type in MEDIA_TYPES.values()),
        (Parameter("file", "name of a file", is_required=True, is_in_path=True),),
        problems=(404,),
    ),
)  # fmt: skip
