"""Crawls that are asked for over HTTP, done as the command does them.

What belongs here: a thread for one at a time. What does not: crawling (`flows/object_crawl.py`),
whose lock keeps the command's, Dagster's and these apart.

A crawl takes as long as it takes: who asks for one is answered when it has begun, and the catalogue
tells how it goes. A server that ends leaves it broken off, and the next one goes on from there.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from gmn_pipeline.database.crawls import Crawl, TableState
from gmn_pipeline.errors import GmnError
from gmn_pipeline.flows.crawled_tables import Crawled
from gmn_pipeline.flows.object_crawl import Crawling
from gmn_pipeline.processing.workshop import Workshop
from gmn_pipeline.schemas.objects import By
from gmn_pipeline.settings import ObjectServingSettings

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Crawler:
    """All of it is called in threads, and waits until its turn has begun."""

    def __init__(self, settings: ObjectServingSettings) -> None:
        self._settings = settings

    def crawling(self, by: By) -> Crawling:
        """The parts, as somebody who asks."""
        return Crawling(self._settings, by)

    def begin(self, crawl: Crawl, by: By) -> None:
        """Begin to look through a crawl's files. Raises ServiceRunning while another one does."""

        def work(crawling: Crawling, workshop: Workshop, begun: Future[None]) -> None:
            # Who looks once it has begun sees that it runs.
            crawling.crawl(crawl, workshop, on_begun=lambda: begun.set_result(None))

        self._in_turn(by, work)

    def decide(
        self, crawl: Crawl, table: str, state: TableState, shown_as: str, by: By
    ) -> tuple[str, dict[str, str]]:
        """Accept or refuse a table: its name in the lake, and what failed. Files that are to be
        loaded are put by a crawl that begins then.

        Raises ServiceRunning, and what an unusable decision is refused for.
        """

        def work(
            crawling: Crawling, workshop: Workshop, begun: Future[tuple[str, dict[str, str]]]
        ) -> None:
            in_lake = crawling.tables.decide(crawl, table, state, shown_as)
            if state is TableState.LOADED:
                crawling.crawl(crawl, workshop, on_begun=lambda: begun.set_result((in_lake, {})))
                return
            done = Crawled()
            if state is TableState.VIEW:
                crawling.tables.bring_up_to_date(crawl, done)
            begun.set_result((in_lake, done.failures))

        return self._in_turn(by, work)

    def forget(self, crawl: Crawl, by: By) -> None:
        """Forget a crawl: its views go, and objects that were put stay. Raises ServiceRunning."""
        crawling = self.crawling(by)
        with crawling.working():
            crawling.tables.forget(crawl)

    def _in_turn(self, by: By, work: Callable[[Crawling, Workshop, Future[T]], None]) -> T:
        begun: Future[T] = Future()

        def run() -> None:
            crawling = self.crawling(by)
            try:
                with crawling.working() as workshop:
                    work(crawling, workshop, begun)
            except Exception as error:
                if not begun.done():
                    begun.set_exception(error)
                elif isinstance(error, GmnError):  # kept with the crawl
                    _log.warning("A crawl did not come to its end: %s", error)
                else:
                    _log.exception("A crawl broke off")

        threading.Thread(target=run, name="crawl", daemon=True).start()
        return begun.result()
