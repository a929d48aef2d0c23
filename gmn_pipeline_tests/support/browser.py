"""A real browser: Chromium as Debian packages it, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from gmn_pipeline_tests.support.absent import not_run

ROOT = Path(__file__).parents[2]
DESKTOP = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=360, height=740)
WAITS_MS = 20_000
_AXE = ROOT / "portal" / "node_modules" / "axe-core" / "axe.min.js"


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser. Without the program the test is skipped; under CI that is a failure."""
    program = shutil.which("chromium")
    if program is None:
        not_run("there is no Chromium to test with ('make system-packages' installs it)")
    expect.set_options(timeout=WAITS_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def axe() -> str:
    """The script that looks for what keeps people out (axe-core)."""
    if not _AXE.exists():
        not_run("axe-core is not there ('make portal' installs it)")
    return _AXE.read_text()


LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_OF_COLOURS = ["color-contrast", "link-in-text-block"]
"""Rules by which one theme can be wrong and the other right: they differ in their colours only."""
_FOUND = """only => axe.run(document, {runOnly: only}).then(
  found => found.violations.map(v => `${v.id}: ${v.nodes.map(n => n.html).join(" | ")}`))"""


@dataclass
class Visitor:
    """Somebody with a page open, and all that the browser complained of or asked for."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda said: self._complain(said.type, said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.addresses.append(request.url))

    def _complain(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def open(self, path: str) -> None:
        """Go there, and wait until all of it is there."""
        self.page.goto(f"{self.url}{path}")
        self.settled()

    def settled(self) -> None:
        self.page.locator("h1").wait_for()
        loading = self.page.get_by_text("Loading ")
        while loading.count():
            loading.first.wait_for(state="detached")

    def unfold(self) -> None:
        """Open all that can be opened."""
        self.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")

    def barriers(self) -> dict[str, list[str]]:
        """What would keep somebody out of this page, all of it opened, in either theme."""
        self.unfold()
        self.page.evaluate(axe())
        found = {}
        for theme, kind, values in (("dark", "tag", LEVELS), ("light", "rule", _OF_COLOURS)):
            self.page.evaluate("name => document.documentElement.dataset.theme = name", theme)
            found[theme] = list(self.page.evaluate(_FOUND, {"type": kind, "values": values}))
        return {theme: said for theme, said in found.items() if said}

    @property
    def says(self) -> str:
        return self.page.locator("main").inner_text()


@contextmanager
def visitor(browser: Browser, url: str, size: ViewportSize = DESKTOP,
            *, is_light: bool = False) -> Iterator[Visitor]:  # fmt: skip
    context = browser.new_context(
        viewport=size, color_scheme="light" if is_light else "dark", locale="en-GB",
        reduced_motion="reduce",
    )  # fmt: skip
    context.set_default_timeout(WAITS_MS)
    try:
        yield Visitor(context.new_page(), url)
    finally:
        context.close()
