"""Objects by HTTP, as clients put and read them."""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from gmn_pipeline_tests.support.server import Reply, Server

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}


def put(server: Server, name: str, body: Any, **headers: str) -> Reply:
    """Put bytes under `cams/ff/<name>`."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return server.get(f"/objects/cams/ff/{quote(name)}", method="PUT", headers=named, body=body)


def send(server: Server, method: str, path: str, told: object, **headers: str) -> Reply:
    """JSON to an address."""
    named = {"Content-Type": "application/json", **headers}
    return server.get(path, method=method, headers=named, body=json.dumps(told))


def make_places(server: Server, **headers: str) -> None:
    """The project `cams` with its container `ff`."""
    assert send(server, "PUT", "/objects/cams", {}, **headers).status == 201
    assert send(server, "PUT", "/objects/cams/ff", {}, **headers).status == 201


def begin(server: Server, size: int, metadata: Mapping[str, str], **headers: str) -> Reply:
    """Begin a resumable upload."""
    pairs = [f"{key} {base64.b64encode(text.encode()).decode()}" for key, text in metadata.items()]
    told = {**TUS, "Upload-Length": str(size), "Upload-Metadata": ",".join(pairs)}
    return server.get("/objects/_uploads", method="POST", headers={**told, **headers})


def go_on(
    server: Server, address: str, offset: int, piece: bytes,
    more: Mapping[str, str] | None = None,
) -> Reply:  # fmt: skip
    """Send the bytes of an upload from that offset on."""
    headers = {**PIECE, "Upload-Offset": str(offset), **(more or {})}
    return server.get(address, method="PATCH", headers=headers, body=piece)


def state(server: Server, address: str, **headers: str) -> Reply:
    """How far an upload is."""
    return server.get(address, method="HEAD", headers={**TUS, **headers})
