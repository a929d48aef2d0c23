"""Jobs of TAP: their way, their limits, and what becomes of them when the server ends."""

import json
import os
import signal
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gmn_pipeline.queries.answer import Answer, Cancellation
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.process import ask as ask_by_process
from gmn_pipeline.queries.states import Snapshot, states_of
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.serving.tap.questions import question
from gmn_pipeline.serving.tap.results import write
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.commands import Command
from gmn_pipeline_tests.support.ports import free_port
from gmn_pipeline_tests.support.server import Server, serving
from gmn_pipeline_tests.support.tap import ask, failure, infos, post, rows

ENDLESS = (
    "SELECT COUNT(*) FROM trajectories AS a, trajectories AS b, trajectories AS c, "
    "trajectories AS d WHERE a.vgeo_km_s + b.vgeo_km_s + c.vgeo_km_s + d.vgeo_km_s = 1"
)
COUNT = "SELECT COUNT(*) AS n FROM trajectories"
UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module")
def server(lake: Settings, place: Path) -> Iterator[Server]:
    with serving(lake, serve_tap_dir=place, serve_tap_jobs=12, serve_tap_jobs_of_address=8,
                 serve_tap_timeout_s=100) as running:  # fmt: skip
        yield running


@pytest.fixture(autouse=True)
def _no_jobs_are_left(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "server" in request.fixturenames:
        running, folder = request.getfixturevalue("server"), request.getfixturevalue("place")
        for job in [one.name for one in folder.iterdir() if one.is_dir()]:
            post(running, f"/tap/async/{job}", b"", method="DELETE")


def make(server: Server, adql: str, **form: object) -> str:
    """The path of a new job."""
    reply = post(server, "/tap/async", {"QUERY": adql, "LANG": "ADQL", **form})
    assert reply.status == 303, reply.body
    address = reply.headers["Location"]
    assert address.startswith(f"{server.url}/tap/async/")
    return address.removeprefix(server.url)


def run(server: Server, adql: str, **form: object) -> str:
    return make(server, adql, PHASE="RUN", **form)


def text(server: Server, path: str) -> str:
    reply = server.get(path)
    assert reply.status == 200, reply.body
    return reply.body.decode()


def phase(server: Server, job: str) -> str:
    return text(server, f"{job}/phase")


def wait(server: Server, job: str) -> str:
    """Its last phase."""
    while (now := phase(server, job)) in ("QUEUED", "EXECUTING"):
        server.get(job, {"WAIT": 30, "PHASE": now})
    return now


def until(server: Server, job: str, wanted: str) -> None:
    server.wait_for(lambda: phase(server, job) == wanted)


# The way of a job --------------------------------------------------------------------------------


def test_a_job_is_made_run_and_removed(server: Server) -> None:
    job = make(server, COUNT, RUNID="mine", MAXREC=5)
    assert phase(server, job) == "PENDING"
    assert server.get(f"{job}/results/result").status == 404
    assert server.get(f"{job}/error").status == 404
    assert post(server, f"{job}/phase", {"PHASE": "RUN"}).headers["Location"].endswith(job)
    assert wait(server, job) == "COMPLETED"
    answer = server.get(f"{job}/results/result")
    assert rows(answer) == [(534,)]
    assert answer.headers["GMN-Snapshot"] == str(server.snapshot)
    assert [one for one in infos(answer) if "created" not in one[0]] == [
        one for one in infos(ask(server, COUNT, MAXREC=5)) if "created" not in one[0]
    ]
    for way in ({"method": "DELETE"}, {}):
        other = make(server, COUNT)
        reply = post(server, other, {"ACTION": "DELETE"}, **way)  # type: ignore[arg-type]
        assert (reply.status, reply.headers["Location"]) == (303, f"{server.url}/tap/async")
        assert server.get(other).status == 404
        assert failure(server.get(f"{other}/phase"))


def test_its_document_says_what_is_known_of_it(server: Server) -> None:
    job = run(server, "SELECT 1 AS x FROM stations WHERE '<&>' = '<&>'", RUNID="a<b")
    assert wait(server, job) == "COMPLETED"
    tree = ET.fromstring(server.get(job).body)
    told = {one.tag.removeprefix(UWS): one.text for one in tree}
    assert list(told) == [
        "jobId", "runId", "ownerId", "phase", "quote", "creationTime", "startTime", "endTime",
        "executionDuration", "destruction", "parameters", "results",
    ]  # fmt: skip
    assert told["jobId"] == job.rsplit("/", 1)[1]
    assert (told["runId"], told["phase"], told["executionDuration"]) == ("a<b", "COMPLETED", "100")
    parameters = {one.get("id"): one.text for one in tree.iter(f"{UWS}parameter")}
    assert parameters["query"] == "SELECT 1 AS x FROM stations WHERE '<&>' = '<&>'"
    (result,) = tree.iter(f"{UWS}result")
    href = result.get("{http://www.w3.org/1999/xlink}href")
    assert href == f"{server.url}{job}/results/result"
    assert result.get("size") == str(len(server.get(f"{job}/results/result").body))
    for path in ("parameters", "results"):
        ET.fromstring(server.get(f"{job}/{path}").body)
    assert text(server, f"{job}/quote") == text(server, f"{job}/owner") == ""


def test_what_it_asks_and_how_long_can_be_changed_until_it_is_run(server: Server) -> None:
    job = make(server, "SELECT nothing")
    assert post(server, f"{job}/parameters", {"QUERY": COUNT}).status == 303
    assert post(server, f"{job}/executionduration", {"EXECUTIONDURATION": 7}).status == 303
    assert text(server, f"{job}/executionduration") == "7"
    for asked, given in (("1000", "100"), ("0", "100")):
        post(server, f"{job}/executionduration", {"EXECUTIONDURATION": asked})
        assert text(server, f"{job}/executionduration") == given
    soon = datetime.now(UTC) + timedelta(hours=1)
    post(server, f"{job}/destruction", {"DESTRUCTION": soon.isoformat()})
    assert text(server, f"{job}/destruction") == soon.strftime("%Y-%m-%dT%H:%M:%SZ")
    post(server, f"{job}/destruction", {"DESTRUCTION": "2099-01-01"})
    assert text(server, f"{job}/destruction") < "2099"
    assert post(server, job, {"PHASE": "RUN"}).status == 303
    assert wait(server, job) == "COMPLETED"
    for path, form in (
        ("parameters", {"QUERY": "SELECT 1"}), ("executionduration", {"EXECUTIONDURATION": 5}),
        ("phase", {"PHASE": "RUN"}),
    ):  # fmt: skip
        assert post(server, f"{job}/{path}", form).status == 400
    assert rows(server.get(f"{job}/results/result")) == [(534,)]


@pytest.mark.parametrize(
    ("path", "form"),
    [("phase", {"PHASE": "FLY"}), ("phase", {}), ("executionduration", {"EXECUTIONDURATION": "x"}),
     ("destruction", {"DESTRUCTION": "tomorrow"}), ("", {"ACTION": "KEEP"})],
)  # fmt: skip
def test_what_makes_no_sense_is_told(server: Server, path: str, form: Mapping[str, object]) -> None:
    job = make(server, COUNT)
    reply = post(server, f"{job}/{path}".rstrip("/"), form)
    assert reply.status == 400
    assert failure(reply)
    assert phase(server, job) == "PENDING"


def test_a_query_that_fails_says_so(server: Server) -> None:
    for adql, said in (("SELECT nothing FROM stations", "line 1, column 8"), ("", "QUERY is")):
        job = run(server, adql)
        assert wait(server, job) == "ERROR"
        assert said in failure(server.get(f"{job}/error"))
        (message,) = ET.fromstring(server.get(job).body).iter(f"{UWS}message")
        assert said in (message.text or "")


def test_who_waits_is_told_at_once_of_what_happens(server: Server) -> None:
    job = run(server, ENDLESS)
    until(server, job, "EXECUTING")
    assert "EXECUTING" in text(server, f"{job}?WAIT=0")
    assert "EXECUTING" in text(server, f"{job}?WAIT=60&PHASE=QUEUED")  # it is another already
    assert server.get(job, {"WAIT": "long"}).status == 400
    post(server, f"{job}/phase", {"PHASE": "ABORT"})
    assert "ABORTED" in text(server, f"{job}?WAIT=-1")


def test_the_list_shows_nobody_the_jobs_of_others(server: Server) -> None:
    job = make(server, COUNT)
    listed = server.get("/tap/async")
    assert job.rsplit("/", 1)[1] not in listed.body.decode()
    assert ET.fromstring(listed.body).tag == f"{UWS}jobs"
    other = make(server, COUNT)
    assert len({job, other}) == 2
    assert len(job.rsplit("/", 1)[1]) >= 22  # 128 bits


@pytest.mark.parametrize("name", ["x", "..", "..%2f..", ".lock", "%00", "x" * 5_000])
def test_a_name_that_is_no_job_leads_nowhere(server: Server, name: str) -> None:
    assert server.get(f"/tap/async/{name}/results/result").status == 404
    assert server.get(f"/tap/async/{name}").status == 404


def test_a_part_of_an_answer_can_be_had(server: Server) -> None:
    job = run(server, "SELECT * FROM trajectories", RESPONSEFORMAT="csv")
    assert wait(server, job) == "COMPLETED"
    whole = server.get(f"{job}/results/result")
    part = server.get(f"{job}/results/result", headers={"Range": "bytes=100-199"})
    assert (part.status, part.body) == (206, whole.body[100:200])


# Limits ------------------------------------------------------------------------------------------


def test_a_job_ends_at_its_time_or_when_it_is_told_to_and_the_next_one_begins(
    server: Server,
) -> None:
    first = run(server, ENDLESS)
    second, third = run(server, ENDLESS, EXECUTIONDURATION=1), run(server, COUNT)
    fourth = run(server, COUNT)
    until(server, first, "EXECUTING")
    assert phase(server, second) == phase(server, third) == "QUEUED"
    post(server, f"{fourth}/phase", {"PHASE": "ABORT"})
    assert phase(server, fourth) == "ABORTED"
    post(server, f"{first}/phase", {"PHASE": "ABORT"})
    assert phase(server, first) == "ABORTED"
    assert wait(server, second) == "ERROR"
    assert "stopped after 1 s" in failure(server.get(f"{second}/error"))
    assert wait(server, third) == "COMPLETED"
    assert phase(server, fourth) == "ABORTED"


def test_what_has_had_its_time_is_removed_whatever_it_is_at(server: Server, place: Path) -> None:
    working, done = run(server, ENDLESS), make(server, COUNT)
    until(server, working, "EXECUTING")
    for job in (working, done):
        post(server, f"{job}/destruction", {"DESTRUCTION": "2020-01-01T00:00:00Z"})
        assert server.get(job).status == 404
        assert not (place / job.rsplit("/", 1)[1]).exists()
    assert wait(server, run(server, COUNT)) == "COMPLETED"  # it has its turn


def test_there_may_be_so_many_jobs(server: Server) -> None:
    jobs = [make(server, COUNT) for _ in range(8)]
    reply = post(server, "/tap/async", {"QUERY": COUNT})
    assert (reply.status, reply.headers["Retry-After"]) == (503, "60")
    assert "of yours" in failure(reply)
    post(server, jobs[0], b"", method="DELETE")
    assert make(server, COUNT)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full is Linux's")
def test_where_there_is_no_room_for_an_answer_that_is_said(lake: Settings) -> None:
    def ask_lake(snapshot: Snapshot, sql: str, *more: object) -> Answer:
        return ask_by_process(lake, sql, snapshot=snapshot.id)

    one = question({"QUERY": "SELECT station_code FROM stations"}, lake)
    limits = Limits(seconds=30, memory_mb=400, disk_mb=0, rows=10)
    with (
        states_of(lake, limits, kept=1) as states,
        Path("/dev/full").open("wb") as target,
        pytest.raises(Problem, match="no room"),
    ):
        write(one, states.newest, ask_lake, limits, Cancellation(), target, 1 << 20)


def test_a_form_that_makes_no_sense_makes_no_job(server: Server, place: Path) -> None:
    before = set(place.iterdir())
    for form in ({"PHASE": "FLY"}, {"DESTRUCTION": "tomorrow"}, {"EXECUTIONDURATION": "-1"}):
        assert post(server, "/tap/async", {"QUERY": COUNT, **form}).status == 400
    assert set(place.iterdir()) == before


# When the server ends ----------------------------------------------------------------------------


@pytest.mark.parametrize("way", [signal.SIGTERM, signal.SIGKILL])
def test_jobs_outlive_a_server_or_say_that_they_did_not(
    lake: Settings, tmp_path: Path, way: signal.Signals
) -> None:
    folder = tmp_path / "jobs"
    with serving(lake, serve_tap_dir=folder) as server:
        done, pending = run(server, "SELECT * FROM stations"), make(server, COUNT)
        assert wait(server, done) == "COMPLETED"
        answer = server.get(f"{done}/results/result").body
        working, waiting = run(server, ENDLESS), run(server, COUNT)
        until(server, working, "EXECUTING")
        assert phase(server, waiting) == "QUEUED"
        removed = make(server, COUNT)
        (folder / removed.rsplit("/", 1)[1] / "job.json").write_text("{")
        server.process.send_signal(way)
        server.process.wait(30)
    (folder / ("A" * 22)).mkdir()
    (folder / "somebodys").mkdir()
    (folder / "somebodys" / "letter.txt").write_text("not ours")
    with serving(lake, serve_tap_dir=folder) as server:
        assert (folder / "somebodys" / "letter.txt").read_text() == "not ours"
        assert not (folder / ("A" * 22)).exists()
        assert server.get(f"{done}/results/result").body == answer
        assert phase(server, working) == "ERROR"
        assert "Run it again" in failure(server.get(f"{working}/error"))
        assert wait(server, waiting) == "COMPLETED"
        assert phase(server, pending) == "PENDING"
        assert server.get(removed).status == 404
        assert not list(folder.glob("*/*.part"))
        second = Command(GMN_DATA_DIR=str(lake.data_dir), GMN_SERVE_TAP_DIR=str(folder))
        assert "Another server has the jobs" in second.refuses("serve", "--port", str(free_port()))


def test_without_a_folder_of_their_own_they_go_with_the_server(
    lake: Settings, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    os.environ["TMPDIR"], before = str(temporary), os.environ.get("TMPDIR")
    try:
        for way in (signal.SIGKILL, signal.SIGTERM):
            with serving(lake) as server:
                job = run(server, COUNT)
                assert wait(server, job) == "COMPLETED"
                found = list(temporary.rglob("job.json"))
                assert [json.loads(one.read_text())["phase"] for one in found] == ["COMPLETED"]
                assert all(one.stat().st_mode & 0o077 == 0 for one in temporary.iterdir())
                server.process.send_signal(way)
                server.process.wait(30)
        assert list(temporary.rglob("job.json")) == []
    finally:
        del os.environ["TMPDIR"]
        if before is not None:
            os.environ["TMPDIR"] = before


def test_no_process_of_a_query_is_left(server: Server) -> None:
    job = run(server, ENDLESS)
    until(server, job, "EXECUTING")
    before = children(server)
    post(server, job, b"", method="DELETE")
    server.wait_for(lambda: before - children(server))
    assert rows(ask(server, COUNT)) == [(534,)]


def children(server: Server) -> set[str]:
    told = subprocess.run(
        ["ps", "--ppid", str(server.process.pid), "-o", "pid="], capture_output=True, text=True
    )
    return set(told.stdout.split())
