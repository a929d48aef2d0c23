"""One Kafka broker on this machine: started, found again and stopped.

What belongs here: the process and its files in the data folder's `kafka/`. What does not: Kafka's
jars and a Java (`install.py`), commands (`cli/kafka.py`), topics, messages, and any cluster that
somebody else runs (those need the bootstrap servers alone).

    kafka/
      libs-4.3.1-5f0c.../   Kafka's jars, from Maven once per state of deploy/kafka/pom.xml
      partitions/           the topics' data
      server.properties     the settings of the last start
      broker.json           pid, port and bootstrap servers of the last start
      broker.lock           locked for as long as that broker lives
      broker.log, .out      what the broker says; why it died

Whether a broker runs is asked of the lock, which the broker's process inherits and the kernel
frees when it ends, however it ends. A pid in a file proves nothing: another program may have it.

Java works in that folder and is told of everything there by relative paths: so the folder may be
moved, and may be called what it likes (a `:` or `,` in an absolute one would be two paths to Java).
"""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import IO, Any

from kafka import KafkaAdminClient  # type: ignore[import-untyped]
from kafka.errors import KafkaError  # type: ignore[import-untyped]

from gmn_pipeline.errors import BrokerRunning, KafkaUnavailable
from gmn_pipeline.kafka.local_broker.install import (
    DEPLOY,
    PROJECT,
    broker_folder,
    default_libs_dir,
    find_java,
    install,
    run_program,
)
from gmn_pipeline.storage.files import atomic_write, is_locked, try_lock

HOST = "127.0.0.1"
HEAP_MB = 512
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0

_STOP_MODULE = "gmn_pipeline.kafka.local_broker"
_POLL_S = 0.05
# The simplest collector and compiler: half the time to a broker that answers, a tenth less memory,
# and the same messages per second (a Python client is the slower end, at 50,000 of 700 bytes).
_QUICK_JAVA = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# A look at the lock takes it for an instant; longer than this, somebody has it.
_LOCK_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class RunningBroker:
    """A broker that was running when it was looked for; `start` and `running` make these."""

    folder: Path
    pid: int
    port: int
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)
    _guard: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)

    @property
    def bootstrap_servers(self) -> str:
        """What a Kafka client needs to know."""
        return f"{HOST}:{self.port}"

    def is_running(self) -> bool:
        """Whether it still runs; a later broker of the same folder is another one."""
        return _is_locked(self.folder) and _read_state(self.folder).get("pid") == self.pid

    def wait_until_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Return once the broker answers as a cluster of one; KafkaUnavailable if it does not."""
        ready = _wait(lambda: self.answers() or not self.is_running(), timeout_s)
        if not self.is_running():
            raise KafkaUnavailable(
                f"The Kafka broker ended while it was starting: {_last_words(self.folder)}",
                remedy=f"{self.folder / 'broker.log'} has the rest.",
            )
        if not ready:
            raise KafkaUnavailable(
                f"The Kafka broker did not answer within {timeout_s:.0f} s.",
                remedy=f"Look at the end of {self.folder / 'broker.log'}.",
            )

    def wait_until_ended(self, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """Whether it ended in time."""
        return _wait(lambda: not self.is_running(), timeout_s)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Let the broker close its files (SIGTERM); end it the hard way if it takes too long."""
        self._signal(signal.SIGTERM)
        if not self.wait_until_ended(timeout_s):
            self._signal(signal.SIGKILL)
        self._clear_up()
        if _read_state(self.folder).get("pid") == self.pid:
            _state_path(self.folder).unlink()

    def kill(self) -> None:
        """End the broker as a crash would, its state file left behind."""
        self._signal(signal.SIGKILL)
        self._clear_up()

    def answers(self) -> bool:
        """Whether it answers right now, as a cluster of one."""
        with suppress(OSError):
            # Asked first, because the client reports each refused connection to its log.
            socket.create_connection((HOST, self.port), timeout=1).close()
            with suppress(KafkaError):
                return bool(_brokers(self.bootstrap_servers))
        return False

    def _signal(self, number: signal.Signals) -> None:
        if self.is_running():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _clear_up(self) -> None:
        """Wait until the process is gone, and take in what this process started."""
        self.wait_until_ended()
        if self._process:
            self._process.wait()
        if self._guard and self._guard.poll() is None:
            self._guard.communicate(b"the broker is stopped\n")


# --- starting and finding ------------------------------------------------------------------------


def start(
    data_dir: Path,
    port: int | None = None,
    *,
    libs_dir: Path | None = None,
    outlive_caller: bool = False,
    timeout_s: float = READY_TIMEOUT_S,
) -> RunningBroker:
    """Start the broker of a data folder, on a free port if none is given; return when it answers.

    Kafka's jars are fetched into `libs_dir` if they are not there. The broker ends with the
    calling process, even with one that is killed, unless it is to outlive it.
    Raises BrokerRunning if it runs already, KafkaUnavailable if it cannot be started.
    """
    folder = broker_folder(data_dir)
    folder.mkdir(parents=True, exist_ok=True)
    java = find_java()
    libs = install(libs_dir or default_libs_dir(data_dir))
    with _lock(folder) as lock:
        _state_path(folder).unlink(missing_ok=True)
        port, controller_port = _ports(port)
        settings = _write_settings(folder, port, controller_port)
        _format_once(folder, java, libs, settings)
        guard = None if outlive_caller else _start_guard(folder)
        process = _start_java(folder, java, libs, settings, lock)
        broker = RunningBroker(folder, process.pid, port, process, guard)
        _write_state(broker)
    try:
        broker.wait_until_ready(timeout_s)
    except BaseException:
        broker.stop()
        raise
    return broker


def start_or_join(
    data_dir: Path,
    port: int | None = None,
    *,
    libs_dir: Path | None = None,
    outlive_caller: bool = False,
    timeout_s: float = READY_TIMEOUT_S,
) -> tuple[RunningBroker, bool]:
    """The broker of a data folder, and whether it was started here. See `start`; but one that runs
    already, or that another process is just starting, is waited for until it answers.
    """
    found = _answering(data_dir, timeout_s)
    if found is not None:
        return found, False
    try:
        started = start(
            data_dir, port, libs_dir=libs_dir, outlive_caller=outlive_caller, timeout_s=timeout_s
        )
    except BrokerRunning:
        # Another process was quicker: it looked, or fetched the jars, at the same time.
        found = _answering(data_dir, timeout_s)
        if found is None:
            raise
        return found, False
    return started, True


def _answering(data_dir: Path, timeout_s: float) -> RunningBroker | None:
    """The broker of this data folder once it answers; None as soon as nobody has its lock."""
    folder = broker_folder(data_dir)
    deadline = time.monotonic() + timeout_s
    while _is_locked(folder):
        found = running(data_dir)
        if found is not None and found.answers():
            return found
        if time.monotonic() > deadline:
            raise KafkaUnavailable(
                f"The Kafka broker that another process started did not answer within "
                f"{timeout_s:.0f} s.",
                remedy=f"Look at the end of {folder / 'broker.log'}.",
            )
        time.sleep(_POLL_S)
    return None


def running(data_dir: Path) -> RunningBroker | None:
    """The broker of this data folder, whoever started it, if it runs."""
    folder = broker_folder(data_dir)
    state = _read_state(folder) if _is_locked(folder) else {}
    return RunningBroker(folder, state["pid"], state["port"]) if state else None


@contextmanager
def own_broker(
    data_dir: Path, port: int | None = None, *, libs_dir: Path | None = None
) -> Iterator[RunningBroker]:
    """A broker for as long as the block runs."""
    broker = start(data_dir, port, libs_dir=libs_dir)
    try:
        yield broker
    finally:
        broker.stop()


def _start_java(
    folder: Path, java: Path, libs: Path, settings: Path, lock: IO[str]
) -> subprocess.Popen[bytes]:
    command = [
        *(str(java), *_QUICK_JAVA, f"-Xmx{HEAP_MB}m", "-XX:+ExitOnOutOfMemoryError"),
        *(f"-Dlog4j2.configurationFile={DEPLOY / 'log4j2.yaml'}", "-Dbroker.folder=."),
        *("-cp", _class_path(folder, libs), "kafka.Kafka", settings.name),
    ]
    with _output_path(folder).open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - no shell
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # The broker holds the lock from here on, whatever becomes of this process.
            pass_fds=[lock.fileno()],
            # A Ctrl-C is for the program that uses the broker; that one stops it in its turn.
            start_new_session=True,
        )


def _start_guard(folder: Path) -> subprocess.Popen[bytes]:
    """A shell that stops the folder's broker when this process ends without having done so.

    It reads from a pipe: a line means that all is done, the end of the pipe that we are dead.
    The kernel's own signal for this (PR_SET_PDEATHSIG) comes when the starting *thread* ends.
    """
    stop = [sys.executable, "-m", _STOP_MODULE, str(folder.parent)]
    return subprocess.Popen(  # noqa: S603 - the arguments are not parsed by the shell
        ["/bin/sh", "-c", 'read -r line || exec "$@"', "sh", *stop],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _format_once(folder: Path, java: Path, libs: Path, settings: Path) -> None:
    """Give an empty partitions folder its cluster identifier, as Kafka demands before a start."""
    if (folder / "partitions" / "meta.properties").exists():
        return
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    command = [
        *(str(java), *_QUICK_JAVA),
        *("-cp", _class_path(folder, libs), "kafka.tools.StorageTool", "format"),
        *(f"--cluster-id={cluster_id}", "--config", settings.name),
    ]
    run_program(command, "Kafka could not format its storage", cwd=folder)


def _class_path(folder: Path, libs: Path) -> str:
    """All jars, as seen from the folder of the broker."""
    libs = libs.absolute()
    return f"{libs.relative_to(folder) if libs.is_relative_to(folder) else libs}/*"


def _write_settings(folder: Path, port: int, controller_port: int) -> Path:
    template = Template((DEPLOY / "server.properties.template").read_text())
    path = folder / "server.properties"
    text = template.substitute(
        port=port, controller_port=controller_port, partitions_dir="partitions"
    )
    atomic_write(path, text)
    return path


def _ports(port: int | None) -> tuple[int, int]:
    """The broker's port (a free one if none is wanted) and a free one for its controller."""
    with socket.socket() as for_broker, socket.socket() as for_controller:
        for_broker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            for_broker.bind((HOST, port or 0))
        except OSError as error:
            raise KafkaUnavailable(
                f"Port {port} of {HOST} cannot be had: {error.strerror}.",
                remedy="Stop the program that has it, or give another with --port.",
            ) from error
        for_controller.bind((HOST, 0))
        return for_broker.getsockname()[1], for_controller.getsockname()[1]


def _brokers(bootstrap_servers: str) -> list[object]:
    with KafkaAdminClient(
        bootstrap_servers=bootstrap_servers, bootstrap_timeout_ms=2_000, request_timeout_ms=2_000
    ) as admin:
        return list(admin.describe_cluster()["brokers"])


def _last_words(folder: Path) -> str:
    """The errors that a broker wrote before it ended, without the stack."""
    lines = _output_path(folder).read_text(errors="replace").splitlines()
    telling = [line.strip() for line in lines if line.strip() and not line.startswith("\tat ")]
    return " | ".join(telling[-6:]) or "it wrote no error."


# --- files and processes -------------------------------------------------------------------------


def _state_path(folder: Path) -> Path:
    return folder / "broker.json"


def _lock_path(folder: Path) -> Path:
    return folder / "broker.lock"


def _output_path(folder: Path) -> Path:
    return folder / "broker.out"


def _write_state(broker: RunningBroker) -> None:
    state = {"pid": broker.pid, "port": broker.port, "bootstrap_servers": broker.bootstrap_servers}
    atomic_write(_state_path(broker.folder), json.dumps(state) + "\n")


def _read_state(folder: Path) -> dict[str, Any]:
    """The state file, which proves nothing without the lock; empty if there is none."""
    try:
        state: dict[str, Any] = json.loads(_state_path(folder).read_text())
    except FileNotFoundError:
        return {}
    return state


@contextmanager
def _lock(folder: Path) -> Iterator[IO[str]]:
    """The lock of the folder's broker; a process that inherits the file keeps it."""
    with _lock_path(folder).open("a") as file:
        if not _wait(lambda: try_lock(file), _LOCK_TIMEOUT_S):
            raise BrokerRunning(
                f"A Kafka broker of {folder} runs already, or is starting.",
                remedy="Use it ('make kafka' tells its address), or stop it ('make kafka-stop').",
            )
        yield file


def _is_locked(folder: Path) -> bool:
    return is_locked(_lock_path(folder))


def _wait(is_done: Callable[[], bool], timeout_s: float) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + timeout_s
    while not is_done():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True
