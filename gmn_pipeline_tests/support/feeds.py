"""Feeds as a reader takes them: valid, or it says what is not."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import feedparser
from lxml import etree

from gmn_pipeline_tests.support.server import Server

_ATOM = "{http://www.w3.org/2005/Atom}"
_SCHEMA = Path(__file__).parents[1] / "serving" / "atom.rng"


@cache
def _schema() -> etree.RelaxNG:
    return etree.RelaxNG(etree.parse(_SCHEMA))


@dataclass
class ReadEntry:
    id: str
    title: str
    updated: datetime
    state: str
    link: str
    text: str


@dataclass
class ReadFeed:
    id: str
    title: str
    updated: datetime
    links: dict[str, str]
    entries: list[ReadEntry]

    @property
    def by_id(self) -> dict[str, ReadEntry]:
        return {entry.id: entry for entry in self.entries}


def read(body: bytes) -> ReadFeed:
    """A feed that is valid: by the schema, by a reader, and by what neither looks at."""
    root = etree.fromstring(body)
    _schema().assertValid(root)
    parsed = feedparser.parse(body)
    assert not parsed.bozo, parsed.get("bozo_exception")
    assert parsed.version == "atom10"
    entries = list(_entries(root))
    assert len(entries) == len(parsed.entries)
    assert [entry.title for entry in entries] == [entry.title for entry in parsed.entries]
    ids = [entry.id for entry in entries]
    assert len(set(ids)) == len(ids), "an id twice"
    links = {link.get("rel"): link.get("href") for link in root.findall(f"{_ATOM}link")}
    assert "self" in links
    for href in [*links.values(), *(entry.link for entry in entries)]:
        assert urlsplit(href).scheme in ("http", "https"), href
        assert urlsplit(href).netloc, href
    updated = _time(root.findtext(f"{_ATOM}updated"))
    assert all(entry.updated <= updated for entry in entries)
    return ReadFeed(
        root.findtext(f"{_ATOM}id"), root.findtext(f"{_ATOM}title"), updated, links, entries
    )


def _entries(root: etree._Element) -> Iterator[ReadEntry]:
    for entry in root.findall(f"{_ATOM}entry"):
        terms = {c.get("scheme"): c.get("term") for c in entry.findall(f"{_ATOM}category")}
        (state,) = [term for scheme, term in terms.items() if scheme.endswith(":state")]
        yield ReadEntry(
            entry.findtext(f"{_ATOM}id"), entry.findtext(f"{_ATOM}title"),
            _time(entry.findtext(f"{_ATOM}updated")), state,
            entry.find(f"{_ATOM}link[@rel='alternate']").get("href"),
            entry.findtext(f"{_ATOM}content"),
        )  # fmt: skip


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def feed(server: Server, path: str, **parameters: object) -> ReadFeed:
    """A feed of a server."""
    reply = server.get(path, parameters)
    assert reply.status == 200, reply.body
    assert reply.headers["Content-Type"] == "application/atom+xml"
    return read(reply.body)


def pages(server: Server, path: str, **parameters: object) -> Iterator[ReadFeed]:
    """A feed page by page, by its links."""
    page = feed(server, path, **parameters)
    yield page
    while "next" in page.links:
        assert page.links["next"].startswith(server.url)
        page = feed(server, page.links["next"].removeprefix(server.url))
        yield page
