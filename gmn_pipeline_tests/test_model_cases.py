"""Sequences that once went wrong, or that the rules were made for: each a case of the model.

`python -m gmn_pipeline_tests.model` prints new ones. A file is written as `daily(bin, generation,
trajectory=solution)`; which trajectory lies where stands in `model/source.py`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gmn_pipeline_tests.model.checker import Checker


@pytest.fixture
def checker(tmp_path: Path) -> Iterator[Checker]:
    with Checker(tmp_path, every=1, ignored=("report",)) as one:
        yield one


def present(checker: Checker) -> dict[str, tuple[int, int]]:
    """Solution and bin of each trajectory that the world (and so the warehouse) has."""
    return {
        state.row.content[0]: (int(state.row.content[1:]), state.bin.solar_longitude_deg)
        for state in checker.world.present.values()
    }


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
