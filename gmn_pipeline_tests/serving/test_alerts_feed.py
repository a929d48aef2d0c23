"""What alerts told, over HTTP: for programs, and as a feed that feed readers take."""

from datetime import datetime

from gmn_pipeline.database.alerts import AlertStore
from gmn_pipeline.database.engine import open_database
from gmn_pipeline.schemas.alerts import About, Notice, NoticeKind
from gmn_pipeline_tests.support.feeds import feed
from gmn_pipeline_tests.support.sample import Bench
from gmn_pipeline_tests.support.server import serving

NOON = datetime(2026, 8, 12, 12)


def test_notices_are_a_feed_whose_ids_stay(bench: Bench) -> None:
    store = AlertStore(open_database(bench.settings))
    dew = About("<dew> & more", "ES0001", "1")
    with serving(bench.settings) as server:
        assert server.get("/readings/alerts.json").json == {"notices": []}
        assert feed(server, "/readings/alerts.atom").entries == []
        for kind in (NoticeKind.RAISED, NoticeKind.RECOVERED):
            store.record({}, [Notice(dew, kind, "wet", NOON, NOON)], [])
        told = server.get("/readings/alerts.json").json["notices"]
        assert [(one["number"], one["kind"]) for one in told] == [(2, "recovered"), (1, "raised")]
        entries = feed(server, "/readings/alerts.atom").entries
        assert [one.id.rpartition("/")[2] for one in entries] == ["2", "1"]
        assert [one.title for one in entries] == [
            "ES0001: <dew> & more is over", "ES0001: <dew> & more",
        ]  # fmt: skip
