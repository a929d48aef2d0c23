"""The UI takes in code that was changed, as its own button "Reload definitions" does.

What belongs here: watching the package, telling Dagster. What does not: the program that does so
(`dagster_dev.py`).
"""

import logging
import threading
from pathlib import Path

import requests
from watchfiles import PythonFilter, watch

import gmn_pipeline

_RELOAD = """
mutation {
  reloadWorkspace {
    ... on Workspace { locationEntries { locationOrLoadError { ... on PythonError { message } } } }
    ... on PythonError { message }
  }
}
"""
_TIMEOUT_S = 120

logger = logging.getLogger(__name__)


def reload_on_change(ui: str) -> None:
    """Watch the package from now on, in a thread that ends with the process."""
    folder = Path(gmn_pipeline.__file__).parent
    threading.Thread(target=_watch, args=(folder, ui), name="reload", daemon=True).start()


def _watch(folder: Path, ui: str) -> None:
    for changes in watch(folder, watch_filter=PythonFilter(), raise_interrupt=False):
        names = sorted({Path(path).name for _, path in changes})
        logger.warning("Reloading for %s: %s", ", ".join(names), reload(ui))


def reload(ui: str) -> str:
    """Have the UI load the definitions anew; what came of it, in words.

    `ui`: its address. Code that cannot be loaded is no error here: the UI shows it.
    """
    try:
        answer = requests.post(f"{ui}/graphql", json={"query": _RELOAD}, timeout=_TIMEOUT_S)
        result = answer.json()["data"]["reloadWorkspace"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"the UI did not answer ({type(error).__name__})"
    entries = result.get("locationEntries", [result])
    messages = [(entry.get("locationOrLoadError") or entry).get("message") for entry in entries]
    return next((message.strip().splitlines()[0] for message in messages if message), "done")
