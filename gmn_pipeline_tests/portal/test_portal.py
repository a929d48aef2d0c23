"""The portal in a browser: what it shows, where its links lead, what it never does."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.settings import load_settings
from gmn_pipeline_tests.portal.conftest import ROWS
from gmn_pipeline_tests.support.browser import Visitor, visitor
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.server import Server, serving

AS_A_BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
EVIL = "<img src=x onerror=document.title='taken'>"


# The server's side -------------------------------------------------------------------------------


def test_every_page_is_one_file_with_a_policy_of_its_own(
    server: Server, pages: dict[str, str]
) -> None:
    answers = [server.get(path, headers=AS_A_BROWSER) for path in pages.values()]
    assert {answer.status for answer in answers} == {200}
    (body,) = {answer.body for answer in answers}
    for answer in answers:
        assert answer.headers["Content-Type"].startswith("text/html")
        assert answer.headers["Cache-Control"] == "public, no-cache"
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
    tag = answers[0].headers["ETag"]
    known = server.get("/", headers={"If-None-Match": f'"x", {tag}'})
    assert (known.status, known.body) == (304, b"")
    assert known.headers["Content-Security-Policy"] == policy
    for address in re.findall(r'(?:src|href)="([^"]+)"', body.decode()):
        assert server.get(address).status == 200, address


def test_files_are_kept_for_good_since_their_names_tell_their_content(server: Server) -> None:
    page = server.get("/").body.decode()
    kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    found = re.findall(r"/portal/[\w-]+\.(\w+)", page)
    assert set(found) == set(kinds)
    for address in re.findall(r"/portal/[\w-]+\.\w+", page):
        answer = server.get(address, headers={"Accept-Encoding": "zstd"})
        assert answer.headers["Content-Type"].startswith(kinds[address.rsplit(".")[-1]])
        assert answer.headers["Cache-Control"].endswith("immutable")
        tag = answer.headers["ETag"]
        assert server.get(address, headers={"If-None-Match": tag}).status == 304
        if address.endswith(".js"):
            assert answer.headers["Content-Encoding"] == "zstd"


@pytest.mark.parametrize(
    "path",
    ["/portal/", "/portal/none.js", "/portal/index.html", "/portal/..%2froutes.py",
     "/portal/%2e%2e/routes.py", "/portal/..%5croutes.py", "/portal/%00", "/portal/built",
     "/gmn/nights/2022-3-4", "/gmn/nights/2022-02-30", "/gmn/nights/x", "/gmn/trajectories/a.b",
     "/gmn/stations/a%2fb", "/gmn/showers/", "/seen/"],
)  # fmt: skip
def test_there_is_nothing_else(server: Server, path: str) -> None:
    answer = server.get(path)
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


# In the browser ----------------------------------------------------------------------------------


def test_every_page_opens_without_complaint_and_asks_this_server_only(
    guest: Visitor, pages: dict[str, str]
) -> None:
    for name, path in pages.items():
        guest.open(path)
        assert guest.page.locator("[role=alert]").count() == 0, (name, guest.says)
        said = guest.says.replace("uncertainty undefined", "")  # a quality flag
        assert "undefined" not in said, name
        assert "NaN" not in said, name
    assert guest.complaints == []
    assert [a for a in guest.addresses if not a.startswith(f"{guest.url}/")] == []


def test_home_shows_the_newest_night(guest: Visitor) -> None:
    guest.open("/")
    assert f"{ROWS} meteors were solved of {DAY}" in guest.says
    expect(guest.page.get_by_text("live", exact=True)).to_be_visible()


def test_links_lead_from_a_night_to_its_meteor_its_shower_its_station_and_back(
    guest: Visitor, pages: dict[str, str]
) -> None:
    page = guest.page
    guest.open(pages["night"])
    row = page.locator("tbody tr", has=page.locator("a[href^='/gmn/showers/']")).first
    row.locator("a[href^='/gmn/trajectories/']").click()
    guest.settled()
    meteor = page.url
    page.locator("p a[href^='/gmn/showers/']").click()
    guest.settled()
    assert "/gmn/showers/" in page.url
    expect(page.get_by_role("heading", name="Radiant and its drift")).to_be_visible()
    page.go_back()
    guest.settled()
    assert page.url == meteor
    page.locator("p a[href^='/gmn/stations/']").first.click()
    guest.settled()
    assert "It took part in" in guest.says
    page.go_back()
    page.go_back()
    guest.settled()
    assert page.url.endswith(pages["night"])
    assert page.title().startswith(f"Night {DAY}")
    documents = [a for a in guest.addresses if a.endswith(".js")]
    assert len(documents) == 1  # the portal was loaded once
    assert guest.complaints == []


def test_a_trajectory_shows_values_with_units_and_its_past(guest: Visitor) -> None:
    identifier = sample().rows[0][0].strip()
    guest.open(f"/gmn/trajectories/{identifier}")
    facts = guest.page.locator("dl > div")
    speed = facts.filter(has=guest.page.get_by_text("geocentric speed", exact=True))
    assert re.fullmatch(r"geocentric speed\s+38\.0+ ± [\d.]+ km/s", speed.inner_text())
    solutions = guest.page.locator("ol > li")
    assert solutions.count() == 2
    assert "vgeo_km_s" in guest.page.locator("ol").inner_text()
    assert "→ 38" in guest.page.locator("ol").inner_text()
    assert guest.page.locator("pre").inner_text().startswith(identifier)


def test_the_form_finds_a_meteor(guest: Visitor, server: Server) -> None:
    asked = {"_size": 1, "_shape": "objects"}
    (row,) = server.get("/gmn/trajectories.json", asked).json["rows"]
    page = guest.page
    guest.open("/seen")
    page.get_by_label("Date and time").fill(row["beginning_utc_time"][:19])
    page.get_by_label("latitude").fill(str(row["begin_latitude_deg"]))
    page.get_by_label("longitude").fill(str(row["begin_longitude_deg"]))
    page.get_by_role("button", name="Look for it").click()
    link = page.get_by_role("link", name=row["trajectory_identifier"])
    expect(link).to_be_visible()
    page.get_by_label("Date and time").fill("1999-01-01T00:00:00")
    page.get_by_role("button", name="Look for it").click()
    expect(page.get_by_text("The network solved none near there")).to_be_visible()
    page.get_by_label("Date and time").fill("")
    before = len(guest.addresses)
    page.get_by_role("button", name="Look for it").click()
    assert len(guest.addresses) == before  # the browser says what is missing
    assert guest.complaints == []


@pytest.mark.parametrize("of", ["showers", "stations", "trajectories"])
def test_what_stands_in_the_address_is_never_html(guest: Visitor, of: str) -> None:
    guest.page.goto(f"{guest.url}/gmn/{of}/{EVIL.replace('.', '&#46;').replace('#', '%23')}")
    guest.settled()
    assert guest.page.locator("main img").count() == 0
    assert "<img src=x" in guest.page.locator("h1").inner_text()
    assert guest.page.title() != "taken"


def test_what_an_answer_holds_is_never_html(guest: Visitor) -> None:
    def evil(route: Route) -> None:
        answer = route.fetch()
        told = answer.json()
        for row in told["rows"]:
            row["iau_shower_name"] = row["iau_shower_code"] = EVIL
        route.fulfill(response=answer, body=json.dumps(told))

    guest.page.route("**/gmn/queries/showers.json*", evil)
    guest.open("/gmn/showers")
    assert EVIL in guest.says
    assert guest.page.locator("main img").count() == 0
    assert guest.page.title() != "taken"


def test_what_is_not_there_is_said(guest: Visitor) -> None:
    for path, said in {
        "/gmn/nights/1999-01-01": "No trajectory is known of this date.",
        "/gmn/stations/ZZ9999": "No trajectory is known",
        "/gmn/showers/ZZZ": "No trajectory",
    }.items():
        guest.open(path)
        assert said in guest.says, path
    assert guest.complaints == []
    guest.open("/gmn/trajectories/20000101000000_none")
    assert guest.page.get_by_role("alert").inner_text() != ""
    guest.open("/gmn/nights/2022-02-30")
    assert "Nothing here" in guest.says


@pytest.fixture(scope="module")
def without_a_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("nothing")
    with serving(load_settings(data_dir=folder)) as running:
        yield running


def test_without_a_warehouse_the_page_says_what_the_server_says(
    browser: Browser, without_a_lake: Server
) -> None:
    detail = without_a_lake.get("/gmn/trajectories.json").json["detail"]
    with visitor(browser, without_a_lake.url) as guest:
        guest.open("/")
        assert guest.page.get_by_role("alert").inner_text() == detail


def test_a_commit_shows_up_by_itself(guest: Visitor, night: Bench) -> None:
    guest.open("/")
    expect(guest.page.get_by_text("live", exact=True)).to_be_visible()
    more = sample().first(ROWS + 7).stamped("2022-03-25 00:00:00")
    night.put(DAILY, more)
    load_days([DAY], night.settings)
    expect(guest.page.get_by_text(f"{ROWS + 7} meteors were solved")).to_be_visible()
    assert guest.complaints == []
