"""Look at the rules again and again, and tell what changes.

What belongs here: one look, and the loop. What does not: what is decided (`decision.py`), and how
it is told (`channels.py`).

A look asks one state of the lake. What it decides and what is to be told is remembered in one
transaction; telling comes after, and is tried again until it is taken. So a process that is killed
anywhere tells everything, and nothing a second time but what was just on its way.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from threading import Event

import pyarrow as pa

from gmn_pipeline.alerts.channels import Channel, NoticeNotTaken
from gmn_pipeline.alerts.decision import Found, decide
from gmn_pipeline.alerts.rules import Rule
from gmn_pipeline.clock import utc_now
from gmn_pipeline.database.alerts import AlertStore
from gmn_pipeline.errors import QueryFailed, QueryLimit, QueryRefused, RetryableError
from gmn_pipeline.schemas.alerts import About, Notice

Ask = Callable[[str, Mapping[str, object]], pa.Table]
"""Ask the lake of readings, as it is at the moment of a look, by SQL with values by name."""

_log = logging.getLogger(__name__)


class Watch:
    """Rules, and who is told."""

    def __init__(
        self, rules: Sequence[Rule], store: AlertStore, channels: Sequence[Channel]
    ) -> None:
        self._rules = rules
        self._store = store
        self._channels = channels
        self._wrong: set[str] = set()

    def look(self, ask: Ask) -> tuple[Notice, ...]:
        """Ask every rule once; what is new to tell. A rule that cannot be asked says so once, and
        stops no other."""
        now = utc_now()
        found: dict[About, Found] = {}
        for rule in self._rules:
            found |= self._found(rule, ask, now)
        before = self._store.alerts()
        decision = decide(before, found, {rule.name: rule.for_s for rule in self._rules}, now)
        if decision.alerts != before or decision.notices:
            names = [channel.name for channel in self._channels]
            self._store.record(decision.alerts, decision.notices, names)
        return decision.notices

    def _found(self, rule: Rule, ask: Ask, now: datetime) -> dict[About, Found]:
        sql, own = rule.question()
        try:
            rows = ask(sql, {**own, "now": now}).to_pylist()
        except (QueryRefused, QueryFailed, QueryLimit) as error:
            if rule.name not in self._wrong:
                self._wrong.add(rule.name)
                _log.error("The rule %r cannot be asked, and is left out: %s", rule.name, error)
            return {}
        self._wrong.discard(rule.name)
        return {
            About(rule.name, row["station_code"], row["sensor_id"]): Found(
                row["holds"], row["detail"] or ""
            )
            for row in rows
        }

    def tell(self) -> int:
        """Send what waits; how many were taken. A channel that takes nothing stops no other."""
        sent = 0
        for channel in self._channels:
            pending = self._store.pending(channel.name)
            try:
                for numbers in channel.send(pending) if pending else ():
                    self._store.record_sent(channel.name, numbers)
                    sent += len(numbers)
            except NoticeNotTaken as error:
                _log.warning("%s", error)
        return sent

    def run(self, ask: Ask, every_s: float, stopped: Event) -> None:
        """Look and tell until it is stopped."""
        while True:
            try:
                for notice in self.look(ask):
                    _log.info("%s %s", notice.kind.value, notice.about)
            except RetryableError as error:
                _log.warning("%s", error)
            self.tell()
            if stopped.wait(every_s):
                return
