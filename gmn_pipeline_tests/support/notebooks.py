"""Notebooks run as a person runs them: cell by cell, in a kernel of their own.

What belongs here: running one, and what is there at its end. In a process of its own, since kernels
leave sockets and loops behind that are none of a test's.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FIRST = "%config InlineBackend.close_figures = False"
_LAST = """
import json as _json
import matplotlib.pyplot as _plt
print(_json.dumps([
    [[axes.get_xlabel(), axes.get_ylabel(), axes.has_data()] for axes in figure.axes]
    for figure in map(_plt.figure, _plt.get_fignums())
]))
print(_json.dumps({name: float(globals()[name]) for name in NAMES if name in globals()}))
"""
_RUN = """
import sys, nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell
notebook = nbformat.read(sys.argv[1], as_version=4)
first, last = sys.argv[2:4]
notebook.cells = [new_code_cell(first), *notebook.cells, new_code_cell(last)]
NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[4])
"""


@dataclass
class Axes:
    """What stands at a coordinate system; that of a colour bar has one label."""

    x: str
    y: str
    has_data: bool


@dataclass
class Ran:
    """What a notebook came to."""

    figures: list[list[Axes]]
    values: dict[str, float]
    printed: str
    complaints: str


def run_notebook(path: Path, server: str, folder: Path, names: tuple[str, ...] = ()) -> Ran:
    """Run it in a folder, and see its figures and some of its values."""
    done = folder / "done.ipynb"
    last = f"NAMES = {list(names)!r}\n{_LAST}"
    ran = subprocess.run(
        [sys.executable, "-c", _RUN, str(path), _FIRST, last, str(done)],
        cwd=folder, capture_output=True, text=True, timeout=280,
        env={**os.environ, "GMN_SERVER": server, "PYDEVD_DISABLE_FILE_VALIDATION": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-4000:]
    *cells, end = json.loads(done.read_text("utf-8"))["cells"]
    figures, values = "".join(end["outputs"][0]["text"]).splitlines()
    return Ran(
        [[Axes(*axes) for axes in figure] for figure in json.loads(figures)],
        json.loads(values), _streams(cells, "stdout"), _streams(cells, "stderr"),
    )  # fmt: skip


def _streams(cells: list[dict[str, Any]], name: str) -> str:
    return "".join(
        "".join(output["text"])
        for cell in cells
        for output in cell.get("outputs", [])
        if output.get("name") == name
    )
