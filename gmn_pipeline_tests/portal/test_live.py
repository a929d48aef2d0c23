"""What stations measure, in a browser: as it comes, over time, in a table, beside nights."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, expect

from gmn_pipeline.cli.stations_annotate import annotate
from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.annotations import AnnotationStore
from gmn_pipeline.database.engine import open_database
from gmn_pipeline.errors import SettingsError
from gmn_pipeline.schemas.annotations import NewAnnotation
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.station_readings.rollups import roll_up
from gmn_pipeline_tests.support.browser import PHONE, Visitor, visitor
from gmn_pipeline_tests.support.commands import Command
from gmn_pipeline_tests.support.readings import ReadingsLake, reading
from gmn_pipeline_tests.support.sample import Bench
from gmn_pipeline_tests.support.server import Server, serving

HOURS = 30
TEMPERATURE = "temperature_deg_c"


def told(station: str, when: datetime, temperature: float) -> dict[str, object]:
    return reading(
        station_code=station, measured_at_utc=when, received_at_utc=when,
        temperature_deg_c=temperature, humidity_percent=80.0, latitude_deg=46.5,
        longitude_deg=10.0 if station == "HR0000" else 14.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def station(night: Bench) -> str:
    """One that has seen meteors."""
    with WarehouseConnection(night.settings).open(read_only=True) as connection:
        (found,) = connection.execute("SELECT min(station_code) FROM stations").fetchall()
    return str(found[0])


@pytest.fixture(scope="module")
def lake(night: Bench, station: str) -> ReadingsLake:
    """A day of two stations, a reading in five minutes, of which the last came just now."""
    lake = ReadingsLake(night.settings)
    now = utc_now()
    times = [now - timedelta(minutes=5 * n) for n in range(12 * HOURS)]
    readings = [told("HR0000", when, n / 10) for n, when in enumerate(times)]
    lake.take_in([*readings, told(station, now, 21.5)])
    roll_up(lake.warehouse)
    return lake


@pytest.fixture(scope="module")
def server(night: Bench, lake: ReadingsLake) -> Iterator[Server]:
    del lake  # it is there
    with serving(night.settings, serve_requests_per_minute=100_000, serve_poll_s=0.1) as running:
        yield running


def line_of(guest: Visitor, station: str, quantity: str = TEMPERATURE) -> Locator:
    return guest.page.locator(f"[data-series='{station}/1/{quantity}']")


def points(line: Locator) -> int:
    return int(line.get_attribute("data-points") or 0)


def asked(guest: Visitor) -> dict[str, list[str]]:
    return parse_qs(urlsplit(guest.page.url).query)


def test_the_page_moves_when_readings_come(guest: Visitor, lake: ReadingsLake) -> None:
    guest.open("/live?sensor=HR0000%2F1&last=900")
    row = guest.page.get_by_role("row", name="HR0000")
    line = line_of(guest, "HR0000")
    expect(line).to_have_count(1)
    before = points(line)
    expect(guest.page.get_by_text("listening; 0 readings came")).to_be_visible()
    lake.take_in([told("HR0000", utc_now(), 33.25)])
    expect(row).to_contain_text("33.25 deg C")
    expect(guest.page.get_by_text("listening; 1 readings came")).to_be_visible()
    expect(line).to_have_attribute("data-points", str(before + 1))
    new = guest.page.get_by_role("row", name="NEW001")
    for _ in range(50):  # one that tells all the time comes into the list too
        lake.take_in([told("NEW001", utc_now(), 1.0)])
        if new.is_visible():
            break
    expect(new).to_be_visible(timeout=1)
    assert guest.complaints == []


def test_a_page_that_was_opened_before_any_reading_came_listens_once_some_do(
    browser: Browser, tmp_path: Path
) -> None:
    settings = Bench(tmp_path).settings
    with (
        serving(settings, serve_poll_s=0.1) as empty,
        visitor(browser, empty.url) as guest,
    ):
        guest.open("/live")
        expect(guest.page.get_by_role("alert")).to_contain_text("No reading of a station")
        ReadingsLake(settings).take_in([told("HR0000", utc_now(), 1.0)])
        expect(guest.page.get_by_role("row", name="HR0000")).to_be_visible()
        expect(guest.page.get_by_text("listening; 0 readings came")).to_be_visible()


def test_what_is_noted_of_a_station_comes_into_charts_that_are_open_and_goes_again(
    guest: Visitor, lake: ReadingsLake
) -> None:
    page = guest.page
    gmn = Command(GMN_DATA_DIR=str(lake.settings.data_dir))
    store = AnnotationStore(open_database(lake.settings))
    begin, end = utc_now() - timedelta(hours=2), utc_now() - timedelta(hours=1)
    store.add(NewAnnotation("HR0000", "1", begin, end, "heater replaced", "Ana"))
    store.add(NewAnnotation("ES0009", None, begin, end, "of another station"))
    guest.open("/live?sensor=HR0000%2F1&last=86400")
    notes = page.get_by_role("list", name="Annotations").get_by_role("listitem")
    expect(notes).to_have_text([re.compile(r"HR0000/1: heater replaced\s+\(Ana\)")])
    said = gmn.says("stations", "annotate", "HR0000", "<b>lens</b>  cleaned", "--from",
                    utc_now().isoformat(timespec="seconds") + "+00:00")  # fmt: skip
    expect(notes).to_have_count(2)
    expect(notes.last).to_contain_text("HR0000: <b>lens</b> cleaned")
    number = said.split()[0]
    flag = page.locator(f"[data-note='{number}']")
    expect(flag).to_contain_text("2")
    expect(page.get_by_role("application", name="2 annotations")).to_be_visible()
    notes.last.get_by_role("button").focus()
    expect(flag).to_have_class(re.compile("lit"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Back to now")).to_be_visible()
    expect(notes.last).to_contain_text("cleaned")
    with page.expect_download() as got:
        page.get_by_role("link", name="csv").first.click()
    assert "heater replaced" in got.value.path().read_text()
    assert "withdrawn" in gmn.says("stations", "withdraw-annotation", number, "--by", "Ivo")
    expect(flag).to_have_count(0)
    listed = gmn.says("stations", "annotations", "HR0000", "--withdrawn").splitlines()
    assert [("withdrawn" in one, "by Ivo" in one) for one in listed] == [(True,) * 2, (False,) * 2]
    guest.open("/gmn/stations/HR0000")
    expect(notes).to_have_count(1)
    assert guest.complaints == []


@pytest.mark.parametrize(
    "words",
    [
        {"text": " "},
        {"text": "\x1b[2J"},
        {"begin": "noon"},
        {"end": "2020-01-01"},
        {"station": " "},
    ],
)
def test_an_annotation_that_says_nothing_or_is_at_no_time_is_refused(
    words: dict[str, str],
) -> None:
    with pytest.raises(SettingsError):
        annotate(**{"station": "HR0000", "text": "cleaned", **words})


def test_a_span_is_chosen_drawn_out_and_left_again(guest: Visitor) -> None:
    page = guest.page
    guest.open("/live?quantity=humidity_percent&quantity=temperature_deg_c")
    expect(page.get_by_text("Choose stations in the list or on the map")).to_be_visible()
    page.get_by_label("Search").fill("hr0")
    expect(page.get_by_text("1 of ")).to_be_visible()
    page.get_by_label("Draw HR0000/1").check()
    page.get_by_role("button", name="1 day").click()
    expect(page.get_by_text("out of sums by minute")).to_be_visible()
    line = line_of(guest, "HR0000")
    expect(line).to_have_attribute("data-points", re.compile("28[89]"))
    assert asked(guest)["last"] == ["86400"]
    page.get_by_text("The data behind this").first.click()
    address = page.locator("details a", has_text="csv").first.get_attribute("href") or ""
    chart = page.get_by_role("application", name="Humidity")
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 60)
    page.mouse.up()
    expect(page.get_by_text("out of readings")).to_be_visible()
    span = [datetime.fromisoformat(asked(guest)[name][0]) for name in ("from", "to")]
    assert timedelta(hours=2) < span[1] - span[0] < timedelta(hours=3)
    chart.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("button", name="Back to now")).to_be_visible()
    assert datetime.fromisoformat(asked(guest)["from"][0]) < span[0]
    page.get_by_role("button", name="Back to now").click()
    expect(page.get_by_role("button", name="15 min")).to_have_attribute("aria-pressed", "true")
    assert "series=HR0000%2F1%2Fhumidity_percent" in address
    assert page.request.get(f"{guest.url}{address}").text().startswith("station_code,sensor_id")


def test_readings_are_found_in_their_table_by_filters_and_over_time(guest: Visitor) -> None:
    page = guest.page
    guest.open("/readings/station_readings?station_code=HR0000")
    plot = page.get_by_role("img", name="readings from")
    expect(plot).to_be_visible()
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 40)
    page.mouse.up()
    page.wait_for_url("**measured_at_utc__gte=**")
    guest.settled()
    expect(page.get_by_role("link", name="any time")).to_be_visible()
    rows = guest.page.locator("tbody tr")
    expect(rows.first).to_contain_text("HR0000")
    saved = page.url
    guest.open(saved.removeprefix(guest.url))
    expect(page.get_by_role("link", name="any time")).to_be_visible()
    assert guest.complaints == []


def test_a_stations_page_has_its_readings_and_its_place(guest: Visitor, station: str) -> None:
    guest.open(f"/gmn/stations/{station}")
    expect(guest.page.get_by_role("heading", name="What it measures")).to_be_visible()
    expect(guest.page.get_by_text("It stands at 46.5000° N, 14.0000° E")).to_be_visible()
    expect(line_of(guest, station)).to_have_count(1)
    assert guest.complaints == []


def test_everyone_can_use_them_on_a_phone_too_and_nothing_is_asked_elsewhere(
    browser: Browser, server: Server, lake: ReadingsLake, station: str
) -> None:
    store = AnnotationStore(open_database(lake.settings))
    now = utc_now()
    store.add(NewAnnotation(station, None, now - timedelta(hours=9), now, "lens cleaned " * 9))
    paths = {
        "live": f"/live?sensor=HR0000%2F1&sensor={station}%2F1&last=86400"
        "&quantity=temperature_deg_c&quantity=humidity_percent",
        "silence": "/live?colour=silence",
        "discover": "/readings/station_readings?_size=3&_col=temperature_deg_c",
        "row": f"/readings/sensors/{station},1",
    }
    with visitor(browser, server.url, PHONE) as guest:
        found = {}
        for name, path in paths.items():
            guest.open(path)
            found[name] = guest.barriers()
            wide = guest.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= PHONE["width"], name
        assert {name: said for name, said in found.items() if said} == {}
        assert [one for one in guest.addresses if not one.startswith(f"{guest.url}/")] == []
        assert guest.complaints == []


def test_views_are_given_names_opened_renamed_and_deleted(guest: Visitor) -> None:
    page = guest.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    guest.open("/live?sensor=HR0000%2F1&last=86400")
    page.get_by_text("Saved views (0)").click()
    page.get_by_label("Name", exact=True).fill(" a day <b> ")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved as a day <b>.")).to_be_visible()
    page.get_by_role("button", name="1 h", exact=True).click()
    page.get_by_role("link", name="a day <b>").click()
    expect(page.get_by_role("button", name="1 day")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Copy the address").click()
    expect(page.get_by_text("is copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == f"{guest.url}/live?sensor=HR0000%2F1&last=86400"
    guest.open("/readings/station_readings?station_code=HR0000&_size=3")
    page.get_by_text("Saved views (1)").click()
    page.get_by_label("Name", exact=True).fill("of one")
    page.get_by_role("button", name="Save this view").click()
    page.get_by_role("button", name="Rename of one").click()
    page.get_by_label("New name of of one").fill("another")
    page.keyboard.press("Enter")
    views = page.get_by_role("list", name="Saved views").get_by_role("link")
    expect(views).to_have_text(["a day <b>", "another"])
    page.reload()
    page.get_by_text("Saved views (2)").click()
    page.get_by_role("button", name="Delete a day").click()
    expect(views).to_have_text(["another"])
    expect(views).to_have_attribute("href", re.compile("station_code=HR0000"))
    assert guest.complaints == []
