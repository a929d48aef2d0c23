"""All jobs: making, finding and removing them, in memory and on disk.

What belongs here: which there are, and how many there may be. What does not: running them
(`runner.py`).

Each has a folder with its record and its answer. Where the folder of all is a setting, jobs outlive
the server; else it goes with the server, also where that is killed: the next one removes it.
"""

import fcntl
import logging
import re
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from gmn_pipeline.errors import ServiceRunning
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.serving.tap.jobs.job import CHANGING, UNDER_WAY, Job, Phase, now, read, record
from gmn_pipeline.settings import TapSettings
from gmn_pipeline.storage.files import (
    atomic_write,
    temporary_place_of_user,
    try_lock,
    working_folder,
)

_RECORD, _ANSWER = "job.json", "answer"
_LOCK = ".lock"
_ID_BYTES = 16
_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_COME_BACK_S = 60
_log = logging.getLogger(__name__)


class Jobs:
    """`open` it, and `close` it at the end."""

    def __init__(self, settings: TapSettings) -> None:
        self._settings = settings
        self._opened = ExitStack()
        self._folder: Path | None = None
        self._jobs: dict[str, Job] = {}
        self._lock = threading.RLock()

    def reserve(self) -> None:
        """Have the folder to oneself. Raises ServiceRunning if another server has it."""
        if self._folder is not None:
            return
        own = self._settings.serve_tap_dir
        if own is None:
            place = temporary_place_of_user() / "tap"
            self._folder = self._opened.enter_context(working_folder(place))
            return
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self._opened.enter_context((own / _LOCK).open("a"))
        if not try_lock(lock, fcntl.LOCK_EX):
            self._opened.close()
            raise ServiceRunning(
                f"Another server has the jobs in {own}.",
                remedy="Give each server a folder of its own: GMN_SERVE_TAP_DIR.",
            )
        self._folder = own

    def open(self) -> list[Job]:
        """Take the jobs of a former server over; those that waited for their turn.

        Raises ServiceRunning if another server has the folder.
        """
        self.reserve()
        with self._lock:
            for folder in self.folder.iterdir():
                if folder.is_dir():
                    self._take_over(folder)
            return [job for job in self._jobs.values() if job.phase is Phase.QUEUED]

    def close(self) -> None:
        self._opened.close()

    def _take_over(self, folder: Path) -> None:
        """Let a folder be a job again. What is no job of ours is left as it is."""
        if not _ID.fullmatch(folder.name):
            return
        with suppress(OSError):
            folder.rmdir()  # it was made, and its server ended
            return
        try:
            text = (folder / _RECORD).read_text("utf-8")
        except OSError as error:
            _log.warning("A job cannot be read: %s", error)
            return
        try:
            job = read(text)
        except (ValueError, TypeError, KeyError) as error:
            _log.warning("A job that is none of this version's is removed: %s", error)
            shutil.rmtree(folder, ignore_errors=True)
            return
        if job.id != folder.name:
            return
        self._jobs[job.id] = job
        self.unfinished_of(job).unlink(missing_ok=True)
        if job.phase is Phase.EXECUTING:
            job.phase, job.ended_at = Phase.ERROR, now()
            job.failure = "The server ended while the query was under way. Run it again."
            self.save(job)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Nobody else changes a job meanwhile."""
        with self._lock:
            yield

    def make(self, parameters: dict[str, str], address: str) -> Job:
        """A new job, which waits to be run. Raises Problem (503) where there are too many."""
        self.remove_old()
        settings = self._settings
        with self._lock:
            of_address = sum(job.address == address for job in self._jobs.values())
            if len(self._jobs) >= settings.serve_tap_jobs:
                raise _too_many("There are too many jobs here just now.")
            if of_address >= settings.serve_tap_jobs_of_address:
                raise _too_many("There are too many jobs of yours: remove some.")
            if self._size() > settings.serve_tap_jobs_mb << 20:
                raise _too_many("There is no room for further answers just now.")
            job = Job(
                secrets.token_urlsafe(_ID_BYTES), parameters, now(),
                now() + timedelta(days=settings.serve_tap_keep_days),
                settings.serve_tap_timeout_s, address=address,
            )  # fmt: skip
            try:
                self.folder_of(job).mkdir(mode=0o700)
            except OSError as error:
                _log.warning("A job cannot be made: %s", error)
                raise _too_many("There is no room for further jobs just now.") from error
            self._jobs[job.id] = job
            self.save(job)
            return job

    def _size(self) -> int:
        return sum(job.written.size for job in self._jobs.values() if job.written)

    def find(self, identifier: str) -> Job:
        """Raises Problem (404) if there is none."""
        self.remove_old()
        with self._lock:
            job = self._jobs.get(identifier)
        if job is None:
            raise Problem(
                404, "not-found", "There is no such job here: it was removed, its time is over, or "
                "the server was started anew.",
            )  # fmt: skip
        return job

    def under_way(self) -> int:
        with self._lock:
            return sum(job.phase in UNDER_WAY for job in self._jobs.values())

    def remove_old(self) -> None:
        """Remove what has had its time; what is under way is ended when it asks whether it is."""
        with self._lock:
            for job in [one for one in self._jobs.values() if one.removed_at <= now()]:
                self.remove(job)

    def remove(self, job: Job) -> None:
        with self._lock:
            self._jobs.pop(job.id, None)
            if job.phase in CHANGING:
                job.phase, job.ended_at = Phase.ABORTED, now()
            shutil.rmtree(self.folder_of(job), ignore_errors=True)

    def is_known(self, identifier: str) -> bool:
        with self._lock:
            return identifier in self._jobs

    def save(self, job: Job) -> None:
        """Put its record down. Where that cannot be done the job goes on, in memory."""
        if self.is_known(job.id):
            try:
                atomic_write(self.folder_of(job) / _RECORD, record(job))
            except OSError as error:
                _log.warning("The record of a job cannot be written: %s", error)

    def folder_of(self, job: Job) -> Path:
        return self.folder / job.id

    def answer_of(self, job: Job) -> Path:
        return self.folder_of(job) / _ANSWER

    def unfinished_of(self, job: Job) -> Path:
        """Where its answer is as long as it is being written."""
        return self.folder_of(job) / f"{_ANSWER}.part"

    @property
    def folder(self) -> Path:
        assert self._folder is not None, "not opened"
        return self._folder


def _too_many(detail: str) -> Problem:
    return Problem(503, "busy", detail, _COME_BACK_S)
