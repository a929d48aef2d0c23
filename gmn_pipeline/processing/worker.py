"""The process in which objects are processed: reads tasks, has a child of its own do each.

What belongs here: the other end of `workshop.py`. What does not: being imported by anything else;
it takes over the process.

What processors need is imported once, and a child is a fork of that: an object costs some
milliseconds more than the work on it, and a child that hangs, crashes or takes too much is ended
and leaves nothing behind.
"""

import gc
import importlib
import os
import pickle
import resource
import select
import signal
import sys
import time
from typing import Any

from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.processing import outcomes
from gmn_pipeline.processing.processor import Processor, Task
from gmn_pipeline.processing.registry import processors
from gmn_pipeline.processing.workshop import Order
from gmn_pipeline.sandbox import confine, limit_file, limit_memory, limit_processor

_LOOKS_EVERY_S = 0.1
_AHEAD = ("duckdb", "numpy", "pyarrow.parquet", "PIL.Image")


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is no answer
    for name in _AHEAD:
        importlib.import_module(name)
    known = processors()
    gc.freeze()  # what is there by now is shared with children, and not looked at by them
    while (order := _said()) is not None:
        processor = known.get(order.processor)
        reason = _done(processor, order) if processor else "It is not installed here."
        answers.write(reason.replace("\n", " ").encode("utf-8", "replace") + b"\n")


def _said() -> Order | None:
    try:
        found: Any = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that began this
    except EOFError:
        return None
    assert isinstance(found, Order)
    return found


def _done(processor: Processor, order: Order) -> str:
    """Let a child do it; why it failed, or nothing."""
    child = os.fork()
    if child == 0:
        _work(processor, order)
    try:
        killed = _watched(child, order)
    finally:
        _end(child)
    _, status = os.waitpid(child, 0)
    if killed:
        return killed
    return _reason(os.waitstatus_to_exitcode(status), order)


def _watched(child: int, order: Order) -> str:
    """Wait until it ends, or is to be ended: why."""
    until = time.monotonic() + order.seconds
    poll = select.poll()
    descriptor = os.pidfd_open(child)
    try:
        poll.register(descriptor, select.POLLIN)
        while not poll.poll(_LOOKS_EVERY_S * 1000):
            if time.monotonic() > until:
                return f"It took more than {order.seconds:g} s."
            if _size(order) > order.output_mb << 20:
                return outcomes.too_much(order.output_mb)
    finally:
        os.close(descriptor)
    return outcomes.too_much(order.output_mb) if _size(order) > order.output_mb << 20 else ""


def _end(child: int) -> None:
    """End it and all that it began: they are a group of their own."""
    for end in (os.killpg, os.kill):
        try:
            end(child, signal.SIGKILL)
        except ProcessLookupError:  # ended by itself, or not a group yet
            continue


def _size(order: Order) -> int:
    return sum(outcomes.size_bytes(task.folder) for task in order.tasks)


def _reason(code: int, order: Order) -> str:
    if code == 0:
        return ""
    if code == 1 and (said := outcomes.reason(order.tasks[-1].folder)):
        return said
    if code == -signal.SIGXCPU:
        return f"It took more than {order.seconds:g} s."
    if code == -signal.SIGXFSZ:
        return outcomes.too_much(order.output_mb)
    if code < 0:
        return (
            f"It ended by {signal.Signals(-code).name}: a fault in the library that reads such "
            f"files, or it wanted more than {order.memory_mb:,} MB."
        )
    return f"It ended with {code}, and said nothing."


def _work(processor: Processor, order: Order) -> None:
    """The child: it never returns."""
    code = 1
    try:
        os.setsid()
        os.close(0)
        os.closerange(3, 256)  # where answers go to, and what else is this process's
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        limit_memory(order.memory_mb)
        limit_processor(order.seconds * 2)
        limit_file(order.output_mb)
        confine([task.folder for task in order.tasks])
        done = [_does(processor, task, order.memory_mb) for task in order.tasks]
        code = 0 if all(done) else 1
    except BaseException as error:
        outcomes.write_reason(error, order.tasks[-1].folder, order.tasks[-1].path)
    finally:
        os._exit(code)


def _does(processor: Processor, task: Task, memory_mb: int) -> bool:
    """Do one task; whether it went well."""
    os.chdir(task.folder)
    try:
        outcomes.write(processor.process(task), task.folder)
    except MemoryError:
        refused = ObjectRefused(f"It wanted more than {memory_mb:,} MB.")
        outcomes.write_reason(refused, task.folder, task.path)
        return False
    except BaseException as error:
        outcomes.write_reason(error, task.folder, task.path)
        return False
    return True


if __name__ == "__main__":
    main()
