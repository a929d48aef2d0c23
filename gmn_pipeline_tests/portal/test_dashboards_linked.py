"""Selecting in one panel of a dashboard filters the others; the address says what is selected."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
from playwright.sync_api import Locator, Page, expect

from gmn_pipeline_tests.support.browser import PHONE, Visitor
from gmn_pipeline_tests.support.dashboards import document
from gmn_pipeline_tests.support.objects_http import send
from gmn_pipeline_tests.support.server import Server


def panel(title: str, mark: str, *, x: str | None = None, **question: Any) -> dict[str, Any]:
    found = {
        "id": title.lower().replace(" ", ""), "title": title, "mark": mark, "width": 6,
        "question": {"from": "table", "table": "trajectories", **question},
    }  # fmt: skip
    return found | ({"x": x} if x else {})


COUNT = [{"function": "count"}]
SHOWER = {"name": "shower", "label": "Shower", "kind": "shower", "operator": "exact",
          "columns": ["iau_shower_code", "shower"]}  # fmt: skip
PANELS = [
    panel("How many", "number", values=COUNT),
    panel("Showers", "bar", group=[{"column": "iau_shower_code"}], values=COUNT),
    panel("Speeds", "histogram", x="vgeo_km_s") | {"step": 5},
    panel("Hours", "line", group=[{"column": "beginning_utc_time", "step": "hour"}], values=COUNT),
    panel("Radiants", "scatter", x="rageo_deg", columns=["rageo_deg", "decgeo_deg"]),
    panel("Tracks", "map", limit=1000),
]


@pytest.fixture(scope="module")
def address(server: Server) -> str:
    made = send(server, "POST", "/dashboards.json",
                document("Linked", filters=[SHOWER], panels=PANELS))  # fmt: skip
    return str(made.json["address"]).removesuffix(".json")


@pytest.fixture
def page(guest: Visitor, address: str) -> Iterator[Page]:
    guest.open(address)
    yield guest.page
    assert guest.complaints == []


def chart(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title, exact=True)


def counts(page: Page, server: Server, **conditions: str) -> None:
    """That the number is that of rows with these conditions."""
    found = server.get("/gmn/trajectories.json", {**conditions, "_size": 0}).json
    number = str(found["filtered_table_rows_count"])
    expect(chart(page, "How many").locator(".large")).to_have_text(number)


def conditions(page: Page) -> dict[str, str]:
    """As the address has them."""
    return dict(parse_qsl(page.url.partition("?")[2]))


def test_a_bar_sets_the_filter_and_again_takes_it_back(
    page: Page, server: Server, guest: Visitor
) -> None:
    bars = chart(page, "Showers").locator("svg rect:not(.band)")
    shown = bars.count()
    speeds = chart(page, "Speeds").locator("svg rect:not(.band)")
    expect(speeds.first).to_be_visible()
    # The sporadic ones are the most of them.
    sql = "SELECT iau_shower_code FROM trajectories GROUP BY 1 ORDER BY count(*) DESC, 1"
    code = str(server.get("/gmn.json", {"sql": sql}).json["rows"][1][0])
    bar = bars.filter(has=page.locator("title", has_text=re.compile(f"count: {code},")))
    bar.click()
    expect(page).to_have_url(re.compile(rf"\?shower={code}$"))
    expect(page.get_by_label("Shower", exact=True)).to_have_value(code)
    expect(chart(page, "Showers").get_by_text("Selected:")).to_contain_text(code)
    counts(page, server, iau_shower_code=code)
    # It goes on showing all, with the one marked.
    expect(bars).to_have_count(shown)
    expect(chart(page, "Showers").locator("rect.dim")).to_have_count(shown - 1)
    assert guest.barriers() == {}
    bar.click()
    expect(page).to_have_url(re.compile(r"/dashboards/linked-[a-z0-9]+$"))
    counts(page, server)
    page.go_back()
    counts(page, server, iau_shower_code=code)
    chart(page, "Showers").get_by_role("button", name="Take back").click()
    counts(page, server)


def test_a_range_is_brushed_and_stands_beside_the_filters(
    page: Page, server: Server, guest: Visitor
) -> None:
    bars = chart(page, "Speeds").locator("svg rect:not(.band)")
    first, third = (bars.nth(n).bounding_box() for n in (0, 2))
    assert first
    assert third
    base = first["y"] + first["height"] - 2
    page.mouse.move(first["x"] + 3, base)
    page.mouse.down()
    page.mouse.move(third["x"] + 3, base - 4, steps=4)
    expect(chart(page, "Speeds").locator("rect.band")).to_be_visible()
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"\?vgeo_km_s__gte=\d+&vgeo_km_s__lt=\d+$"))
    given = conditions(page)
    counts(page, server, **given)
    said = f"{given['vgeo_km_s__gte']} to {given['vgeo_km_s__lt']} km/s"
    expect(chart(page, "Speeds").get_by_text("Selected:")).to_contain_text(said)
    expect(page.get_by_role("search")).to_contain_text(said)
    # Two of them together; an address that somebody opens shows the same.
    hours = chart(page, "Hours").get_by_role("slider")
    hours.focus()
    for key in ("Home", "ArrowRight", "Shift+ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(page).to_have_url(re.compile("beginning_utc_time__gte=.*&beginning_utc_time__lt="))
    expect(chart(page, "Hours").get_by_text("Selected:")).to_be_visible()
    given = conditions(page)
    counts(page, server, **given)
    guest.open(page.url.removeprefix(server.url))
    counts(page, server, **given)
    page.get_by_role("button", name=re.compile("Without geocentric speed")).click()
    expect(page).not_to_have_url(re.compile("vgeo"))
    page.get_by_role("button", name="Reset").click()
    counts(page, server)


def test_by_keys_and_on_a_map(page: Page, server: Server, guest: Visitor) -> None:
    speeds = chart(page, "Speeds").get_by_role("slider")
    speeds.focus()
    for key in ("End", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    expect(speeds).to_have_attribute("aria-valuetext", re.compile("km/s: .*, selected"))
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile("vgeo"))
    counts(page, server)

    part = chart(page, "Tracks").get_by_role("button", name="Select the part that is shown")
    chart(page, "Tracks").get_by_role("button", name="Zoom in").click()
    part.press("Enter")
    expect(page).to_have_url(re.compile("begin_latitude_deg__gte=.*begin_longitude_deg__lte="))
    given = conditions(page)
    assert len(given) == 4
    counts(page, server, **given)
    expect(chart(page, "Tracks").get_by_text("Selected:")).to_contain_text("deg of longitude")
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert guest.barriers() == {}
    page.get_by_role("button", name="Take back the part that is selected").click()
    counts(page, server)
    box = chart(page, "Tracks").locator("canvas").last.bounding_box()
    assert box
    page.keyboard.down("Shift")
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=3)
    page.mouse.up()
    page.keyboard.up("Shift")
    expect(page).to_have_url(re.compile("begin_latitude_deg__gte="))
    counts(page, server, **conditions(page))
    # Nothing else is drawn by this: nothing to select.
    expect(chart(page, "How many").get_by_role("slider")).to_have_count(0)
