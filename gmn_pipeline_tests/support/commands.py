"""The command `gmn` as a process of its own, as a shell starts it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

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
        self._command = [*before, *GMN]
        self.environment = {**os.environ, **_QUIET, **environment}

    def __call__(
        self, *arguments: str, cwd: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*self._command, *arguments], env=self.environment, cwd=cwd, timeout=240,
            capture_output=True, text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def start(self, *arguments: str, **how: Any) -> "subprocess.Popen[str]":
        """A process that goes on; its outputs are pipes."""
        return subprocess.Popen(
            [*self._command, *arguments], env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how,
        )  # fmt: skip

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
