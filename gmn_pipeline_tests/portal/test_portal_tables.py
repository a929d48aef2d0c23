"""Tables, rows, ready questions and SQL in a browser, beside the data at the same addresses."""

import json
import re
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Route, expect

from gmn_pipeline_tests.portal.conftest import ROWS
from gmn_pipeline_tests.support.browser import Visitor
from gmn_pipeline_tests.support.server import Server

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
SCRIPT = "<script>document.title='taken'</script>"
LINK = "javascript:document.title='taken'"
BESIDE_DATA = ["/gmn/trajectories", "/gmn_data_store/meteor", "/gmn/iau_showers/7",
               "/gmn_data_store/meteor/x", "/gmn/queries", "/gmn/queries/nights"]  # fmt: skip


# Page or data ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", BESIDE_DATA)
def test_a_page_is_there_for_who_asks_for_one(server: Server, path: str) -> None:
    page = server.get(path, headers=BROWSER)
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "Accept" in page.headers["Vary"].split(", ")
    for accept in ("*/*", "application/json", "application/json, text/html;q=0.5", "text/html;q=0"):
        assert server.get(path, headers={"Accept": accept}).status == 404, accept
    assert server.get(path).status == 404


def test_data_stays_where_it_is_whoever_asks(server: Server) -> None:
    query = {"sql": "SELECT 1 AS one", "_shape": "array"}
    for path in ("/gmn", "/gmn_data_store"):
        data = server.get(path, query)
        assert data.json == [{"one": 1}]
        assert "Accept" in data.headers["Vary"].split(", ")
        assert server.get(path).status == 400
        page = server.get(path, query, headers=BROWSER)
        assert page.headers["Content-Type"].startswith("text/html")
        assert "Accept" in page.headers["Vary"].split(", ")
        known = server.get(path, query, headers={"If-None-Match": page.headers["ETag"]})
        assert known.status == 200  # that of the page is none of the data's
    for path in ("/gmn.json?sql=SELECT+1", "/gmn/trajectories.csv?_col=revision"):
        asked = [server.get(path), server.get(path, headers=BROWSER)]
        assert asked[0].body == asked[1].body
    assert server.get("/gmn/nothing", headers=BROWSER).status == 404
    night = server.get("/gmn/nights/2022-02-30", headers=BROWSER)
    assert (night.status, night.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_what_there_is_to_ask_is_told(server: Server) -> None:
    told = server.get("/gmn/tables.json").json
    tables = {one["name"]: one for one in told["tables"]}
    assert tables["trajectories"]["rows"] == tables["meteor_summary"]["rows"] == ROWS
    for name in ("trajectories", "participating_station", "column_definitions"):
        one = tables[name]
        page = server.get(f"/gmn/{name}.json", {"_size": 0, "_nosuggest": "on"}).json
        assert page["columns"] == [column["name"] for column in one["columns"]]
        assert page["filtered_table_rows_count"] == one["rows"], name
    assert {"name": "isnull", "meaning": "is null", "needs_value": False} in told["operators"]
    assert told["limits"]["requests_per_minute"] == 100_000
    (uncounted,) = {
        one["rows"] for one in server.get("/gmn/tables.json?_nocount=on").json["tables"]
    }
    assert uncounted is None
    states = server.get("/gmn/states.json").json["states"]
    assert states[0]["snapshot"] == told["snapshot"]
    (oldest,) = {one["snapshot"] for one in states} & {states[-1]["snapshot"]}
    assert server.get("/gmn/trajectories.json", {"_as_of": oldest, "_size": 0}).status == 200


def test_the_calendar_says_in_which_state_a_date_is(server: Server) -> None:
    rows = server.get("/gmn/queries/calendar.json").json["rows"]
    assert [(row["state"], row["trajectories"], row["files"]) for row in rows] == [
        ("revised", ROWS, 2)
    ]


# Tables ------------------------------------------------------------------------------------------


def query_of(guest: Visitor) -> dict[str, list[str]]:
    return parse_qs(urlsplit(guest.page.url).query, keep_blank_values=True)


def test_filters_order_and_facets_are_clicked_and_stand_in_the_address(
    guest: Visitor, server: Server
) -> None:
    page = guest.page
    guest.open("/gmn/trajectories?_col=iau_shower_code&_col=vgeo_km_s&_col=bin_date&_size=20")
    expect(page.get_by_role("status").filter(has_text=f"{ROWS} rows")).to_be_visible()
    page.get_by_role("link", name=re.compile("^geocentric speed")).click()
    guest.settled()
    assert query_of(guest)["_sort"] == ["vgeo_km_s"]
    expect(
        page.get_by_role("columnheader", name=re.compile("^geocentric speed"))
    ).to_have_attribute("aria-sort", "ascending")
    page.get_by_role("combobox", name=re.compile("^Column")).select_option("vgeo_km_s")
    assert "contains" not in page.get_by_label("Operator").inner_text()
    page.get_by_label("Operator").select_option("gt")
    page.get_by_label("Value [km/s]").fill("30")
    page.keyboard.press("Enter")
    guest.settled()
    page.get_by_role("combobox", name=re.compile("^Count")).select_option("iau_shower_code")
    guest.settled()
    page.get_by_role("region", name="Values of shower").get_by_role("link").nth(1).click()
    guest.settled()
    asked = query_of(guest)
    assert asked["vgeo_km_s__gt"] == ["30"]
    assert asked["_facet"] == ["iau_shower_code"]
    assert len(asked["iau_shower_code"]) == 1
    # What the page shows is what its address says, to a script as well.
    address = urlsplit(page.url)
    data = server.get(f"{address.path}.json?{address.query}").json
    assert page.locator("tbody tr").count() == min(20, data["filtered_table_rows_count"]) > 0
    csv = page.get_by_role("link", name="csv", exact=True).get_attribute("href") or ""
    assert len(server.get(csv).body.splitlines()) == data["filtered_table_rows_count"] + 1
    page.go_back()
    guest.settled()
    assert "iau_shower_code" not in query_of(guest)
    page.get_by_role("link", name="Without all filters").click()
    guest.settled()
    assert "vgeo_km_s__gt" not in query_of(guest)
    assert guest.complaints == []


def test_rows_follow_each_other_on_one_state_and_each_has_a_page(
    guest: Visitor, server: Server
) -> None:
    page = guest.page
    guest.open("/gmn/trajectory_stations?_size=2")
    first = page.locator("tbody").inner_text()
    page.get_by_role("link", name="Next rows").click()
    guest.settled()
    expect(page.locator("tbody")).not_to_have_text(first)
    assert query_of(guest)["_as_of"] == [server.get("/gmn/tables.json").headers["GMN-State"]]
    page.get_by_role("link", name="open row 1", exact=True).click()
    guest.settled()
    assert page.url.startswith(f"{guest.url}/gmn/trajectory_stations/")
    page.get_by_role("link", name=re.compile("^trajectory 2022")).click()
    guest.settled()
    assert "/gmn/trajectories/2022" in page.url
    guest.open("/gmn/iau_showers?_search=perseids&_size=3")
    assert page.get_by_label("Words in the row's texts").input_value() == "perseids"
    page.locator("tbody a").first.click()
    guest.settled()
    assert re.search(r"/gmn/iau_showers/\d+$", page.url)
    assert guest.complaints == []


def test_a_map_is_there_where_the_columns_allow_it(guest: Visitor) -> None:
    for path in ("/gmn/trajectories?_size=5", "/gmn_data_store/meteor_summary?_size=5"):
        guest.open(path)
        guest.page.get_by_text("Map of these 5 tracks").click()
        tracks = guest.page.get_by_role("application", name=re.compile("5 ground tracks"))
        expect(tracks).to_be_visible()


# Questions and SQL -------------------------------------------------------------------------------


def test_a_ready_question_is_a_form_and_its_answer(guest: Visitor) -> None:
    page = guest.page
    guest.open("/gmn")
    page.get_by_role("link", name="Nights of a station").click()
    guest.settled()
    expect(page.get_by_text("Fill in what is asked for.")).to_be_visible()
    page.get_by_label(re.compile("station", re.I)).first.fill("ZZ0000")
    page.get_by_role("button", name="Ask").click()
    guest.settled()
    assert query_of(guest) == {"station": ["ZZ0000"]}
    expect(page.get_by_text("0 rows, in")).to_be_visible()
    guest.open("/gmn/queries/heights_by_speed")
    page.get_by_role("combobox", name=re.compile("^Up")).select_option("trajectories")
    page.get_by_role("combobox", name=re.compile("^As")).select_option("bars")
    assert query_of(guest)["_draw"] == ["bars"]
    assert page.locator("svg rect").count() > 0
    assert guest.complaints == []


def test_sql_is_completed_asked_and_told_where_it_is_wrong(guest: Visitor) -> None:
    page = guest.page
    guest.open("/sql")
    editor = page.get_by_role("textbox", name="Query in SQL")
    page.locator(".cm-content").wait_for()
    before = [a for a in guest.addresses if "/gmn.json" in a]
    assert before == []  # nothing is asked unasked
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.type("SELECT count(*) AS n FROM traj")
    page.get_by_role("option", name=re.compile("^trajectories *table")).click()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("1 row, in")).to_be_visible()
    assert query_of(guest)["sql"] == ["SELECT count(*) AS n FROM trajectories"]
    assert page.locator("tbody td").inner_text() == str(ROWS)
    page.keyboard.type("\nWHERE vgeo > :speed")
    page.keyboard.press("Escape")
    page.get_by_label(":speed").fill("30")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("alert")).to_contain_text("vgeo_km_s")
    page.get_by_role("button", name="To the place, in line 2").click()
    assert page.evaluate("getSelection().toString()") == "vgeo"
    page.keyboard.type("vgeo_km_s")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("1 row, in")).to_be_visible()
    assert query_of(guest)["speed"] == ["30"]
    said = [one for one in guest.complaints if "400" not in one]
    assert said == []


def test_nothing_that_is_typed_or_told_is_html_or_a_script(guest: Visitor) -> None:
    page = guest.page
    told = SCRIPT.replace("'", "''")
    sql = f"""SELECT '{told}' AS "{SCRIPT}", '{LINK.replace("'", "''")}' AS iau_shower_code, 1 AS n
      UNION ALL SELECT '<img src=x>', 'b', 2"""
    guest.open(f"/gmn_data_store?{urlencode({'sql': sql, '_shape': 'array'})}")
    assert SCRIPT in guest.says
    guest.open(f"/sql?{urlencode({'sql': f'SELECT * FROM {SCRIPT}'})}")
    assert page.get_by_role("alert").count() == 1
    asked: list[tuple[str, dict[str, str]]] = [
        ("/gmn/iau_showers", {"name": SCRIPT, "_where": "name <> '<img src=x>'"}),
        ("/gmn/iau_showers", {"_sort": SCRIPT}),
        ("/gmn/iau_showers", {"_next": LINK, "_as_of": SCRIPT}),
        ("/gmn/queries/showers", {"_x": SCRIPT, "code": SCRIPT}),
        (f"/gmn/iau_showers/{LINK.replace('.', '~2E')}", {}),
    ]
    for path, given in asked:
        guest.open(f"{path}?{urlencode(given)}")
        assert page.locator("main script, main img, main a[href^='javascript:' i]").count() == 0
        assert page.title() != "taken"

    def evil(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        for row in body["rows"]:
            row.update(name=SCRIPT, code=LINK, iau_shower_code=LINK)
        body["facet_results"] = {"name": {"name": "name", "type": "column", "truncated": False,
                                 "results": [{"label": SCRIPT, "count": 1}]}}  # fmt: skip
        route.fulfill(response=answer, body=json.dumps(body))

    page.route("**/gmn/iau_showers.json*", evil)
    guest.open("/gmn/iau_showers?_size=2")
    assert SCRIPT in guest.says
    assert page.locator("main script, main img, main a[href^='javascript:' i]").count() == 0
    assert page.title() != "taken"
