"""What the Python client reads of a real server is what the warehouse has."""

import asyncio
import inspect
import io
import re
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gmn_client import (
    AsyncClient,
    BadRequest,
    Client,
    Condition,
    NotFound,
    NothingRead,
    Progress,
    SnapshotGone,
    Truncated,
    c,
    columns,
    conditions,
    units,
)
from gmn_client.async_client import AsyncAnswer
from gmn_client.client import Answer
from gmn_pipeline.schemas.trajectory_tables import TRAJECTORIES
from gmn_pipeline.serving.tables.relations import READINGS_RELATIONS
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.server import Server
from gmn_pipeline_tests.support.warehouse import ask

ID = "trajectory_identifier"


def ours(lake: Settings, condition: str) -> list[str]:
    rows = ask(lake, f"SELECT {ID} FROM trajectories WHERE {condition} ORDER BY {ID}")
    return [row[0] for row in rows]


def ids(table: pa.Table) -> list[str]:
    return sorted(table.column(ID).to_pylist())


def test_all_of_it_comes_in_each_form(gmn: Client, lake: Settings) -> None:
    answer = gmn.trajectories()
    assert answer.snapshot is None
    table = answer.arrow()
    assert table.column_names == list(TRAJECTORIES.columns)
    assert ids(table) == ours(lake, "true")
    assert answer.snapshot == gmn.state().snapshot
    assert units(table.schema)["vgeo_km_s"] == "km/s"
    frame = answer.polars()
    assert frame.equals(pl.from_arrow(table))
    of_pandas = answer.pandas()
    assert len(of_pandas) == table.num_rows
    assert of_pandas.attrs["units"]["vgeo_km_s"] == "km/s"
    assert answer.duckdb().aggregate("count(*)").fetchall() == [(table.num_rows,)]
    with duckdb.connect() as connection:
        fastest = answer.duckdb(connection).max("vgeo_km_s").fetchone()
    assert fastest == (frame["vgeo_km_s"].max(),)
    batches = list(answer)
    assert sum(batch.num_rows for batch in batches) == table.num_rows == answer.count()
    pages = list(answer.pages(200))
    assert [len(page.rows) for page in pages] == [200, 200, 134]
    assert [page.total_rows for page in pages] == [534, None, None]
    assert sorted(row[ID] for page in pages for row in page.rows) == ids(table)


SPEED = "vgeo_km_s"
SELECTED: dict[str, tuple[dict[str, Any], str]] = {
    "a shower": ({"shower": "flo"}, "iau_shower_code = 'FLO'"),
    "showers": ({"shower": ["FLO", "TSB"]}, "iau_shower_code IN ('FLO', 'TSB')"),
    "sporadics": ({"shower": "sporadic"}, "iau_shower_number = -1"),
    "a time": ({"since": "2022-03-05T20:00:00"}, "beginning_utc_time >= '2022-03-05 20:00:00'"),
    "a time with a zone": (
        {"since": datetime(2022, 3, 5, 22, tzinfo=timezone(timedelta(hours=2)))},
        "beginning_utc_time >= '2022-03-05 20:00:00'",
    ),
    "a date": ({"until": date(2022, 3, 4)}, "beginning_utc_time < '2022-03-05'"),
    "a date as a text": ({"until": "2022-03-04"}, "beginning_utc_time < '2022-03-05'"),
    "a station": ({"stations": "UK0051"}, "list_contains(participating_stations, 'UK0051')"),
    "stations": (
        {"stations": ["UK0051", "US0003"]},
        "list_has_any(participating_stations, ['UK0051', 'US0003'])",
    ),
    "conditions": (
        {"where": [c.vgeo_km_s.between(20, 30), c.station_count >= 3]},
        "vgeo_km_s BETWEEN 20 AND 30 AND station_count >= 3",
    ),
    "one condition": ({"where": c.mean_anomaly_deg.is_null()}, "mean_anomaly_deg IS NULL"),
    "the grammar": (
        {"where": {"vgeo_km_s__gt": 60, "begin_in_fov": True, "mean_anomaly_deg__notnull": None}},
        "vgeo_km_s > 60 AND begin_in_fov AND mean_anomaly_deg IS NOT NULL",
    ),
    "numbers of numpy's": (
        {"where": [c.vgeo_km_s > np.float64(30), c.vgeo_km_s < np.float32(40),
                   c.station_count.is_in(np.array([2, 3])), c.begin_in_fov == np.bool_(True)]},
        "vgeo_km_s > 30 AND vgeo_km_s < 40 AND station_count IN (2, 3) AND begin_in_fov",
    ),
    "all at once": (
        {"shower": "sporadic", "since": "2022-03-05", "stations": ["UK0051"],
         "where": [c.end_in_fov == True, c.iau_shower_code != "FLO"]},  # noqa: E712
        "iau_shower_number = -1 AND beginning_utc_time >= '2022-03-05' AND end_in_fov "
        "AND list_contains(participating_stations, 'UK0051')",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SELECTED)
def test_what_is_selected_is_what_the_same_in_sql_finds(
    gmn: Client, lake: Settings, name: str
) -> None:
    given, condition = SELECTED[name]
    expected = ours(lake, condition)
    assert 0 < len(expected) < 534
    assert ids(gmn.trajectories(**given).arrow()) == expected


def test_columns_and_their_order_are_chosen(gmn: Client) -> None:
    found = gmn.trajectories(columns=["vgeo_km_s"], sort="vgeo_km_s", descending=True).arrow()
    assert found.column_names == [ID, "vgeo_km_s"]
    speeds = found.column("vgeo_km_s").to_pylist()
    assert speeds == sorted(speeds, reverse=True)
    nothing = gmn.trajectories(where=[c.vgeo_km_s > 500])
    assert nothing.arrow().schema.names == list(TRAJECTORIES.columns)
    assert (nothing.polars().height, nothing.count(), list(nothing)) == (0, 0, [])


def test_what_stands_in_a_value_stays_a_value(gmn: Client) -> None:
    for text in ("a,b", "ä & b=c#?%", "[x", "'; DROP TABLE trajectories", "+"):
        assert gmn.trajectories(where=[c.iau_shower_code.is_in([text, "FLO"])]).count() > 0
        assert gmn.trajectories(where=[c.iau_shower_code == text]).count() == 0
    for nothing in ("", None):
        with pytest.raises(ValueError, match="isnull"):
            gmn.trajectories(where=[c.iau_shower_code == nothing])  # type: ignore[list-item]
        with pytest.raises(ValueError, match="isnull"):
            gmn.trajectories(where={"iau_shower_code": nothing})
    with pytest.raises(ValueError, match="empty"):
        gmn.trajectories(since="")
    with pytest.raises(TypeError, match="between"):
        assert 58 < c.vgeo_km_s < 60
    with pytest.raises(ValueError, match="codes or by numbers"):
        gmn.trajectories(shower=["PER", 7])


def test_tables_ready_questions_and_sql(gmn: Client, lake: Settings) -> None:
    stations = gmn.table("stations", where={"station_code__startswith": "UK"}).arrow()
    assert stations.num_rows == len(ask(lake, "FROM stations WHERE station_code LIKE 'UK%'"))
    activity = gmn.query("shower_activity", shower="FLO", step_deg=0.5).arrow()
    assert activity.column("shower").to_pylist()
    assert {"shower_activity", "near_orbit"} <= {one.name for one in gmn.queries()}
    found = gmn.sql("SELECT iau_code, count(*) AS n FROM meteor_summary GROUP BY ALL ORDER BY n")
    assert found.arrow().column_names == ["iau_code", "n"]
    assert (len(found), found.truncated) == (found.polars().height, False)
    assert len(gmn.sql("SELECT 1 AS n WHERE false").pandas()) == 0
    many = "SELECT a.id FROM meteor a, meteor b"
    with pytest.raises(Truncated, match="1,000"):
        gmn.sql(many)
    assert len(gmn.sql(many, truncated=True)) == 1000
    identifier = gmn.trajectories(sort="vgeo_km_s").arrow().column(ID)[0].as_py()
    assert gmn.trajectory(identifier)["current"][ID] == identifier


def test_a_former_state_is_read_and_named(gmn: Client, lake: Settings) -> None:
    times = ask(lake, "SELECT DISTINCT loaded_at_utc FROM source_files ORDER BY 1")
    now = gmn.trajectories(where=[c.revision == 2])
    then = gmn.trajectories(where=[c.revision == 2], as_of=times[-1][0])
    assert (now.count(), then.count()) == (1, 0)
    assert then.snapshot is not None
    assert now.snapshot is not None
    assert then.snapshot < now.snapshot
    by_number = gmn.trajectories(as_of=then.snapshot)
    assert by_number.count() == 534
    assert by_number.snapshot == then.snapshot
    with pytest.raises(SnapshotGone):
        gmn.trajectories(as_of="2001-01-01").arrow()


def test_a_citation_names_state_and_rows(gmn: Client, server: Server) -> None:
    answer = gmn.trajectories(shower="FLO")
    with pytest.raises(NothingRead):
        answer.cite()
    rows = answer.arrow().num_rows
    citation = answer.cite()
    assert f"state {answer.snapshot} of the warehouse" in str(citation)
    assert f"{rows} rows" in str(citation)
    assert f"_as_of={answer.snapshot}" in citation.text
    assert f"{datetime.now(UTC):%Y}" in citation.text
    assert citation.bibtex.count("{") == citation.bibtex.count("}")
    assert f"@misc{{gmn-state-{answer.snapshot}-" in citation.bibtex
    assert "10.1093/mnras/stab2008" in citation.bibtex
    # The address of the citation leads to the same rows.
    path = citation.text.partition(server.url)[2].partition(" (read")[0]
    assert pq.read_table(io.BytesIO(server.get(path).body)).num_rows == rows
    odd = gmn.sql("SELECT {'a~b': 1} AS \"}^\\\"").cite()
    assert "SELECT {'a~b': 1}" in odd.text
    assert odd.bibtex.count("{") == odd.bibtex.count("}")


def test_a_file_is_saved_whole(gmn: Client, tmp_path: Path) -> None:
    answer = gmn.trajectories(shower="FLO")
    assert pq.read_table(answer.save(tmp_path / "flo.parquet")).equals(answer.arrow())
    assert answer.save(tmp_path / "flo.summary.txt").read_text().startswith("# Summary")
    assert answer.save(tmp_path / "out", "csv").read_text().startswith(f"{ID},")
    with pytest.raises(NotFound):
        answer.save(tmp_path / "flo.xlsx")
    assert len(list(tmp_path.iterdir())) == 3


def test_progress_is_told(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Progress] = []
    with Client(server.url, progress=told.append) as gmn:
        gmn.trajectories().arrow()
        gmn.query("nights").arrow()
    first = next(now for now in told if now.is_done)
    assert (first.rows, first.total_rows, first.is_done) == (534, 534, True)
    assert told[-1].total_rows is None
    assert [now.rows for now in told[: told.index(first)]] == sorted(
        now.rows for now in told[: told.index(first)]
    )
    with Client(server.url, progress=True) as gmn:
        gmn.trajectories().arrow()
    assert "534 rows" in capsys.readouterr().out
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    with Client(server.url, progress=True) as gmn:
        gmn.trajectories().arrow()
    assert re.search(r"534/534 .*rows/s", capsys.readouterr().err)
    with Client(server.url, progress=told.append) as gmn:
        for _ in gmn.trajectories():
            break
    assert told[-1].is_done  # a bar must not go on for ever


def test_errors_say_what_the_server_said(gmn: Client) -> None:
    with pytest.raises(BadRequest, match="There is no column 'vgeo'") as caught:
        gmn.table("trajectories", where={"vgeo__gt": 1}).arrow()
    assert (caught.value.status, caught.value.kind) == (400, "bad-request")
    with pytest.raises(BadRequest, match="SELECT"):
        gmn.sql("DELETE FROM trajectories")
    with pytest.raises(NotFound):
        gmn.table("nothing").arrow()  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        gmn.trajectory("20220304220741_xxxxx")


# The awaited client ------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_the_awaited_client_reads_the_same(
    server: Server, gmn: Client, tmp_path: Path
) -> None:
    async with AsyncClient(server.url) as other:
        answer = other.trajectories(shower="FLO")
        table, again = await asyncio.gather(
            answer.arrow(), other.trajectories(shower="FLO").arrow()
        )
        expected = gmn.trajectories(shower="FLO")
        assert ids(table) == ids(again) == ids(expected.arrow())
        assert (await answer.polars()).height == len(await answer.pandas())
        assert sum([batch.num_rows async for batch in answer]) == await answer.count()
        assert [len(page.rows) async for page in answer.pages(4)] == [4, 3]
        assert (await answer.duckdb()).aggregate("count(*)").fetchall() == [(table.num_rows,)]
        assert answer.snapshot == expected.snapshot
        assert answer.cite().bibtex == expected.cite().bibtex
        assert pq.read_table(await answer.save(tmp_path / "flo.parquet")).num_rows == table.num_rows
        assert len(await other.sql("SELECT 1")) == 1
        assert (await other.state()) == gmn.state()
        assert [one.name for one in await other.queries()] == [one.name for one in gmn.queries()]
        assert len(await other.changes(0)) == 534
        with pytest.raises(BadRequest):
            await other.table("trajectories", where={"vgeo__gt": 1}).arrow()
        async for _ in answer:  # and given up
            break


def test_both_clients_have_the_same_methods() -> None:
    def public(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_") or name == "__init__"
        }

    assert public(Client) == public(AsyncClient)
    assert public(Answer) == public(AsyncAnswer)


# Names -------------------------------------------------------------------------------------------


def test_the_client_knows_the_names_of_the_server(server: Server) -> None:
    """The module is written from schemas/; this holds it to what a server says of itself."""
    paths = server.get("/openapi.json").json["paths"]
    (filters,) = (
        p["schema"] for p in paths["/{store}/trajectories.json"]["get"]["parameters"]
        if p["name"] == "filters"
    )  # fmt: skip
    own = {name: kind for name, kind in vars(columns.Trajectories).items() if name[0] != "_"}
    assert list(own) == list(filters["properties"]) == list(columns.TrajectoryColumn.__args__)
    (pattern,) = filters["patternProperties"]
    operators = set(pattern.rpartition("(")[2].strip(")$").split("|"))
    said: set[str] = set(conditions.LONE)
    for kind in (conditions.Number, conditions.Time, conditions.Text, conditions.Texts):
        column = kind("x")
        for name, method in inspect.getmembers(column, inspect.ismethod):
            if name in ("__eq__", "__gt__", "is_in") or name[0] != "_":
                count = len(inspect.signature(method).parameters)
                made = method(*["1"] * count)
                assert isinstance(made, Condition)
                said |= {pair[0].rpartition("__")[2] for pair in made.pairs}
    assert said <= operators
    tables = {
        p.split("/")[2].removesuffix(".json")
        for p in paths
        if p.endswith(".json") and p.count("/") == 2 and p.startswith("/{store}")
    } - {relation.name for relation in READINGS_RELATIONS}
    assert set(columns.TableName.__args__) == tables - {"queries", "states", "tables", "waiting"}
    assert set(columns.QueryName.__args__) == {
        p.split("/")[3].removesuffix(".{suffix}")
        for p in paths
        if p.startswith("/{store}/queries/")
    }
