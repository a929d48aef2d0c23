"""Where the portal is: one page at many addresses, and the files that it is made of.

What belongs here: those addresses and their headers. What does not: what the page shows, which it
asks for itself at the public addresses; which page an address is, `portal/src/lib/router.ts` knows.
"""

import re

from starlette.requests import Request
from starlette.responses import Response

from gmn_pipeline.serving.portal.built_files import INDEX, MEDIA_TYPES, BuiltFile, built_files
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.serving.routes import Answers, Asked, Parameter, Route

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_ALWAYS_ASKED_FOR = "public, no-cache"
_NEVER_ASKED_FOR_AGAIN = "public, max-age=31536000, immutable"
_NAMES = {
    "date": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "trajectory": r"[^./]+", "shower": r"[^./]+", "station": r"[^./]+",
}  # fmt: skip
"""What a page may be of. A dot begins a format, which is another address."""


async def page(asked: Asked) -> Response:
    """The portal's one page. Raises Problem (404) for an address that can be none of its."""
    for name, value in asked.values.items():
        if not re.fullmatch(_NAMES[name], str(value)):
            raise Problem(404, "not-found", f"There is no page of {name} {str(value)[:100]!r}.")
    found = _of(INDEX)
    return _answer(asked.request, found, {"Content-Security-Policy": _POLICY})


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


def _answer(request: Request, found: BuiltFile, more: dict[str, str]) -> Response:
    cached = _NEVER_ASKED_FOR_AGAIN if found.is_named_by_content else _ALWAYS_ASKED_FOR
    headers = {"ETag": found.etag, "Cache-Control": cached, **more}
    known = [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]
    if found.etag in known:
        return Response(status_code=304, headers=headers)
    return Response(found.body, headers=headers, media_type=found.media_type)


_PAGES = (
    ("/", "home", "The portal: the newest night"),
    ("/gmn/nights/{date}", "night", "The portal: a night"),
    ("/gmn/trajectories/{trajectory}", "trajectory", "The portal: a trajectory with its past"),
    ("/gmn/showers", "showers", "The portal: all showers"),
    ("/gmn/showers/{shower}", "shower", "The portal: a shower"),
    ("/gmn/stations", "stations", "The portal: all stations"),
    ("/gmn/stations/{station}", "station", "The portal: a station"),
    ("/explore", "explore", "The portal: all trajectories in linked views"),
    ("/seen", "seen", "The portal: what was that?"),
    ("/data", "data", "The portal: what there is, and how to cite it"),
)


def _page(path: str, name: str, summary: str) -> Route:
    parameters = tuple(
        Parameter(of, f"which {of}", pattern=f"^{_NAMES[of]}$", is_required=True, is_in_path=True)
        for of in re.findall(r"{(\w+)}", path)
    )
    return Route(
        path, f"portal_{name}", summary, page, (Answers("text/html", "A page"),), parameters,
        more_parameters_are_passed_over=True, problems=(404,),
    )  # fmt: skip


ROUTES = (
    *(_page(*one) for one in _PAGES),
    Route(
        "/portal/{file}", "portal_file", "What the portal's page is made of", file,
        tuple(Answers(media_type, "A file") for media_type in MEDIA_TYPES.values()),
        (Parameter("file", "name of a file", is_required=True, is_in_path=True),),
        problems=(404,),
    ),
)  # fmt: skip
