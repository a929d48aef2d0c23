"""The portal for everyone: by keyboard, in dark and light, on a phone; WCAG 2.2 A and AA."""

from playwright.sync_api import Browser

from gmn_pipeline_tests.support.browser import PHONE, Visitor, visitor
from gmn_pipeline_tests.support.server import Server


def test_nothing_keeps_anyone_out_in_dark_and_light(guest: Visitor, pages: dict[str, str]) -> None:
    found = {}
    for name, path in pages.items():
        guest.open(path)
        found[name] = guest.barriers()
    assert {name: said for name, said in found.items() if said} == {}


def test_a_phone_is_wide_enough(browser: Browser, server: Server, pages: dict[str, str]) -> None:
    with visitor(browser, server.url, PHONE) as guest:
        for name, path in pages.items():
            guest.open(path)
            wide = guest.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= PHONE["width"], name


def test_the_keyboard_reaches_everything(guest: Visitor, pages: dict[str, str]) -> None:
    reachable = "a[href], button, input, summary, [tabindex='0']"
    for name in ("home", "trajectory", "seen", "table", "sql"):
        guest.open(pages[name])
        guest.unfold()
        there = guest.page.locator(reachable).count()
        guest.page.evaluate(f"window.wanted = new Set(document.querySelectorAll(`{reachable}`))")
        for _ in range(there + 20):  # a field for times has several places
            guest.page.keyboard.press("Tab")
            guest.page.evaluate("wanted.delete(document.activeElement)")
        left = guest.page.evaluate("[...wanted].map(e => e.outerHTML)")
        assert left == [], name


def test_links_and_the_theme_by_keyboard(guest: Visitor) -> None:
    guest.open("/")
    page = guest.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    page.get_by_role("link", name="Showers", exact=True).focus()
    page.keyboard.press("Enter")
    guest.settled()
    assert page.url.endswith("/gmn/showers")
    assert page.evaluate("document.activeElement.id") == "main"
    page.get_by_role("button", name="Light").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    guest.open("/data")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
