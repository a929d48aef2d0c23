"""Signals end what goes on, whatever the main thread is doing when they come."""

import signal
import threading

import pytest

from gmn_pipeline.cli.signals import on_signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_comes_while_an_event_is_being_waited_for_sets_it(
    number: signal.Signals,
) -> None:
    stopped = threading.Event()
    with on_signals(stopped.set):
        with stopped._cond:  # type: ignore[attr-defined]  # as `wait` holds it for a moment
            signal.raise_signal(number)
        assert stopped.wait(60)


def test_what_is_cut_short_is_cut_short_in_the_main_thread() -> None:
    class Cut(BaseException):
        pass

    def cut_short() -> None:
        raise Cut

    ended = threading.Event()
    with on_signals(ended.set, cut_short), pytest.raises(Cut):
        signal.raise_signal(signal.SIGTERM)
    assert ended.wait(60)


def test_handlers_are_the_former_ones_afterwards() -> None:
    former = signal.getsignal(signal.SIGTERM)
    with on_signals(threading.Event().set):
        assert signal.getsignal(signal.SIGTERM) is not former
    assert signal.getsignal(signal.SIGTERM) is former
