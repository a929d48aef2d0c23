"""What people copy from the pages for clients works: the client's README, docs/clients.md."""

import doctest
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from gmn_pipeline.settings import Settings
from gmn_pipeline.warehouse.connection import extension_path
from gmn_pipeline_tests.support.server import Server, client_says
from gmn_pipeline_tests.support.warehouse import ask

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "clients.md").read_text("utf-8")
README = (ROOT / "client" / "README.md").read_text("utf-8")
ADDRESS = "http://127.0.0.1:8001"
PERSEIDS = (
    "iau_shower_code = 'PER' AND vgeo_km_s > 58 AND year(beginning_utc_time) = 2022 "
    "AND month(beginning_utc_time) = 8"
)


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def perseids(year: Settings) -> tuple[int, float]:
    """How many, and their median speed."""
    ((count, speed),) = ask(
        year, f"SELECT count(*), median(vgeo_km_s) FROM trajectories WHERE {PERSEIDS}"
    )
    assert count > 100
    return count, speed


@pytest.fixture
def here(studied: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, and the server as the pages say where it is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GMN_SERVER", studied.url)
    return tmp_path


def page_for(server: Server) -> str:
    return PAGE.replace(ADDRESS, server.url)


def test_the_examples_of_the_readme_are_true(here: Path) -> None:
    examples = "\n".join(blocks(README, "python"))
    test = doctest.DocTestParser().get_doctest(examples, {}, "README.md", "README.md", 0)
    assert len(test.examples) > 25
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert result.failed == 0, "".join(said)


def run(line: str) -> bytes:
    done = subprocess.run(shlex.split(line), capture_output=True, timeout=120)
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    return done.stdout


def lines_with(page: str, program: str) -> list[str]:
    shell = "".join(blocks(page, "sh"))
    return [line for line in shell.splitlines() if line.startswith(program)]


def test_the_lines_of_curl_work(
    here: Path, studied: Server, year: Settings, perseids: tuple[int, float]
) -> None:
    answers = [run(f"{line} --silent --fail") for line in lines_with(page_for(studied), "curl")]
    assert len(answers) == 4
    for frame in (pl.read_csv("perseids.csv"), pl.read_parquet("perseids.parquet")):
        assert (frame.height, frame["vgeo_km_s"].median()) == pytest.approx(perseids)
    assert answers[2].startswith(b"solar_longitude_from_deg,shower,")
    content = (year.snapshot_dir / "gmn.duckdb").read_bytes()
    assert Path("gmn.duckdb").read_bytes() == content
    Path("gmn.duckdb").write_bytes(content[:1000])
    run(f"{lines_with(page_for(studied), 'curl')[3]} --silent --fail")
    assert Path("gmn.duckdb").read_bytes() == content


def test_the_lines_of_python_work(
    here: Path, studied: Server, perseids: tuple[int, float], capsys: pytest.CaptureFixture[str]
) -> None:
    own, other = blocks(page_for(studied), "python")
    found: dict[str, Any] = {}
    exec(compile(own, "clients.md", "exec"), found)
    assert (found["frame"].height, found["frame"]["vgeo_km_s"].median()) == pytest.approx(perseids)
    assert "of the warehouse" in capsys.readouterr().out
    assert client_says(studied, f"{other}\nprint(json.dumps(len(frame)))") == perseids[0]


def test_the_lines_of_duckdb_work(here: Path, studied: Server, perseids: tuple[int, float]) -> None:
    several = blocks(page_for(studied), "sql")
    assert len(several) == 3
    for block in several:
        with duckdb.connect(config={"allow_unsigned_extensions": "true"}) as connection:
            connection.execute(f"LOAD '{extension_path('httpfs')}'")
            assert connection.execute(block).fetchone() == pytest.approx(perseids), block


def test_the_lines_of_stilts_work(here: Path, studied: Server, perseids: tuple[int, float]) -> None:
    lines = lines_with(page_for(studied), "stilts")
    assert len(lines) == 2
    if shutil.which("stilts") is None:
        pytest.skip("stilts is not installed")
    answers = [run(line).decode() for line in lines]
    assert pl.read_csv("perseids-stilts.csv").height == perseids[0]
    assert re.search(r"columns: 5\s+rows: [1-9]", answers[1])


def test_the_first_lines_of_r_work(
    here: Path, studied: Server, perseids: tuple[int, float]
) -> None:
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed")
    first, *_ = blocks(page_for(studied), "r")
    Path("perseids.r").write_text(f"{first}\ncat(nrow(perseids))\n")
    printed = run("Rscript perseids.r").decode().split()
    assert float(printed[1]) == pytest.approx(perseids[1])
    assert int(printed[2]) == perseids[0]
