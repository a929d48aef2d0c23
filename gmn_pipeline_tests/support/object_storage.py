"""A real server with S3's protocol on loopback: moto, in a process of its own."""

import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import requests

from gmn_pipeline_tests.support.absent import not_run

_STARTS_WITHIN_S = 60.0


@dataclass(frozen=True)
class ObjectStorageServer:
    """A server; it lets in whoever has any key."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def new_bucket(self) -> str:
        """Its name."""
        name = f"gmn-{uuid4().hex[:12]}"
        requests.put(f"{self.url}/{name}", timeout=10).raise_for_status()
        return name

    def listing(self, bucket: str) -> str:
        """What lies in a bucket, as the server says it."""
        answer = requests.get(f"{self.url}/{bucket}?list-type=2", timeout=10)
        answer.raise_for_status()
        return answer.text


@contextmanager
def own_object_storage() -> Iterator[ObjectStorageServer]:
    """A server for the time being. Skips the test, saying why, where there is none."""
    if any(importlib.util.find_spec(name) is None for name in ("moto", "flask_cors")):
        not_run("there is no S3 server to test with (moto is not installed)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    # It ends when its input is closed, be it that the process of the tests was killed.
    code = (
        "import os, sys, threading\n"
        "threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()\n"
        "from moto.server import main\n"
        f"main(['-H', '127.0.0.1', '-p', '{port}'])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                break
        yield ObjectStorageServer(port)
        process.communicate()
