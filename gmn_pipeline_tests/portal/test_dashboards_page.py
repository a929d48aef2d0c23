"""Dashboards in a browser: built, saved, shared, gone back on; and the four that come along."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from gmn_pipeline.warehouse.station_readings.rollups import roll_up
from gmn_pipeline_tests.support.browser import DESKTOP, PHONE, Visitor, visitor
from gmn_pipeline_tests.support.dashboards import document
from gmn_pipeline_tests.support.objects import settings_of
from gmn_pipeline_tests.support.objects_http import make_places, put, send
from gmn_pipeline_tests.support.readings import ReadingsLake, reading
from gmn_pipeline_tests.support.readings import night as night_of_readings
from gmn_pipeline_tests.support.sample import Bench
from gmn_pipeline_tests.support.server import Server, serving

CANNED = ("network-overview", "shower-campaign", "station-health", "lake-use")


class _Blog(BaseHTTPRequestHandler):
    """Another site, whose page has a dashboard in a frame."""

    frame = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(f"<h1>Blog</h1>{self.frame}".encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def blog() -> Iterator[str]:
    site = ThreadingHTTPServer(("127.0.0.1", 0), _Blog)
    thread = threading.Thread(target=site.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{site.server_address[1]}"
    site.shutdown()
    thread.join()
    site.server_close()


@pytest.fixture(scope="module")
def readings(night: Bench) -> ReadingsLake:
    lake = ReadingsLake(night.settings)
    lake.take_in(night_of_readings(40, stations=4))
    roll_up(lake.warehouse)
    return lake


@pytest.fixture(scope="module")
def server(night: Bench, blog: str, readings: ReadingsLake) -> Iterator[Server]:
    """With trajectories, readings and objects; the blog may show dashboards."""
    limits = {"serve_requests_per_minute": 100_000, "serve_embed_hosts": blog}
    with serving(night.settings, **limits) as running:
        make_places(running)
        put(running, "a.txt", b"hello")
        yield running


def panel(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def saved(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("link", name="Edit")).to_be_visible()


def test_two_panels_and_a_filter_that_links_them(guest: Visitor, server: Server) -> None:
    page = guest.page
    guest.open("/dashboards")
    page.get_by_role("link", name="New dashboard").click()
    page.get_by_label("Title", exact=True).fill("Fast meteors")
    expect(page.get_by_label("Private: nobody reads it")).to_have_count(0)
    page.get_by_text("Filters (0)").click()
    page.get_by_role("button", name="Add: Shower").click()

    page.get_by_role("button", name="Add a panel").click()
    form = page.get_by_role("region", name="Change panel 1")
    expect(form.get_by_label("Title", exact=True)).to_be_focused()
    page.keyboard.type("Speeds")
    form = page.get_by_role("region", name="Change Speeds")
    form.get_by_label("Drawn as").select_option("histogram")
    form.get_by_label("Across").select_option("vgeo_km_s")
    form.get_by_label("In steps of").fill("5")
    expect(panel(page, "Speeds").locator("svg rect").first).to_be_visible()
    form.get_by_role("button", name="Done").click()

    page.get_by_role("button", name="Add a panel").click()
    page.keyboard.type("How many")
    form = page.get_by_role("region", name="Change How many")
    form.get_by_label("Drawn as").select_option("number")
    form.get_by_role("button", name="Not by shower").click()
    expect(panel(page, "How many").locator(".large")).to_have_text("200")
    form.get_by_role("button", name="Add a condition").click()
    rows = form.get_by_role("group", name="Rows for which all of these hold")
    rows.get_by_label("Column").select_option("vgeo_km_s")
    rows.get_by_label("Operator").select_option("gt")
    rows.get_by_label("Value").fill("0")
    page.keyboard.press("Tab")
    assert guest.barriers() == {}

    # Taken back, brought again, moved by keys, by dragging, and made wider.
    page.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Copy How many").click()
    expect(panel(page, "How many")).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(panel(page, "How many")).to_have_count(1)
    boards = page.locator(".board > section")
    expect(boards.nth(0)).to_have_attribute("aria-label", "Speeds")
    page.get_by_role("button", name="Move How many: arrow keys").press("ArrowLeft")
    expect(boards.nth(0)).to_have_attribute("aria-label", "How many")
    page.get_by_role("button", name="Move Speeds: arrow keys").drag_to(boards.nth(0))
    expect(boards.nth(0)).to_have_attribute("aria-label", "Speeds")
    page.get_by_role("button", name="Make How many narrower").click()
    expect(boards.nth(1)).to_have_class(re.compile(r"\bw5\b"))

    page.once("dialog", lambda asks: asks.accept())  # leave, though it is not saved
    page.reload()
    expect(page.get_by_text("What you changed and did not save is back")).to_be_visible()
    saved(page)
    expect(page).to_have_url(re.compile(r"/dashboards/fast-meteors-[a-z0-9]{8}$"))
    guest.open(page.url.removeprefix(server.url))
    expect(panel(page, "How many").locator(".large")).to_have_text("200")
    page.get_by_label("Shower", exact=True).fill("per")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?shower=PER$"))
    count = server.get("/gmn/trajectories.json", {"iau_shower_code": "PER"}).json
    fewer = str(count["filtered_table_rows_count"])
    expect(panel(page, "How many").locator(".large")).to_have_text(fewer)
    page.go_back()
    expect(panel(page, "How many").locator(".large")).to_have_text("200")
    page.go_forward()
    expect(panel(page, "How many").locator(".large")).to_have_text(fewer)
    page.get_by_text("Share", exact=True).click()
    expect(page.get_by_label("Address, with the filters")).to_have_value(page.url)
    expect(page.get_by_text("There are no accounts yet")).to_be_visible()
    assert guest.barriers() == {}
    assert guest.complaints == []


def test_somebody_elses_save_is_told_and_versions_come_back(guest: Visitor, server: Server) -> None:
    page = guest.page
    made = send(server, "POST", "/dashboards.json", document("Mine"))
    address = made.json["address"]
    guest.open(f"/dashboards/{made.json['id']}?edit=1")
    title = page.get_by_label("Title", exact=True)
    title.fill("Mine, changed")
    theirs = {"If-Match": made.headers["ETag"]}
    assert send(server, "PUT", address, document("Theirs"), **theirs).status == 200
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Version 2 was saved meanwhile, by this")
    assert guest.barriers() == {}
    page.get_by_role("button", name="Save mine as another dashboard").click()
    expect(page).to_have_url(re.compile("/dashboards/mine-changed-"))
    assert server.get(address).json["title"] == "Theirs"

    guest.open(f"/dashboards/{made.json['id']}?edit=1")
    title.fill("Over it")
    tag = server.get(address).headers["ETag"]
    send(server, "PUT", address, document("Theirs again"), **{"If-Match": tag})
    page.keyboard.press("Control+s")
    page.get_by_role("button", name="Save mine over it").click()
    expect(page.get_by_role("link", name="Edit")).to_be_visible()
    assert server.get(address).json["title"] == "Over it"

    page.get_by_text("Versions", exact=True).click()
    page.get_by_role("link", name="Version 2").click()
    expect(page.get_by_role("heading", name="Theirs", exact=True)).to_be_visible()
    expect(page.get_by_text("This is version 2, saved by this machine")).to_be_visible()
    page.get_by_role("button", name="Restore version 2").click()
    expect(page).to_have_url(f"{server.url}/dashboards/{made.json['id']}")
    told = server.get(address).json
    assert (told["title"], told["version"]) == ("Theirs", 5)
    page.get_by_role("button", name="Delete the dashboard").click()
    page.get_by_role("button", name="Yes, delete it").click()
    expect(page).to_have_url(f"{server.url}/dashboards")
    page.get_by_role("link", name="Deleted ones").click()
    page.get_by_role("button", name="Restore Theirs", exact=True).click()
    expect(page.get_by_role("heading", name="Theirs")).to_be_visible()


def test_a_frame_of_another_site_shows_it_and_nothing_that_changes(
    guest: Visitor, server: Server, blog: str
) -> None:
    page = guest.page
    text = "**Look** at [this](/gmn) <img src=x onerror=window.ran=1> [bad](javascript:ran=1)"
    words = {"id": "b", "mark": "text", "width": 6, "text": text}
    asks = {"from": "ready", "question": "newest_trajectories", "parameters": {"count": "3"}}
    numbers = {"id": "a", "title": "Best", "mark": "table", "width": 6, "question": asks}
    made = send(server, "POST", "/dashboards.json", document(panels=[words, numbers]))
    source = f"{server.url}/dashboards/{made.json['id']}"
    _Blog.frame = f"<iframe src='{source}?embed=1&theme=light' width='900' height='600'></iframe>"
    page.goto(blog)
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="Perseids")).to_be_visible()
    expect(frame.get_by_role("row")).to_have_count(4)
    expect(frame.locator("nav")).to_have_count(0)
    expect(frame.get_by_role("link", name="Edit")).to_have_count(0)
    expect(frame.get_by_text("<img src=x")).to_be_visible()
    expect(frame.get_by_role("link", name="bad")).to_have_count(0)
    expect(frame.locator("html")).to_have_attribute("data-theme", "light")
    with page.expect_popup() as opened:
        frame.get_by_role("link", name="this").click()
    assert opened.value.url == f"{server.url}/gmn"
    assert page.frames[1].evaluate("window.ran") is None
    assert guest.complaints == []
    _Blog.frame = f"<iframe src='{source}'></iframe>"
    page.goto(blog)
    expect(page.get_by_role("heading", name="Blog")).to_be_visible()
    assert page.frames[1].get_by_role("heading", name="Perseids").count() == 0
    assert any("frame-ancestors" in said for said in guest.complaints)


def test_the_four_that_come_along_show_what_there_is(browser: Browser, server: Server) -> None:
    with visitor(browser, server.url) as guest:
        for name in CANNED:
            guest.page.set_viewport_size(DESKTOP)
            guest.open(f"/dashboards/{name}" + "?shower=..." * (name == "shower-campaign"))
            assert guest.page.locator(".problem").all_inner_texts() == [], name
            assert "This page is broken" not in guest.says
            drawn = guest.page.locator("svg, canvas, table, .large")
            assert drawn.count() >= 5, name
            if name in CANNED[1:3]:  # with all kinds of panels
                assert guest.barriers() == {}, name
            guest.page.set_viewport_size(PHONE)
            wide = guest.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= PHONE["width"], name
        assert guest.complaints == []
        guest.page.get_by_role("link", name="Copy and change").click()
        expect(guest.page.get_by_label("Title", exact=True)).to_have_value(
            "Use of the lake of objects (copy)"
        )
        saved(guest.page)
        expect(panel(guest.page, "By project").locator("rect").first).to_be_visible()


def test_readings_in_sql_are_those_of_now(readings: ReadingsLake, server: Server) -> None:
    """A warehouse that stays as it is answers anew, and says that it is another answer."""
    sql = "SELECT station_code FROM readings.latest_readings WHERE temperature_deg_c = 55"
    before = server.get("/gmn.json", {"sql": sql})
    assert before.json["rows"] == []
    readings.take_in([reading(station_code="HOT", temperature_deg_c=55.0)])
    server.wait_for(lambda: server.get("/gmn.json", {"sql": sql}).json["rows"] == [["HOT"]])
    known = {"If-None-Match": before.headers["ETag"]}
    assert server.get("/gmn.json", {"sql": sql}, headers=known).status == 200


def test_where_nothing_is_that_is_said(browser: Browser, tmp_path: Path) -> None:
    with serving(settings_of(tmp_path)) as server, visitor(browser, server.url) as guest:
        said = {
            "network-overview": "There is no table trajectories on this server.",
            "station-health": "There are no readings of stations on this server.",
            "lake-use": "There are no objects that you may see.",
        }
        for name, text in said.items():
            guest.open(f"/dashboards/{name}")
            expect(guest.page.get_by_text(text).first).to_be_visible()
        guest.page.goto(f"{server.url}/dashboards/nothing")
        expect(guest.page.get_by_role("alert")).to_contain_text("There is no dashboard 'nothing'")
