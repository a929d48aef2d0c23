"""STILTS, the Virtual Observatory's tools and validators: a program that only Debian packages."""

import shutil
import subprocess

from gmn_pipeline_tests.support.absent import not_run

_WITHIN_S = 280
_NAME = "stilts"


def stilts(task: str, *arguments: str, **named: object) -> "subprocess.CompletedProcess[str]":
    """Run a task. Without the program the test is skipped; under CI that is a failure."""
    program = shutil.which(_NAME)
    if program is None:
        not_run("there is no STILTS to test with ('make system-packages' installs it)")
    given = [f"{name}={value}" for name, value in named.items()]
    return subprocess.run(
        [program, "-Djava.awt.headless=true", task, *given, *arguments],
        capture_output=True, text=True, timeout=_WITHIN_S, stdin=subprocess.DEVNULL,
    )  # fmt: skip
