"""`gmn stations all`: the whole road of readings on one machine, for who wants to see it move.

What belongs here: which processes it is made of, and that they begin and end together. What does
not: what each of them does (its own command).
"""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Annotated

import typer

from gmn_pipeline.cli.addresses import must_be_free
from gmn_pipeline.cli.cluster import cluster_for
from gmn_pipeline.cli.console import console
from gmn_pipeline.cli.signals import on_signals
from gmn_pipeline.errors import PermanentError
from gmn_pipeline.settings import load_settings
from gmn_pipeline.warehouse.connection import WarehouseConnection

_ENDS_WITHIN_S = 30
_LOOK_S = 0.2
_GMN = (sys.executable, "-c", "from gmn_pipeline.cli.main import main; main()")


class PartEnded(PermanentError):
    """One of the processes ended by itself, and so the others were ended too."""


@dataclass(frozen=True)
class _Part:
    """A process: what it is called, and its command."""

    name: str
    arguments: Sequence[str]


def all_parts(
    port: Annotated[int, typer.Option(help="Port of the server.", min=1, max=65535)] = 8001,
    udp_port: Annotated[int, typer.Option(help="UDP port of the listener.", min=1)] = 20_001,
    stations: Annotated[
        int, typer.Option(help="Simulated stations; 0: only real ones.", min=0)
    ] = 100,
    rate: Annotated[float, typer.Option(help="Readings a second of each.", min=0.001)] = 1.0,
) -> None:
    """Start a broker, the listener, taking in, the server and simulated stations; ends on Ctrl-C
    or SIGTERM."""
    settings = load_settings()
    must_be_free("127.0.0.1", port)
    parts = [
        _Part("take-in", ("stations", "take-in")),
        _Part("listen", ("stations", "listen", "--port", str(udp_port))),
        _Part("serve", ("serve", "--port", str(port))),
    ]
    if stations:
        parts.append(
            _Part("simulate", ("stations", "simulate", "--stations", str(stations),
                               "--rate", str(rate), "--to", f"127.0.0.1:{udp_port}"))
        )  # fmt: skip
    stopped = threading.Event()
    with on_signals(stopped.set), cluster_for(settings) as cluster:
        if cluster.servers is None:
            raise PermanentError(cluster.note, remedy="Set KAFKA_BOOTSTRAP_SERVERS, or see there.")
        with WarehouseConnection(settings).open():
            pass  # an empty one, where there is none: the server stands on it
        with ExitStack() as started:
            running = [started.enter_context(_running(part, stopped)) for part in parts]
            console.print(
                f"Readings of stations at http://127.0.0.1:{port}/live; send yours to 127.0.0.1, "
                f"UDP port {udp_port}. Ctrl-C ends all.", soft_wrap=True,
            )  # fmt: skip
            _wait(running, parts, stopped)
    console.print("Stopped.")


def _wait(
    running: "Sequence[subprocess.Popen[str]]", parts: Sequence[_Part], stopped: threading.Event
) -> None:
    """Until it is to stop. Raises PartEnded if a process ends before."""
    while not stopped.wait(_LOOK_S):
        for part, process in zip(parts, running, strict=True):
            if process.poll() is not None:
                raise PartEnded(
                    f"'gmn {' '.join(part.arguments)}' ended by itself.",
                    remedy="It says above why; the others were ended too. Nothing is lost.",
                )


@contextmanager
def _running(part: _Part, stopped: threading.Event) -> Iterator["subprocess.Popen[str]"]:
    """A process, once it has said that it is ready, and what it says with its name before it;
    ended as a signal would."""
    process = subprocess.Popen(  # noqa: S603 - our own command, no shell
        [*_GMN, *part.arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
        # A Ctrl-C at the terminal goes to all of its group: they are to end in their order.
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    said = threading.Event()
    telling = threading.Thread(target=_tell, args=(part.name, process.stdout, said), daemon=True)
    telling.start()
    try:
        while not said.wait(_LOOK_S) and process.poll() is None and not stopped.is_set():
            pass
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        telling.join()
        process.stdout.close()


def _tell(name: str, output: IO[str], said: threading.Event) -> None:
    for line in output:
        said.set()
        console.print(f"{name:9} {line.rstrip()}", markup=False, highlight=False, soft_wrap=True)
