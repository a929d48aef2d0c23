"""What the operating system denies to a process that works on what others typed or sent.

What belongs here: limits of a process that no library's settings can lift. What does not: those
settings (`queries/session.py`). A query's text has been judged before; this holds where that
failed.
"""

import ctypes
import os
import resource
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path

# Beside what DuckDB counts as its memory: what Arrow and the functions take for a batch.
BESIDE_MB = 512
# Address space of a process with an open warehouse, most of it only reserved, if it cannot be read.
_OPEN_MB = 2_048

# linux/landlock.h
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH, _NET_PORT = 1, 1, 2
_WRITE_FILE, _REMOVE_DIR, _REMOVE_FILE = 1 << 1, 1 << 4, 1 << 5
_MAKE = sum(1 << bit for bit in range(6, 13))
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_BIND_TCP, _CONNECT_TCP = 1, 2
_NO_NEW_PRIVS = 38


def limit_memory(memory_mb: int) -> None:
    """So much more than the process has now; what cannot be had is an error of the work."""
    _lower(resource.RLIMIT_AS, address_space() + ((memory_mb + BESIDE_MB) << 20))
    _lower(resource.RLIMIT_CORE, 0)


def address_space() -> int:
    """Bytes of address space that this process has."""
    try:
        pages = Path("/proc/self/statm").read_text("ascii").split()[0]
    except OSError:
        return _OPEN_MB << 20
    return int(pages) * resource.getpagesize()


def limit_processor(seconds: float) -> None:
    """End a process that its parent forgot: by then it has worked for longer than it may.

    From now on: it may have answered queries before. Only what ends it is set, not what may be set.
    """
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    value = int(time.process_time() + seconds) + 1
    resource.setrlimit(
        resource.RLIMIT_CPU, (value if most == resource.RLIM_INFINITY else min(value, most), most)
    )


def limit_file(size_mb: int) -> None:
    """End the process (SIGXFSZ) that writes a file larger than that."""
    _lower(resource.RLIMIT_FSIZE, size_mb << 20)


def _lower(what: int, value: int) -> None:
    _, most = resource.getrlimit(what)
    value = value if most == resource.RLIM_INFINITY else min(value, most)
    resource.setrlimit(what, (value, value))


def confine(writable: Sequence[Path], ports: Sequence[int] = ()) -> bool:
    """Let this thread, and those that it starts from now on, change no file but these, and open
    no TCP connection but to these ports (of any machine: Landlock knows no more of them).

    A folder stands for all below it; what is gone by now needs no leave. False where the system
    has no Landlock (Linux before 5.13, other systems); the network is left open by Linux before
    6.7.
    """
    if sys.platform != "linux":
        return False
    system = ctypes.CDLL(None, use_errno=True)
    version = system.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        return False
    files = _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE
    files |= (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    attributes = struct.pack("=Q", files)
    has_network = version >= 4
    if has_network:
        attributes += struct.pack("=Q", _BIND_TCP | _CONNECT_TCP)
    rules = system.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if rules < 0:
        return False
    try:
        for path in writable:
            _allow(system, rules, path, files)
        for port in ports if has_network else ():
            rule = struct.pack("=QQ", _CONNECT_TCP, port)
            system.syscall(_ADD_RULE, rules, _NET_PORT, rule, 0)
        system.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
        return bool(system.syscall(_RESTRICT_SELF, rules, 0) == 0)
    finally:
        os.close(rules)


def _allow(system: ctypes.CDLL, rules: int, path: Path, files: int) -> None:
    rights = files if path.is_dir() else files & (_WRITE_FILE | _TRUNCATE)
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # SQLite removes its log when it is closed by the last one
    try:
        system.syscall(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)
