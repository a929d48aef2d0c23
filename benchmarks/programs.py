"""Programs that work beside what is measured.

What belongs here: starting and ending them with a data folder of their own. What does not: what is
measured meanwhile.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from gmn_pipeline.orchestration.home import prepare_dagster_home
from gmn_pipeline.settings import Settings

_DEFINITIONS = ("-m", "gmn_pipeline.definitions")


@contextmanager
def running(
    settings: Settings, name: str, *arguments: str, more: Mapping[str, str] | None = None
) -> Iterator[None]:
    """A program of this environment over the data folder, ended with the block; `more`: variables
    of its environment. What it says goes into a log in the data folder."""
    log = settings.data_dir / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - no shell
            [_program(name), *arguments], env=_environment(settings, more),
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def sensing(
    settings: Settings, sensors: Sequence[str], more: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Dagster's daemon with these sensors on."""
    for sensor in sensors:
        subprocess.run(  # noqa: S603 - no shell
            [_program("dagster"), "sensor", "start", sensor, *_DEFINITIONS],
            env=_environment(settings, more), check=True, capture_output=True,
        )  # fmt: skip
    with running(settings, "dagster-daemon", "run", *_DEFINITIONS, more=more):
        yield


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _environment(settings: Settings, more: Mapping[str, str] | None) -> dict[str, str]:
    return {
        **os.environ,
        "GMN_DATA_DIR": str(settings.data_dir),
        "DAGSTER_HOME": str(prepare_dagster_home(settings)),
        **(more or {}),
    }
