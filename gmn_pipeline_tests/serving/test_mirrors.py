"""One trajectory with its past, and what changed: who follows has exactly our rows."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, Summary, sample
from gmn_pipeline_tests.support.server import Reply, Server, serving
from gmn_pipeline_tests.support.warehouse import ask, maintain

ID = "trajectory_identifier"
Rows = dict[str, dict[str, Any]]


def changes(server: Server, since: object) -> Reply:
    reply = server.get("/gmn/changes.ndjson", {"since": since})
    assert reply.status == 200, reply.body
    return reply


def lines(reply: Reply) -> list[dict[str, Any]]:
    return [json.loads(line) for line in reply.body.splitlines()]


class Mirror:
    """Rows of another place, which follows by changes alone."""

    def __init__(self) -> None:
        self.state = 0
        self.rows: Rows = {}
        self.said: set[str] = set()

    def follow(self, server: Server) -> None:
        reply = changes(server, self.state)
        order = []
        for line in lines(reply):
            change, when = line.pop("change"), line.pop("changed_at_utc")
            former = line.pop("former_revision")
            known = self.rows.pop(line[ID], None)
            assert (known and known["revision"]) == former
            if change != "withdrawn":
                self.rows[line[ID]] = line
            order.append((when, line[ID]))
            self.said.add(change)
        assert order == sorted(order) or not self.state
        self.state = int(reply.headers["GMN-Snapshot"])


def all_rows(server: Server) -> Rows:
    reply = server.get("/gmn/trajectories.ndjson")
    return {row[ID]: row for row in lines(reply)}


def versions() -> list[Summary]:
    """The same file again and again: more rows, other values, fewer rows, back again."""
    some = sample()
    return [
        some.first(40).stamped("2022-03-20 00:00:00"),
        some.first(60).with_fields(3, vgeo_km_s="   38.00000").stamped("2022-03-21 00:00:00"),
        some.first(20).stamped("2022-03-22 00:00:00"),
        some.first(20).with_fields(5, vgeo_km_s="   39.00000").stamped("2022-03-23 00:00:00"),
        some.first(50).stamped("2022-03-24 00:00:00"),
    ]


def test_mirrors_have_our_rows_and_pages_stay_as_they_were(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, run_retries=0)
    chance = random.Random(5)
    mirrors = [Mirror() for _ in range(3)]
    bench.put(DAILY, sample().first(30))
    load_days([DAY], bench.settings)
    before_all = ask(
        bench.settings, f"SELECT {ID}, vgeo_km_s FROM trajectories ORDER BY vgeo_km_s, {ID}"
    )  # fmt: skip
    with serving(bench.settings) as server:
        first = server.snapshot
        pages = server.pages("/gmn/trajectories.json?_sort=vgeo_km_s&_col=vgeo_km_s&_size=8")
        seen = next(pages).json["rows"]
        for number, version in enumerate(versions()):
            before = server.snapshot
            bench.put(DAILY, version)
            load_days([DAY], bench.settings)
            if number == 2:
                maintain(bench.settings)
            server.wait_for(lambda seen=before: server.snapshot > seen)
            for mirror in mirrors:
                if mirror is mirrors[0] or chance.random() < 0.4:
                    mirror.follow(server)
        newest = server.snapshot
        ours = all_rows(server)
        for mirror in mirrors:
            mirror.follow(server)
            assert (mirror.state, mirror.rows) == (newest, ours)
        mirrors[0].follow(server)  # nothing new
        assert mirrors[0].rows == ours
        assert mirrors[0].said >= {"inserted", "revised", "withdrawn"}
        assert lines(changes(server, newest)) == []
        assert {line["change"] for line in lines(changes(server, first))} <= {
            "inserted", "revised", "relabelled",
        }  # fmt: skip
        assert server.get(f"/gmn/changes.ndjson?since={first}&_as_of={first}").body == b""
        assert server.get(f"/gmn/changes.ndjson?since={newest}&_as_of={first}").status == 400
        _trajectories_have_their_past(server, bench.settings)
        # Pages that were begun before all that.
        for page in pages:
            assert page.headers["GMN-Snapshot"] == str(first)
            assert page.json["filtered_table_rows_count"] == 30
            seen += page.json["rows"]
        assert seen == [list(row) for row in before_all]


def _trajectories_have_their_past(server: Server, settings: Settings) -> None:
    """All of them, of which some were withdrawn and came back."""
    history = ask(
        settings, f"SELECT {ID}, revision, vgeo_km_s, change, is_current FROM trajectory_history "
        f"ORDER BY {ID}, revision",
    )  # fmt: skip
    for identifier in sorted({row[0] for row in history})[::10]:
        told = server.get(f"/gmn/trajectories/{identifier}.json").json
        ours = [row[1:] for row in history if row[0] == identifier]
        assert [
            (r["revision"], r["values"]["vgeo_km_s"], r["ended_by"], r["is_current"])
            for r in told["revisions"]
        ] == ours
        assert (told["current"] is not None) is ours[-1][-1]


# One trajectory -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def revised(lake: Settings) -> str:
    ((identifier,),) = ask(lake, f"SELECT {ID} FROM trajectories WHERE revision = 2")
    return str(identifier)


def test_a_trajectory_tells_its_past_its_files_and_its_stations(
    server: Server, lake: Settings, revised: str
) -> None:
    told = server.get(f"/gmn/trajectories/{revised}.json").json
    assert list(told["current"]) == list(TRAJECTORIES.columns)
    assert told["current"]["vgeo_km_s"] == 38.0
    first, second = told["revisions"]
    assert (first["ended_by"], first["is_current"], second["is_current"]) == (
        "revised",
        False,
        True,
    )
    assert first["changes"] == {}
    assert second["changes"]["vgeo_km_s"] == {"from": first["values"]["vgeo_km_s"], "to": 38.0}
    assert set(second["changes"]) == {
        "vgeo_km_s", "source_file_sha256", "summary_generated_at_utc",
    }  # fmt: skip
    assert second["valid_from_utc"] == first["valid_until_utc"]
    files = {one["source_file_sha256"] for one in told["source_files"]}
    assert files == {first["source_file_sha256"], second["source_file_sha256"]}
    codes = [one["station_code"] for one in told["stations"]]
    assert codes == sorted(told["current"]["participating_stations"])
    assert told["raw_line"].startswith(revised)
    assert "38.00000" in told["raw_line"]
    assert told["units"]["vgeo_km_s"] == "km/s"
    assert told["snapshot"] == server.snapshot


def test_a_trajectory_is_told_as_it_was_then(server: Server, lake: Settings, revised: str) -> None:
    loads = ask(lake, "SELECT loaded_at_utc FROM source_files ORDER BY 1")
    path = f"/gmn_data_store/trajectories/{revised}.json"
    told = server.get(path, {"_as_of": loads[-1][0].isoformat()}).json
    assert [one["revision"] for one in told["revisions"]] == [1]
    assert told["current"]["revision"] == 1


def test_a_trajectory_that_there_is_not_is_a_404(server: Server) -> None:
    for name in ("20220304220741_xxxxx", "nothing", "%27%20OR%201=1", "..%2f..%2fetc"):
        assert server.get(f"/gmn/trajectories/{name}.json").status == 404, name


def test_since_is_a_state_or_a_time(server: Server, lake: Settings, revised: str) -> None:
    loads = ask(lake, "SELECT loaded_at_utc FROM source_files ORDER BY 1")
    (only,) = lines(changes(server, loads[-1][0].isoformat()))
    assert (only["change"], only[ID], only["vgeo_km_s"]) == ("revised", revised, 38.0)
    assert len(lines(changes(server, 0))) == 534
    assert server.get("/gmn/changes.csv?since=0").body.startswith(b"change,changed_at_utc,")
    for wrong, status in (("", 400), ("then", 400), ("999999", 410), ("2001-01-01", 410)):
        assert server.get("/gmn/changes.ndjson", {"since": wrong}).status == status, wrong
