"""TAP as the Virtual Observatory's own programs ask it: STILTS and its validators, pyvo."""

import csv
import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gmn_pipeline_tests.support.server import Server
from gmn_pipeline_tests.support.stilts import stilts
from gmn_pipeline_tests.support.tap import ask

STAGES = "-LOC -UPL -OBS"
"""All but uploads of two kinds, which are not offered, and ObsCore, which this is not."""


def test_the_validator_of_tap_has_nothing_to_say(server: Server) -> None:
    done = stilts("taplint", tapurl=f"{server.url}/tap", stages=STAGES, report="EWFS")
    totals = re.search(r"Errors: (\d+); Warnings: (\d+); .*Failures: (\d+)", done.stdout)
    assert totals, done.stdout + done.stderr
    assert totals.groups() == ("0", "0", "0"), done.stdout
    for stage in ("TMV", "TMS", "CAP", "QGE", "QPO", "QAS", "UWS", "MDQ", "EXA"):
        assert f"Section {stage}" in done.stdout
    assert "Execution success/attempt: 6/6" in done.stdout  # the examples


@pytest.mark.parametrize(
    "adql",
    ["SELECT TOP 50 * FROM gmn_epn.epn_core", "SELECT TOP 50 * FROM gmn.trajectories_with_showers",
     "SELECT TOP 50 * FROM gmn.rejected_rows", "SELECT nothing FROM gmn_epn.epn_core",
     "SELECT a.*, b.* FROM gmn.stations AS a, gmn.stations AS b"],
)  # fmt: skip
def test_the_validator_of_votables_has_nothing_to_say(
    server: Server, tmp_path: Path, adql: str
) -> None:
    file = tmp_path / "answer.vot"
    file.write_bytes(ask(server, adql, MAXREC=30).body)
    done = stilts("votlint", votable=file)
    assert [line for line in done.stdout.splitlines() if not line.startswith("INFO")] == []
    assert done.stderr == ""


TYPICAL = {
    "SELECT TOP 3 granule_uid, ra, dec FROM gmn_epn.epn_core": 3,
    "SELECT * FROM gmn_epn.epn_core WHERE 1=CONTAINS(POINT('ICRS', ra, dec), "
    "CIRCLE('ICRS', 180., 0., 180.))": 534,
    "SELECT trajectory_identifier, DISTANCE(POINT('ICRS', rageo_deg, decgeo_deg), "
    "POINT('ICRS', 143.0, -48.0)) AS d FROM gmn.trajectories WHERE rageo_deg BETWEEN 142 AND 144 "
    "ORDER BY d ASC": None,
    "SELECT iau_shower_code, COUNT(*) AS n, AVG(vgeo_km_s) AS v FROM gmn.trajectories "
    "GROUP BY iau_shower_code HAVING COUNT(*) > 3 ORDER BY n DESC": None,
    "SELECT t.table_name, COUNT(*) AS n FROM TAP_SCHEMA.tables AS t JOIN TAP_SCHEMA.columns AS c "
    "ON t.table_name = c.table_name GROUP BY t.table_name": 24,
}
"""What people type into TOPCAT -> rows of the answer, where the test knows that."""


def _poll(sync: str) -> dict[str, object]:
    return {} if sync == "true" else {"poll": 100}


@pytest.mark.parametrize("sync", ["true", "false"])
@pytest.mark.parametrize("adql", TYPICAL)
def test_topcats_queries_are_answered_at_once_and_as_jobs(
    server: Server, adql: str, sync: str
) -> None:
    done = stilts(
        "tapquery", tapurl=f"{server.url}/tap", adql=adql, sync=sync, parse="true",
        ofmt="csv", out="-", **_poll(sync),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert rows
    assert TYPICAL[adql] in (None, len(rows))


def test_a_program_says_what_was_wrong(server: Server) -> None:
    for sync in ("true", "false"):
        done = stilts(
            "tapquery", tapurl=f"{server.url}/tap", adql="SELECT nothing FROM gmn_epn.epn_core",
            sync=sync, out="-", **_poll(sync),
        )  # fmt: skip
        assert done.returncode != 0
        assert "line 1, column 8" in done.stderr


def test_the_lines_of_the_page_work(server: Server, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "vo.md").read_text()
    page = page.replace("http://127.0.0.1:8001", server.url)
    (python,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    told = run([sys.executable, "-c", f"{python}\nprint(len(near) > 0, len(everything))"])
    assert told.endswith("True 534\n")
    lines = "".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL)).strip().split("\n")
    answers = []
    for line in lines:
        program, *arguments = shlex.split(line)
        is_stilts = program == "stilts"
        answers.append(stilts(*arguments).stdout if is_stilts else run([program, *arguments]))
    assert [answer.split("\n")[0][:11] for answer in answers[:2]] == ["granule_uid", "station_cod"]
    job = answers[2].removeprefix(server.url)
    while (now := server.get(f"{job}/phase").body) in (b"QUEUED", b"EXECUTING"):
        server.get(job, {"WAIT": 60, "PHASE": now.decode()})
    assert server.get(f"{job}/results/result").status == 200


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


# pyvo --------------------------------------------------------------------------------------------


def pyvo_says(server: Server, script: str) -> Any:
    """What a script finds, which prints JSON; in a process of its own, since pyvo leaves sockets to
    the garbage collector."""
    head = f"import json, pyvo\nservice = pyvo.dal.TAPService('{server.url}/tap')\n"
    return json.loads(run([sys.executable, "-c", head + script]))


def test_python_asks_at_once_and_by_jobs(server: Server) -> None:
    script = """
adql = "SELECT TOP 20 granule_uid, ra, c3min, time_min FROM gmn_epn.epn_core ORDER BY time_min"
at_once = service.run_sync(adql).to_table()
later = service.run_async(adql).to_table()
cut_off = service.run_sync(adql, maxrec=7)
job = service.submit_job(adql, maxrec=7)
job.run()
job.wait(phases=["COMPLETED"], timeout=60)
answer = job.fetch_result()
job.delete()
print(json.dumps([
    len(at_once), str(at_once["ra"].unit), str(at_once["c3min"].unit),
    list(later["granule_uid"]) == list(at_once["granule_uid"]),
    len(cut_off), cut_off.query_status, len(answer), answer.query_status,
]))
"""
    assert pyvo_says(server, script) == [
        20, "deg", "km", True, 7, "OVERFLOW", 7, "OVERFLOW",
    ]  # fmt: skip


def test_python_is_told_what_there_is_and_what_was_wrong(server: Server) -> None:
    script = """
def error(ask):
    try:
        ask("SELECT nothing FROM gmn_epn.epn_core")
    except pyvo.dal.DALQueryError as failure:
        return str(failure)

columns = {column.name: column.unit for column in service.tables["gmn_epn.epn_core"].columns}
print(json.dumps([
    service.maxrec, service.hardlimit, columns["c3min"], len(service.examples),
    *("line 1, column 8" in error(ask) for ask in (service.run_sync, service.run_async)),
]))
"""
    assert pyvo_says(server, script) == [100_000, 5_000_000, "km", 6, True, True]
