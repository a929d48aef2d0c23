"""`make screens`: the picture of the README, Dagster's graph of assets over the sample data.

What belongs here: pictures of Dagster's UI. What does not: those of the portal
(`portal/screens.py`).
"""

import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import ViewportSize

from gmn_pipeline.definitions import build_defs
from gmn_pipeline_tests.support.browser import ROOT, chromium
from gmn_pipeline_tests.support.commands import Command
from gmn_pipeline_tests.support.ports import free_port

PICTURE = ROOT / "docs" / "asset-graph.png"
_SIZE = ViewportSize(width=2_400, height=2_200)
_SECONDS = 120
_SETTLES_MS = 6_000
"""The graph is laid out, and told the state of each asset, after the page is there."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, _ui(Path(folder)) as url, chromium() as browser:
        page = browser.new_page(viewport=_SIZE)
        page.goto(f"{url}/asset-groups~?expanded={quote(','.join(_groups()))}")
        page.get_by_text("station_readings").first.wait_for(timeout=_SECONDS * 1_000)
        page.wait_for_timeout(_SETTLES_MS)
        page.screenshot(path=PICTURE)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size:,} bytes")


def _groups() -> list[str]:
    """As the UI's address names groups that are open."""
    assets = build_defs().resolve_asset_graph()
    names = {assets.get(key).group_name for key in assets.get_all_asset_keys()}
    return sorted(f"global@global:{name}" for name in names)


@contextmanager
def _ui(folder: Path) -> Iterator[str]:
    gmn = Command(GMN_DATA_DIR=str(folder / "data"), DAGSTER_DISABLE_TELEMETRY="1")
    gmn.says("sample", str(folder / "source"))
    gmn.says("run", "--source", str(folder / "source"))
    port = free_port()
    process = gmn.start("dev", "--port", str(port))
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=_SECONDS)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    raise SystemExit(f"Dagster's UI did not start in {_SECONDS} s.")


if __name__ == "__main__":
    main()
