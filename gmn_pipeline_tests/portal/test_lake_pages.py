"""The lake in a browser: crawls, the graph, and many objects at once."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from gmn_pipeline.database.crawls import Crawl
from gmn_pipeline.flows.object_crawl import Crawling
from gmn_pipeline.schemas.objects import Description, Link, LinkKind
from gmn_pipeline_tests.support.browser import PHONE, Visitor, visitor
from gmn_pipeline_tests.support.objects import PERSON, ObjectBench, object_bench, settings_of
from gmn_pipeline_tests.support.processing import night_sky, png, processing_bench
from gmn_pipeline_tests.support.sample import Bench
from gmn_pipeline_tests.support.server import Server, serving
from gmn_pipeline_tests.support.warehouse import ask

STATION = "US0001"
FF = "FF_US0001_20220304_{}_123_0000000.png"
STARS = [(40, 40), (200, 60), (250, 200)]


@pytest.fixture(scope="module")
def trajectory(night: Bench) -> str:
    query = "SELECT min(trajectory_identifier) FROM trajectories"
    ((identifier,),) = ask(night.settings, query)
    return str(identifier)


@pytest.fixture(scope="module")
def places(night: Bench, trajectory: str) -> ObjectBench:
    """Two images of a station, that show nearly the same, one of them of a trajectory too; and one
    that shows nothing."""
    link = Link(LinkKind.TRAJECTORY, trajectory)
    with processing_bench(night.settings) as bench:
        streak = png(night_sky(STARS, streak=True))
        bench.objects.put(FF.format("210000"), streak, Description(links=frozenset({link})))
        bench.put(FF.format("220000"), png(night_sky([*STARS, (60, 220)], streak=True)))
        bench.put("dark.png", png(night_sky([]) // 2))
        bench.process()
        return bench.objects


@pytest.fixture(scope="module")
def server(night: Bench, places: ObjectBench) -> Iterator[Server]:
    with serving(night.settings, serve_requests_per_minute=100_000) as running:
        yield running


def test_a_crawl_is_made_and_run_and_its_tables_decided_about(
    guest: Visitor, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "weather").mkdir()
    (tmp_path / "weather" / "a.csv").write_text("time,temp\n2022-03-04,1\n")
    (tmp_path / "weather" / "b.csv").write_text("time,temp,dew\n2022-03-05,2,3\n")
    (tmp_path / "notes.txt").write_text("none")
    page = guest.page
    guest.open("/objects/cams")
    page.get_by_role("link", name="Crawls").click()
    page.get_by_role("button", name="New crawl").click()
    form = page.get_by_role("form", name="New crawl")
    form.get_by_label("Its name").fill("night")
    form.get_by_label("Folder of the server").fill("exports")
    assert guest.barriers() == {}
    form.get_by_role("button", name="Make it").click()
    expect(form.get_by_role("alert")).to_contain_text("from / on")
    form.get_by_label("Folder of the server").fill(str(tmp_path))
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{server.url}/objects/_crawls/cams/night")
    expect(page.get_by_text("It has not run yet")).to_be_visible()
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_text("It has ended")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("row", name="new column dew")).to_be_visible()
    expect(page.get_by_text("notes.txt: It is no table.")).to_be_visible()
    assert guest.barriers() == {}
    table = page.get_by_role("article", name="Table weather")
    expect(table).to_contain_text("proposed")
    table.get_by_label("Its name in SQL").fill("meteo")
    table.get_by_role("button", name="Accept as a view").click()
    expect(table).to_contain_text("Decided by this machine", timeout=60_000)
    expect(table.get_by_role("link", name="objects.ff_meteo")).to_be_visible()
    table.get_by_role("button", name="Refuse").click()
    expect(table).to_contain_text("refused", timeout=60_000)
    expect(table.get_by_role("link")).to_have_count(0)
    page.get_by_role("button", name="Change it").click()
    form = page.get_by_role("form", name="Change the crawl")
    form.get_by_label("Only files whose paths").fill("*.parquet")
    form.get_by_role("button", name="Change it").click()
    expect(page.get_by_text(", *.parquet, into")).to_be_visible()
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_text("no such file at all")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Forget it").click()
    page.get_by_role("button", name="Yes, forget it").click()
    expect(page.get_by_text("There is none yet")).to_be_visible()


def test_an_image_leads_into_the_graph_and_back(
    guest: Visitor, browser: Browser, server: Server, trajectory: str
) -> None:
    page, one = guest.page, FF.format("210000")
    guest.open(f"/objects/cams/ff?object={one}")
    shown = page.get_by_role("region", name="Streaks, what a detector found")
    expect(shown.get_by_role("row")).to_have_count(5)
    graph = page.get_by_role("region", name="The graph around it")
    for href in (f"/gmn/stations/{STATION}", "/gmn/nights/2022-03-04",
                 f"/gmn/trajectories/{trajectory}",
                 f"/objects/cams/ff?object={FF.format('220000')}"):  # fmt: skip
        expect(graph.locator(f"a[href='{href}']")).to_be_visible()
    page.get_by_role("button", name="Look for images that show the same").click()
    guest.settled()
    alike = page.get_by_role("list", name="Pictures")
    expect(alike.locator("img").first).to_have_js_property("naturalWidth", 320)
    assert guest.barriers() == {}
    graph.locator(f"a[href='/gmn/stations/{STATION}']").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{server.url}/gmn/stations/{STATION}")
    page.get_by_role("heading", name="Its images").wait_for()
    guest.settled()
    pictures = page.get_by_role("list", name="Pictures")
    expect(pictures.get_by_role("link")).to_have_count(2)
    expect(pictures.locator("img").first).to_have_js_property("naturalWidth", 320)
    page.get_by_role("link", name="All images of it").click()
    page.get_by_text("2 rows, in").wait_for()
    expect(pictures.get_by_role("link")).to_have_count(2)
    assert guest.barriers() == {}
    guest.open(f"/gmn/trajectories/{trajectory}")
    page.get_by_role("heading", name="Its images").wait_for()
    guest.settled()
    pictures.get_by_role("link", name=one).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(one)
    with visitor(browser, server.url, PHONE) as phone:
        for path in (f"/objects/cams/ff?object={one}", "/gmn/queries/images_that_show",
                     "/objects/_crawls/cams"):  # fmt: skip
            phone.open(path)
            width = phone.page.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["width"], path
        assert phone.complaints == []


def test_many_objects_are_changed_at_once_and_each_is_told(
    guest: Visitor, server: Server, places: ObjectBench
) -> None:
    for name in ("many/a.txt", "many/in/b.txt", "many/taken.txt", "other/taken.txt"):
        places.put(name, name.encode())
    page = guest.page
    guest.open("/objects/cams/ff?folder=many/")
    page.get_by_label("Select all that are shown").focus()
    page.keyboard.press("Space")
    selected = page.get_by_role("region", name="What is selected")
    expect(selected).to_contain_text("3 selected")
    page.get_by_role("button", name="Tags, links, metadata").click()
    page.get_by_label("Add tags").fill("dew, night")
    assert guest.barriers() == {}
    page.keyboard.press("Enter")
    expect(page.get_by_text("3 objects were described.")).to_be_visible()
    found = server.get("/objects.json", {"tag": "dew"}).json["objects"]
    assert {one["name"] for one in found} == {"many/a.txt", "many/in/b.txt", "many/taken.txt"}
    with page.expect_download() as download:
        page.get_by_role("button", name="As one zip").click()
    with zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())) as archive:
        assert "cams/ff/many/in/b.txt" in archive.namelist()
    page.get_by_role("button", name="Move", exact=True).click()
    page.get_by_label("To PROJECT/CONTAINER").fill("cams/ff/other/")
    page.get_by_role("button", name="Move 3").click()
    expect(page.get_by_text("2 objects were moved; 1 failed:")).to_be_visible()
    expect(page.get_by_text("many/taken.txt: There is a object")).to_be_visible()
    expect(selected).to_contain_text("1 selected")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Yes, delete 1").click()
    expect(page.get_by_text("1 object was deleted.")).to_be_visible()
    page.get_by_role("link", name="Deleted ones").click()
    page.get_by_label("Select many/taken.txt").check()
    page.get_by_role("button", name="Restore them").click()
    expect(page.get_by_text("1 object was restored.")).to_be_visible()
    assert guest.barriers() == {}


def test_who_may_only_read_sees_no_controls(browser: Browser, tmp_path: Path) -> None:
    bench = object_bench(settings_of(tmp_path))
    bench.catalogue.make_project("open", PERSON, is_public=True)
    bench.catalogue.make_container("open", "ff", PERSON)
    said = Crawl("night", str(tmp_path), "open", "ff")
    Crawling(bench.settings, PERSON).save(said)
    with serving(bench.settings, objects_token="a word") as server:
        server.get("/objects/open/ff/a.txt", method="PUT", body=b"a",
                   headers={"Authorization": "Bearer a word"})  # fmt: skip
        with visitor(browser, server.url) as guest:
            page = guest.page
            main = page.locator("main")
            for path in ("/objects/_crawls/open", "/objects/_crawls/open/night"):
                guest.open(path)
                expect(page.get_by_text("It has not run yet")).to_be_visible()
                expect(main.get_by_role("button")).to_have_count(0)
                assert str(tmp_path) not in guest.says
            guest.open("/objects/open/ff")
            page.get_by_label("Select a.txt").check()
            names = page.get_by_role("region", name="What is selected").get_by_role("button")
            assert names.all_inner_texts() == ["As one zip", "Select none"]
            guest.open("/objects/_crawls/cams")
            expect(page.get_by_role("alert")).to_contain_text("token")
