"""Kafka as ratios in one run: publish and take in, each against a bare client, and latency.

What belongs here: timed work against a broker of its own. What does not: assertions. The
references are kafka-python's own producer and consumer with the settings that the pipeline uses:
one sends ready-made messages (the same keys, values and headers), the other drops what it reads.
So a ratio says what all the rest costs.

    python -m benchmarks.kafka_bench --messages 200000
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from kafka import TopicPartition  # type: ignore[import-untyped]
from rich.console import Console
from rich.table import Table

from benchmarks.programs import running, sensing
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.kafka.client import producer
from gmn_pipeline.kafka.framing import single_object_framing, unframe
from gmn_pipeline.kafka.local_broker import process as brokers
from gmn_pipeline.kafka.local_broker.install import default_libs_dir
from gmn_pipeline.kafka.topics import ensure_topics, open_clients, topic_state
from gmn_pipeline.publications.trajectories import publish
from gmn_pipeline.schemas.messages import KEY_FIELD, TRAJECTORY_MESSAGES
from gmn_pipeline.schemas.topics import trajectories_topic
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline.streams.consumer import consume
from gmn_pipeline.streams.trajectories import TRAJECTORIES
from gmn_pipeline.warehouse.connection import WarehouseConnection, retry_while_busy
from gmn_pipeline_tests.support.archive import generate

_FIRST, _LAST = date(2025, 3, 1), date(2025, 5, 29)
LIBS = default_libs_dir(Path(__file__).parents[1] / "data")
_RESULTS = Path(__file__).with_name("results-kafka.json")
# How often a query looks for a message that is not visible yet.
_LOOK_S = 0.01
_SERVICE_LIMIT_S, _SENSOR_LIMIT_S = 60.0, 600.0
# How often it is told how many messages are visible.
_TELL_S = 20.0
# Latency at the beginning and at the end of as many small commits.
_SOME = 100
Message = tuple[bytes, bytes | None, list[tuple[str, bytes]]]
Results = dict[str, Any]
_console = Console(width=100)
_BEGAN = time.monotonic()


def _tell(step: str) -> None:
    """What is being done, or was found, and when: the whole takes some ten minutes."""
    now_s = time.monotonic() - _BEGAN
    _console.print(f"{now_s:6.0f} s  {step}", highlight=False, markup=False, soft_wrap=True)


# --- references ----------------------------------------------------------------------------------


def bare_publish(settings: Settings, messages: Sequence[Message]) -> int:
    """Send ready-made messages with kafka-python alone."""
    ensure_topics(settings, trajectories_topic(settings))
    with producer(settings) as kafka:
        for key, value, headers in messages:
            kafka.send(settings.kafka_topic, value, key, headers)
        kafka.flush()
    return len(messages)


def bare_consume(settings: Settings, keep: Callable[[Any], None] | None = None) -> int:
    """Read the whole topic with kafka-python alone, and drop it unless somebody keeps it."""
    count = 0
    with open_clients(settings) as clients:
        kafka = clients.consumer
        state = topic_state(settings, trajectories_topic(settings), clients)
        assert state is not None
        places = {TopicPartition(settings.kafka_topic, p): end for p, end in state.end.items()}
        kafka.assign(list(places))
        kafka.seek_to_beginning()
        while any(kafka.position(place) < end for place, end in places.items()):
            for records in kafka.poll(timeout_ms=500).values():
                count += len(records)
                if keep:
                    keep(records)
    return count


def messages_of(settings: Settings) -> list[Message]:
    """Everything on the topic, as it was sent."""
    kept: list[Message] = []
    bare_consume(
        settings, lambda records: kept.extend((r.key, r.value, r.headers) for r in records)
    )
    return kept


# --- throughput ----------------------------------------------------------------------------------


def timed(act: Callable[[], int]) -> float:
    """Messages a second."""
    began = time.perf_counter()
    count = act()
    return count / (time.perf_counter() - began)


def publishing(one: Settings, count: int) -> tuple[dict[str, float], list[Message]]:
    """A warehouse of so many trajectories to its topic, then the same messages bare."""
    _tell("publishing")
    ours = timed(lambda: publish(one).sent)
    _tell(f"  {ours:,.0f} messages/s; reading them back to send them bare")
    messages = messages_of(one)
    assert len(messages) == count

    def bare(name: str) -> float:
        settings = one.model_copy(update={"kafka_topic": name})
        return _bare(lambda: bare_publish(settings, messages))

    return _ratio(ours, [bare("bare-1"), bare("bare-2")]), messages


def consuming(two: Settings) -> dict[str, float]:
    """The topic into an empty warehouse; the machine's speed drifts, so bare before and after."""
    _tell("taking in")
    before = _bare(lambda: bare_consume(two))
    ours = timed(lambda: consume(TRAJECTORIES, two).counts.inserted)
    _tell(f"  {ours:,.0f} messages/s")
    return _ratio(ours, [before, _bare(lambda: bare_consume(two))])


def _bare(act: Callable[[], int]) -> float:
    """The same by kafka-python alone."""
    rate = timed(act)
    _tell(f"  {rate:,.0f} messages/s bare")
    return rate


def _ratio(ours: float, references: list[float]) -> dict[str, float]:
    reference = statistics.mean(references)
    return {
        "messages_per_second": round(ours),
        "bare_messages_per_second": round(reference),
        "ratio": round(ours / reference, 2),
    }


# --- latency -------------------------------------------------------------------------------------


def latencies(
    settings: Settings, messages: Sequence[Message], pause_s: float | None, limit_s: float
) -> list[float]:
    """From sending each message until a query finds its trajectory, in seconds.

    A message is sent `pause_s` after the one before or, without, once that one is visible.
    """
    query = "SELECT trajectory_identifier FROM trajectories WHERE list_contains(?, {})"
    query = query.format(KEY_FIELD.name)
    left = iter(messages)
    waiting: dict[str, float] = {}
    seconds: list[float] = []
    due = time.perf_counter()
    tell_at = due + _TELL_S
    with producer(settings) as kafka, WarehouseConnection(settings).open(read_only=True) as sql:

        def visible() -> list[tuple[str]]:
            return sql.execute(query, [list(waiting)]).fetchall()

        while len(seconds) < len(messages):
            now = time.perf_counter()
            if now >= due and not (pause_s is None and waiting):
                if (message := next(left, None)) is not None:
                    key, value, headers = message
                    waiting[key.decode()] = now
                    kafka.send(settings.kafka_topic, value, key, headers)
                    kafka.flush()
                due += pause_s or 0
            found = retry_while_busy(visible)
            now = time.perf_counter()
            seconds += [now - waiting.pop(identifier) for (identifier,) in found]
            if now >= tell_at and seconds:
                last = statistics.median(seconds[-_SOME:])
                _tell(f"  {len(seconds):,} of {len(messages):,} visible, the last in {last:.2f} s")
                tell_at = now + _TELL_S
            if waiting and now - min(waiting.values()) > limit_s:
                raise SystemExit(f"{len(waiting)} messages are not visible after {limit_s:.0f} s.")
            time.sleep(_LOOK_S)
    return seconds


def of_latencies(seconds: list[float]) -> dict[str, float]:
    cut = statistics.quantiles(seconds, n=100)
    return {
        "messages": len(seconds),
        "p50_s": round(cut[49], 3),
        "p95_s": round(cut[94], 3),
        "p99_s": round(cut[98], 3),
        "p50_of_the_first_s": round(statistics.median(seconds[:_SOME]), 3),
        "p50_of_the_last_s": round(statistics.median(seconds[-_SOME:]), 3),
    }


def new_messages(messages: Sequence[Message], mark: str) -> list[Message]:
    """The same contents as other trajectories, which the warehouse does not have."""
    fields = unframe(
        [value for _, value, _ in messages if value is not None], TRAJECTORY_MESSAGES, None
    ).rows
    name = "unique_trajectory_identifier"
    number = pl.int_range(pl.len()).cast(pl.String).str.zfill(4)
    fields = fields.with_columns(
        pl.concat_str(pl.col(name).str.head(15), pl.lit(mark), number).alias(name)
    )
    values = single_object_framing(TRAJECTORY_MESSAGES).frame(fields)
    keys = fields.get_column(name).to_list()
    return [(key.encode(), value, []) for key, value in zip(keys, values, strict=True)]


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "GMN_KAFKA_TOPIC": settings.kafka_topic,
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers or "",
    }


def service_latency(settings: Settings, messages: Sequence[Message]) -> dict[str, float]:
    """`gmn stream` as a process of its own; the first message waits until it is ready."""
    _tell(f"{len(messages):,} single messages with gmn stream")
    with running(settings, "gmn", "stream", more=_environment(settings)):
        latencies(settings, messages[:1], None, _SERVICE_LIMIT_S)
        return of_latencies(latencies(settings, messages[1:], None, _SERVICE_LIMIT_S))


def sensor_latency(
    settings: Settings, messages: Sequence[Message], minutes: float
) -> dict[str, float]:
    """Dagster's daemon with the sensor on, and messages spread over some of its ticks."""
    _tell(f"{len(messages):,} single messages over {minutes:g} minutes with the sensor")
    with sensing(settings, ["stream_sensor"], _environment(settings)):
        latencies(settings, messages[:1], None, _SENSOR_LIMIT_S)
        pause_s = minutes * 60 / len(messages)
        return of_latencies(latencies(settings, messages[1:], pause_s, _SENSOR_LIMIT_S))


# --- all of it -----------------------------------------------------------------------------------


def settings_for(root: Path, servers: str, name: str, topic: str, **more: Any) -> Settings:
    return load_settings(
        data_dir=root / name, kafka_bootstrap_servers=servers, kafka_topic=topic, **more
    )


def fill(root: Path, settings: Settings, count: int) -> None:
    """A warehouse with so many trajectories."""
    _tell(f"generating {count:,} trajectories")
    generate(root / "site", count, from_date=_FIRST, to_date=_LAST, kinds=("daily",))
    _tell("loading them")
    days = [_FIRST + timedelta(days=n) for n in range((_LAST - _FIRST).days + 1)]
    report = load_days(days, settings)
    if report.failed:
        raise SystemExit(str(report.failed[0].error))


def measure(root: Path, servers: str, count: int, singles: int, sensor_minutes: float) -> Results:
    """All figures, each told as it is known."""
    results: Results = {"messages": count}

    def known(what: str, figures: dict[str, float]) -> None:
        results[what] = figures
        _tell(f"{what}: " + ", ".join(f"{name} {value:g}" for name, value in figures.items()))

    one = settings_for(root, servers, "one", "bench", source_url=str(root / "site"))
    fill(root, one, count)
    rates, messages = publishing(one, count)
    known("publish", rates)
    results["message_bytes"] = round(
        statistics.mean(len(key) + len(value or b"") for key, value, _ in messages)
    )
    two = settings_for(root, servers, "two", "bench")
    known("take in", consuming(two))
    if singles:
        some = messages[: singles + 1]
        known("gmn stream", service_latency(two, new_messages(some, "s")))
        if sensor_minutes:
            new = new_messages(some, "t")
            known("stream_sensor", sensor_latency(two, new, sensor_minutes))
    return results


def _print(results: Results) -> None:
    rates = Table(title=f"{results['messages']:,} messages of {results['message_bytes']} bytes",
                  title_justify="left")  # fmt: skip
    for column in ("what", "messages/s", "bare kafka-python", "ratio"):
        rates.add_column(column, justify="left" if column == "what" else "right")
    for what in ("publish", "take in"):
        ours, bare, ratio = results[what].values()
        rates.add_row(what, f"{ours:,}", f"{bare:,}", f"{ratio:.2f}")
    _console.print(rates)
    if "gmn stream" not in results:
        return
    names = ("messages", "p50_s", "p95_s", "p99_s", "p50_of_the_first_s", "p50_of_the_last_s")
    table = Table(title="From send to visible in a query, single messages", title_justify="left")
    for column in ("by", *names):
        table.add_column(column.replace("_", " "), justify="left" if column == "by" else "right")
    for what in ("gmn stream", "stream_sensor"):
        if what in results:
            table.add_row(what, *(f"{results[what][name]:g}" for name in names))
    _console.print(table)


def main(
    messages: Annotated[int, typer.Option(help="Trajectories published and taken in.")] = 200_000,
    latencies: Annotated[int, typer.Option(help="Single messages; 0 leaves latency out.")] = 1_000,
    sensor_minutes: Annotated[
        float, typer.Option(help="Time over which the sensor's are spread; 0 leaves it out.")
    ] = 5.0,
    results: Annotated[Path, typer.Option(help="Where the figures go, as JSON.")] = _RESULTS,
) -> None:
    """Measure with a broker of its own, print each figure as it is known, then tables and JSON."""
    with tempfile.TemporaryDirectory(prefix="gmn-bench-") as folder:
        root = Path(folder)
        with brokers.own_broker(root, libs_dir=LIBS) as broker:
            found = measure(root, broker.bootstrap_servers, messages, latencies, sensor_minutes)
    results.write_text(json.dumps(found, indent=2) + "\n")
    _print(found)


if __name__ == "__main__":
    typer.run(main)
