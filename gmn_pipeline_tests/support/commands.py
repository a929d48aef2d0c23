"""The command `gmn` as a process of its own, as a shell starts it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from gmn_pipeline_tests.support.warm import WarmPopen

GMN = [sys.executable, "-c", "from gmn_pipeline.cli.main import main; main()"]
_QUIET = {
    "GMN_OWN_KAFKA": "false", "GMN_IAU_SHOWERS_URL": "http://127.0.0.1:1/list.txt",
    "COLUMNS": "250", "PYTHONWARNINGS": "ignore", "NO_COLOR": "1",
}  # fmt: skip


def powerless() -> list[str]:
    """What to put before a command so that permissions hold for it, which root passes over."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    assert setpriv, "root passes over permissions; setpriv (util-linux) takes that power away"
    return [setpriv, "--bounding-set=-dac_override,-dac_read_search", "--"]


class Command:
    """`gmn` with settings in its environment."""

    def __init__(self, *before: str, **environment: str) -> None:
        self._before = before
        self.environment = {**os.environ, **_QUIET, **environment}

    def __call__(
        self, *arguments: str, cwd: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        with self.start(*arguments, cwd=cwd) as process:
            try:
                out, err = process.communicate(timeout=240)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start(self, *arguments: str, cwd: Path | None = None) -> "subprocess.Popen[str]":
        """A process that goes on; its outputs are pipes."""
        how: dict[str, Any] = {
            "env": self.environment, "cwd": cwd, "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True,
        }  # fmt: skip
        # What is measured is begun as a shell does: a fork has other threads and other memory.
        is_test = "PYTEST_VERSION" in os.environ
        if self._before or sys.platform != "linux" or not is_test:
            return subprocess.Popen([*self._before, *GMN, *arguments], **how)
        return WarmPopen([*arguments], **how)

    def says(self, *arguments: str) -> str:
        """What it prints when all goes well."""
        done = self(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    def refuses(self, *arguments: str) -> str:
        """The sentence that it ends with when it cannot: no traceback, and exit code 1."""
        done = self(*arguments)
        assert done.returncode == 1, done.stdout + done.stderr
        for word in ("Traceback", 'File "', "Stack Trace"):
            assert word not in done.stdout + done.stderr, done.stdout + done.stderr
        return " ".join((done.stdout + done.stderr).split())

    def answers(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query."""
        rows: list[dict[str, Any]] = json.loads(self.says("sql", query, "--format", "json"))
        return rows
