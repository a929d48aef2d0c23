"""A link names its state so that it is not taken for another one of the same number."""

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from gmn_pipeline_tests.support.server import Server

_NEXT = re.compile(r'<link(?=[^>]*rel="next")[^>]*href="([^"]*)"')
SEQUENCES = (
    ("/gmn/trajectories.json?_size=3", "_as_of"),
    ("/gmn/feeds/trajectories.atom?_size=3", "_as_of"),
    ("/gmn_rest_api/meteor_summary", "mark"),
)


@pytest.mark.parametrize(("path", "named_by"), SEQUENCES)
def test_a_link_leads_to_its_own_state_or_to_none(server: Server, path: str, named_by: str) -> None:
    first = server.get(path)
    state = first.headers["GMN-State"]
    number, mark = state.split("-")
    assert first.headers["GMN-Snapshot"] == number
    link = first.link or unescape(_NEXT.findall(first.body.decode())[0])
    assert parse_qs(urlsplit(link).query)[named_by] in ([state], [mark])
    assert server.get(link).status == 200
    other = f"{'0' if mark[0] != '0' else '1'}{mark[1:]}"
    reply = server.get(link.replace(mark, other))
    assert reply.status == 410
    assert b"not the one that was meant" in reply.body


def test_what_only_looks_like_a_name_is_refused(server: Server) -> None:
    for text in ("1-", "1-xyz", "1-0123456789", "-01234567", "1-ABCDEF01"):
        assert server.get("/gmn/trajectories.json", {"_as_of": text}).status == 400, text
