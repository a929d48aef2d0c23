"""The client as it is given away: a wheel of its own, that needs httpx and pyarrow and no more."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gmn_pipeline_tests.support.server import Server

CLIENT = Path(__file__).parents[2] / "client"
NOT_NEEDED = (
    "gmn_pipeline", "gmn_pipeline_tests", "dagster", "duckdb", "pandas", "polars", "rich", "tqdm",
    "starlette", "numpy",
)  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of a copy of its sources without a network, and unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    sources = folder / "client"
    kept = ("pyproject.toml", "README.md", "gmn_client")
    for file in CLIENT.rglob("*"):
        place = file.relative_to(CLIENT)
        if file.is_file() and place.parts[0] in kept and "__pycache__" not in place.parts:
            target = sources / place
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    build = (
        "from setuptools import build_meta; import os; os.mkdir('dist'); "
        "print(build_meta.build_wheel('dist'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=sources, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = (sources / "dist").glob("gmn_client-*.whl")
    with zipfile.ZipFile(wheel) as unpacked:
        unpacked.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_has_all_of_the_package_and_no_more(installed: Path) -> None:
    files = {
        path.relative_to(installed).as_posix() for path in (installed / "gmn_client").rglob("*")
    }
    ours = {
        path.relative_to(CLIENT).as_posix() for path in (CLIENT / "gmn_client").rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }  # fmt: skip
    assert files == ours
    (about,) = installed.glob("gmn_client-*.dist-info/METADATA")
    needed = [line for line in about.read_text().splitlines() if line.startswith("Requires-Dist")]
    assert [line.split()[1].split(">")[0] for line in needed if "extra ==" not in line] == [
        "httpx", "pyarrow",
    ]  # fmt: skip
    assert "# gmn-client" in about.read_text()


def test_it_works_where_nothing_else_is_installed(installed: Path, server: Server) -> None:
    script = f"""
import sys
for name in {NOT_NEEDED!r}:
    sys.modules[name] = None
from gmn_client import Client, PackageMissing
with Client({server.url!r}, progress=True) as gmn:
    answer = gmn.trajectories(shower="FLO")
    print(answer.arrow().num_rows, len(list(answer.pages())), len(gmn.sql("SELECT 1")))
    for convert in (answer.polars, answer.pandas, answer.duckdb):
        try:
            convert()
        except PackageMissing as error:
            print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(installed)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, *others = done.stdout.splitlines()
    assert first == "7 1 1"
    assert [line.partition(":")[0] for line in others] == [
        "This needs polars", "This needs pandas", "This needs duckdb",
    ]  # fmt: skip


def test_a_type_checker_finds_what_is_misspelt(installed: Path, tmp_path: Path) -> None:
    good = 'gmn.trajectories(columns=["vgeo_km_s"], where=[c.vgeo_km_s > 58]).arrow()'
    wrong = (
        'gmn.trajectories(columns=["vgeo"])',
        'gmn.trajectories(where=[c.vgeo_km_s > "58"])',
        "gmn.trajectories(where=[c.vgeo > 58])",
        'gmn.query("shower_activty")',
    )
    script = tmp_path / "study.py"
    script.write_text(
        "\n".join(["from gmn_client import Client, c", "gmn = Client()", good, *wrong])
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports",
         "--cache-dir", str(tmp_path / "cache"), "--config-file", "", str(script)],
        capture_output=True, text=True, timeout=120, cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(installed)},
    )  # fmt: skip
    lines = [line.partition(" error: ")[0] for line in done.stdout.splitlines() if "error" in line]
    assert lines[:-1] == [f"study.py:{number}:" for number in range(4, 8)], done.stdout
