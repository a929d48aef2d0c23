"""`gmn dev`: the Dagster UI with its daemon."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from gmn_pipeline.cli.addresses import must_be_free
from gmn_pipeline.cli.console import console
from gmn_pipeline.errors import ServiceRunning
from gmn_pipeline.orchestration.home import dagster_instance
from gmn_pipeline.settings import load_settings
from gmn_pipeline.storage.files import exclusive
from gmn_pipeline.storage.problems import explaining


def dev(
    port: Annotated[int, typer.Option(help="Port of the UI.", min=1, max=65535)] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    reload: Annotated[bool, typer.Option("--reload", help="Take in code as it changes.")] = False,
) -> None:
    """The Dagster UI with its daemon, on the same storage as 'gmn run'."""
    settings = load_settings()
    with explaining(settings.data_dir), _only_daemon(settings.dagster_home) as lock:
        must_be_free(host, port)
        # Its files are made here, by one process: the UI and the daemon start at the same time.
        dagster_instance(settings).dispose()
        command = [
            sys.executable, "-m", "gmn_pipeline.orchestration.dagster_dev", str(lock),
            *(["--reload", f"http://{host}:{port}"] if reload else []),
            "--module-name", "gmn_pipeline.definitions", "--host", host, "--port", str(port),
        ]  # fmt: skip
        where = f"Dagster on http://{host}:{port}, storage in {settings.dagster_home}"
        console.print(where, soft_wrap=True, markup=False)
        sys.stdout.flush()
        os.execv(sys.executable, command)  # noqa: S606 - no shell


@contextmanager
def _only_daemon(home: Path) -> Iterator[int]:
    """The lock of the folder's daemon, which the program that we become keeps to its end.

    Raises ServiceRunning if another one works there.
    """
    path = home / "daemon.lock"
    with ExitStack() as held:
        try:
            lock = held.enter_context(exclusive(path, timeout_s=0))
        except TimeoutError as error:
            raise ServiceRunning(
                f"Another 'gmn dev' works on {home.parent} already.",
                remedy=f"Use that one, or end it first (Ctrl-C{_holders(path)}): two daemons would "
                "start runs twice.",
            ) from error
        os.set_inheritable(lock.fileno(), True)
        yield lock.fileno()


def _holders(lock: Path) -> str:
    """Who has the file open, where the system tells (Linux): a process may have lost its shell."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if link.samefile(lock):
                found.add(int(link.parts[2]))
    found.discard(os.getpid())
    return f", or the processes {', '.join(map(str, sorted(found)))}" if found else ""
