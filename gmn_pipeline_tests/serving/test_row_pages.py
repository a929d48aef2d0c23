"""A row by its primary key, at Datasette's address."""

import pytest

from gmn_pipeline.serving.tables.order import written
from gmn_pipeline.serving.tables.relations import RELATIONS, Relation
from gmn_pipeline_tests.support.server import Server

_WITH_ROWS = [one for one in RELATIONS if one.name != "trajectories"]


@pytest.mark.parametrize("relation", _WITH_ROWS, ids=lambda one: one.name)
@pytest.mark.parametrize("store", ["gmn", "gmn_data_store"])
def test_each_row_of_a_page_is_found_by_its_key(
    server: Server, store: str, relation: Relation
) -> None:
    table = f"/{store}/{relation.name}"
    rows = server.get(f"{table}.json?_shape=array&_size=3").json
    for row in rows:
        key = written([None if row[name] is None else str(row[name]) for name in relation.key])
        found = server.get(f"{table}/{key}.json?_shape=array")
        assert found.status == 200, found.body
        assert found.json == [row]


def test_a_row_says_what_it_is(server: Server) -> None:
    row = server.get("/gmn_data_store/meteor.json?_shape=array&_size=1").json[0]
    found = server.get(f"/gmn_data_store/meteor/{written([row['id']])}.json")
    said = found.json
    assert said["columns"] == list(row)
    assert said["rows"] == [list(row.values())]
    assert (said["database"], said["table"]) == ("gmn_data_store", "meteor")
    assert (said["primary_keys"], said["primary_key_values"]) == (["id"], [written([row["id"]])])
    assert str(said["snapshot"]) == found.headers["GMN-Snapshot"]
    again = server.get(
        f"/gmn_data_store/meteor/{written([row['id']])}.json",
        headers={"If-None-Match": found.headers["ETag"]},
    )
    assert again.status == 304


def test_columns_are_chosen_as_on_a_page(server: Server) -> None:
    found = server.get("/gmn/stations/1.json?_col=station_code&_shape=objects").json
    assert list(found["rows"][0]) == ["station_number", "station_code"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/gmn/meteor/nobody.json", 404),
        ("/gmn/stations/4711.json", 404),
        ("/gmn/stations/abc.json", 400),
        ("/gmn/stations/1,2.json", 400),
        ("/gmn/trajectory_stations/one.json", 400),
        ("/gmn/stations/~ZZ.json", 400),
        ("/gmn/stations/1.json?_col=nothing", 400),
        ("/gmn/stations/1.json?_as_of=2001-01-01", 410),
        ("/gmn/meteor/'%20OR%201=1%20--.json", 404),
    ],
)
def test_what_is_no_row_is_said(server: Server, path: str, status: int) -> None:
    reply = server.get(path)
    assert (reply.status, reply.json["status"]) == (status, status)
