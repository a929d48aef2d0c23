"""The portal in a browser: what it shows, where its links lead, what it never does."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from gmn_pipeline.errors import SettingsError
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
    scripts = [a for a in guest.addresses if re.search(r"/index-[\w-]+\.js$", a)]
    assert len(scripts) == 1  # the portal was loaded once
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


def test_a_night_is_turned_over_page_by_page(guest: Visitor, pages: dict[str, str]) -> None:
    guest.open(pages["night"])
    page = guest.page
    table = page.get_by_role("table", name="All of them, the brightest first")
    first = table.locator("tbody tr").first.inner_text()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text(f"26 to 50 of {ROWS}")).to_be_visible()
    assert table.locator("tbody tr").first.inner_text() != first
    page.get_by_role("button", name="Last page").click()
    expect(page.get_by_text(f"{ROWS - 24} to {ROWS} of {ROWS}")).to_be_visible()
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    assert page.locator("table[aria-label^='With the share'] tbody tr").count() > 1


def test_years_of_a_shower_are_chosen_and_what_stands_out_is_told(
    guest: Visitor, pages: dict[str, str]
) -> None:
    def years(route: Route) -> None:
        answer = route.fetch()
        told = answer.json()
        told["rows"] = [
            {"year": year, "solar_longitude_from_deg": 343.0, "shower": 10 * n, "sporadic": 100,
             "ratio": n / 10, "ratio_error": 0.01, "other_years_ratio": 0.1,
             "significance_sigmas": 7.5, "stands_out": year == 2022}
            for n, year in enumerate(range(2019, 2024), start=1)
        ]  # fmt: skip
        route.fulfill(response=answer, body=json.dumps(told))

    page = guest.page
    page.route("**/gmn/queries/shower_years.json*", years)
    guest.open(pages["shower"])
    assert "2022, 343 to 344 deg: 40 for 100 sporadic: 0.40, in the other years 0.10" in guest.says
    chart = page.locator("figure", has_text="Activity: trajectories").first
    for year in (2019, 2020, 2021, 2022):
        page.get_by_role("button", name=str(year)).click()
    assert chart.locator(".legend li").all_inner_texts() == ["all years", "2020", "2021", "2022"]
    assert chart.locator(".mark").count() == 1
    page.get_by_role("button", name="2021").click()
    assert chart.locator(".legend li").all_inner_texts() == ["all years", "2020", "2022"]
    assert page.locator("table[aria-label^='Counts by year'] tbody tr").first.locator(
        "td").first.inner_text() == "2019"  # fmt: skip
    assert guest.complaints == []


def test_a_station_says_about_where_it_is_and_leads_to_its_country(
    guest: Visitor, pages: dict[str, str], server: Server
) -> None:
    guest.open(pages["station"])
    code = pages["station"].rsplit("/")[-1]
    asked = {"station": code, "at_least": "1"}
    (place,) = server.get("/gmn/queries/station_places.json", asked).json["rows"]
    assert f"within some {place['nine_tenths_within_km']:.0f} km" in guest.says
    guest.page.get_by_role("link", name=f"Stations of {code[:2]}").click()
    guest.settled()
    assert guest.page.url.endswith(pages["country"])
    assert guest.page.locator(f"a[href='{pages['station']}']").count()
    assert guest.complaints == []


def test_the_map_moves_by_keys_tells_what_is_there_and_leads_there(
    guest: Visitor, server: Server
) -> None:
    asked = {"_size": 1, "_shape": "objects"}
    (row,) = server.get("/gmn/trajectories.json", asked).json["rows"]
    page, identifier = guest.page, row["trajectory_identifier"]
    page.route("**/gmn/queries/seen_from.json*", lambda one: only(one, identifier))
    look_for(guest, row)
    here = page.get_by_role("application")
    box = here.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    told = page.locator("p.says")

    def is_told_at(right: float, is_told: bool) -> None:
        expect(here).to_have_attribute("aria-busy", "false")  # one that moves tells nothing
        page.mouse.move(x + right + 1, y)
        page.mouse.move(x + right, y)
        expect(told).to_have_count(1 if is_told else 0)

    is_told_at(0, True)
    assert "UTC" in told.inner_text()
    here.focus()
    page.keyboard.press("ArrowLeft")
    is_told_at(80, True)
    is_told_at(-200, False)
    page.mouse.move(x + 80, y - 60)
    page.mouse.down()
    page.mouse.move(x, y - 60, steps=4)
    page.mouse.up()
    is_told_at(0, True)
    page.mouse.wheel(0, 600)
    is_told_at(0, True)
    page.get_by_role("button", name="Zoom in").click()
    page.keyboard.press("f")
    is_told_at(0, True)
    page.mouse.click(x, y)
    guest.settled()
    assert page.url.endswith(f"/gmn/trajectories/{identifier}")
    assert guest.complaints == []


def look_for(guest: Visitor, row: dict[str, Any]) -> None:
    """Ask the form about a meteor, and bring the map into sight."""
    page = guest.page
    guest.open("/seen")
    page.get_by_label("Date and time").fill(row["beginning_utc_time"][:19])
    page.get_by_label("latitude").fill(str(row["begin_latitude_deg"]))
    page.get_by_label("longitude").fill(str(row["begin_longitude_deg"]))
    page.get_by_role("button", name="Look for it").click()
    page.get_by_role("application").scroll_into_view_if_needed()


def only(route: Route, identifier: str) -> None:
    """The answer, of which one row is left."""
    answer = route.fetch()
    told = answer.json()
    told["rows"] = [r for r in told["rows"] if r["trajectory_identifier"] == identifier]
    route.fulfill(response=answer, body=json.dumps(told))


TILES = "https://tiles.example.org/{z}/{x}/{y}.png?key=a&b=c"
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def test_a_map_server_of_the_operators_is_asked_and_no_other(
    browser: Browser, tmp_path: Path
) -> None:
    settings = load_settings(data_dir=tmp_path)
    more = {"serve_map_tiles": TILES, "serve_map_attribution": "© <b>somebody</b>"}
    row = {"trajectory_identifier": "x", "beginning_utc_time": "2026-08-13T00:00:00",
           "begin_latitude_deg": 50.0, "begin_longitude_deg": 10.0,
           "end_latitude_deg": 50.1, "end_longitude_deg": 10.1}  # fmt: skip
    with serving(settings, **more) as one, visitor(browser, one.url) as guest:
        policy = one.get("/").headers["Content-Security-Policy"]
        assert "img-src 'self' https://tiles.example.org;" in policy
        page = guest.page
        answer = json.dumps({"rows": [row], "columns": []})
        page.route("**/gmn/queries/seen_from.json*", lambda asked: asked.fulfill(body=answer))
        page.route("https://tiles.example.org/**", lambda asked: asked.fulfill(
            body=PICTURE, content_type="image/png"))  # fmt: skip
        with page.expect_request("https://tiles.example.org/**") as first:
            look_for(guest, row)
        path = r"https://tiles\.example\.org/\d+/\d+/\d+\.png\?key=a&b=c"
        assert re.fullmatch(path, first.value.url)
        expect(page.get_by_text("© <b>somebody</b>")).to_be_visible()
        assert {a.split("/")[2] for a in guest.addresses} == {
            one.url.split("/")[2], "tiles.example.org",
        }  # fmt: skip
        assert not [said for said in guest.complaints if "503" not in said]  # there are no events


@pytest.mark.parametrize(
    "template",
    ["tiles.example.org/{z}/{x}/{y}.png", "https://e.org/{z}/{x}.png", "https://e.org",
     "https://e.org; script-src *//{z}/{x}/{y}", "ftp://e.org/{z}/{x}/{y}",
     "https://a@e.org/{z}/{x}/{y}", "https://e.org/{z}/{x}/{y}\n", 'https://e.org/{z}/{x}/{y}">'],
)  # fmt: skip
def test_an_address_of_tiles_that_is_none_is_refused(template: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="GMN_SERVE_MAP_TILES"):
        load_settings(data_dir=tmp_path, serve_map_tiles=template)


@pytest.mark.parametrize("of", ["showers", "stations", "countries", "trajectories"])
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
        "/gmn/countries/ZZ": "No trajectory is known",
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


def test_commits_show_up_by_themselves_and_need_not_pause(guest: Visitor, night: Bench) -> None:
    guest.open("/")
    expect(guest.page.get_by_text("live", exact=True)).to_be_visible()
    here = guest.page.get_by_role("application")
    here.evaluate("map => map.dataset.mark = 'somebody looks at this one'")
    solved = guest.page.locator("p", has_text="meteors were solved")
    for n in range(1, 60):
        night.put(DAILY, sample().first(ROWS + n).stamped(f"2022-03-25 00:00:{n:02}"))
        load_days([DAY], night.settings)
        if f"{ROWS} meteors" not in solved.inner_text():
            break
    else:
        pytest.fail("the page waited for a pause")
    expect(solved).to_contain_text(f"{ROWS + n} meteors")
    expect(here).to_have_attribute("data-mark", "somebody looks at this one")
    assert guest.complaints == []
