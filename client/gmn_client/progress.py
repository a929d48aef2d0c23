"""How far a download is: for a function of the user's, or a bar of rich or tqdm.

What belongs here: telling. What does not: what is told about (`flows.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import TracebackType
from typing import Any, Self, TypeAlias


@dataclass(frozen=True)
class Progress:
    """So much has come. Of rows the total is known where it was asked for, of files always.

    `is_done`: no more comes, be it whole, given up or broken.
    """

    rows: int
    total_rows: int | None
    bytes: int
    total_bytes: int | None = None
    is_done: bool = False


Tell: TypeAlias = Callable[[Progress], None]


class Meter:
    """Counts while something comes, and says when it ends, however it does."""

    def __init__(
        self, tell: "Tell", total_rows: int | None = None, total_bytes: int | None = None,
        received: int = 0,
    ) -> None:  # fmt: skip
        self.rows = 0
        self.bytes = received
        self._tell = tell
        self._totals = total_rows, total_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._say(is_done=True)

    def add(self, length: int, rows: int = 0) -> None:
        """So many bytes more, and rows."""
        self.bytes += length
        self.rows += rows
        self._say(is_done=False)

    def _say(self, *, is_done: bool) -> None:
        total_rows, total_bytes = self._totals
        self._tell(Progress(self.rows, total_rows, self.bytes, total_bytes, is_done))


def silent(_: Progress) -> None:
    """Nothing is told."""


def teller(progress: bool | Tell) -> Tell:
    """`True`: a bar, of rich or tqdm, whichever is installed; nothing where neither is."""
    if callable(progress):
        return progress
    if not progress:
        return silent
    for make in (_rich, _tqdm):
        try:
            return make()
        except ImportError:
            continue
    return silent


def _measures(now: Progress) -> tuple[int, int | None, str]:
    if now.total_bytes is not None:
        return now.bytes, now.total_bytes, "bytes"
    return now.rows, now.total_rows, "rows"


def _rich() -> Tell:
    module = import_module("rich.progress")
    bars: list[Any] = []

    def tell(now: Progress) -> None:
        done, total, unit = _measures(now)
        if not bars:
            bar = module.Progress(
                module.TextColumn("{task.description}"), module.BarColumn(),
                module.TextColumn(f"{{task.completed:,.0f}} {unit}"), module.TimeRemainingColumn(),
            )  # fmt: skip
            bar.start()
            bars.extend((bar, bar.add_task("gmn", total=total)))
        bar, task = bars
        bar.update(task, completed=done, total=total or (done if now.is_done else None))
        if now.is_done:
            bar.stop()
            bars.clear()

    return tell


def _tqdm() -> Tell:
    module = import_module("tqdm.auto")
    bars: list[Any] = []

    def tell(now: Progress) -> None:
        done, total, unit = _measures(now)
        if not bars:
            bars.append(module.tqdm(total=total, unit=f" {unit}", unit_scale=True, desc="gmn"))
        bars[0].update(done - bars[0].n)
        if now.is_done:
            bars.pop().close()

    return tell
