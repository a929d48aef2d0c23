"""Sequences of files and messages that once went wrong, or that the rules were made for.

What belongs here: cases of the model with messages. What does not: those of files alone, and how
they are written (`test_model_cases.py`).
"""

import pytest

from gmn_pipeline_tests.model.checker import Checker, present


def test_several_messages_of_one_trajectory_come_in_one_range(merge: Checker) -> None:
    merge.daily(280, 20, b=1)
    merge.daily(281, 9, h=1)
    merge.daily(282, 21, b=1, h=1)
    merge.load(days=(1, 2))
    merge.messages(("c", 2, 24, 279), ("b", 3, 25, 279), ("b", 4, 27, None))
    assert present(merge)["b"] == (4, 279)


def test_either_daily_file_near_a_limit_may_have_ended_a_trajectory(merge: Checker) -> None:
    merge.messages(("c", 13, 17, None))
    merge.daily(279, 26, e=1)
    merge.daily(280, 27, g=1)
    merge.load(days=(0, 1))
    assert "c" not in present(merge)


def test_a_tombstone_holds_for_what_comes_later_and_is_older(merge: Checker) -> None:
    merge.messages(("e", None, 9, None))
    merge.messages(("e", 1, 5, 280))
    merge.daily(280, 6, d=1, e=1)
    merge.load()
    assert set(present(merge)) == {"d"}


def test_a_message_names_a_bin_also_when_a_history_file_has_newer_content(merge: Checker) -> None:
    merge.daily(281, 5, e=1)
    merge.daily(280, 19, e=1)
    merge.load()
    merge.messages(("e", 3, 23, 281))
    merge.history("2019", 25, e=1)
    merge.load("yearly")
    merge.history("all", 36, e=1)
    merge.load("all")
    assert present(merge)["e"] == (1, 281)


@pytest.mark.parametrize("older", ["file", "tombstone", "neighbour"])
def test_a_message_that_confirms_a_trajectory_counts(merge: Checker, older: str) -> None:
    merge.daily(280, 11, d=1, e=4)
    merge.load()
    merge.messages(("e", 4, 40, 280))
    if older == "file":
        merge.daily(280, 20, d=1)
    elif older == "neighbour":
        merge.daily(281, 20, e=3)
    else:
        merge.messages(("e", None, 20, None))
    merge.load()
    assert present(merge)["e"] == (4, 280)


def test_a_message_without_a_bin_names_none(merge: Checker) -> None:
    merge.daily(282, 18, g=3)
    merge.load()
    merge.messages(("g", 1, 28, None))
    merge.daily(281, 25, g=1)
    merge.load()
    assert present(merge)["g"] == (1, 281)


@pytest.mark.parametrize("first", ["message", "file"])
def test_a_message_without_a_bin_that_says_what_is_there_names_none(
    merge: Checker, first: str
) -> None:
    message = ("g", 1, 28, None)
    if first == "message":
        merge.messages(message)
    merge.daily(282, 18, g=1)
    merge.load()
    if first == "file":
        merge.messages(message)
    merge.daily(282, 20, g=1)
    merge.load()
    merge.daily(281, 25, g=1)
    merge.load()
    assert present(merge)["g"] == (1, 281)


def test_a_message_with_a_bin_names_it_also_below_a_newer_one_without(merge: Checker) -> None:
    merge.daily(282, 18, g=1)
    merge.load()
    merge.messages(("g", 1, 28, None))
    merge.messages(("g", 1, 26, 282))
    merge.daily(281, 25, g=1)
    merge.load()
    assert present(merge)["g"] == (1, 282)
    merge.daily(281, 27, g=1)
    merge.load()
    assert present(merge)["g"] == (1, 281)


def test_what_a_message_confirmed_has_the_generation_of_the_message_and_its_place(
    merge: Checker,
) -> None:
    merge.daily(281, 16, d=1)
    merge.load(days=(1,))
    merge.messages(("d", 1, 21, 281))
    merge.daily(279, 23, d=1)
    merge.load(days=(0,))
    merge.daily(279, 29, f=1)
    merge.load(days=(0,))
    assert present(merge)["d"] == (1, 281)


@pytest.mark.parametrize("by", ["tombstone", "history"])
def test_a_bin_is_named_no_more_when_what_named_it_ends_below_something_newer(
    merge: Checker, by: str
) -> None:
    merge.daily(282, 16, h=1)
    merge.load()
    merge.history("all", 28, h=1)
    merge.load("all", (1,))
    if by == "tombstone":
        merge.messages(("h", None, 21, None))
    else:
        merge.history("2019", 21, j=1)
        merge.load("yearly")
    assert next(state.bin_computed for state in merge.world.present.values())


@pytest.mark.parametrize("said", [1, 3], ids=["other content", "same content"])
def test_a_bin_is_named_no_more_when_its_file_ends_below_a_message_without_a_bin(
    merge: Checker, said: int
) -> None:
    merge.daily(280, 28, e=3)
    merge.load()
    merge.messages(("e", said, 30, None))
    merge.daily(280, 29, d=1)
    merge.load()
    assert merge.world.present["20190101120000_eeeee"].bin_computed


@pytest.mark.parametrize("by", ["message", "history"])
def test_a_file_does_not_end_what_another_of_the_same_load_takes_to_its_bin(
    merge: Checker, by: str
) -> None:
    merge.daily(282, 20, a=1)
    merge.load(days=(2,))
    if by == "message":
        merge.messages(("a", 2, 37, None))
    else:
        merge.history("2018", 37, a=2)
        merge.load("yearly")
    merge.daily(279, 36, a=1)
    merge.daily(282, 41, i=1)
    merge.load(days=(0, 2))
    assert present(merge)["a"] == (2, 279)


@pytest.mark.parametrize("by", ["history", "message"])
def test_a_file_names_no_bin_of_what_a_newer_tombstone_ended_in_it(merge: Checker, by: str) -> None:
    if by == "history":
        merge.history("2019", 14, e=1)
        merge.load("yearly")
    else:
        merge.messages(("e", 1, 14, None))
    merge.messages(("e", None, 12, None))
    merge.daily(279, 10, e=1)
    merge.daily(280, 20, d=1)
    merge.load(days=(0, 1))
    assert set(present(merge)) == {"d"}


def test_a_file_older_than_loaded_takes_nothing_to_its_bin(merge: Checker) -> None:
    merge.daily(279, 40, b=1)
    merge.daily(282, 20, a=1)
    merge.load(days=(0, 2))
    merge.messages(("a", 2, 50, None))
    merge.daily(279, 36, a=1)
    merge.daily(282, 51, i=1)
    merge.load(days=(0, 2))
    assert "a" not in present(merge)
