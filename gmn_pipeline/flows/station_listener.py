"""Readings from their senders to the topic: taken from sources, read, published, counted.

What belongs here: the loop, and the counts by sender and cause. What does not: sockets and brokers
(`sources/`), formats (`readers/station_readings/`), Kafka and the spool (`publications/`).

    payloads   received = over the limit + queue full + read + waiting        (each source)
    records    of those read = sent + spooled + dropped + refused
"""

import json
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import CountMismatch, ServiceRunning
from gmn_pipeline.prefetch import prefetch
from gmn_pipeline.publications.station_readings import ReadingsPublication
from gmn_pipeline.readers.station_readings.received import (
    ReadBatch,
    Received,
    Refused,
    Transport,
)
from gmn_pipeline.settings import ListenerSettings
from gmn_pipeline.storage.files import alone, atomic_write, is_locked
from gmn_pipeline.storage.spool import Spool

_log = logging.getLogger(__name__)
_AT_ONCE = 4_000
_STATUS_S = 1.0
_PATIENCE_S = 5.0
"""Of a Kafka that does not answer: meanwhile more comes, and has less room than on disk."""
_SHOWN_SENDERS = 50
_MOST_SENDERS = 10_000
_OF_MANY = "others"


class Source(Protocol):
    """Where payloads come from."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """Let nothing more come; what has come can be taken."""

    def close(self) -> None: ...

    def take(self, most: int) -> list[Received]:
        """What waits, in order, without waiting for more."""

    def finished(self, payloads: int) -> None:
        """So many of those taken, the oldest first, are where they outlive this process."""

    def status(self) -> dict[str, Any]:
        """Its counts; `received`, `read` and what became of the others add up."""

    @property
    def waits(self) -> bool:
        """Whether its senders wait, so that nothing need be dropped."""


Reader = Callable[[Sequence[Received]], ReadBatch]


@dataclass(frozen=True)
class Way:
    """A source, the reader of what comes from it, and how long it is gathered."""

    transport: Transport
    source: Source
    read: Reader
    gather_s: float


@dataclass
class RecordCounts:
    """read = sent + spooled + dropped + refused."""

    read: int = 0
    sent: int = 0
    spooled: int = 0
    dropped: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    letters: int = 0
    refused_of: dict[str, Counter[str]] = field(default_factory=dict)
    dropped_of: Counter[str] = field(default_factory=Counter)

    def count_refused(self, refused: Iterable[Refused]) -> None:
        """By cause, and by sender and cause."""
        for one in refused:
            self.refused[one.cause.value] += 1
            sender = _known(one.sender, self.refused_of)
            self.refused_of.setdefault(sender, Counter())[one.cause.value] += 1

    def count_dropped(self, dropped_of: Mapping[str, int]) -> None:
        """All together, and by sender."""
        for sender, count in dropped_of.items():
            self.dropped += count
            self.dropped_of[_known(sender, self.dropped_of)] += count

    def check(self) -> None:
        """Raises CountMismatch."""
        became = self.sent + self.spooled + self.dropped + self.refused.total()
        if self.read != became:
            raise CountMismatch(
                f"{self.read} records were read, and {became} of them sent, spooled, dropped or "
                "refused.",
                remedy="Please report this.",
            )

    def as_dict(self) -> dict[str, Any]:
        return {
            "read": self.read,
            "sent": self.sent,
            "spooled": self.spooled,
            "dropped": self.dropped,
            "refused": dict(self.refused),
            "dead_letters": self.letters,
        }


def _known(sender: str, counted: Mapping[str, object]) -> str:
    return sender if sender in counted or len(counted) < _MOST_SENDERS else _OF_MANY


class StationListener:
    """Takes readings from its sources to the topic until it is stopped."""

    def __init__(self, settings: ListenerSettings, name: str, ways: Sequence[Way]) -> None:
        self._settings = settings
        self._name = name
        self._ways = ways
        self._stopped = threading.Event()
        self._ended = threading.Event()
        self._letters = _Allowance(settings.stations_refused_kept_per_s)
        self._spool = Spool(
            folder_of(settings.data_dir) / "spool", int(settings.stations_spool_mb * 1e6)
        )
        self._publication = ReadingsPublication(
            settings, self._spool, self._stopped.is_set, _PATIENCE_S
        )
        self._started_at = utc_now()
        self._rate = _Rate()
        self.counts = RecordCounts()

    def stop(self) -> None:
        """Take in what has come, and end. Safe in a signal's handler."""
        self._stopped.set()

    def run(self, on_ready: Callable[[], None] = lambda: None) -> RecordCounts:
        """Work until stopped. Raises ServiceRunning, or CountMismatch at the end."""
        with ExitStack() as opened:
            self._lock(opened)
            for way in self._ways:
                opened.callback(way.source.close)
            status = threading.Thread(target=self._tell_status, name="status")
            opened.callback(self._end, status)
            self._publication.start()
            for way in self._ways:
                way.source.start()
            status.start()
            on_ready()
            self._work()
        self.counts.check()
        return self.counts

    def _lock(self, opened: ExitStack) -> None:
        lock = folder_of(self._settings.data_dir) / f"{self._name}.lock"
        running = ServiceRunning(
            f"Another process is {self._name} of this data folder already.",
            remedy="'gmn stations status' tells of it.",
        )
        opened.enter_context(alone(lock, running))

    def _end(self, status: threading.Thread) -> None:
        for way in self._ways:
            way.source.stop()
        self._publication.stop()
        self._ended.set()
        if status.ident is not None:
            status.join()

    def _work(self) -> None:
        """While a batch is sent, the next one is read."""
        with closing(prefetch(self._batches())) as batches:
            for way, payloads, batch in batches:
                self._publish(way, payloads, batch)

    def _batches(self) -> Generator[tuple[Way, int, ReadBatch], None, None]:
        gather_s = min(way.gather_s for way in self._ways)
        while not self._stopped.is_set():
            found = False
            for batch in self._taken():
                found = True
                yield batch
            if not found:
                self._stopped.wait(gather_s)
        for way in self._ways:
            way.source.stop()
        while left := list(self._taken()):
            yield from left

    def _taken(self) -> Generator[tuple[Way, int, ReadBatch], None, None]:
        for way in self._ways:
            if received := way.source.take(_AT_ONCE):
                yield way, len(received), way.read(received)

    def _publish(self, way: Way, payloads: int, batch: ReadBatch) -> None:
        published = self._publication.publish(batch.rows, waits=way.source.waits)
        letters = self._letters.of(batch.refused)
        counts = self.counts
        counts.letters += self._publication.publish_refused(letters, way.transport)
        counts.read += batch.records
        counts.sent += published.sent
        counts.spooled += published.spooled
        counts.count_dropped(published.dropped_of)
        counts.count_refused(batch.refused)
        if not (way.source.waits and published.dropped):
            way.source.finished(payloads)

    # --- what it says of itself ----------------------------------------------------------------

    def _tell_status(self) -> None:
        path = folder_of(self._settings.data_dir) / f"{self._name}.json"
        is_last = False
        while not is_last:
            is_last = self._ended.wait(_STATUS_S)
            try:
                atomic_write(path, json.dumps(self.status(), indent=1) + "\n")
            except OSError as error:
                _log.warning("The status cannot be written: %s", error)

    def status(self) -> dict[str, Any]:
        """All counts, as they are now."""
        counts = self.counts
        refused = sorted(counts.refused_of.items(), key=lambda item: -item[1].total())
        return {
            "name": self._name,
            "pid": os.getpid(),
            "started_at_utc": self._started_at.isoformat(),
            "told_at_utc": utc_now().isoformat(),
            "records_per_s": round(self._rate.of(counts.read), 1),
            "records": counts.as_dict(),
            "spool": {
                "bytes": self._spool.size_bytes,
                "readings_put": self._publication.spool_counts.put,
                "readings_sent": self._publication.spool_counts.sent,
                "lost_messages": self._publication.spool_counts.lost_messages,
                "damaged_files": [str(path) for path in self._spool.damaged],
            },
            "kafka": self._publication.kafka,
            "sources": {way.transport.value: way.source.status() for way in self._ways},
            "dropped_of_senders": dict(counts.dropped_of.most_common(_SHOWN_SENDERS)),
            "refused_of_senders": {who: dict(of) for who, of in refused[:_SHOWN_SENDERS]},
        }


class _Rate:
    """How many a second, since it was asked last."""

    def __init__(self) -> None:
        self._count, self._at = 0, time.monotonic()

    def of(self, count: int) -> float:
        now = time.monotonic()
        rate = (count - self._count) / max(now - self._at, 1e-3)
        self._count, self._at = count, now
        return rate


class _Allowance:
    """Which refused records are kept: of each sender so many a second."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._left: dict[str, tuple[float, float]] = {}

    def of(self, refused: Iterable[Refused]) -> list[Refused]:
        now = time.monotonic()
        if len(self._left) > _MOST_SENDERS:
            self._left.clear()
        return [one for one in refused if self._takes(one.sender, now)]

    def _takes(self, sender: str, now: float) -> bool:
        """Ten seconds' worth may come at once."""
        most = 10 * self._per_s
        left, at = self._left.get(sender, (most, now))
        left = min(left + (now - at) * self._per_s, most)
        is_taken = left >= 1
        self._left[sender] = (left - is_taken, now)
        return is_taken


def folder_of(data_dir: Path) -> Path:
    """Where listeners keep what they say of themselves, and the spool."""
    return data_dir / "stations"


def statuses(data_dir: Path) -> list[Mapping[str, Any]]:
    """What each listener of the data folder said last, and whether it runs."""
    found: list[Mapping[str, Any]] = []
    for path in sorted(folder_of(data_dir).glob("*.json")):
        status = json.loads(path.read_text("utf-8"))
        found.append({**status, "is_running": is_locked(path.with_suffix(".lock"))})
    return found
