"""Files that processes share: locks, unfinished files, and reading where nothing can be written."""

import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import polars as pl
import pytest

from gmn_pipeline.storage import files, sqlite
from gmn_pipeline.storage.files import atomic_write, exclusive, literal, working_folder

HOLD = """
import os, signal, sys
from pathlib import Path
from gmn_pipeline.storage.files import exclusive, working_folder
with working_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("half")
    print(folder, flush=True)
    sys.stdin.readline()
"""


def holder(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process with a working folder that it has written to."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(parent)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_working_folder_is_gone_afterwards_and_its_place_with_it(tmp_path: Path) -> None:
    place = tmp_path / "tmp"
    with working_folder(place) as folder:
        (folder / "half").write_text("half")
        (folder / "deeper").mkdir()
    assert not place.exists()


def test_what_a_killed_process_left_is_removed_and_a_living_ones_is_not(tmp_path: Path) -> None:
    place = tmp_path / "tmp"
    killed, left = holder(place)
    living, kept = holder(place)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert (left / "half").exists()
    with working_folder(place):
        assert not left.exists()
        assert (kept / "half").exists()
    living.communicate("done\n")
    assert not place.exists()


def test_what_lies_there_without_a_lock_is_removed_when_it_is_old(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.write_text("")
    os.utime(old, (time.time() - 100_000,) * 2)
    assert files.remove_leftovers(tmp_path) == 1
    assert list(tmp_path.iterdir()) == [new]


def test_many_working_folders_at_once_do_not_take_each_other_for_left(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from gmn_pipeline.storage.files import working_folder\n"
        "for n in range(150):\n"
        "  with working_folder(Path(sys.argv[1])) as folder: (folder / 'x').write_text('x')\n"
    )
    place = tmp_path / "tmp"
    command = [sys.executable, "-c", code, str(place)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(3)]
    assert [(p.communicate()[1], p.returncode) for p in processes] == [(b"", 0)] * 3
    assert not place.exists()


def test_a_lock_is_waited_for_and_goes_with_its_process(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    code = (
        "import sys; from pathlib import Path; from gmn_pipeline.storage.files import exclusive\n"
        "with exclusive(Path(sys.argv[1])): print('held', flush=True); sys.stdin.readline()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(TimeoutError), exclusive(lock, timeout_s=0.1):
        pass
    process.kill()
    process.communicate()
    with exclusive(lock, timeout_s=0.1):
        pass


def test_who_looks_whether_a_lock_is_held_keeps_nobody_from_taking_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "some.lock"
    lock.touch()
    with lock.open() as look:
        assert files.try_lock(look, fcntl.LOCK_SH)  # as `is_locked` does
        monkeypatch.setattr(time, "sleep", lambda _: look.close())
        with files.alone(lock, RuntimeError("somebody has it")):
            assert files.is_locked(lock)


def test_a_file_is_written_whole_or_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "state.json"
    atomic_write(file, "former")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        atomic_write(file, "new")
    assert file.read_text() == "former"
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_file_under_an_odd_path_is_read_alone(tmp_path: Path) -> None:
    for name in ("data?", "data1", "data*", "[d]ata", "d[a]ta"):
        (tmp_path / name).mkdir()
        pl.DataFrame({"place": [name]}).write_parquet(tmp_path / name / "rows.parquet")
    for name in ("data?", "data1", "data*", "[d]ata", "d[a]ta"):
        rows = duckdb.execute(
            "SELECT place FROM read_parquet(?)", [literal(tmp_path / name / "rows.parquet")]
        ).fetchall()
        assert rows == [(name,)]


@pytest.fixture
def database(open_folder: Path) -> Path:
    """A database with a write-ahead log, in a folder with an odd name."""
    path = open_folder / "p%20q?x=1#h" / "rows.sqlite"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE numbers (n INTEGER)")
        db.execute("INSERT INTO numbers VALUES (1)")
    return path


def numbers(path: Path) -> list[int]:
    with sqlite.reading(path) as db:
        return [n for (n,) in db.execute("SELECT n FROM numbers ORDER BY n")]


def test_a_database_is_read_without_permission_to_write(
    database: Path, as_another_user: Callable[[Callable[[], object]], object]
) -> None:
    assert not Path(f"{database}-wal").exists()
    assert as_another_user(lambda: numbers(database)) == [1]
    with closing(sqlite3.connect(database)) as writer:
        writer.execute("INSERT INTO numbers VALUES (2)")
        writer.commit()
        assert Path(f"{database}-wal").stat().st_size > 0
        assert as_another_user(lambda: numbers(database)) == [1, 2], "the log is read too"


def test_a_copy_of_a_database_has_what_its_log_has(database: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(database)) as writer:
        writer.execute("INSERT INTO numbers VALUES (2)")
        writer.commit()
        sqlite.copy(database, tmp_path / "copy.sqlite")
    assert numbers(tmp_path / "copy.sqlite") == [1, 2]


HOLD_OPEN = """
import sys
from pathlib import Path
from gmn_pipeline.storage.sqlite import held_open
with held_open(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def leaves_a_log(path: Path) -> bool:
    """Whether the log is still there after somebody wrote and was done."""
    with closing(sqlite3.connect(path)) as writer, writer:
        writer.execute("INSERT INTO numbers VALUES (2)")
    return Path(f"{path}-wal").exists()


def test_the_log_of_a_database_stays_while_it_is_held_open_and_no_longer(database: Path) -> None:
    assert not leaves_a_log(database)
    with sqlite.held_open(database):
        assert any(leaves_a_log(database) for _ in range(10_000)), "it is never open"
        assert all(leaves_a_log(database) for _ in range(10))
        with closing(sqlite3.connect(database, timeout=0)) as other:
            row = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert row[0] == 0, "who holds it keeps nobody from putting the log's rows away"
    assert not leaves_a_log(database)


def test_nobody_holds_a_database_open_for_a_process_that_was_killed(database: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_OPEN, str(database)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline()
        assert any(leaves_a_log(database) for _ in range(10_000)), "it is never open"
        process.kill()
    assert any(not leaves_a_log(database) for _ in range(10_000)), "it is open for ever"


def test_where_no_process_can_be_started_nobody_holds_it_open(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(database.parent / "none"))
    with sqlite.held_open(database):
        assert not leaves_a_log(database)
