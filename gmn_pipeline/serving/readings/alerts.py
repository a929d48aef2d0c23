"""What alerts of stations told: the newest notices as JSON and as an Atom feed.

What belongs here: the two answers. What does not: rules and telling (`alerts/`).
"""

from collections.abc import Sequence
from urllib.parse import urlencode

import anyio.to_thread
from starlette.responses import JSONResponse, Response

from gmn_pipeline.alerts.channels import as_json, in_words
from gmn_pipeline.clock import utc_now
from gmn_pipeline.schemas.alerts import NoticeKind, NumberedNotice
from gmn_pipeline.serving.feeds import atom
from gmn_pipeline.serving.feeds.atom import TAG, Entry, Feed
from gmn_pipeline.serving.links import FORWARDED, base_of
from gmn_pipeline.serving.routes import Asked

_MOST = 100
# The database changes without a commit that would tell.
_FOR_A_MOMENT = "public, max-age=5"


async def json(asked: Asked) -> Response:
    """The newest notices, the newest first."""
    notices = await _newest(asked)
    return JSONResponse(
        {"notices": [as_json(one) for one in notices]}, headers={"Cache-Control": _FOR_A_MOMENT}
    )


async def feed(asked: Asked) -> Response:
    """The same as a feed."""
    is_believed = asked.work.settings.serve_trust_forwarded
    base = base_of(asked.request, is_proxy_believed=is_believed)
    entries = [_entry(one, base) for one in await _newest(asked)]
    body = atom.written(
        Feed(
            id=f"{TAG}feed/alerts",
            title="Global Meteor Network: Alerts of stations",
            subtitle="What rules of the operator found, and when it was over.",
            updated=max((entry.updated for entry in entries), default=utc_now()),
            links={"self": f"{base}{asked.request.url.path}"},
            entries=entries,
        )
    )
    headers = {"Cache-Control": _FOR_A_MOMENT, **({"Vary": FORWARDED} if is_believed else {})}
    return Response(body, headers=headers, media_type=atom.MEDIA_TYPE)


async def _newest(asked: Asked) -> Sequence[NumberedNotice]:
    return await anyio.to_thread.run_sync(asked.work.alerts.newest, _MOST)


def _entry(one: NumberedNotice, base: str) -> Entry:
    notice = one.notice
    about = notice.about
    over = " is over" if notice.kind is NoticeKind.RECOVERED else ""
    return Entry(
        id=f"{TAG}alert/{one.number}",
        title=f"{about.station_code}: {about.rule}{over}",
        updated=notice.at_utc,
        published=notice.at_utc,
        content=in_words(notice),
        link=f"{base}/readings/latest.json?{urlencode({'station': about.station_code})}",
        categories=((f"{TAG}state", notice.kind.value),),
    )
