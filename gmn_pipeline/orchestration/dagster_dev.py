"""`dagster dev`, of which every process holds the lock of the data folder's daemon.

`gmn dev` becomes this program. Dagster's own gives nothing that it has inherited to the UI and the
daemon, and these live on where it is killed: the folder would be free for a second daemon while
the first one still starts runs.

    python -m gmn_pipeline.orchestration.dagster_dev <descriptor of the lock> [--reload ADDRESS] ...

With the address of the UI, that one loads the definitions anew when the code changes. All else
are Dagster's own arguments.
"""

import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from dagster._cli import dev
from dagster_shared.ipc import open_ipc_subprocess

from gmn_pipeline.orchestration.reloading import reload_on_change


def started_with(lock: int, command: Sequence[str], **how: Any) -> "subprocess.Popen[bytes]":
    """A process of Dagster's that holds the lock too, for as long as it lives."""
    how["pass_fds"] = [*how.get("pass_fds", ()), lock]
    process: subprocess.Popen[bytes] = open_ipc_subprocess(command, **how)
    return process


def main() -> None:
    """Run Dagster's command."""
    lock, arguments = sys.argv[1], sys.argv[2:]
    vars(dev)["open_ipc_subprocess"] = partial(started_with, int(lock))
    if arguments[0] == "--reload":
        reload_on_change(arguments[1])
        del arguments[:2]
    dev.dev_command(args=arguments, prog_name="dagster dev")


if __name__ == "__main__":
    main()
