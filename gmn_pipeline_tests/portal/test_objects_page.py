"""The lake of objects in a browser: put, looked at, taken back; and uploads that go on."""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from gmn_pipeline_tests.support.browser import PHONE, Visitor, visitor
from gmn_pipeline_tests.support.films import film
from gmn_pipeline_tests.support.objects import settings_of
from gmn_pipeline_tests.support.objects_http import make_places, put, send
from gmn_pipeline_tests.support.ports import free_port
from gmn_pipeline_tests.support.server import Server, serving

CARDS = "".join(
    card.ljust(80) for card in ("SIMPLE  =                    T", "GAIN    = 4.5", "END")
)
FITS = CARDS.ljust(2880).encode()
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63"
    "60000000020001e221bc330000000049454e44ae426082"
)
LARGE_MB = 64


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(settings_of(tmp_path_factory.mktemp("page"))) as running:
        yield running


def choose(page: Page, *files: object, label: str = "Files") -> None:
    page.get_by_label(label, exact=True).set_input_files(files)  # type: ignore[arg-type]


def row(page: Page, name: str) -> None:
    expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()


def test_a_file_is_put_with_what_is_said_of_it_looked_at_and_taken_back(
    guest: Visitor, server: Server, tmp_path: Path
) -> None:
    page = guest.page
    guest.open("/objects")
    for what, name in (("project", "cams"), ("container", "ff")):
        page.get_by_label(f"New {what}").fill(name)
        page.get_by_role("button", name="Make").click()
        expect(page).to_have_url(f"{server.url}/objects/{'cams/' * (what == 'container')}{name}")
    page.get_by_text("What is said of them").click()
    page.get_by_label("Tags").fill("fireball, dew")
    page.get_by_label("Metadata").fill('{"gain": 4.5}')
    (tmp_path / "night").mkdir()
    (tmp_path / "night" / "ff.fits").write_bytes(FITS)
    (tmp_path / "night" / "list.csv").write_text('a,b\n1,"<b>2</b>"\n')
    page.get_by_label("A folder").set_input_files(tmp_path / "night")
    row(page, "night/")
    choose(page, {"name": "x.png", "mimeType": "image/png", "buffer": PNG})
    row(page, "x.png")
    assert guest.barriers() == {}

    page.get_by_role("link", name="night/").click()
    page.get_by_role("link", name="ff.fits").click()
    expect(page.get_by_label("First bytes")).to_contain_text("GAIN    = 4.5")
    expect(page.get_by_label("Metadata")).to_contain_text('"gain": 4.5')
    expect(page.get_by_text("dew, fireball")).to_be_visible()
    expect(page.locator("main")).to_contain_text("put of version 1, by this machine")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.path().read_bytes() == FITS
    assert guest.barriers() == {}

    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Yes, delete it").click()
    row(page, "list.csv")
    expect(page.get_by_role("link", name="ff.fits")).to_have_count(0)
    page.get_by_role("link", name="Deleted ones").click()
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("Nothing was found")).to_be_visible()
    page.get_by_role("link", name="Back to the folder").click()
    row(page, "ff.fits")
    page.get_by_role("link", name="list.csv").click()
    expect(page.get_by_role("cell", name="<b>2</b>")).to_be_visible()

    page.goto(f"{server.url}/objects/cams/ff?object=x.png")
    expect(page.get_by_role("img", name="x.png")).to_have_js_property("naturalWidth", 1)
    page.goto(f"{server.url}/objects/cams/ff")
    page.get_by_role("searchbox").fill("FITS")
    page.keyboard.press("Enter")
    row(page, "night/ff.fits")
    expect(page.get_by_text("What was found: 1 object, ")).to_be_visible()


def test_what_is_said_is_changed_by_a_form_and_a_folder_is_shared(
    guest: Visitor, server: Server
) -> None:
    schema = {
        "type": "object", "required": ["gain"], "additionalProperties": False,
        "properties": {
            "gain": {"type": "number", "title": "Gain", "minimum": 0},
            "filter": {"enum": ["none", "IR"]}, "camera": {"type": "object"},
        },
    }  # fmt: skip
    send(server, "PUT", "/objects/said", {})
    send(server, "PUT", "/objects/said/ff", {"metadata_schema": schema})
    said = {
        "metadata": {"gain": 4.5, "camera": {"id": 1}}, "tags": ["dew, much"],
        "observed_from_utc": "2022-03-04T21:00:00.123456Z", "latitude_deg": 45, "longitude_deg": 15,
    }  # fmt: skip
    assert server.get("/objects/said/ff/in/x.png", method="PUT", body=PNG,
                      headers={"GMN-Description": json.dumps(said)}).status == 201  # fmt: skip
    page = guest.page
    guest.open("/objects/said/ff?folder=in/&object=in/x.png")
    page.get_by_role("button", name="Change what is said").click()
    form = page.get_by_role("form", name="Say something else of it")
    expect(form.get_by_label("Gain")).to_have_value("4.5")
    assert guest.barriers() == {}
    form.get_by_label("Gain").fill("6")
    form.get_by_label("filter").select_option("IR")
    form.get_by_label("Links").fill("station:US0001")
    form.get_by_label("Latitude").fill("")
    form.get_by_label("Longitude").fill("")
    form.get_by_label("Other metadata").fill('{"lens": "wide"}')
    form.get_by_role("button", name="Say it").click()
    expect(form.get_by_role("alert")).to_contain_text("not by the schema")
    form.get_by_label("Other metadata").fill('{"camera": {"id": 2}}')
    form.get_by_role("button", name="Say it").click()
    expect(page.get_by_text("describe of version 2, by this machine")).to_be_visible()
    now = server.get("/objects/_about/said/ff/in/x.png").json
    assert now["metadata"] == {"gain": 6, "filter": "IR", "camera": {"id": 2}}
    assert (now["tags"], now["links"]) == (said["tags"], [{"kind": "station", "key": "US0001"}])
    assert (now["latitude_deg"], now["observed_from_utc"]) == (None, said["observed_from_utc"])
    guest.open("/objects/said/ff?folder=in/")
    page.get_by_role("button", name="Share this folder").click()
    link = page.get_by_role("status").get_by_role("link")
    address = (link.get_attribute("href") or "").removeprefix(server.url)
    with zipfile.ZipFile(io.BytesIO(server.get(address).body)) as archive:
        assert archive.read("said/ff/in/x.png") == PNG
    assert guest.barriers() == {}


def test_what_was_put_shows_itself_and_runs_nothing(guest: Visitor, server: Server) -> None:
    for project in ("run", "run/here"):
        send(server, "PUT", f"/objects/{project}", {})
    page = guest.page
    bad = b"<svg xmlns='http://www.w3.org/2000/svg'><script>top.ran=1</script></svg>"
    server.get("/objects/run/here/x.svg", method="PUT", body=bad)
    server.get("/objects/run/here/%3Cimg%20src=x%20onerror=ran=1%3E", method="PUT", body=bad)
    for name in ("x.svg", "%3Cimg%20src=x%20onerror=ran=1%3E"):
        page.goto(f"{server.url}/objects/run/here?object={name}")
        expect(page.get_by_label("First bytes")).to_contain_text("<script>")
        assert page.evaluate("window.ran") is None
    with page.expect_download():
        page.evaluate("location.href = '/objects/run/here/x.svg'")
    # A film plays in place, from the address that runs nothing, by the parts that are looked at.
    server.get("/objects/run/here/a.webm", method="PUT", body=film("webm", "libvpx"))
    with page.expect_response(lambda one: one.request.resource_type == "media") as asked:
        page.goto(f"{server.url}/objects/run/here?object=a.webm")
    assert asked.value.status == 206
    assert asked.value.headers["content-security-policy"].startswith("sandbox")
    shown = page.get_by_label("a.webm")
    expect(shown).to_have_js_property("videoWidth", 320)
    shown.evaluate("film => { film.muted = true; film.currentTime = 1; return film.play() }")
    expect(shown).to_have_js_property("error", None)
    assert shown.evaluate("film => film.currentTime") >= 1


def test_a_drop_and_a_phone(browser: Browser, server: Server) -> None:
    for project in ("drop", "drop/here"):
        send(server, "PUT", f"/objects/{project}", {})
    with visitor(browser, server.url, PHONE) as guest:
        page = guest.page
        guest.open("/objects/drop/here")
        data = page.evaluate_handle(
            """name => { const data = new DataTransfer();
            data.items.add(new File(["dropped"], name)); return data; }""",
            "a rather long name of a file.txt",
        )
        page.locator("section", has_text="Drop files").dispatch_event(
            "drop", {"dataTransfer": data}
        )
        row(page, "a rather long name of a file.txt")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.get_by_role("link", name="a rather long name").click()
        expect(page.get_by_label("First bytes")).to_have_text("dropped")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_token_is_asked_for_and_used(browser: Browser, tmp_path: Path) -> None:
    with (
        serving(settings_of(tmp_path), objects_token="a word") as server,
        visitor(browser, server.url) as guest,
    ):
        known = {"Authorization": "Bearer a word"}
        make_places(server, **known)
        put(server, "x.png", PNG, **known)
        page = guest.page
        guest.open("/objects/cams/ff?object=x.png")
        expect(page.get_by_role("alert")).to_contain_text("token of this server")
        assert guest.barriers() == {}
        page.get_by_label("Token of this server").fill("a word")
        page.get_by_role("button", name="Use it").click()
        expect(page.get_by_role("img", name="x.png")).to_have_js_property("naturalWidth", 1)
        page.goto(f"{server.url}/objects/cams/ff")
        choose(page, {"name": "new.txt", "mimeType": "text/plain", "buffer": b"new"})
        row(page, "new.txt")


def test_an_upload_goes_on_after_the_server_was_killed_and_the_page_closed(
    browser: Browser, tmp_path: Path
) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(1 << 20) * LARGE_MB)
    digest = hashlib.sha256(large.read_bytes()).hexdigest()
    settings, port = settings_of(tmp_path), free_port()
    offsets: list[int] = []

    def began(page: Page) -> None:
        """A page with the upload going on, on a line of 12 MB/s."""
        page.on("request", lambda asked: offsets.append(int(asked.headers["upload-offset"]))
                if asked.method == "PATCH" else None)  # fmt: skip
        slow = page.context.new_cdp_session(page)
        slow.send("Network.enable")
        slow.send("Network.emulateNetworkConditions", {
            "offline": False, "latency": 5, "downloadThroughput": -1,
            "uploadThroughput": 12_000_000,
        })  # fmt: skip
        page.goto(f"http://127.0.0.1:{port}/objects/cams/ff")
        choose(page, large)

    def sent_mb(page: Page, more_than: float) -> None:
        page.wait_for_function(
            "mb => document.querySelector('progress').value > mb * 2 ** 20", arg=more_than
        )

    with visitor(browser, f"http://127.0.0.1:{port}") as guest:
        page = guest.page
        with serving(settings, port=port) as server:
            make_places(server)
            began(page)
            sent_mb(page, 12)
            server.process.kill()
            server.process.wait()
        with serving(settings, port=port) as server:
            sent_mb(page, 36)
            page.get_by_role("button", name="Pause").click()
            expect(page.get_by_text("is paused")).to_be_visible()
            page.get_by_role("button", name="Go on").click()
            sent_mb(page, 40)
            page.close()
            again = guest.page.context.new_page()
            again.goto(f"http://127.0.0.1:{port}/objects/cams/ff")
            expect(again.get_by_text("choose the same file again")).to_be_visible()
            before = len(offsets)
            began(again)
            row(again, "large.bin")
            assert offsets[before] >= 32 << 20
            assert any(8 << 20 <= offset < 16 << 20 for offset in offsets[1:])
            told = server.get("/objects/_about/cams/ff/large.bin").json
            assert (told["sha256"], told["version"]) == (digest, 1)
