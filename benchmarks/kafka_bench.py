"""Kafka as ratios in one run: publish and take in, each against a bare client, and latency.

`make bench-kafka` runs it with a broker of its own. The references send and drop ready-made bytes
of the same size with the same client, so that a ratio says what all the rest costs.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from kafka import TopicPartition  # type: ignore[import-untyped]

from benchmarks.archive import generate
from gmn_pipeline.config import Settings, load_settings
from gmn_pipeline.publications.publish import publish
from gmn_pipeline.streams import broker as brokers
from gmn_pipeline.streams.client import consumer, ensure_topics, producer, topic_state
from gmn_pipeline.streams.consumer import consume, pending
from gmn_pipeline.streams.service import StreamService
from gmn_pipeline.trajectory_days import load_days
from gmn_pipeline.warehouse.connection import patiently
from gmn_pipeline.warehouse.stream_store import StreamStore

_FIRST, _LAST = date(2025, 3, 1), date(2025, 5, 29)
_LIBS = brokers.default_libs_dir(Path(__file__).parents[1] / "data")


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    answer = act()
    return time.perf_counter() - began, answer


def bare_publish(settings: Settings, messages: list[tuple[bytes, bytes]]) -> None:
    with producer(settings) as kafka:
        for key, value in messages:
            kafka.send(settings.kafka_topic, value, key)
        kafka.flush()


def bare_consume(settings: Settings) -> list[tuple[bytes, bytes]]:
    """Read everything, and drop all but enough to send it again."""
    kept = []
    with consumer(settings) as kafka:
        state = topic_state(settings, kafka)
        assert state is not None
        places = {TopicPartition(settings.kafka_topic, p): end for p, end in state.end.items()}
        kafka.assign(list(places))
        kafka.seek_to_beginning()
        while any(kafka.position(place) < end for place, end in places.items()):
            for records in kafka.poll(timeout_ms=500).values():
                kept += [(r.key, r.value) for r in records]
    return kept


def percentiles(seconds: list[float]) -> str:
    cut = statistics.quantiles(seconds, n=100)
    return f"p50 {cut[49]:.2f} s, p95 {cut[94]:.2f} s, p99 {cut[98]:.2f} s"


def visible_latencies(settings: Settings, messages: list[tuple[bytes, bytes]]) -> list[float]:
    """Send messages one by one, each once the one before is in; the time from send to a query."""
    store = StreamStore(settings)
    query = "SELECT 1 FROM trajectories WHERE trajectory_identifier = ?"
    seconds = []
    with producer(settings) as kafka, store.connection.open(read_only=True) as connection:
        for key, value in messages:
            began = time.perf_counter()
            kafka.send(settings.kafka_topic, value, key)
            kafka.flush()
            identifier = [key.decode()]

            def is_visible(values: list[str] = identifier) -> bool:
                return bool(connection.execute(query, values).fetchone())

            while not patiently(is_visible):
                time.sleep(0.005)
            seconds.append(time.perf_counter() - began)
    return seconds


def service_latency(settings: Settings, messages: list[tuple[bytes, bytes]]) -> list[float]:
    service = StreamService(settings)
    ready = threading.Event()
    thread = threading.Thread(target=service.run, kwargs={"on_ready": ready.set})
    thread.start()
    ready.wait()
    time.sleep(2)
    try:
        return visible_latencies(settings, messages)
    finally:
        service.stop()
        thread.join()


def sensor_run_latency(settings: Settings, messages: list[tuple[bytes, bytes]]) -> list[float]:
    """The sensor's own steps: look, then read; its tick and Dagster's launch come on top."""
    seconds = []
    for message in messages:
        bare_publish(settings, [message])
        began = time.perf_counter()
        found = pending(settings)
        assert found is not None
        consume(settings, [r for r in found[1] if r.end > r.begin], topic_id=found[0].topic_id)
        seconds.append(time.perf_counter() - began)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--latencies", type=int, default=1_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gmn-bench-") as folder:
        root = Path(folder)
        with brokers.own_broker(root, libs_dir=_LIBS) as broker:
            measure(root, broker.bootstrap_servers, arguments.messages, arguments.latencies)


def settings_for(root: Path, servers: str, name: str, topic: str, **more: Any) -> Settings:
    return load_settings(
        data_dir=root / name, kafka_bootstrap_servers=servers, kafka_topic=topic, **more
    )


def measure(root: Path, servers: str, count: int, latencies: int) -> None:
    one = settings_for(root, servers, "one", "bench", source_url=str(root / "site"))
    fill(root, one, count)
    seconds, report = timed(lambda: publish(one))
    ours = report.sent / seconds
    messages = bare_consume(one)
    bare = one.model_copy(update={"kafka_topic": "bare"})
    ensure_topics(bare)
    seconds, _ = timed(lambda: bare_publish(bare, messages))
    reference = len(messages) / seconds
    print(f"publish  {ours:10,.0f} messages/s, bare {reference:10,.0f}: {ours / reference:.2f}")

    two = settings_for(root, servers, "two", "bench")
    seconds, taken = timed(lambda: consume(two))
    ours = taken.counts.read / seconds
    seconds, _ = timed(lambda: bare_consume(one))
    reference = len(messages) / seconds
    print(f"take in  {ours:10,.0f} messages/s, bare {reference:10,.0f}: {ours / reference:.2f}")

    three = settings_for(root, servers, "three", "single", stream_wait_s=0.0)
    ensure_topics(three)
    StreamStore(three).create()
    single = messages[:latencies]
    print(f"latency of gmn stream, {len(single)} single messages:",
          percentiles(service_latency(three, single)))  # fmt: skip
    some = messages[latencies : latencies + max(latencies // 20, 5)]
    print(f"latency of the sensor's look and read, {len(some)} messages (plus its tick, 30 s):",
          percentiles(sensor_run_latency(three, some)))  # fmt: skip


def fill(root: Path, settings: Settings, count: int) -> None:
    """A warehouse with so many trajectories."""
    generate(root / "site", count, from_date=_FIRST, to_date=_LAST, kinds=("daily",))
    days = [_FIRST + timedelta(days=n) for n in range((_LAST - _FIRST).days + 1)]
    report = load_days(days, settings)
    if report.failed:
        raise SystemExit(str(report.failed[0].error))


if __name__ == "__main__":
    main()
