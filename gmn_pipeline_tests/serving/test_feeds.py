"""Atom feeds: valid, with ids that stay, and with what is not there any more."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from lxml import etree
from starlette.requests import HTTPConnection

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.serving.feeds import atom
from gmn_pipeline.serving.feeds.event_names import taken_over
from gmn_pipeline.serving.feeds.links import base_of
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support import feeds
from gmn_pipeline_tests.support.feeds import ReadFeed, feed, pages
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, Summary, sample
from gmn_pipeline_tests.support.server import Server, serving
from gmn_pipeline_tests.support.warehouse import ask

TAG = "tag:globalmeteornetwork.org,2026:"
NEWEST = "/gmn/feeds/trajectories.atom"
CHANGES = "/gmn/feeds/changes.atom"
OLD = "/gmn_data_store/meteor_summary_feed.atom"
ROWS = 30
SOLVED, RENAMED, WITHDRAWN, MOVED, BACK = 3, 4, 6, 8, 10
"""Rows that are solved anew, get another identifier, go, change their shower, go and come back."""


@dataclass
class Place:
    settings: Settings
    server: Server
    states: list[int]
    """The state after each load."""
    names: list[str]
    """Identifiers of the rows of the first load."""


def renamed(number: int) -> str:
    return f"{sample().rows[RENAMED][0].strip()[:14]}_same{number}"


def versions() -> Iterator[Summary]:
    first = sample().first(ROWS).with_fields(MOVED, iau_shower_code="  PER", iau_shower_number="7")
    yield first.stamped("2022-03-20 00:00:00")
    second = first.with_fields(SOLVED, vgeo_km_s="   39.00000")
    second = second.with_fields(RENAMED, trajectory_identifier=renamed(1))
    second = second.with_fields(MOVED, iau_shower_code="  ...", iau_shower_number=" -1")
    kept = [row for n, row in enumerate(second.rows) if n not in (WITHDRAWN, BACK)]
    yield replace(second, rows=tuple(kept)).stamped("2022-03-21 00:00:00")
    third = second.with_fields(RENAMED, trajectory_identifier=renamed(2), vgeo_km_s="   40.00000")
    kept = [row for n, row in enumerate(third.rows) if n != WITHDRAWN]
    yield replace(third, rows=tuple(kept)).stamped("2022-03-22 00:00:00")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    bench = Bench(tmp_path_factory.mktemp("feeds"), run_retries=0)
    with serving(bench.settings, serve_page_rows=200) as server:
        states: list[int] = []
        for version in versions():
            bench.put(DAILY, version)
            load_days([DAY], bench.settings)
            newest = f"SELECT max(snapshot_id) FROM {SNAPSHOTS}"
            states.append(int(ask(bench.settings, newest)[0][0]))
            server.wait_for(lambda: server.get("/readyz").status == 200)
            server.wait_for(lambda: server.snapshot >= states[-1])
        names = [row[0].strip() for row in next(versions()).rows]
        yield Place(bench.settings, server, states, names)


SNAPSHOTS = "ducklake_snapshots('warehouse')"


def event(name: str) -> str:
    return f"{TAG}event/{name}"


def at(place: Place, load: int, path: str = NEWEST, **parameters: object) -> ReadFeed:
    """As it was after a load."""
    return feed(place.server, path, _as_of=place.states[load], **parameters)


# What is in a feed --------------------------------------------------------------------------------


def test_newest_first_and_all_of_them_over_pages(place: Place) -> None:
    of_first = at(place, 0)
    assert {entry.id for entry in of_first.entries} == set(map(event, place.names))
    assert [e.title[:19] for e in of_first.entries] == sorted(
        (e.title[:19] for e in of_first.entries), reverse=True
    )
    assert {entry.state for entry in of_first.entries} == {"current"}
    for path in (NEWEST, OLD):
        whole = feed(place.server, path, _as_of=place.states[-1])
        seen = list(pages(place.server, NEWEST, _size=7))
        assert len(seen) == 5
        assert [entry for page in seen for entry in page.entries] == [
            replace(entry, link=entry.link.replace("/gmn_data_store/", "/gmn/"))
            for entry in whole.entries
        ]
        assert {page.id for page in seen} == {whole.id}


def test_pages_stand_on_one_state_and_links_lead_to_the_trajectory(place: Place) -> None:
    first = feed(place.server, NEWEST, _size=5)
    assert f"_as_of={place.states[-1]}" in first.links["next"]
    assert first.links["self"] == f"{place.server.url}{NEWEST}?_size=5"
    second = feed(place.server, first.links["next"].removeprefix(place.server.url))
    assert second.links["self"] == first.links["next"]
    assert feed(place.server, second.links["first"].removeprefix(place.server.url)).entries == (
        first.entries
    )
    told = place.server.get(first.entries[0].link.removeprefix(place.server.url))
    assert told.status == 200
    assert told.json["trajectory_identifier"] in first.entries[0].text


def test_an_id_survives_whatever_is_solved_anew(place: Place) -> None:
    before, after, last = (at(place, load).by_id for load in range(3))
    solved = event(place.names[SOLVED])
    assert (before[solved].state, after[solved].state) == ("current", "current")
    assert "39.0 km/s" in after[solved].title
    assert before[solved].updated < after[solved].updated == last[solved].updated
    # The identifier changed, twice: it is the same event, and nothing was withdrawn.
    same = event(place.names[RENAMED])
    assert renamed(1) in after[same].link
    assert renamed(2) in last[same].link
    assert after[same].updated < last[same].updated
    for known in (before, after, last):
        assert known[same].state == "current"
        assert event(renamed(1)) not in known
        assert event(renamed(2)) not in known


def test_what_was_withdrawn_says_so_and_what_comes_back_is_there_again(place: Place) -> None:
    after, last = at(place, 1).by_id, at(place, 2).by_id
    gone, back = event(place.names[WITHDRAWN]), event(place.names[BACK])
    assert after[gone].state == last[gone].state == "withdrawn"
    assert after[gone].title.startswith("Withdrawn: 2022-03-0")
    assert after[back].state == "withdrawn"
    assert last[back].state == "current"
    assert after[back].updated < last[back].updated


def test_the_time_of_an_entry_is_that_of_its_revision(place: Place) -> None:
    sql = "SELECT valid_from_utc FROM trajectories WHERE trajectory_identifier = ?"
    ((since,),) = ask(place.settings, sql, place.names[SOLVED])
    entry = feed(place.server, NEWEST).by_id[event(place.names[SOLVED])]
    assert entry.updated.replace(tzinfo=None) == since


def test_a_shower_has_its_feed_and_who_left_it_says_so(place: Place) -> None:
    moved = event(place.names[MOVED])
    (before,) = at(place, 0, "/gmn/feeds/showers/per.atom").entries
    (after,) = at(place, 1, "/gmn/feeds/showers/PER.atom").entries
    assert (before.id, before.state) == (moved, "current")
    assert (after.id, after.state) == (moved, "solved-anew")
    assert after.updated > before.updated
    assert at(place, 1).by_id[moved].state == "current"
    assert feed(place.server, "/gmn/feeds/showers/GEM.atom").entries == []


def test_a_station_has_its_feed(place: Place) -> None:
    (code, _), *_ = ask(
        place.settings, "SELECT station_code, count(*) AS n FROM trajectory_stations "
        "GROUP BY 1 ORDER BY n DESC, 1",
    )  # fmt: skip
    sql = (
        "SELECT count(*) FROM trajectories "
        f"WHERE list_contains(participating_stations, '{code}')"
    )  # fmt: skip
    one = feed(place.server, f"/gmn/feeds/stations/{code.lower()}.atom")
    current = [entry for entry in one.entries if entry.state == "current"]
    assert len(current) == ask(place.settings, sql)[0][0] > 0
    assert all(code in entry.text for entry in one.entries)


def test_fireballs_are_as_bright_as_one_asks(place: Place) -> None:
    path = "/gmn/feeds/fireballs.atom"
    sql = "SELECT count(*) FROM trajectories WHERE peak_absolute_magnitude <= {}"
    for asked, magnitude in (({}, -4), ({"magnitude": "0.5"}, 0.5), ({"magnitude": " 2"}, 2)):
        one = feed(place.server, path, **asked)
        current = [entry for entry in one.entries if entry.state == "current"]
        assert len(current) == ask(place.settings, sql.format(magnitude))[0][0]
    assert place.server.get(path, {"magnitude": "bright"}).status == 400
    ids = {feed(place.server, path, **asked).id for asked in ({}, {"magnitude": 1})}
    assert len(ids) == 2


def test_changes_are_an_entry_each_that_never_changes(place: Place) -> None:
    seen = [entry for page in pages(place.server, CHANGES, _size=7) for entry in page.entries]
    assert len({entry.id for entry in seen}) == len(seen)
    times = [entry.updated for entry in seen]
    assert times == sorted(times, reverse=True)
    begun = ask(place.settings, "SELECT count(*) FROM trajectory_history")[0][0]
    ended = ask(
        place.settings, "SELECT count(*) FROM trajectory_revisions WHERE change = 'withdrawn'"
    )[0][0]
    assert len(seen) == begun + ended
    before = at(place, 1, CHANGES).by_id
    assert before.items() <= {entry.id: entry for entry in seen}.items()
    states = {entry.id: entry.state for entry in seen}
    back = f"{TAG}change/{place.names[BACK]}"
    assert states[f"{back}/1"] == states[f"{back}/2"] == "inserted"
    assert states[f"{back}/1/end"] == "withdrawn"
    assert states[f"{TAG}change/{place.names[SOLVED]}/2"] == "revised"


def test_changes_of_a_shower_have_those_who_left_it(place: Place) -> None:
    one = feed(place.server, CHANGES, iau_shower_code="PER")
    name = f"{TAG}change/{place.names[MOVED]}"
    assert [(entry.id, entry.state) for entry in one.entries] == [
        (f"{name}/2", "revised"), (f"{name}/1", "inserted"),
    ]  # fmt: skip


def test_filters_of_the_grammar_go_with_every_feed(place: Place) -> None:
    sql = "SELECT count(*) FROM trajectories WHERE vgeo_km_s > 30 AND station_count >= 3"
    parameters = {"vgeo_km_s__gt": 30, "station_count__gte": "3", "iau_shower_code": ""}
    one = feed(place.server, NEWEST, **parameters)
    assert sum(entry.state == "current" for entry in one.entries) == ask(place.settings, sql)[0][0]
    assert one.id == f"{TAG}feed/trajectories?vgeo_km_s__gt=30&station_count__gte=3"
    for wrong in ({"speed": 1}, {"vgeo_km_s": "fast"}, {"_size": 0}, {"_size": 201},
                  {"_next": "x"}, {"_as_of": "then"}):  # fmt: skip
        assert place.server.get(NEWEST, wrong).status == 400, wrong
    assert place.server.get(NEWEST, {"_as_of": 10**6}).status == 410


def test_the_old_address_takes_what_stands_in_its_query(place: Place) -> None:
    plain = feed(place.server, OLD)
    assert len(plain.entries) == ROWS
    other = feed(place.server, OLD, _shape="array", _ttl=0, page=2)
    assert other.entries == plain.entries


# Conditional requests, hosts, hostile texts -------------------------------------------------------


def test_who_has_a_feed_already_is_told_so(place: Place) -> None:
    first = place.server.get(NEWEST)
    known = place.server.get(NEWEST, headers={"If-None-Match": first.headers["ETag"]})
    assert (known.status, known.body) == (304, b"")
    packed = place.server.get(NEWEST, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.body == first.body
    assert place.server.get(NEWEST, method="HEAD").headers["ETag"] == first.headers["ETag"]


def test_links_lead_to_the_host_that_was_asked_whoever_asked_before(place: Place) -> None:
    for host in ("meteors.example.org", "10.0.0.7:8001", "[2001:db8::1]:80", "meteors.example.org"):
        reply = place.server.get(NEWEST, headers={
            "Host": host, "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https",
        })  # fmt: skip
        one = feeds.read(reply.body)
        hrefs = [*one.links.values(), *(entry.link for entry in one.entries)]
        assert all(href.startswith(f"http://{host}/gmn/") for href in hrefs)


@pytest.mark.parametrize("host", ['a"><script>', "a/b", "a b", "a@b", "a?b", "a#b", "a:b", "a\tb",
                                  "[a", "a:123456", "-a", "ä", "a" * 300, "a%0d%0ab"])  # fmt: skip
def test_a_host_that_is_none_gets_into_no_answer(place: Place, host: str) -> None:
    reply = place.server.get(NEWEST, headers={"Host": host.encode().decode("latin-1")})
    assert reply.status == 400
    assert host.encode() not in reply.body


def test_what_a_proxy_says_is_believed_if_a_setting_says_so(place: Place) -> None:
    with serving(place.settings, serve_trust_forwarded="true") as server:
        reply = server.get(NEWEST, headers={
            "X-Forwarded-Host": "gmn.example, inner", "X-Forwarded-Proto": "https, http",
        })  # fmt: skip
        one = feeds.read(reply.body)
        assert one.links["self"] == f"https://gmn.example{NEWEST}"
        assert one.entries[0].link.startswith("https://gmn.example/gmn/")
        assert "X-Forwarded-Host" in reply.headers["Vary"]
        for name in ("X-Forwarded-Host", "X-Forwarded-Proto"):
            assert server.get(NEWEST, headers={name: 'javascript:"'}).status == 400
        assert feed(server, NEWEST).links["self"] == f"{server.url}{NEWEST}"


def test_a_request_that_names_no_host_gets_the_address_it_came_to() -> None:
    scope = {"type": "http", "headers": [], "server": ("::1", 8001)}
    assert base_of(HTTPConnection(scope), is_proxy_believed=True) == "http://[::1]:8001"
    scope["headers"] = [(b"host", b"")]
    assert base_of(HTTPConnection(scope), is_proxy_believed=False) == "http://[::1]:8001"
    scope["headers"] = [(b"host", b"a\r\nX: b")]
    with pytest.raises(Problem):
        base_of(HTTPConnection(scope), is_proxy_believed=False)


def test_texts_of_a_request_stay_texts(place: Place) -> None:
    hostile = 'x"/><script>]]>&amp;\x01\x1f\ufffe\u2028\r\n'
    reply = place.server.get(NEWEST, {"iau_shower_code__not": hostile, "_size": 3})
    one = feeds.read(reply.body)
    assert len(one.entries) == 3
    assert b"<script>" not in reply.body
    subtitle = etree.fromstring(reply.body).findtext("{http://www.w3.org/2005/Atom}subtitle")
    assert 'x"/><script>]]>&amp;\N{REPLACEMENT CHARACTER}' in subtitle
    for path in ("/gmn/feeds/showers/%3Cb%3E.atom", "/gmn/feeds/stations/..%2f..%2fetc.atom",
                 "/gmn/feeds/showers/abcdef.atom", "/gmn/feeds/nothing.atom"):  # fmt: skip
        assert place.server.get(path).status == 404, path


def test_control_characters_are_replaced_wherever_they_stand() -> None:
    text = "".join(map(chr, range(0x20))) + "&<>\"'\x7f\ufffe\uffff\U0001f320]]>"
    when = datetime(2026, 1, 1)
    entry = atom.Entry("tag:a,2026:b", text, when, when, text, f"http://a/{text}", [(text, text)])
    written = atom.written(
        atom.Feed("tag:a,2026:c", text, text, when, {"self": f"http://a/{text}"}, [entry])
    )
    root = etree.fromstring(written)
    title = root.findtext("{http://www.w3.org/2005/Atom}title")
    assert title.endswith("&<>\"'\x7f\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}🌠]]>")
    assert "\x01" not in title


# Names of events ----------------------------------------------------------------------------------


def row(name: str, when: int, *, begins: bool, stations: str = "A,B") -> dict[str, object]:
    at_utc = datetime(2026, 1, 1) + timedelta(hours=when)
    return {
        "second": datetime(2025, 1, 1), "stations": stations, "begins": begins, "at_utc": at_utc,
        "trajectory_identifier": name,
    }  # fmt: skip


def test_who_comes_takes_over_from_one_who_went_and_from_no_other() -> None:
    came = row("a", 0, begins=True)
    went = row("a", 5, begins=False)
    assert taken_over([came, row("b", 3, begins=True), went]) == {}  # both at once: two events
    assert taken_over([came, went, row("b", 5, begins=True)]) == {"b": "a"}
    assert taken_over([came, went, row("b", 9, begins=True), row("c", 9, begins=True)]) == {
        "b": "a"
    }
    other = row("b", 9, begins=True, stations="A,B,C")
    assert taken_over([came, went, other]) == {}
    chain = [came, went, row("b", 5, begins=True), row("b", 7, begins=False),
             row("c", 7, begins=True)]  # fmt: skip
    assert taken_over(chain) == {"b": "a", "c": "b"}
    two = [
        *(row(name, 0, begins=True) for name in "ax"),
        *(row(name, 5, begins=False) for name in "ax"),
        *(row(name, 5, begins=True) for name in "by"),
    ]  # fmt: skip
    assert sorted(taken_over(two).values()) == ["a", "x"]
