"""The notebooks run, find what the data was made with, and show nothing without axes and units."""

import json
import re
from pathlib import Path

import pytest

from gmn_pipeline_tests.support.notebooks import run_notebook
from gmn_pipeline_tests.support.server import Server

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
UNIT = re.compile(r"\S.* \[[^\]]+\]")
FIGURES = {
    "a_stations_year": 3, "orbits_near_a_comet": 3, "shower_activity_and_drift": 3, "template": 1,
}  # fmt: skip
# What the archive was made with (support/archive): at solar longitude 140 deg.
RADIANT_DEG, DRIFT, SPEED_KM_S, PEAK_DEG = (48.2, 58.1), (1.4, 0.26), 59.1, 140.0


def cells(path: Path, kind: str) -> list[str]:
    found = json.loads(path.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


def test_the_folder_is_what_is_tested() -> None:
    assert [path.stem for path in NOTEBOOKS] == list(FIGURES)
    page = (FOLDER / "README.md").read_text("utf-8")
    assert all(f"({path.name})" in page for path in NOTEBOOKS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs_and_opens_anywhere(path: Path) -> None:
    notebook = json.loads(path.read_text("utf-8"))
    assert (notebook["nbformat"], notebook["metadata"]["kernelspec"]["name"]) == (4, "python3")
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["outputs"] for cell in code] == [[]] * len(code)
    assert [cell["execution_count"] for cell in code] == [None] * len(code)
    first, *rest = cells(path, "code")
    assert 'find_spec("gmn_client") is None' in first
    assert "%pip install" in first
    assert "Client()" in rest[0]  # whose address is that of the environment
    assert "127.0.0.1" not in "".join(rest)
    assert ".cite()" in rest[-1]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_each_axis_has_its_unit(
    path: Path, studied: Server, tmp_path: Path
) -> None:
    names = (
        "middle_deg", "middle_ra_deg", "ra_at", "ra_at_error", "ra_drift", "ra_drift_error",
        "dec_at", "dec_at_error", "dec_drift", "dec_drift_error", "speed_error_km_s", "peak_deg",
        "difference",
    )  # fmt: skip
    ran = run_notebook(path, studied.url, tmp_path, names)
    assert ran.complaints == ""
    assert "Global Meteor Network, trajectories" in ran.printed
    assert len(ran.figures) == FIGURES[path.stem]
    for figure in ran.figures:
        for axes in figure:
            assert axes.has_data
            assert UNIT.fullmatch(axes.y), axes
            is_colour_bar = not axes.x
            assert is_colour_bar or UNIT.fullmatch(axes.x), axes
        assert not all(not axes.x for axes in figure)
    check = {"shower_activity_and_drift": _drift, "orbits_near_a_comet": _comet}.get(path.stem)
    if check is not None:
        check(ran.values, ran.printed)


def _drift(found: dict[str, float], printed: str) -> None:
    """The radiant and its drift are those of the archive, within what the notebook claims."""
    beyond = 140 - found["middle_deg"]
    ra_deg = found["middle_ra_deg"] + found["ra_at"] + beyond * found["ra_drift"]
    dec_deg = found["dec_at"] + beyond * found["dec_drift"]
    for value, error, truth in (
        (ra_deg, found["ra_at_error"], RADIANT_DEG[0]),
        (dec_deg, found["dec_at_error"], RADIANT_DEG[1]),
        (found["ra_drift"], found["ra_drift_error"], DRIFT[0]),
        (found["dec_drift"], found["dec_drift_error"], DRIFT[1]),
    ):
        assert abs(value - truth) < 4 * error, (value, error, truth)
        assert 0 < error < 0.3
    assert abs(found["peak_deg"] - PEAK_DEG) <= 1.5
    speed = re.search(r"median geocentric speed ([0-9.]+)", printed)
    assert speed is not None
    assert abs(float(speed[1]) - SPEED_KM_S) < 4 * found["speed_error_km_s"] + 0.01


def _comet(found: dict[str, float], printed: str) -> None:
    """Two programs agree on D, to the digits that the server gives; the Perseids are there."""
    assert found["difference"] < 1e-5
    said = re.search(r"within 0\.20: (\d+) \+- \d+, by chance (\d+)", printed)
    assert said is not None
    assert int(said[1]) > 100 > 20 > int(said[2])
    assert re.search(r"^PER +\d{3}$", printed, re.MULTILINE)
