"""Sequences that once went wrong, or that the rules were made for: each a case of the model.

`python -m gmn_pipeline_tests.model` prints new ones. A file is written as `daily(bin, generation,
trajectory=solution)`; which trajectory lies where stands in `model/source.py`.

What belongs here: files. What does not: messages (`test_model_message_cases.py`).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from gmn_pipeline_tests.model.checker import Checker, present
from gmn_pipeline_tests.model.source import DAYS, TIMED, TIMES, timed_bin_of


def test_a_daily_file_older_than_the_monthly_one_moves_a_row_that_a_newer_neighbour_does_not_have(
    checker: Checker,
) -> None:
    checker.history("2019-01", 7, d=1, e=1)
    checker.load("monthly")
    checker.daily(279, 5, a=1, d=1)  # names another bin than the computed one
    checker.daily(280, 9, e=1)
    checker.load()
    assert present(checker)["d"] == (1, 279)
    checker.load()
    checker.load("monthly")


def test_the_same_bytes_under_two_names_are_there_once(checker: Checker) -> None:
    checker.daily(280, 5, c=1, d=1, e=1)
    checker.same_bytes(280, as_degree=281)
    checker.load()
    assert len(present(checker)) == 3
    checker.load()


def test_a_trajectory_in_bins_five_days_apart_is_there_once(checker: Checker) -> None:
    checker.daily(280, 5, d=1, e=1)
    checker.load()
    checker.daily(285, 6, e=1, j=1)
    checker.load(days=(3,))
    assert present(checker)["e"] == (1, 285)


def test_an_older_neighbour_does_not_override_a_newer_confirmation(checker: Checker) -> None:
    checker.daily(280, 5, d=1, e=1)
    checker.load()
    checker.daily(280, 9, d=1, e=1)
    checker.load()
    checker.daily(279, 7, a=1, d=2)
    checker.load()
    assert present(checker)["d"] == (1, 280)


def test_least_and_greatest_are_those_of_the_rows(checker: Checker) -> None:
    checker.daily(280, 5, d=1, e=1)
    checker.load()
    checker.daily(280, 6, d=1)
    checker.load()
    checker.maintain()


def test_a_daily_file_older_than_a_monthly_one_that_covers_a_part_of_its_bin(
    checker: Checker,
) -> None:
    checker.history("2019-01", 7, c=1)  # the bin 279 from midnight on
    checker.load("monthly")
    checker.daily(279, 5, a=1, b=1, c=1)
    checker.load()
    assert set(present(checker)) == {"a", "b", "c"}


def test_the_newer_neighbour_takes_a_trajectory_over_and_drops_it_while_the_other_has_it(
    checker: Checker,
) -> None:
    checker.daily(280, 5, e=1, f=1)
    checker.load()
    checker.daily(281, 6, f=2, g=1)
    checker.load()
    assert present(checker)["f"] == (2, 281)
    checker.daily(281, 7, g=1)
    checker.load()
    assert present(checker)["f"] == (1, 280)


def test_the_newest_daily_file_names_the_bin_and_no_history_file_does(merge: Checker) -> None:
    merge.daily(282, 16, g=1)
    merge.load()
    merge.daily(280, 20, g=1)
    merge.history("2019", 22, g=1)
    merge.load("yearly")
    merge.load()
    assert present(merge)["g"] == (1, 280)


def test_at_the_same_generation_a_trajectory_stays_where_it_is(merge: Checker) -> None:
    merge.daily(281, 12, d=1)
    merge.daily(282, 12, d=1)
    merge.load()
    merge.history("all", 14, d=1)
    merge.load("all")
    assert present(merge)["d"] == (1, 281)


def test_of_the_same_bytes_outside_of_both_bins_the_earlier_bin_counts(merge: Checker) -> None:
    merge.daily(281, 25, a=4)
    merge.same_bytes(281, as_degree=285)
    merge.load(days=(1,))
    merge.load(days=(3,))
    merge.history("2018-12", 30, a=1)
    merge.history("2018", 31, a=1)
    merge.load("yearly", (0,))
    merge.load("monthly", (0,))
    assert present(merge)["a"] == (1, 281)


def test_an_older_file_changes_nothing_between_two_of_the_same_generation(merge: Checker) -> None:
    merge.daily(281, 30, i=4)
    merge.load()
    merge.daily(282, 30, i=4)
    merge.load()
    merge.daily(282, 22, i=14)
    merge.load()
    assert present(merge)["i"] == (4, 281)


def test_a_claim_ends_with_its_file_however_far_its_trajectory_is(merge: Checker) -> None:
    merge.daily(282, 42, j=1)
    merge.daily(285, 43, j=1)
    merge.load(days=(2, 3))
    merge.daily(282, 48, g=1)
    merge.load(days=(2,))
    assert merge.world.claims() == set()


def test_a_history_file_has_what_any_of_its_bins_has(merge: Checker) -> None:
    merge.daily(280, 31, c=1)
    merge.load(days=(1,))
    merge.history("all", 33, c=23)  # ten minutes later: in the next bin
    merge.load("all", (0, 1))
    assert present(merge)["c"] == (23, 280)


def test_a_daily_file_that_only_confirms_a_bin_keeps_its_own_content(merge: Checker) -> None:
    merge.history("2019", 22, e=2)
    merge.load("yearly")
    merge.daily(280, 16, e=1)
    merge.load()
    merge.daily(281, 20, e=3)
    merge.load()
    assert present(merge)["e"] == (2, 281)
    merge.daily(281, 30, g=1)
    merge.load()
    assert present(merge)["e"] == (1, 280)


def test_the_newer_neighbour_first_and_then_the_file_that_still_has_it(merge: Checker) -> None:
    merge.history("2019-01", 7, d=1, e=1)
    merge.load("monthly")
    merge.daily(280, 9, d=1)
    merge.load()
    merge.daily(281, 5, e=1)
    merge.load()
    assert present(merge)["e"] == (1, 281)


def test_a_slice_that_is_older_than_loaded_counts_what_it_inserts(merge: Checker) -> None:
    merge.daily(280, 13, b=1)
    merge.load()
    merge.history("all", 12, f=1)
    merge.load("all", (1,))
    assert set(present(merge)) == {"b", "f"}


def test_what_comes_in_one_load_vouches_for_each_other(merge: Checker) -> None:
    merge.history("2019-01", 12, h=1)
    merge.load("monthly", (3,))
    merge.daily(285, 7, j=1)  # older than the month's file, which does not have it
    merge.daily(280, 14, j=1)
    merge.load(days=(1, 3))
    assert len(merge.world.claims()) == 1


def test_bytes_that_got_a_second_name_later_are_loaded_again(checker: Checker) -> None:
    checker.daily(281, 14, g=1)
    checker.daily(282, 15, i=1)
    checker.load()
    checker.daily(281, 6, g=1, h=1)
    checker.load()
    checker.same_bytes(281, 282)
    checker.load(days=(2,))
    checker.load()
    assert present(checker) == {"g": (1, 281), "i": (1, 282)}


def test_a_history_file_of_the_neighbour_is_no_daily_file_that_lacks_a_trajectory(
    checker: Checker,
) -> None:
    checker.history("2019-01", 14, c=1)
    checker.history("2019", 24, h=1)
    checker.load("yearly", (1,))
    checker.daily(279, 29, d=1)
    checker.load("daily", (0,))
    checker.load("monthly", (0,))
    assert present(checker)["c"] == (1, 279)


def test_near_a_limit_a_file_of_the_same_generation_that_came_before_ends_nothing(
    merge: Checker,
) -> None:
    merge.daily(279, 26, f=1)
    merge.load()
    merge.history("2019", 26, c=1)
    merge.load("yearly", (0,))
    merge.daily(280, 26, j=1)
    merge.load()
    assert "c" in present(merge)


def test_a_file_does_not_end_what_is_confirmed_and_taken_to_another_bin(merge: Checker) -> None:
    merge.daily(282, 20, a=1)
    merge.load(days=(2,))
    merge.history("2018", 37, a=1)
    merge.load("yearly")
    merge.daily(279, 36, a=2)
    merge.daily(282, 41, i=1)
    merge.load(days=(0, 2))
    assert present(merge)["a"] == (1, 279)


@pytest.mark.parametrize("first", ["daily", "history"])
def test_a_history_file_speaks_of_times_also_of_rows_in_a_bin_far_away(
    merge: Checker, first: str
) -> None:
    merge.daily(282, 22, j=1)
    merge.history("2019-01", 24, i=1)
    if first == "daily":
        merge.load(days=(2,))
    merge.load("monthly", (3,))
    merge.load(days=(2,))
    assert present(merge) == {}


def test_a_history_file_confirms_also_rows_in_a_bin_far_away(merge: Checker) -> None:
    merge.daily(282, 22, j=1)
    merge.load(days=(2,))
    merge.history("2019-01", 26, j=1)
    merge.load("monthly", (3,))
    merge.daily(285, 24, j=2)
    merge.load(days=(3,))
    assert present(merge)["j"] == (1, 285)


@pytest.mark.parametrize("said", [1, 2], ids=["same content", "other content"])
def test_what_stays_in_a_bin_that_nothing_names_any_more_is_outside_of_it_still(
    merge: Checker, said: int
) -> None:
    merge.daily(281, 27, e=1)
    merge.load()
    merge.history("2019", 29, e=1)
    merge.load("yearly", (1,))
    merge.history("2019", 28, h=1)
    merge.load("yearly", (1,))
    merge.history("2019", 30, e=said)
    merge.load("yearly", (1,))
    [state] = [s for x, s in merge.world.present.items() if x.endswith("eeeee")]
    assert state.outside_bin
    assert state.bin_computed


@pytest.fixture
def around_a_date_without_a_bin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two bins that follow each other and begin two dates apart: a trajectory in the middle of
    each, and one near the limit between them."""
    times = {"x": datetime(2018, 8, 12, 12), "y": datetime(2018, 8, 13, 12)}
    bins = [timed_bin_of(when) for when in times.values()]
    assert bins[1].bin.date - bins[0].bin.date == timedelta(days=2)
    times["z"] = bins[0].ends_at - timedelta(minutes=1)
    for name, when in times.items():
        monkeypatch.setitem(TIMES, name, when)
    for timed in bins:
        monkeypatch.setitem(TIMED, timed.bin.solar_longitude_deg, timed)
    DAYS.extend(timed.bin.date for timed in bins)
    yield
    del DAYS[4:]


@pytest.mark.usefixtures("around_a_date_without_a_bin")
@pytest.mark.parametrize("first", [4, 5])
def test_near_a_limit_the_daily_file_of_the_other_bin_may_be_two_dates_away(
    merge: Checker, first: int
) -> None:
    merge.history("2018", 14, z=1)
    merge.load("yearly", (4, 5))
    one, other = list(TIMED)[-2:]
    merge.daily(one, 20, x=1)
    merge.daily(other, 21, y=1)
    merge.load(days=(first,))
    assert "z" in present(merge)
    merge.load(days=(4, 5))
    assert "z" not in present(merge)


def test_a_history_file_confirms_nothing_that_came_after_it(merge: Checker) -> None:
    merge.history("2019-01", 20, j=1)
    merge.load("monthly", (1,))
    merge.daily(279, 26, f=1)
    merge.load(days=(0,))
    merge.daily(279, 28, d=1)
    merge.daily(280, 4, f=1)
    merge.load(days=(0, 1))
    merge.history("2019", 12, j=1)
    merge.load("yearly", (1,))
    assert "f" not in present(merge)


def test_a_history_file_does_not_confirm_what_takes_over_from_it(merge: Checker) -> None:
    merge.daily(281, 5, f=1)
    merge.history("2019-01", 20, f=1)
    merge.load("monthly", (1,))
    merge.load(days=(1,))
    merge.daily(280, 4, f=1)
    merge.daily(281, 29, j=1)
    merge.load(days=(1,))
    assert present(merge)["f"] == (1, 280)
    merge.history("2019", 12, j=1)
    merge.load("yearly", (1,))
    assert "f" not in present(merge)
