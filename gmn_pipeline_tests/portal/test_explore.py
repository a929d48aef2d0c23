"""Explore in a browser: brushes by pointer and keyboard, the address, what is asked meanwhile."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Locator, expect

from gmn_pipeline.serving.cubes.ahead import PATH, QUERIES
from gmn_pipeline_tests.portal.conftest import ROWS
from gmn_pipeline_tests.support.browser import Visitor
from gmn_pipeline_tests.support.server import Server


def opened(guest: Visitor, query: str = "") -> None:
    guest.open(f"/explore{query}")
    at_rest(guest)


def at_rest(guest: Visitor) -> None:
    guest.page.locator(".planes:not(.waits)").wait_for(state="attached")


def figure(guest: Visitor, title: str) -> Locator:
    return guest.page.locator("figure", has=guest.page.get_by_text(title, exact=True)).first


def selected(guest: Visitor) -> int:
    return int(guest.page.locator(".count strong").inner_text().replace("\u2009", ""))


def of_table(server: Server, guest: Visitor) -> int:
    """How many the download has that the page leads to."""
    guest.unfold()
    link = guest.page.locator("a[download]", has_text="csv").first.get_attribute("href") or ""
    filters = dict(parse_qsl(urlsplit(link).query))
    told = server.get("/gmn/trajectories.json", {**filters, "_size": 0}).json
    return int(told["filtered_table_rows_count"])


def drag(guest: Visitor, plot: Locator, begin: float, end: float) -> None:
    """From one share of its width to another."""
    box = plot.bounding_box()
    assert box is not None
    mouse, middle = guest.page.mouse, box["y"] + box["height"] / 3
    mouse.move(box["x"] + begin * box["width"], middle)
    mouse.down()
    for step in range(1, 6):
        mouse.move(box["x"] + (begin + (end - begin) * step / 5) * box["width"], middle)
    mouse.up()


def near(guest: Visitor, title: str, name: str) -> Locator:
    """Its cube is at hand."""
    found = figure(guest, title)
    found.scroll_into_view_if_needed()
    found.hover()
    guest.page.locator(f".planes[data-whole={name}]").wait_for(state="attached")
    return found


def test_a_brush_selects_stands_in_the_address_and_is_taken_back(
    guest: Visitor, server: Server
) -> None:
    opened(guest)
    assert selected(guest) == ROWS
    drag(guest, near(guest, "geocentric speed", "speed").locator(".plot"), 0.3, 0.6)
    at_rest(guest)
    one = selected(guest)
    assert 0 < one < ROWS
    assert "_brush=speed:" in guest.page.url
    assert of_table(server, guest) == one
    drag(guest, near(guest, "begin height", "begin_height").locator(".plot"), 0.2, 0.55)
    at_rest(guest)
    two = selected(guest)
    assert 0 < two < one
    assert of_table(server, guest) == two
    address = guest.page.url
    guest.page.go_back()
    expect(guest.page.locator(".chips li")).to_have_count(1)
    at_rest(guest)
    assert selected(guest) == one
    guest.page.goto(address)
    at_rest(guest)
    assert selected(guest) == two
    figure(guest, "geocentric speed").get_by_role("button", name="Reset").click()
    guest.page.get_by_role("button", name="Reset all").click()
    at_rest(guest)
    assert selected(guest) == ROWS
    assert guest.page.url.endswith("/explore")
    assert guest.complaints == []


def test_moving_a_brush_asks_the_server_nothing(guest: Visitor) -> None:
    opened(guest)
    plot = near(guest, "peak magnitude at 100 km", "magnitude").locator(".plot")
    box = plot.bounding_box()
    assert box is not None
    mouse, middle = guest.page.mouse, box["y"] + 40
    mouse.move(box["x"] + box["width"] * 0.45, middle)
    before = len(guest.addresses)
    mouse.down()
    found = set()
    for step in range(10):
        mouse.move(box["x"] + box["width"] * (0.5 + step * 0.03), middle)
        guest.page.evaluate("new Promise(requestAnimationFrame)")
        found.add(selected(guest))
    assert len(guest.addresses) == before
    assert len(found) > 3  # it was counted all the while
    mouse.up()
    last = guest.page.locator(".count strong").inner_text()
    at_rest(guest)
    assert guest.page.locator(".count strong").inner_text() == last  # as the server counts it
    assert len(guest.addresses) > before
    assert guest.complaints == []


def test_by_keyboard(guest: Visitor, server: Server) -> None:
    opened(guest)
    low = guest.page.get_by_role("slider", name="geocentric speed, from")
    low.focus()
    low.press("PageUp")
    for _ in range(10):
        low.press("PageUp")
    expect(low).to_have_attribute("aria-valuetext", "27.5 km/s")
    guest.page.wait_for_url("**/explore?_brush=speed:27.5:80")
    at_rest(guest)
    assert 0 < selected(guest) < ROWS
    assert of_table(server, guest) == selected(guest)
    low.press("Escape")
    at_rest(guest)
    assert selected(guest) == ROWS
    for name, value in {"longitude, from": "0", "longitude, to": "180"}.items():
        figure(guest, "where they began").get_by_label(name).fill(value)
    figure(guest, "where they began").get_by_role("button", name="Select").click()
    guest.page.wait_for_url("**/explore?_brush=ground:0:180:-90:90")
    at_rest(guest)
    assert of_table(server, guest) == selected(guest) < ROWS
    assert guest.complaints == []


def test_values_zoom_and_comparing(guest: Visitor, server: Server) -> None:
    opened(guest, "?station_count__gte=2")
    shower = figure(guest, "shower")
    shower.locator("li button", has_text="sporadic").click()
    at_rest(guest)
    sporadic = selected(guest)
    assert of_table(server, guest) == sporadic < ROWS
    guest.page.get_by_role("button", name="Keep as an outline").click()
    expect(guest.page.locator(".compared")).to_have_text(str(sporadic))
    guest.page.locator(".chips li button", has_text="shower: sporadic").first.click()
    at_rest(guest)
    assert guest.page.locator(".compared").inner_text() == str(sporadic)
    opened(guest, "?_brush=speed:20:40")
    before = selected(guest)
    figure(guest, "geocentric speed").get_by_role("button", name="Zoom").click()
    at_rest(guest)
    assert "_zoom=speed:20:40" in guest.page.url
    assert selected(guest) == before
    expect(figure(guest, "geocentric speed").get_by_text("outside")).to_be_visible()
    listed = guest.page.locator("tbody a[href^='/gmn/trajectories/']")
    expect(listed.first).to_be_visible()  # so few are listed
    assert guest.complaints == []


@pytest.mark.parametrize("suffix", ["summary.txt", "ufo.csv"])
def test_a_file_of_ones_own_is_shown_and_never_sent(
    guest: Visitor, server: Server, suffix: str
) -> None:
    """What the network gives out comes in again: as many are selected, whatever is."""
    opened(guest, "?_brush=speed:20:40&_brush=ground:-180:10:-90:90")
    own = server.get(f"/gmn/trajectories.{suffix}").body
    sent: list[str] = []
    guest.page.on(
        "request", lambda one: sent.append(one.url) if one.post_data or "mine" in one.url else None
    )
    given = {"name": "<b>mine</b>.txt", "mimeType": "text/plain", "buffer": own + b"\nno line\n"}
    guest.page.get_by_label("Your own file").set_input_files(given)
    told = guest.page.locator(".own")
    expect(told.get_by_text(f"of {ROWS} meteors of <b>mine</b>.txt")).to_be_visible()
    assert int(told.locator("strong").inner_text()) == selected(guest) > 0
    expect(told.locator("li")).to_have_count(1)
    told.get_by_role("button", name="Take it away").click()
    expect(told.locator("strong")).to_have_count(0)
    guest.page.get_by_label("Your own file").set_input_files({**given, "buffer": b"a,b\n1,2"})
    expect(told.get_by_role("alert")).to_contain_text("It is none of")
    assert sent == []
    assert guest.complaints == []


@pytest.mark.parametrize(
    ("query", "said"),
    [("?vgeo_km_s__gt=x", "vgeo_km_s has numbers"), ("?nothing=1", "There is no parameter"),
     ("?_brush=nothing:1:2", "Views:"), ("?vgeo_km_s__gt=900", "No trajectory is there")],
)  # fmt: skip
def test_what_cannot_be_shown_is_said(guest: Visitor, query: str, said: str) -> None:
    guest.page.goto(f"{guest.url}/explore{query}")
    expect(guest.page.get_by_text(said)).to_be_visible()


def test_the_page_asks_first_for_what_the_server_counts_ahead(
    guest: Visitor, server: Server
) -> None:
    """The browser already asks for it with the page, and the code takes what has come."""
    opened(guest)
    asked = [urlsplit(one) for one in guest.addresses]
    cubes = [one.query for one in asked if one.path == PATH]
    assert cubes[: len(QUERIES)] == list(QUERIES)
    assert not set(QUERIES) & set(cubes[len(QUERIES) :])
    assert "preload" in server.get("/explore").headers["Link"]
    assert server.get("/explore?_brush=speed:30:40").headers["Link"] is None
