"""A load in a process of its own that is killed at the n-th step of some part of the pipeline."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import date
from itertools import count
from pathlib import Path
from types import FrameType

import gmn_pipeline
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.settings import Settings

# Forked from a process that has imported everything and started no threads yet.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])

PARTS = ("landing", "validated", "warehouse")


def load_killed(settings: Settings, days: Sequence[date], part: str, nth: int) -> None:
    """Load days in another process, which is killed as the n-th call of a function of a part
    returns; it ends in peace if there are not so many."""
    process = _PROCESSES.Process(target=_load_and_die, args=(settings, days, part, nth))
    process.start()
    process.join(timeout=280)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode


def _load_and_die(settings: Settings, days: Sequence[date], part: str, nth: int) -> None:
    folder = str(Path(gmn_pipeline.__file__).parent / part)
    calls = count(1)

    def die(frame: FrameType, event: str, _: object) -> None:
        is_there = event == "return" and frame.f_code.co_filename.startswith(folder)
        if is_there and next(calls) == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(die)
    sys.setprofile(die)
    load_days(days, settings)
