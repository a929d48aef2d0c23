"""Atom 1.0 (RFC 4287) with paging (RFC 5005): a feed as bytes.

What belongs here: elements, and that nothing that a client or a file says leaves its element. What
does not: which entries there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version

from gmn_pipeline.serving.formats.frames import xml

MEDIA_TYPE = "application/atom+xml"
TAG = "tag:globalmeteornetwork.org,2026:"
"""What ids begin with, wherever the feed is served."""
_RIGHTS = "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/), Global Meteor Network"


@dataclass(frozen=True)
class Entry:
    """An entry. `link` leads to the trajectory as JSON."""

    id: str
    title: str
    updated: datetime
    published: datetime
    content: str
    link: str
    categories: Sequence[tuple[str, str]] = ()
    """Scheme and term."""


@dataclass(frozen=True)
class Feed:
    """A feed, or a page of one. `links`: addresses by their relation."""

    id: str
    title: str
    subtitle: str
    updated: datetime
    links: Mapping[str, str]
    entries: Sequence[Entry] = field(default=())


def written(feed: Feed) -> bytes:
    """The document."""
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom" '
        'xml:lang="en">\n',
        _text("id", feed.id),
        _text("title", feed.title),
        _text("subtitle", feed.subtitle),
        _text("updated", _time(feed.updated)),
        "<author><name>Global Meteor Network</name>"
        "<uri>https://globalmeteornetwork.org/</uri></author>\n",
        *(_link(rel, href, MEDIA_TYPE) for rel, href in feed.links.items()),
        _text("rights", _RIGHTS),
        f'<generator version="{xml(version("gmn-pipeline"))}">gmn_pipeline</generator>\n',
        *map(_entry, feed.entries),
        "</feed>\n",
    ]
    return "".join(parts).encode()


def _entry(entry: Entry) -> str:
    return "".join([
        "<entry>\n",
        _text("id", entry.id),
        _text("title", entry.title),
        _text("updated", _time(entry.updated)),
        _text("published", _time(entry.published)),
        _link("alternate", entry.link, "application/json"),
        *(
            f'<category scheme="{xml(scheme)}" term="{xml(term)}"/>\n'
            for scheme, term in entry.categories
        ),
        f'<content type="text">{xml(entry.content)}</content>\n',
        "</entry>\n",
    ])  # fmt: skip


def _text(name: str, text: str) -> str:
    return f"<{name}>{xml(text)}</{name}>\n"


def _link(rel: str, href: str, kind: str) -> str:
    return f'<link rel="{rel}" type="{kind}" href="{xml(href)}"/>\n'


def _time(when: datetime) -> str:
    return when.isoformat(timespec="microseconds") + "Z"
