"""Requests to TAP, and what their answers say."""

import io
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

from astropy.io.votable import parse_single_table

from gmn_pipeline_tests.support.server import Reply, Server

_VOTABLE = "{http://www.ivoa.net/xml/VOTable/v1.3}"
FORM = "application/x-www-form-urlencoded"


def ask(server: Server, adql: str, **parameters: object) -> Reply:
    return server.get("/tap/sync", {"QUERY": adql, "LANG": "ADQL", **parameters})


def post(
    server: Server,
    path: str,
    form: Mapping[str, object] | bytes,
    *,
    method: str = "POST",
    kind: str = FORM,
) -> Reply:
    body = form if isinstance(form, bytes) else urlencode(form).encode()
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def rows(reply: Reply) -> list[tuple[Any, ...]]:
    """The rows of a VOTable as texts, numbers, and None for null."""
    assert reply.status == 200, reply.body
    table = parse_single_table(io.BytesIO(reply.body)).to_table()
    return [tuple(None if getattr(c, "mask", False) else _plain(c) for c in row) for row in table]


def _plain(cell: Any) -> Any:
    return cell.item() if hasattr(cell, "item") else cell


def infos(reply: Reply) -> list[tuple[str, str, str]]:
    """Name, value and text of each INFO, in order."""
    tree = ET.fromstring(reply.body)
    found = tree.iter(f"{_VOTABLE}INFO")
    return [(one.get("name", ""), one.get("value", ""), one.text or "") for one in found]


def failure(reply: Reply) -> str:
    """What went wrong, as the protocol has it told."""
    assert reply.headers["Content-Type"].startswith("application/x-votable+xml"), reply.body
    (told,) = [
        text for name, value, text in infos(reply) if (name, value) == ("QUERY_STATUS", "ERROR")
    ]
    return told


def fields(reply: Reply) -> dict[str, dict[str, str]]:
    """Attributes of the columns, by name."""
    tree = ET.fromstring(reply.body)
    return {one.get("name", ""): dict(one.attrib) for one in tree.iter(f"{_VOTABLE}FIELD")}


def words(text: str) -> tuple[str, ...]:
    """The words of a list that is long."""
    return tuple(text.split())
