"""What a person is told who could not sign in.

What belongs here: the page. What does not: why (`provider.py`, `routes.py`).
"""

import html

from starlette.requests import Request
from starlette.responses import Response

from gmn_pipeline.serving.problems import Problem, response_of
from gmn_pipeline.serving.routes import wants_page


def told(request: Request, problem: Problem) -> Response:
    """A page for who asks for one, else the problem as always."""
    answer = response_of(problem, request.url.path)
    if not wants_page(request.headers.get("accept", "")):
        return answer
    text = (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'><title>Not signed in</title>"
        "<link rel='stylesheet' href='/docs.css'><h1>Not signed in</h1>"
        f"<p>{html.escape(problem.detail)}</p>"
        "<p><a href='/account/sign-in'>Sign in</a> · <a href='/'>To the start</a></p></html>\n"
    )
    headers = {n: v for n, v in answer.headers.items() if not n.startswith("content-")}
    return Response(text, problem.status, headers, media_type="text/html")
