"""Files that several processes share: whole or not at all, locked, unfinished ones kept apart.

What belongs here: what holds for any file, whatever is in it. What does not: where a file of a
stage lies and what it is called.

A lock is the kernel's (`flock`): it goes with the process that holds it, however that ends. So
what a killed process left unfinished is known by its lock being free, and the next one that works
in the same place removes it.
"""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

_POLL_S = 0.05
_LOOK_S = 0.2
"""For longer than `is_locked` has a lock that it looks at."""
_UNLOCKED_LEFTOVERS_AFTER_S = 86_400.0
"""What lies in a place for unfinished files without a lock is no file of this version's."""


@contextmanager
def exclusive(path: Path, timeout_s: float | None = None) -> Iterator[IO[str]]:
    """Hold the lock file at `path` alone; whoever comes second waits.

    Raises TimeoutError if another process has had it for so long.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        if timeout_s is None:
            fcntl.flock(file, fcntl.LOCK_EX)
        else:
            _take_within(file, timeout_s)
        yield file


@contextmanager
def alone(path: Path, otherwise: Exception, timeout_s: float = _LOOK_S) -> Iterator[IO[str]]:
    """Hold the lock file at `path` as the only process that does, come what may of it.

    Raises `otherwise` if another one has it for so long; what the block raises is its own.
    """
    with ExitStack() as held:
        try:
            file = held.enter_context(exclusive(path, timeout_s))
        except TimeoutError as error:
            raise otherwise from error
        yield file


def _take_within(file: IO[str], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not try_lock(file):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{file.name} has been locked by another process")
        time.sleep(_POLL_S)


def try_lock(file: IO[str] | int, kind: int = fcntl.LOCK_EX) -> bool:
    """Take a lock unless somebody has it."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock file at `path` alone; asked without writing."""
    try:
        file = path.open()
    except FileNotFoundError:
        return False
    with file:
        # Shared, so that two who look at the same time do not take each other for a holder.
        return not try_lock(file, fcntl.LOCK_SH)


def identity(path: Path) -> tuple[int, int] | None:
    """Which file has a name now: its device and number; None if none has. The same content under
    the same name may be another one."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold the lock file at `path` together with others who read.

    Reading needs no permission to write: a lock file that cannot be made is done without, since
    where nobody may write no lock is needed, and a writer makes the file before it writes.
    """
    descriptor = _open_for_lock(path)
    try:
        if descriptor is not None:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _open_for_lock(path: Path) -> int | None:
    for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):
        with suppress(OSError):
            return os.open(path, flags | os.O_CLOEXEC, 0o666)
    return None


def is_writable(path: Path) -> bool:
    """Whether this process may write there, be it for permissions or for how it is mounted."""
    return os.access(path, os.W_OK)


def atomic_write(path: Path, text: str) -> None:
    """Give a file its text at once: who reads it finds the former text or the new one."""
    if path.is_file() and path.read_text("utf-8") == text:
        return
    with working_folder(path.parent / ".incoming") as folder:
        new = folder / path.name
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def working_folder(parent: Path) -> Iterator[Path]:
    """A folder of one's own under `parent` for what is not finished; gone afterwards.

    What is finished is renamed to where it belongs: `parent` is to be on the same disk as that.
    Folders that killed processes left there are removed first.
    """
    _make(parent)
    remove_leftovers(parent)
    lock, folder = _locked_name(parent)
    try:
        folder.mkdir()
        yield folder
    finally:
        _remove(folder)
        folder.with_suffix(".lock").unlink(missing_ok=True)
        os.close(lock)
        with suppress(OSError):
            parent.rmdir()  # which takes an empty folder only


def _make(parent: Path) -> None:
    """Make a folder that somebody else may be removing since it is empty."""
    while True:
        try:
            parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            if parent.exists() and not parent.is_dir():
                raise
        else:
            return


def _locked_name(parent: Path) -> tuple[int, Path]:
    """A name that nobody has, by a lock file beside it."""
    while True:
        folder = parent / f"{os.getpid()}-{uuid4().hex[:12]}"
        path = folder.with_suffix(".lock")
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:  # somebody else found `parent` empty, and removed it
            _make(parent)
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Another process may have taken the lock for a dead one's before it was ours.
        if os.fstat(lock).st_nlink:
            return lock, folder
        os.close(lock)


def remove_leftovers(parent: Path) -> int:
    """Remove what no living process holds; how many things that were."""
    removed = 0
    for path in _entries(parent):
        if path.suffix == ".lock":
            removed += _remove_if_free(path)
        elif not path.with_suffix(".lock").exists() and _is_old(path):
            _remove(path)
            removed += 1
    return removed


def _entries(parent: Path) -> list[Path]:
    try:
        return list(parent.iterdir())
    except OSError:
        return []


def _remove_if_free(path: Path) -> bool:
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # gone by now, or another user's
        return False
    try:
        if not try_lock(lock):
            return False
        _remove(path.with_suffix(""))
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(lock)


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.lstat().st_mtime > _UNLOCKED_LEFTOVERS_AFTER_S
    except OSError:
        return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def place_for_temporary_files(preferred: Path) -> Path:
    """`preferred`, or one of this user's in the system's temporary directory where that cannot
    be written: a reader may have no permission to."""
    try:
        preferred.mkdir(parents=True, exist_ok=True)
    except OSError:
        return temporary_place_of_user()
    return preferred if is_writable(preferred) else temporary_place_of_user()


def temporary_place_of_user() -> Path:
    """A folder of this user's in the system's temporary directory, which nobody else may enter."""
    place = Path(tempfile.gettempdir()) / f"gmn-{os.getuid()}"
    with suppress(FileExistsError):
        place.mkdir(mode=0o700)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        # Somebody else was there first: nothing of ours belongs into it.
        return Path(tempfile.mkdtemp(prefix="gmn-"))
    return place


@contextmanager
def without_question_mark(folder: Path) -> Iterator[Path]:
    """`folder`, or one to build in whose path has no `?`; what is built there is moved over.

    DuckDB puts the `.wal` of a database's log before the first `?` of its path, as if what follows
    were the parameters of an address: the log lies beside the data folder, or cannot be made. It
    looks through links too.
    """
    if "?" not in str(folder):
        yield folder
        return
    with working_folder(temporary_place_of_user()) as place:
        yield place
        for path in place.iterdir():
            shutil.move(path, folder / path.name)


def literal(path: Path) -> str:
    """A path for DuckDB's `read_...` functions, which take `*`, `?` and `[` for patterns: a file
    under `data?/` would be read together with its like under `data1/`."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))
