"""A real schema registry with Confluent's API: Apicurio, fetched by Maven as Kafka's jars are."""

import hashlib
import json
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from gmn_pipeline.kafka.local_broker.install import find_java, installed, run_maven
from gmn_pipeline_tests.support.kafka import LIBS, PROJECT
from gmn_pipeline_tests.support.ports import free_port

_POM = PROJECT / "deploy" / "registry" / "pom.xml"
FOLDER = LIBS.with_name(f"registry-{hashlib.sha256(_POM.read_bytes()).hexdigest()[:8]}")
_READY_S = 60.0


@dataclass(frozen=True)
class Registry:
    """A registry that runs; `url` is what SCHEMA_REGISTRY_URL wants."""

    url: str

    def ask(self, path: str) -> Any:
        answer = requests.get(self.url + path, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def demand(self, subject: str, compatibility: str) -> None:
        """Let a subject take compatible schemas only: Apicurio's default is to take any."""
        body = {"compatibility": compatibility}
        requests.put(f"{self.url}/config/{subject}", json=body, timeout=20).raise_for_status()

    def register(self, subject: str, schema: object) -> int:
        body = {"schema": json.dumps(schema)}
        answer = requests.post(f"{self.url}/subjects/{subject}/versions", json=body, timeout=20)
        answer.raise_for_status()
        return int(answer.json()["id"])


@contextmanager
def own_registry(folder: Path) -> Iterator[Registry]:
    """A registry on a free port for as long as the block runs; it keeps nothing."""
    port = free_port()
    registry = Registry(f"http://127.0.0.1:{port}/apis/ccompat/v7")
    command = [
        *(str(find_java()), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512m"),
        *("-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={port}"),
        *("-jar", str(next(installed(FOLDER, _unpack).glob("*-runner.jar")))),
    ]
    log = folder / "registry.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        try:
            _wait_until_ready(process, registry, log)
            yield registry
        finally:
            process.kill()


def _unpack(to: Path) -> None:
    run_maven(_POM, ["dependency:copy", f"-Dcopy.to={to}"], "The schema registry")
    # Not Maven's own unpacking: the plugin that resolves this artifact reads no long names.
    for archive in to.glob("*.tar.gz"):
        with tarfile.open(archive) as opened:
            opened.extractall(to, filter="data")
        archive.unlink()


def _wait_until_ready(process: subprocess.Popen[bytes], registry: Registry, log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            registry.ask("/subjects")
            return
        except requests.RequestException:
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.1)
