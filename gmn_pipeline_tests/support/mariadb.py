"""A real MariaDB on loopback, in a folder of its own: a program that only Debian packages."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql

from gmn_pipeline_tests.support.absent import not_run
from gmn_pipeline_tests.support.ports import free_port

_NOBODY = 65_534
_STARTS_WITHIN_S = 60.0


@dataclass
class MariaDbServer:
    """A server with a user who may read and write `weather`, and one who may only read it."""

    port: int
    start: Any
    process: "subprocess.Popen[bytes]"
    password: str = "p'w %20"

    @property
    def address(self) -> str:
        return f"mysql://reader@127.0.0.1:{self.port}/weather"

    def run(self, *statements: str, values: Any = None) -> list[Any]:
        """As the observatory's own programs do; the rows of the last one."""
        rows: list[Any] = []
        with closing(
            pymysql.connect(host="127.0.0.1", port=self.port, user="writer",
                            password=self.password, database="weather", autocommit=True)
        ) as connection, connection.cursor() as cursor:  # fmt: skip
            for statement in statements:
                cursor.execute(statement, values)
                rows = list(cursor.fetchall())
        return rows

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        self.process = self.start(self.port)


@contextmanager
def own_mariadb(memory_mb: int = 64) -> Iterator[MariaDbServer]:
    """A server for the time being. Skips the test, saying why, where there is none."""
    daemon, install = shutil.which("mariadbd"), shutil.which("mariadb-install-db")
    if daemon is None or install is None:
        not_run("there is no MariaDB to test with ('make system-packages' installs it)")
    with tempfile.TemporaryDirectory(prefix="gmn-test-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        data = place / "data"
        data.mkdir()
        if os.geteuid() == 0:
            os.chown(data, _NOBODY, _NOBODY)
            os.chown(place, _NOBODY, _NOBODY)
        subprocess.run(
            [install, "--no-defaults", f"--datadir={data}", "--skip-test-db",
             "--auth-root-authentication-method=normal", *_user()],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip

        def start(port: int) -> "subprocess.Popen[bytes]":
            with (place / "log").open("ab") as log:
                process = subprocess.Popen(
                    [daemon, "--no-defaults", f"--datadir={data}", f"--socket={place / 's'}",
                     f"--port={port}", "--bind-address=127.0.0.1", f"--pid-file={place / 'pid'}",
                     f"--innodb-buffer-pool-size={memory_mb}M",
                     "--innodb-flush-log-at-trx-commit=2",
                     "--sql-mode=ALLOW_INVALID_DATES", "--server-id=1",
                     f"--log-bin={data / 'log'}", "--binlog-format=ROW", *_user()],
                    stdout=subprocess.DEVNULL, stderr=log,
                )  # fmt: skip
            _wait(process, place)
            return process

        port = free_port()
        server = MariaDbServer(port, start, start(port))
        try:
            _make_users(server, place)
            yield server
        finally:
            server.process.kill()
            server.process.wait()


def _make_users(server: MariaDbServer, place: Path) -> None:
    with closing(
        pymysql.connect(unix_socket=str(place / "s"), user="root", autocommit=True)
    ) as root, root.cursor() as cursor:  # fmt: skip
        cursor.execute("CREATE DATABASE weather")
        for user, rights in (("writer", "ALL"), ("reader", "SELECT")):
            cursor.execute(f"CREATE USER {user}@'127.0.0.1' IDENTIFIED BY %s", [server.password])
            cursor.execute(f"GRANT {rights} ON weather.* TO {user}@'127.0.0.1'")
        cursor.execute("GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO reader@'127.0.0.1'")


def _user() -> list[str]:
    return ["--user=nobody"] if os.geteuid() == 0 else []


def _wait(process: "subprocess.Popen[bytes]", place: Path) -> None:
    """Until it takes connections; there is no event of another process's to wait for."""
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.settimeout(1)
            probe.connect(str(place / "s"))
            if probe.recv(1):  # its greeting
                return
        time.sleep(0.05)
    raise AssertionError((place / "log").read_text(errors="replace")[-2000:])
