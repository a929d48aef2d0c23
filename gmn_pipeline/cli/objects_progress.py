"""How far a command of objects is: files and bytes, on a terminal."""

from types import TracebackType
from typing import Self

from rich import progress
from rich.filesize import decimal

from gmn_pipeline.cli.console import errors


class Progress:
    """A line with files, bytes and speed; beside the output, which is for scripts. Any thread may
    tell it."""

    def __init__(self, said: str) -> None:
        self._bar = progress.Progress(
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description}: {task.fields[files]:,} files,"),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeElapsedColumn(),
            console=errors,
            transient=True,
            disable=not errors.is_terminal,
        )
        self._task = self._bar.add_task(said, total=None, files=0)
        self._files = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._bar.stop()

    def one(self, size_bytes: int) -> None:
        """One is done."""
        self._files += 1
        self._bar.update(self._task, advance=size_bytes, files=self._files)

    def piece(self, size_bytes: int) -> None:
        """A part of one is done."""
        self._bar.update(self._task, advance=size_bytes)


def size(size_bytes: int) -> str:
    """A size for people."""
    return decimal(size_bytes)
