"""STILTS, the Virtual Observatory's tools and validators: a program that only Debian packages."""

import os
import shutil
import subprocess

import pytest

_WITHIN_S = 280
_NAME = "stilts"


def stilts(task: str, *arguments: str, **named: object) -> "subprocess.CompletedProcess[str]":
    """Run a task. Without the program the test is skipped; under CI that is a failure."""
    program = shutil.which(_NAME)
    if program is None:
        said = "Not run: there is no STILTS to test with ('make system-packages' installs it)."
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(said)
        pytest.skip(said)
    given = [f"{name}={value}" for name, value in named.items()]
    return subprocess.run(
        [program, "-Djava.awt.headless=true", task, *given, *arguments],
        capture_output=True, text=True, timeout=_WITHIN_S, stdin=subprocess.DEVNULL,
    )  # fmt: skip
