"""Commands begun from a process that has imported already what they import.

What belongs here: that process, and beginning others from it. What does not: what a command is
(`commands.py`).

A server imports 1,300 modules, which takes two seconds, seventy times in a run of all tests. The
process here imports them once for each process of tests, has one thread, and ends when that does.
What it begins is a child of the tests' process, like a command that was begun there: it is killed
and waited for in the same way.
"""

import atexit
import ctypes
import importlib
import inspect
import os
import pickle
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from gmn_pipeline.serving.memory import few_arenas

_IMPORTED = ("gmn_pipeline.serving.app", "gmn_pipeline.flows.trajectory_days", "typer.core")
_ADOPT = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2): a process whose parent has ended comes to this one."""
_ENDS = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
"""What Popen calls the ends of its pipes."""
_SIZE = struct.Struct("!I")


class WarmPopen(subprocess.Popen[str]):
    """A process that runs `gmn` with these arguments, begun by the one that has imported it."""

    def _execute_child(self, *given: Any) -> None:
        """Begin it: what Popen leaves to the system it is on."""
        begin = inspect.signature(subprocess.Popen._execute_child).bind(self, *given)  # type: ignore[attr-defined]
        how: dict[str, Any] = begin.arguments
        theirs = (how["p2cread"], how["c2pwrite"], how["errwrite"])
        files = [file if file != -1 else number for number, file in enumerate(theirs)]
        self.pid = _warm().begin(how["args"], how["env"], how["cwd"] or Path.cwd(), files)
        self._child_created = True
        self._close_pipe_fds(*(how[name] for name in _ENDS))  # type: ignore[attr-defined]


class _Warm:
    """The process that begins others."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()], start_new_session=True,
        )  # fmt: skip
        theirs.close()
        atexit.register(self._end)

    def _end(self) -> None:
        self._socket.close()
        self._process.wait()

    def begin(
        self, arguments: list[str], environment: Mapping[str, str], cwd: Path,
        files: list[int],
    ) -> int:  # fmt: skip
        """A new process of this one."""
        asked = pickle.dumps((arguments, dict(environment), cwd))
        with self._lock, _adopting():
            socket.send_fds(self._socket, [_SIZE.pack(len(asked))], files)
            self._socket.sendall(asked)
            process: int = _SIZE.unpack(_exactly(self._socket, _SIZE.size))[0]
        return process


@contextmanager
def _adopting() -> Iterator[None]:
    """Only for this moment: what a killed command leaves behind is not for us to wait for."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_ADOPT, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_ADOPT, 0, 0, 0, 0)


@cache
def _warm() -> _Warm:
    return _Warm()


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return bytes(data)


def _next(connection: socket.socket) -> list[str]:
    """Return in each process that is asked for, with its arguments; end when nobody asks."""
    while True:
        head, files, _, _ = socket.recv_fds(connection, _SIZE.size, 3)
        if not head:
            os._exit(0)
        asked = _exactly(connection, _SIZE.unpack(head)[0])
        reading, writing = os.pipe()
        between = os.fork()
        if not between:
            process = os.fork()
            if not process:
                os.close(writing)
                return _become(connection, files, *pickle.loads(asked))
            os.write(writing, _SIZE.pack(process))
            os._exit(0)
        os.close(writing)
        os.waitpid(between, 0)  # from here on it is a child of who asked
        connection.sendall(os.read(reading, _SIZE.size))
        for file in (*files, reading):
            os.close(file)


def _become(
    connection: socket.socket,
    files: list[int],
    arguments: list[str],
    environment: Mapping[str, str],
    cwd: Path,
) -> list[str]:
    connection.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    return arguments


def _serve() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    few_arenas()  # as a server does, before it imports these
    for module in _IMPORTED:
        importlib.import_module(module)
    sys.argv = ["gmn", *_next(connection)]
    from gmn_pipeline.cli.main import main

    try:
        main()
    except SystemExit as end:
        _end(end.code)


def _end(code: object) -> NoReturn:
    """As an interpreter ends, but for what libraries do last of all: they wait for threads that
    did not come along."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    _serve()
