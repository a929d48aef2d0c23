"""A private dashboard in the browser: made, shared with an account, shown by a link in a frame."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, expect

from gmn_pipeline.database.accounts import AccountStore
from gmn_pipeline.database.engine import open_database
from gmn_pipeline.schemas.accounts import Role
from gmn_pipeline_tests.support.browser import Visitor, visitor
from gmn_pipeline_tests.support.objects import settings_of
from gmn_pipeline_tests.support.server import Server, serving


@pytest.fixture(scope="module")
def tokens() -> dict[str, str]:
    return {}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tokens: dict[str, str]) -> Iterator[Server]:
    """Without a warehouse; ada may write, ben reads."""
    settings = settings_of(tmp_path_factory.mktemp("shared"), serve_requests_per_minute=100_000)
    accounts = AccountStore(open_database(settings))
    for name, role in (("ada", Role.CONTRIBUTOR), ("ben", Role.READER)):
        accounts.make(name, "test")
        accounts.set_role(name, "cams", role, "test")
        tokens[name] = accounts.make_token(name, "test", timedelta(days=1))
    with serving(settings, serve_embed_hosts="https://example.org") as one:
        yield one


def signed_in(guest: Visitor, token: str) -> Visitor:
    """As who has said their token on the page of objects."""
    guest.page.add_init_script(f"sessionStorage.setItem('objects-token', '{token}')")
    return guest


def test_it_is_made_shared_and_shown(
    browser: Browser, server: Server, tokens: dict[str, str]
) -> None:
    with visitor(browser, server.url) as one, visitor(browser, server.url) as other:
        ada, ben = signed_in(one, tokens["ada"]), signed_in(other, tokens["ben"])
        page = ada.page
        ada.open("/dashboards/new")
        page.get_by_label("Title", exact=True).fill("For two")
        page.get_by_label("Private: nobody reads it").check()
        page.once("dialog", lambda asks: asks.accept())  # leave, though it is not saved
        page.reload()
        expect(page.get_by_label("Private: nobody reads it")).to_be_checked()
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Private: read by ada, by operators")).to_be_visible()
        address = page.url.removeprefix(server.url)
        ben.open("/dashboards")
        assert "For two" not in ben.says
        ben.page.goto(f"{server.url}{address}")
        expect(ben.page.get_by_role("alert")).to_contain_text("There is no dashboard")

        page.locator("summary", has_text="Share").click()
        page.get_by_label("Account").fill("ben")
        page.get_by_role("group", name="Who reads it").get_by_role("button", name="Share").click()
        expect(page.get_by_role("button", name="Withdraw it from ben")).to_be_visible()
        assert ada.barriers() == {}
        ben.open("/dashboards")
        expect(ben.page.get_by_role("heading", name="Shared with you")).to_be_visible()
        assert ben.barriers() == {}
        ben.page.get_by_role("link", name="For two").click()
        expect(ben.page.get_by_text("ada shares it with you")).to_be_visible()
        expect(ben.page.get_by_role("link", name="Edit")).to_have_count(0)
        ben.page.locator("summary", has_text="Share").click()
        expect(ben.page.get_by_role("group", name="Who reads it")).to_have_count(0)

        page.get_by_label("Days that a link holds").fill("2")
        page.get_by_role("button", name="Make a link").click()
        expect(page.get_by_text("It holds until")).to_be_visible()
        linked = page.get_by_label("Address, with the filters").input_value()
        assert re.search(r"\?link=\d+-[0-9a-f]{64}$", linked)
        code = page.get_by_label("In a page of another site").input_value()
        assert f'src="{linked}&amp;embed=1"' in code
        with visitor(browser, server.url) as stranger:
            stranger.open(linked.removeprefix(server.url))
            expect(stranger.page.get_by_text("You read it by a link that ends")).to_be_visible()
            expect(stranger.page.get_by_text("Versions", exact=True)).to_have_count(0)
            stranger.open(f"{linked.removeprefix(server.url)}&embed=1")
            expect(stranger.page.get_by_role("heading", name="For two")).to_be_visible()
            page.get_by_role("button", name="End all links").click()
            expect(page.get_by_text("No link that was made so far")).to_be_visible()
            stranger.page.reload()
            expect(stranger.page.get_by_role("alert")).to_contain_text("There is no dashboard")

        page.get_by_role("button", name="Withdraw it from ben").click()
        expect(page.get_by_text("It is shared with nobody yet")).to_be_visible()
        ben.page.reload()
        expect(ben.page.get_by_role("alert")).to_contain_text("There is no dashboard")
        page.get_by_label("Everybody who reaches this server").check()
        expect(page.get_by_text("Private: read by ada")).to_have_count(0)
        ben.open(address)
        expect(ben.page.get_by_role("heading", name="For two")).to_be_visible()
        # There is no warehouse; the browser tells of each answer that says so.
        assert [said for said in ada.complaints if "503" not in said] == []
