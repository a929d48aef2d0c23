"""`gmn dev --reload`: the UI shows code as it was changed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

import gmn_pipeline
from gmn_pipeline.orchestration.reloading import reload

_DESCRIPTION = """
{
  assetNodeOrError(assetKey: {path: ["warehouse", "snapshot"]}) {
    ... on AssetNode { description }
  }
}
"""
_TEXT = "gmn.duckdb and Parquet for analysts"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the code, which may be changed."""
    copy = tmp_path / "code" / "gmn_pipeline"
    shutil.copytree(
        Path(gmn_pipeline.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(Path(gmn_pipeline.__file__).parents[1] / "dagster.yaml", copy.parent)
    return copy


@pytest.fixture
def ui(package: Path, tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ, "GMN_DATA_DIR": str(tmp_path / "data"), "PYTHONWARNINGS": "ignore",
        "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1",
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }  # fmt: skip
    command = [
        sys.executable, "-c", "from gmn_pipeline.cli.main import main; main()",
        "dev", "--reload", "--port", str(port),
    ]  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, cwd=package.parent, stdout=log, stderr=log
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def described(ui: str) -> str:
    try:
        answer = requests.post(f"{ui}/graphql", json={"query": _DESCRIPTION}, timeout=60)
        return str(answer.json()["data"]["assetNodeOrError"].get("description"))
    except (OSError, ValueError):
        return ""


def until(holds: Callable[[], bool], seconds: float = 150) -> None:
    """The UI has no event for a reader: it is asked."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_the_ui_shows_code_as_it_was_changed(ui: str, package: Path) -> None:
    until(lambda: described(ui).startswith(_TEXT))
    asset = package / "orchestration" / "assets" / "snapshot.py"
    asset.write_text(asset.read_text().replace(_TEXT, "Something else"))
    until(lambda: described(ui).startswith("Something else"))


def test_a_ui_that_does_not_answer_is_said_so() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert reload(f"http://127.0.0.1:{closed.getsockname()[1]}") == (
            "the UI did not answer (ConnectionError)"
        )
