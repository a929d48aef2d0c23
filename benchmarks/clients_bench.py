"""Kafka's two Python clients side by side: read a topic, and decode what was read.

What belongs here: the same messages read by kafka-python, through the pipeline's reader, and by
confluent-kafka (librdkafka), in turns and in one process, with wall-clock and processor time. What
does not: merging (`kafka_bench.py`).

    python -m benchmarks.clients_bench --messages 200000
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import confluent_kafka
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.kafka_bench import (
    LIBS,
    Message,
    bare_publish,
    fill,
    messages_of,
    settings_for,
)
from gmn_pipeline.kafka.client import consumer
from gmn_pipeline.kafka.framing import unframe
from gmn_pipeline.kafka.local_broker import process as brokers
from gmn_pipeline.kafka.reader import SteadyReader
from gmn_pipeline.kafka.topics import topic_state
from gmn_pipeline.publications.trajectories import publish
from gmn_pipeline.schemas.messages import TRAJECTORY_MESSAGES
from gmn_pipeline.schemas.offsets import OffsetRange
from gmn_pipeline.schemas.topics import trajectories_topic
from gmn_pipeline.settings import Settings
from gmn_pipeline.streams.consumer import steps

_STEP = 50_000
_MOST_TRAJECTORIES = 20_000
# What the pipeline takes from a record, whichever client made it.
Record = tuple[int | None, int | None, int, bytes | None, bytes | None, Any]


def ranges_of(settings: Settings) -> list[OffsetRange]:
    """The whole topic."""
    state = topic_state(settings, trajectories_topic(settings))
    assert state is not None
    return [
        OffsetRange(partition, state.begin[partition], end) for partition, end in state.end.items()
    ]


def by_kafka_python(settings: Settings, ranges: Sequence[OffsetRange]) -> Iterator[list[Record]]:
    """The records in steps, by the pipeline's reader."""
    topic = trajectories_topic(settings)
    with consumer(settings) as kafka, SteadyReader(settings, kafka, topic) as reader:
        for step in steps(ranges, _STEP):
            records = reader.read(step)
            assert records is not None
            yield [(r.partition, r.offset, r.timestamp, r.key, r.value, r.headers) for r in records]


def by_confluent_kafka(settings: Settings, ranges: Sequence[OffsetRange]) -> Iterator[list[Record]]:
    """The same records, about as many at a time."""
    topic, left = settings.kafka_topic, sum(r.end - r.begin for r in ranges)
    kafka = confluent_kafka.Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "group.id": "bench",  # it insists on one, and nothing is committed
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "check.crcs": True,  # kafka-python checks them
            "fetch.message.max.bytes": 4 << 20,
        }
    )
    kafka.assign([confluent_kafka.TopicPartition(topic, r.partition, r.begin) for r in ranges])
    try:
        while left:
            found = kafka.consume(min(_STEP, left), timeout=30)
            assert found
            left -= len(found)
            yield [
                (m.partition(), m.offset(), m.timestamp()[1], m.key(), m.value(), m.headers())
                for m in found
            ]
    finally:
        kafka.close()


CLIENTS: dict[str, Callable[[Settings, Sequence[OffsetRange]], Iterator[list[Record]]]] = {
    "kafka-python": by_kafka_python,
    "confluent-kafka": by_confluent_kafka,
}


def timed(batches: Iterator[list[Record]], count: int, *, decoding: bool) -> tuple[float, float]:
    """Seconds by the clock and of the processor; every message was read, and decoded."""
    read = 0
    clock, processor = time.perf_counter(), time.process_time()
    for records in batches:
        read += len(records)
        if decoding:
            rows = unframe(
                [value for *_, value, _ in records if value is not None], TRAJECTORY_MESSAGES, None
            ).rows
            assert rows.height == len(records)
    assert read == count
    return time.perf_counter() - clock, time.process_time() - processor


def measure(
    settings: Settings, count: int, rounds: int
) -> dict[tuple[str, bool], tuple[float, float]]:
    """Medians of (clock, processor) seconds, by client and whether decoded, in turns."""
    ranges = ranges_of(settings)
    found: dict[tuple[str, bool], list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for decoding in (False, True):
            for name, read in CLIENTS.items():
                seconds = timed(read(settings, ranges), count, decoding=decoding)
                found.setdefault((name, decoding), []).append(seconds)
    return {
        what: (statistics.median(c for c, _ in times), statistics.median(p for _, p in times))
        for what, times in found.items()
    }


def copies(messages: Sequence[Message], count: int) -> list[Message]:
    """So many messages; the same ones again where there are too few."""
    return [messages[n % len(messages)] for n in range(count)]


def _print(results: dict[tuple[str, bool], tuple[float, float]], count: int) -> None:
    table = Table(title=f"{count:,} messages", title_justify="left")
    for column in ("what", "client", "seconds", "processor s", "us a message"):
        table.add_column(column, justify="left" if column in ("what", "client") else "right")
    for (name, decoding), (clock, processor) in results.items():
        what = "read and decode" if decoding else "read"
        each = f"{processor / count * 1e6:.1f}"
        table.add_row(what, name, f"{clock:.2f}", f"{processor:.2f}", each)
    console = Console(width=100)
    console.print(table)
    for decoding, what in ((False, "read"), (True, "read and decode")):
        ours, other = (results[name, decoding] for name in CLIENTS)
        console.print(
            f"{what}: kafka-python takes {ours[0] / other[0]:.1f} times as long as "
            f"confluent-kafka, and {ours[1] / other[1]:.1f} times the processor."
        )


def main(
    messages: Annotated[int, typer.Option(help="Messages read.")] = 200_000,
    rounds: Annotated[int, typer.Option(help="Turns; medians are printed.")] = 3,
) -> None:
    """Measure with a broker of its own and print a table."""
    with tempfile.TemporaryDirectory(prefix="gmn-bench-") as folder:
        root = Path(folder)
        with brokers.own_broker(root, libs_dir=LIBS) as broker:
            servers, site = broker.bootstrap_servers, str(root / "site")
            one = settings_for(root, servers, "one", "few", source_url=site)
            fill(root, one, min(messages, _MOST_TRAJECTORIES))
            publish(one)
            many = settings_for(root, servers, "two", "many")
            bare_publish(many, copies(messages_of(one), messages))
            _print(measure(many, messages, rounds), messages)


if __name__ == "__main__":
    typer.run(main)
