"""Have a processor work on an object, in a process of its own, within limits.

What belongs here: the side that asks. What does not: the other side (`worker.py`).

Files of strangers are read by libraries that were made for those of friends: what hangs, crashes,
writes without end or unpacks to more than there is fails with a reason, alone.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.processing import outcomes
from gmn_pipeline.processing.outcomes import RowsFile
from gmn_pipeline.processing.processor import Outcome, Task
from gmn_pipeline.settings.processing import ProcessingSettings

# Nothing of the environment but what Python needs: no secret is there to be found.
_ENVIRONMENT = (
    "PATH", "PYTHONPATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "GMN_OBJECTS_DETECTOR_MODEL",
    "GMN_OBJECTS_DETECTOR_LABELS", "GMN_OBJECTS_DETECTOR_INPUT_PX",
    "GMN_OBJECTS_DETECTOR_LEAST_SCORE",
)  # fmt: skip
# A fork has only the thread that made it.
_NO_THREADS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Order:
    """Tasks for a processor, by its name, and the limits of all of them together."""

    processor: str
    tasks: Sequence[Task]
    seconds: float
    memory_mb: int
    output_mb: int


class Workshop:
    """The process, begun when it is wanted, and anew if it died. For one thread."""

    def __init__(self, settings: ProcessingSettings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def process(self, processor: str, task: Task) -> tuple[Outcome, list[RowsFile]]:
        """The outcome of a processor on an object, its rows as files in the task's folder.

        Raises ObjectRefused with the reason if there is none.
        """
        reason = self._answered(self._order(processor, [task]))
        if reason:
            raise ObjectRefused(reason)
        try:
            return outcomes.read(task.folder)
        except Exception as error:  # written by what an object may have made of its reader
            raise ObjectRefused(f"Its outcome cannot be read: {error}") from error

    def process_many(
        self, processor: str, tasks: Sequence[Task]
    ) -> Iterator[tuple[Outcome, list[RowsFile]] | ObjectRefused]:
        """The same of many small objects, in one process for all: the outcome of each or why there
        is none, in their order. One that ends the process is tried by itself, as are those after
        it."""
        if len(tasks) == 1:
            try:
                yield self.process(processor, tasks[0])
            except ObjectRefused as refused:
                yield refused
            return
        self._answered(self._order(processor, tasks))
        for task in tasks:
            if outcomes.size_bytes(task.folder) > self._settings.objects_process_output_mb << 20:
                yield ObjectRefused(outcomes.too_much(self._settings.objects_process_output_mb))
                continue
            try:
                yield outcomes.read(task.folder)
                continue
            except Exception as error:
                reason = outcomes.reason(task.folder) or (
                    f"Its outcome cannot be read: {error}" if outcomes.is_there(task.folder) else ""
                )
            try:
                yield ObjectRefused(reason) if reason else self.process(processor, task)
            except ObjectRefused as refused:
                yield refused

    def _order(self, processor: str, tasks: Sequence[Task]) -> Order:
        settings = self._settings
        return Order(
            processor, tasks, settings.objects_process_s, settings.objects_process_memory_mb,
            settings.objects_process_output_mb,
        )  # fmt: skip

    def _answered(self, order: Order) -> str:
        worker = self._process
        if worker is None or worker.poll() is not None:
            worker = self._process = _started()
        assert worker.stdin is not None
        assert worker.stdout is not None
        with suppress(BrokenPipeError):  # then it answers nothing
            worker.stdin.write(pickle.dumps(order))
            worker.stdin.flush()
        answer = worker.stdout.readline()
        if not answer.endswith(b"\n"):
            self.close()
            return "The process that objects are processed in ended."
        return answer[:-1].decode()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()
            self._process = None


def _started() -> subprocess.Popen[bytes]:
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return subprocess.Popen(
        # -P: no module is taken from the folder in which somebody happens to be.
        [sys.executable, "-P", "-m", "gmn_pipeline.processing.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=kept | _NO_THREADS,
        start_new_session=True,  # Ctrl-C is for the process that asks, which ends this one
    )


@contextmanager
def opened(settings: ProcessingSettings) -> Iterator[Workshop]:
    """A workshop that is closed with the block."""
    workshop = Workshop(settings)
    try:
        yield workshop
    finally:
        workshop.close()
