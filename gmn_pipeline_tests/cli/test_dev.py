"""`gmn dev`: one for a folder, on a port that is free."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gmn_pipeline.cli import dev
from gmn_pipeline.storage.files import exclusive
from gmn_pipeline_tests.support.commands import Command


def test_a_port_in_use_ends_the_ui_with_a_sentence(gmn: Command) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = gmn.refuses("dev", "--port", str(port))
    assert f"Port {port} of 127.0.0.1 cannot be had: Address already in use" in said
    assert "--port" in said


def test_a_second_daemon_for_a_folder_ends_with_a_sentence(data_dir: Path, gmn: Command) -> None:
    with exclusive(data_dir / "dagster" / "daemon.lock"):
        assert "works on" in gmn.refuses("dev")


def test_a_time_out_of_something_else_is_not_told_as_a_second_daemon(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(host: str, port: int) -> None:
        raise TimeoutError("the name of the host")

    monkeypatch.setenv("GMN_DATA_DIR", str(data_dir))
    monkeypatch.setattr(dev, "must_be_free", too_late)
    with pytest.raises(TimeoutError, match="the name of the host"):
        dev.dev()


def test_the_lock_of_a_daemon_lives_as_long_as_any_process_that_dagster_started(
    data_dir: Path, gmn: Command, tmp_path: Path
) -> None:
    """`gmn dev` becomes a program that starts others: here one that starts one, and dies."""
    program = (
        "import os, signal, sys; from gmn_pipeline.orchestration.dagster_dev import started_with\n"
        "wait = 'print(\"ready\", flush=True); import sys; sys.stdin.readline()'\n"
        "started_with(int(sys.argv[1]), [sys.executable, '-c', wait])\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    (tmp_path / "program.py").write_text(program)
    begin = (
        "import os, sys; from gmn_pipeline.cli import dev, main\n"
        f"own = [sys.executable, {str(tmp_path / 'program.py')!r}]\n"
        "real, os.execv = os.execv, lambda path, given: real(path, [*own, given[3]])\n"
        "dev.must_be_free = lambda host, port: None\n"
        "sys.argv = ['gmn', 'dev']\n"
        "main.main()"
    )
    daemon = subprocess.Popen(
        [sys.executable, "-c", begin], env=gmn.environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert daemon.stdout is not None
    while daemon.stdout.readline() != "ready\n":
        pass
    assert daemon.wait() == -signal.SIGKILL
    said = gmn.refuses("dev")
    assert "works on" in said
    assert "or the processes" in said
    daemon.communicate("end\n")
    with exclusive(data_dir / "dagster" / "daemon.lock", timeout_s=10):
        pass
