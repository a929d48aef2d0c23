"""Datagrams into Kafka, against a bare loop that receives them, in one run.

What belongs here: datagrams of 200 bytes offered at one rate after the other, first to a loop that
receives and drops them, then to `gmn stations listen` with a broker of its own. What does not:
assertions. Sender, listener and broker share the machine's processors.

    python -m benchmarks.stations_bench --seconds 5
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from gmn_pipeline.flows.station_listener import statuses
from gmn_pipeline.kafka.local_broker import process as brokers
from gmn_pipeline.kafka.local_broker.install import default_libs_dir
from gmn_pipeline.sources.datagrams import DatagramSource

LIBS = default_libs_dir(Path(__file__).parents[1] / "data")
_RATES = (10_000, 20_000, 30_000, 40_000, 50_000, 60_000, 80_000, 100_000, 150_000)
_STATIONS, _SENSORS = 500, 3
_TICK_S = 0.001
_IDLE_S = 2.0
_BUFFER_MB = 16.0
_console = Console(width=100)


@dataclass(frozen=True)
class Measured:
    """What became of the datagrams of one rate; processor time of the receiver, in us for each."""

    offered_per_s: float
    sent: int
    arrived: int
    processor_us: float

    @property
    def lost(self) -> int:
        return self.sent - self.arrived


# --- sender --------------------------------------------------------------------------------------


def payloads(count: int = 5_000) -> list[bytes]:
    """Records as existing senders write them, of about 200 bytes."""
    return [
        orjson.dumps({
            "timestamp": f"2024-01-21 10:06:04.{n:06d}", "temperature": 20.9 + n % 7,
            "humidity": 59.22, "pressure": 1001.87, "sensor_id": n % _SENSORS,
            "station_code": f"XX{n % _STATIONS:04d}",
            "location": {"lon": 3.185785, "lat": 42.488629, "height": 100.5},
        })
        for n in range(count)
    ]  # fmt: skip


def offer(port: int, rate: int, seconds: float) -> None:
    """Send at a rate; prints how many were sent, and how many a second."""
    made, count = payloads(), int(rate * seconds)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.connect(("127.0.0.1", port))
        began, sent = time.perf_counter(), 0
        while sent < count:
            due = min(count, int((time.perf_counter() - began) * rate))
            if due == sent:
                time.sleep(_TICK_S)
            for n in range(sent, due):
                opened.send(made[n % len(made)])
            sent = due
        print(sent, sent / (time.perf_counter() - began))


def _offered(port: int, rate: int, seconds: float) -> tuple[int, float]:
    done = subprocess.run(  # noqa: S603 - this module itself
        [sys.executable, "-m", "benchmarks.stations_bench", "--offer", f"{port},{rate},{seconds}"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    sent, per_s = done.stdout.split()
    return int(sent), float(per_s)


# --- bare ----------------------------------------------------------------------------------------


def bare(seconds_idle: float) -> None:
    """Receive and drop until nothing comes any more; prints the port, and then what came."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, int(_BUFFER_MB * 1e6))
        opened.bind(("127.0.0.1", 0))
        print(opened.getsockname()[1], flush=True)
        opened.recv(65_536)
        count = 1
        opened.settimeout(seconds_idle)
        began = time.process_time()
        try:
            while True:
                opened.recv(65_536)
                count += 1
        except TimeoutError:
            print(count, time.process_time() - began)


def measure_bare(rate: int, seconds: float) -> Measured:
    """The bare loop, as a process."""
    command = [sys.executable, "-m", "benchmarks.stations_bench", "--bare"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        port = int(process.stdout.readline())
        sent, per_s = _offered(port, rate, seconds)
        arrived, processor_s = process.stdout.readline().split()
    return Measured(per_s, sent, int(arrived), float(processor_s) / int(arrived) * 1e6)


# --- the listener --------------------------------------------------------------------------------


@dataclass
class Listener:
    """`gmn stations listen` at work."""

    data_dir: Path
    port: int
    pid: int

    def counts(self) -> dict[str, Any]:
        """What it told last."""
        return dict(statuses(self.data_dir)[0]["records"])

    def processor_s(self) -> float:
        """What its process has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def listener(folder: Path, servers: str) -> Iterator[Listener]:
    """A listener as a process of its own."""
    free = DatagramSource("127.0.0.1", 0, buffer_mb=1, queue_mb=1, sender_per_s=1)
    port = free.port
    free.close()
    environment = {
        **os.environ, "GMN_DATA_DIR": str(folder), "KAFKA_BOOTSTRAP_SERVERS": servers,
        "GMN_STATIONS_SENDER_PER_S": "1e9", "GMN_STATIONS_QUEUE_MB": "1000",
        "GMN_STATIONS_RECEIVE_BUFFER_MB": str(_BUFFER_MB),
    }  # fmt: skip
    code = "from gmn_pipeline.cli.main import main; main()"
    command = [sys.executable, "-c", code, "stations", "listen", "--port", str(port)]
    process = subprocess.Popen(  # noqa: S603
        command, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        while not statuses(folder):
            time.sleep(0.1)
        yield Listener(folder, port, process.pid)
    finally:
        process.terminate()
        process.communicate()


def measure_listener(at: Listener, rate: int, seconds: float) -> Measured:
    """Offer datagrams, and wait until no more of them come to be on the topic."""
    before, processor_s = at.counts()["sent"], at.processor_s()
    sent, per_s = _offered(at.port, rate, seconds)
    arrived, seen_at = 0, time.perf_counter()
    while arrived < sent and time.perf_counter() - seen_at < _IDLE_S + 1:
        time.sleep(0.05)
        now = at.counts()["sent"] - before
        if now > arrived:
            arrived, seen_at = now, time.perf_counter()
    used_s = at.processor_s() - processor_s
    return Measured(per_s, sent, arrived, used_s / max(arrived, 1) * 1e6)


# --- what is printed -----------------------------------------------------------------------------


def _print(results: list[tuple[Measured, Measured]]) -> None:
    table = Table(title="Datagrams of 200 bytes", title_justify="left")
    for column in ("offered/s", "bare: lost", "us each", "listener: lost", "us each"):
        table.add_column(column, justify="right")
    for ours_bare, ours in results:
        table.add_row(
            f"{ours.offered_per_s:,.0f}", f"{ours_bare.lost:,}", f"{ours_bare.processor_us:.1f}",
            f"{ours.lost:,}", f"{ours.processor_us:.1f}",
        )  # fmt: skip
    _console.print(table)
    best_bare, best = (
        max((pair[which].offered_per_s for pair in results if not pair[which].lost), default=0)
        for which in (0, 1)
    )
    ratio = f"{best / best_bare:.2f}" if best_bare else "-"
    _console.print(
        f"Without loss: bare {best_bare:,.0f}/s, into Kafka {best:,.0f}/s, ratio {ratio}."
    )


def main(
    seconds: Annotated[float, typer.Option(help="How long each rate is offered.")] = 4.0,
    most: Annotated[int, typer.Option(help="The highest rate.")] = 150_000,
    offering: Annotated[str, typer.Option("--offer", hidden=True)] = "",
    is_bare: Annotated[bool, typer.Option("--bare", hidden=True)] = False,
) -> None:
    """Measure with a broker of its own and print a table."""
    if offering:
        port, rate, long = offering.split(",")
        offer(int(port), int(rate), float(long))
        return
    if is_bare:
        bare(_IDLE_S)
        return
    with tempfile.TemporaryDirectory(prefix="gmn-bench-") as name:
        folder = Path(name)
        with (
            brokers.own_broker(folder / "kafka", libs_dir=LIBS) as broker,
            listener(folder / "data", broker.bootstrap_servers) as at,
        ):
            measure_listener(at, _RATES[0], 1.0)  # makes the topic
            results = [
                (measure_bare(rate, seconds), measure_listener(at, rate, seconds))
                for rate in _RATES
                if rate <= most
            ]
    _print(results)


if __name__ == "__main__":
    typer.run(main)
