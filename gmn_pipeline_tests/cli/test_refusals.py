"""What a person sees when the machine refuses: a sentence with a remedy, never a traceback."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gmn_pipeline.cli import main as command_line
from gmn_pipeline.errors import DataDamaged, DiskFull, NotPermitted
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.storage import problems
from gmn_pipeline.storage.files import exclusive
from gmn_pipeline_tests.support.commands import Command, powerless
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.warehouse import count

COUNT = "SELECT count(*) AS n FROM trajectories"

# --- a full disk ---------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A disk of so many KiB, which can be made larger while files lie there."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = False

    def sized(kib: int) -> Path:
        nonlocal mounted
        options = f"{'remount,' if mounted else ''}size={kib}k"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
        mounted = True
        return place

    yield sized
    if mounted:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.parametrize("kib", [900, 1_700])
def test_a_run_on_a_full_disk_says_so_loses_nothing_and_goes_on_when_there_is_space(
    tmp_path: Path, small_disk: Callable[[int], Path], kib: int
) -> None:
    bench = Bench(tmp_path)
    bench.put(DAILY, sample())
    data_dir = small_disk(kib) / "data"
    gmn = Command(GMN_DATA_DIR=str(data_dir), GMN_SOURCE_URL=str(bench.site))
    said = gmn.refuses("run", "--from", "2022-03-04")
    assert "no space left" in said.lower(), said
    assert str(tmp_path / "disk") in said
    small_disk(100_000)
    gmn.says("run", "--from", "2022-03-04")
    assert gmn.answers(COUNT) == [{"n": 534}]
    assert (data_dir / "snapshot" / "gmn.duckdb").exists()
    assert not list(data_dir.rglob(".building/*"))


def test_a_load_that_reaches_the_limit_of_a_files_size_keeps_what_was_there(
    data_dir: Path, gmn: Command
) -> None:
    """What a quota does too; and no file system has to be mounted for it."""
    bench = Bench(data_dir.parent)
    bench.put(DAILY, sample().stamped("2022-03-17 00:00:00").first(500))
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
    code = f"{limit} from gmn_pipeline.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "--from", "2022-03-04"],
        env=gmn.environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert gmn.answers(COUNT) == [{"n": 534}]
    gmn.says("run", "--from", "2022-03-04")
    assert gmn.answers(COUNT) == [{"n": 500}]


# --- a lake that cannot be opened ----------------------------------------------------------------


def truncated(data_dir: Path) -> None:
    file = data_dir / "warehouse" / "catalog.sqlite"
    os.truncate(file, file.stat().st_size // 3)


def overwritten(data_dir: Path) -> None:
    (data_dir / "warehouse" / "catalog.sqlite").write_bytes(b"1\n" * 3_000)


def emptied(data_dir: Path) -> None:
    (data_dir / "warehouse" / "catalog.sqlite").write_bytes(b"")


def data_files(data_dir: Path) -> list[Path]:
    files = list((data_dir / "warehouse" / "data").rglob("*.parquet"))
    assert files
    return files


def without_data_file(data_dir: Path) -> None:
    for file in data_files(data_dir):
        file.unlink()


def with_broken_data_file(data_dir: Path) -> None:
    for file in data_files(data_dir):
        os.truncate(file, 1_000)


@pytest.mark.parametrize("how", [truncated, overwritten, emptied, without_data_file,
                                 with_broken_data_file])  # fmt: skip
def test_a_lake_that_cannot_be_read_is_told_of_with_the_way_out(
    data_dir: Path, gmn: Command, how: Callable[[Path], None]
) -> None:
    for log in (data_dir / "warehouse").glob("catalog.sqlite-*"):
        log.unlink()
    how(data_dir)
    for arguments in (("sql", "SELECT sum(vgeo_km_s) FROM trajectories"), ("status",)):
        said = gmn.refuses(*arguments)
        if arguments == ("status",) and "data_file" in how.__name__:
            continue  # which may be answered without the file
        assert "cannot be read" in said, said
        assert str(data_dir) in said
        assert "gmn run --from" in said, "the remedy"


def test_what_the_remedy_says_for_a_damaged_lake_brings_its_rows_back(
    data_dir: Path, gmn: Command
) -> None:
    bench = Bench(data_dir.parent)
    bench.put(DAILY, sample())
    overwritten(data_dir)
    (data_dir / "warehouse").rename(data_dir / "warehouse-damaged")
    gmn.says("run", "--from", "2022-03-04")
    assert gmn.answers(COUNT) == [{"n": 534}]


# --- permissions ---------------------------------------------------------------------------------


def make_read_only(folder: Path) -> None:
    subprocess.run(["chmod", "-R", "a-w", folder], check=True)


def test_reading_needs_no_permission_to_write(data_dir: Path) -> None:
    make_read_only(data_dir)
    reader = Command(*powerless(), GMN_DATA_DIR=str(data_dir))
    assert reader.answers(COUNT) == [{"n": 534}]
    # More than fits into memory is put where the reader may write.
    rows = reader.answers(
        "SELECT count(*) AS n FROM (SELECT DISTINCT a.trajectory_identifier, b.vgeo_km_s "
        "FROM trajectories a, trajectories b)"
    )
    assert rows[0]["n"] > 534
    assert "534" in reader.says("status")


def test_reading_without_permission_sees_what_a_writer_has_just_committed(
    data_dir: Path,
) -> None:
    bench = Bench(data_dir.parent)
    bench.put(DAILY, sample().stamped("2022-03-17 00:00:00").first(500))
    reader = Command(*powerless(), GMN_DATA_DIR=str(data_dir))
    catalog = bench.settings.warehouse_dir / "catalog.sqlite"
    # In another process: of two SQLites in one, the first to close a file takes the other's locks.
    code = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1])\n"
        "db.execute('SELECT count(*) FROM ducklake_table').fetchone()\n"
        "print('open', flush=True); sys.stdin.readline()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, catalog], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    other.stdout.readline()
    try:
        assert not load_days([DAY], bench.settings).failed
        log = data_dir / "warehouse" / "catalog.sqlite-wal"
        assert log.stat().st_size > 0, "the commit is in the log only"
        make_read_only(data_dir)
        assert reader.answers(COUNT) == [{"n": 500}]
    finally:
        other.communicate(b"end\n")


def test_a_run_without_permission_to_write_says_so_and_what_can_be_read(data_dir: Path) -> None:
    make_read_only(data_dir)
    (data_dir.parent / "site" / "daily").mkdir(parents=True)
    user = Command(
        *powerless(), GMN_DATA_DIR=str(data_dir), GMN_SOURCE_URL=str(data_dir.parent / "site")
    )
    for arguments in (("run", "--from", "2022-03-04"), ("maintain",), ("stream",), ("dev",)):
        said = user.refuses(*arguments)
        assert "permission" in said.lower(), said
        assert str(data_dir) in said


def test_a_folder_that_may_not_be_read_is_told_of(data_dir: Path) -> None:
    (data_dir / "warehouse").chmod(0)
    user = Command(*powerless(), GMN_DATA_DIR=str(data_dir))
    try:
        for arguments in (("sql", COUNT), ("status",)):
            said = user.refuses(*arguments)
            assert "Permission denied" in said
            assert "gmn.duckdb" in said
    finally:
        (data_dir / "warehouse").chmod(0o755)


def test_a_data_folder_that_is_a_file_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    (tmp_path / "site" / "daily").mkdir(parents=True)
    gmn = Command(GMN_DATA_DIR=str(tmp_path / "data"), GMN_SOURCE_URL=str(tmp_path / "site"))
    assert str(tmp_path / "data") in gmn.refuses("run", "--from", "2022-03-04")


def test_a_disk_mounted_read_only_is_read(data_dir: Path, tmp_path: Path) -> None:
    place = tmp_path / "read_only"
    place.mkdir()
    for options in (["--bind", data_dir, place], ["-o", "remount,ro,bind", place]):
        done = subprocess.run(["mount", *options], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        reader = Command(GMN_DATA_DIR=str(place))
        assert reader.answers(COUNT) == [{"n": 534}]
        assert "534" in reader.says("status")
        assert "Read-only file system" in reader.refuses("maintain")
    finally:
        subprocess.run(["umount", "-l", place], check=True)


# --- interruptions and the unexpected ------------------------------------------------------------


def test_a_reader_that_has_had_enough_is_no_error(gmn: Command) -> None:
    for format_ in ("csv", "table"):
        query = "SELECT a.* FROM trajectories a, range(20)"
        with gmn.start("sql", query, "--format", format_) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(1)
            process.stdout.close()
            assert process.stderr.read() == ""
            assert process.wait(60) == 0


def test_ctrl_c_ends_a_query_with_a_sentence(gmn: Command, data_dir: Path) -> None:
    endless = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = 1"
    process = gmn.start("sql", endless)
    # It reads from when on its lock is held, and asks right after.
    lock = data_dir / "warehouse" / "readers.lock"
    while process.poll() is None and not _is_held(lock):
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    output, said = process.communicate(timeout=60)
    assert process.returncode == 130, output + said
    assert "Traceback" not in said
    assert "Interrupted" in said


@pytest.mark.parametrize("when", ["landing/objects", "snapshot/versions"])
def test_ctrl_c_ends_a_run_with_a_sentence_and_the_next_one_goes_on(
    tmp_path: Path, when: str
) -> None:
    bench = Bench(tmp_path)
    bench.put(DAILY, sample())
    gmn = Command(GMN_DATA_DIR=str(bench.settings.data_dir), GMN_SOURCE_URL=str(bench.site))
    run = gmn.start("run", "--from", "2022-03-04")
    while run.poll() is None and not (bench.settings.data_dir / when).exists():
        time.sleep(0.001)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: all that it started get it too
    output, said = run.communicate(timeout=120)
    assert run.returncode == 130, output + said
    assert "Traceback" not in output + said
    assert "Interrupted" in said
    gmn.says("run", "--from", "2022-03-04")
    assert gmn.answers(COUNT) == [{"n": 534}]


def _is_held(lock: Path) -> bool:
    try:
        with exclusive(lock, timeout_s=0):
            return False
    except TimeoutError:
        return True


class Surprise(Exception):
    """An error that nobody thought of."""


@pytest.fixture
def surprised(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    def surprise() -> None:
        raise Surprise("a thing\nin two lines")

    monkeypatch.setenv("GMN_DATA_DIR", str(data_dir))
    monkeypatch.setattr("gmn_pipeline.cli.maintain.load_settings", surprise)
    monkeypatch.setattr(sys, "argv", ["gmn", "maintain"])
    monkeypatch.setattr(command_line.errors, "width", 10_000, raising=False)


def told(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    return said.err


@pytest.mark.usefixtures("surprised")
def test_an_unexpected_error_is_a_sentence_and_its_details_are_in_a_file(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = told(capsys)
    (file,) = (data_dir / "errors").iterdir()
    assert f"Unexpected error: Surprise: a thing. Details are in {file}." in said
    assert "Traceback" in file.read_text()
    assert "in two lines" in file.read_text()


@pytest.mark.usefixtures("surprised")
def test_details_go_elsewhere_where_the_data_folder_takes_none_and_nowhere_if_need_be(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (data_dir / "errors").write_text("a file is where the folder would be")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(problems.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    assert f"Details are in {tmp_path / 'tmp'}" in told(capsys)
    monkeypatch.setattr(problems.tempfile, "gettempdir", lambda: "/dev/null")
    assert "could not be written to any file" in told(capsys)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(28, "No space left on device", "/data/x"), DiskFull),
        (OSError(122, "Disk quota exceeded"), DiskFull),
        (PermissionError(13, "Permission denied", "/data/x"), NotPermitted),
        (OSError(30, "Read-only file system", "/data/x"), NotPermitted),
        (RuntimeError("(sqlite3.OperationalError) database or disk is full"), DiskFull),
        (RuntimeError("IO Error: No magic bytes found at end of file '/d/a.parquet'"), DataDamaged),
    ],
)
def test_what_the_machine_says_is_known_by_its_words(
    error: Exception, kind: type[Exception]
) -> None:
    wrapped = ValueError("something failed")
    wrapped.__cause__ = error
    assert isinstance(problems.explained(wrapped, Path("/data")), kind)
    assert problems.explained(ValueError("something failed"), Path("/data")) is None


def test_a_count_is_as_before_after_all_this(loaded: Path, tmp_path: Path) -> None:
    bench = Bench(tmp_path, data_dir=loaded)
    assert count(bench.settings, "trajectories") == 534
