"""Random sequences of what can happen, compared with the model of the warehouse after every step.

A few hundred steps, the same ones each time. Many more: `make check-model STEPS=20000 SEED=7`.
"""

import pytest

from gmn_pipeline_tests.model.actions import Action, as_test, draw, run

_STEPS = 25
_ALL_BUT_DAILY_FILES = ("messages", "load_history")


def _told(actions: list[Action], done: int, error: Exception | None) -> str:
    """What went wrong, with the sequence as a test: `python -m gmn_pipeline_tests.model` with the
    same seed shrinks it."""
    return f"{error}\n\n{as_test(actions[: done + 1], 'found')}"


@pytest.mark.parametrize("seed", range(1000, 1004))
def test_daily_files_leave_what_the_model_says(seed: int) -> None:
    actions = draw(seed, _STEPS, slow=False, without=_ALL_BUT_DAILY_FILES)
    done, error = run(actions, plain=True)
    assert error is None, _told(actions, done, error)


@pytest.mark.parametrize("seed", range(1, 4))
def test_all_kinds_of_files_and_messages_leave_what_the_model_says(seed: int) -> None:
    actions = draw(seed, _STEPS, slow=False)
    done, error = run(actions, plain=True)
    assert error is None, _told(actions, done, error)


@pytest.mark.parametrize("seed", [111, 112])
def test_the_lake_holds_what_the_model_says_through_kills_and_maintenance(seed: int) -> None:
    actions = draw(seed, _STEPS, without=_ALL_BUT_DAILY_FILES)
    done, error = run(actions, ("report",))
    assert error is None, _told(actions, done, error)


def test_a_sequence_is_the_same_each_time() -> None:
    assert draw(7, _STEPS) == draw(7, _STEPS)
    assert draw(7, _STEPS) != draw(8, _STEPS)
