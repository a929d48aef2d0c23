"""Ready questions over HTTP answer what they answer elsewhere."""

import io
import json

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from gmn_pipeline.queries.canned.catalogue import OBJECTS, CannedQuery, all_queries
from gmn_pipeline.settings import Settings
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline_tests.support.server import Server
from gmn_pipeline_tests.support.warehouse import ask


def needed(lake: Settings, query: CannedQuery) -> dict[str, str]:
    """A value for each parameter that has to be there."""
    ((trajectory,),) = ask(
        lake, "SELECT trajectory_identifier FROM trajectories WHERE revision = 2"
    )
    texts = {
        "trajectory": trajectory, "station": "UK0051", "since": "2020-01-01",
        "time": "2022-03-05T01:00:00", "country": "UK", "date": "2022-03-04",
    }  # fmt: skip
    return {p.name: texts.get(p.name, "50") for p in query.parameters if p.is_required}


@pytest.mark.parametrize("query", all_queries(), ids=lambda query: query.name)
def test_an_answer_is_that_of_the_query(server: Server, lake: Settings, query: CannedQuery) -> None:
    given = needed(lake, query)
    reply = server.get(f"/gmn/queries/{query.name}.arrow", given)
    assert reply.status == 200, reply.body
    with WarehouseConnection(lake).open(read_only=True) as connection:
        ours = connection.execute(query.sql, query.values(given)).pl()
    theirs = pl.DataFrame(pl.from_arrow(pa.ipc.open_stream(reply.body).read_all()))
    assert_frame_equal(theirs, ours)


def test_the_list_says_what_there_is_and_what_it_takes(server: Server) -> None:
    told = server.get("/gmn_data_store/queries.json").json["queries"]
    assert [one["name"] for one in told] == [query.name for query in all_queries(OBJECTS)]
    for one in told:
        if not one["needs"] and not any(p["is_required"] for p in one["parameters"]):
            assert server.get(one["address"], method="HEAD").status == 200


def test_parameters_change_the_answer_and_wrong_ones_are_refused(
    server: Server, lake: Settings
) -> None:
    path = "/gmn/queries/seen_from.csv"
    near = server.get("/gmn/queries/near_orbit.ndjson", {"criterion": "d_d", "below": "0.5"})
    rows = [json.loads(line) for line in near.body.splitlines()]
    assert all(row["d_d"] <= 0.5 for row in rows)
    for wrong in ({"criterion": "d_x"}, {"below": "-1"}, {"below": "x"}, {"speed": "1"}):
        reply = server.get("/gmn/queries/near_orbit.csv", wrong)
        assert reply.status == 400, reply.body
    assert server.get("/gmn/queries/revisions.csv").status == 400
    assert server.get("/gmn/queries/nothing.csv").status == 404
    no_objects = server.get("/gmn/queries/images_that_show.json")
    assert (no_objects.status, no_objects.json["detail"]) == (
        404, "Nothing was read out of objects here yet.",
    )  # fmt: skip
    assert server.get("/gmn/queries/stations.kml").status == 404
    assert server.get(path, {"_as_of": "2001-01-01"}).status in (400, 410)
    text = server.get("/gmn/queries/revisions.csv", {"trajectory": "' OR 1=1 --"})
    assert text.status == 200
    assert pl.read_csv(io.BytesIO(text.body)).height == 0
