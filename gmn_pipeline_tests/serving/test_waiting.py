"""Dates of which something was landed that is not in the warehouse, as the server tells them."""

from gmn_pipeline.database.ledger import open_ledger
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.flows.waiting_dates import landing_of, waiting_dates
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.server import Server, serving


def told(server: Server) -> list[tuple[str, str, str | None]]:
    reply = server.get("/gmn/waiting.json")
    assert reply.status == 200, reply.body
    return [(one["bin_date"], one["state"], one["stage"]) for one in reply.json["dates"]]


def test_a_date_waits_until_it_is_loaded_and_fails_until_it_is_tried_again(bench: Bench) -> None:
    bench.put(DAILY, sample().first(20))
    load_days([DAY], bench.settings)
    day = DAY.isoformat()
    with serving(bench.settings) as server:
        assert told(server) == []
        newer = sample().first(25).stamped("2022-03-20 00:00:00")
        bench.put(DAILY, newer)
        bench.land()
        assert told(server) == [(day, "landed", None)]
        bench.put(DAILY, b"no summary at all\n")
        load_days([DAY], bench.settings)
        [(when, state, stage)] = told(server)
        assert (when, state) == (day, "failed")
        assert stage
        bench.put(DAILY, newer.stamped("2022-03-21 00:00:00"))
        load_days([DAY], bench.settings)
        server.wait_for(lambda: told(server) == [])  # it looks for commits at times


def test_without_a_ledger_nothing_waits(bench: Bench) -> None:
    assert waiting_dates(landing_of(open_ledger(bench.settings)), ()) == []
