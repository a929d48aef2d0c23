"""A monthly, yearly or all-file that was loaded whole is not loaded again, unless something else
came since: with a real lake, whose rows the model compares after each load."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from gmn_pipeline.flows import held_files
from gmn_pipeline.flows.report import Report, Stage
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.settings import Settings
from gmn_pipeline.validated.trajectories import slices as slices_module
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.taken_in import TakenIn
from gmn_pipeline_tests.model.checker import Checker, present
from gmn_pipeline_tests.model.source import DAYS
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.warehouse import ask, count


def loads(checker: Checker, history: str = "monthly", days: tuple[int, ...] = (0, 1, 2, 3)) -> int:
    """How many slices a load of these days loads."""
    before = slices(checker)
    checker.load(history, days)
    return slices(checker) - before


def slices(checker: Checker) -> int:
    return count(checker.settings, "source_files") if checker.steps else 0


def test_the_same_history_files_again_are_no_work(checker: Checker) -> None:
    checker.history("2018-12", 5, a=1, b=1)
    checker.history("2019-01", 6, c=1, e=1, h=1)
    assert loads(checker)
    settings = checker.settings.model_copy(update={"history": "monthly"})
    report = load_days(DAYS, settings)
    assert "parse" not in report.stopwatch.seconds
    assert report.total("unchanged") == report.total("accepted") == report.total("read") == 5
    assert not any(day.is_news for day in report.days.values())
    assert loads(checker) == 0
    assert loads(checker, days=(1,)) == 0


def test_a_history_file_with_other_bytes_is_loaded_and_the_others_are_not(
    checker: Checker,
) -> None:
    checker.history("2018-12", 5, a=1, b=1)
    checker.history("2019-01", 6, c=1, e=1, h=1)
    first = loads(checker)
    checker.history("2019-01", 7, c=1, e=2, h=1)
    assert 0 < loads(checker) < first
    assert loads(checker) == 0
    checker.history("2019-01", 6, c=1, e=1, h=1)  # as it was
    assert loads(checker)
    assert present(checker)["e"] == (2, 280)


def test_what_a_daily_file_says_of_its_days_since_is_merged_with_it(checker: Checker) -> None:
    checker.history("2019-01", 6, e=1, f=1)
    assert loads(checker)
    checker.daily(280, 8, e=2)
    checker.load()
    assert loads(checker)
    assert loads(checker) == 0
    checker.load()  # the daily file is held: nothing came
    assert loads(checker) == 0


def test_a_file_of_days_far_away_changes_nothing_for_it(checker: Checker) -> None:
    checker.history("2018-12", 6, a=1)
    assert loads(checker, days=(0,))
    checker.daily(285, 8, j=1)
    checker.load()
    assert loads(checker, days=(0,)) == 0
    checker.daily(285, 9, j=1, a=2)  # a trajectory far from its bin
    checker.load()
    assert loads(checker, days=(0,))
    assert loads(checker, days=(0,)) == 0
    checker.daily(285, 10, j=1)  # it was there once
    checker.load()
    assert loads(checker, days=(0,))
    assert present(checker)["a"] == (1, 279)


def test_what_a_message_says_since_is_merged_with_it(checker: Checker) -> None:
    checker.history("2019-01", 6, e=1)
    assert loads(checker)
    checker.messages(("e", None, 8, None))
    assert loads(checker)
    assert loads(checker) == 0
    assert present(checker) == {}


def test_another_history_file_of_its_days_is_merged_with_it(checker: Checker) -> None:
    checker.history("2019-01", 6, e=1)
    assert loads(checker)
    checker.history("2019", 8, h=1)
    assert loads(checker, "yearly")
    assert loads(checker)
    assert loads(checker, "yearly")
    assert loads(checker, "yearly") == 0
    assert present(checker) == {"h": (1, 281)}


def test_the_same_bytes_under_two_names_are_two_files(checker: Checker) -> None:
    checker.history("2018-12", 6, a=1)
    checker.history("2018", 6, a=1)
    assert loads(checker)
    assert loads(checker, "yearly")
    assert loads(checker)
    assert loads(checker) == 0


def test_days_that_were_not_loaded_yet_are_loaded(checker: Checker) -> None:
    checker.history("2019-01", 6, e=1, h=1)
    assert loads(checker, days=(1,))
    assert loads(checker)
    assert loads(checker) == 0


def test_under_another_definition_of_the_rows_it_is_loaded_again(
    checker: Checker, monkeypatch: pytest.MonkeyPatch
) -> None:
    checker.history("2019-01", 6, e=1)
    assert loads(checker)
    monkeypatch.setattr(held_files, "DEFINITION", "another")
    assert loads(checker)


def test_what_was_only_validated_under_another_definition_is_loaded_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put(DAILY, sample().first(5))
    load_days([DAY], bench.settings)
    for module in (slices_module, held_files):
        monkeypatch.setattr(module, "DEFINITION", "another")
    load_days([DAY], bench.settings, stages=frozenset({Stage.LANDING, Stage.VALIDATED}))
    rows = "SELECT definition, rows_unchanged FROM source_files ORDER BY loaded_at_utc"
    for _ in range(2):
        load_days([DAY], bench.settings)
        assert [n for _, n in ask(bench.settings, rows)] == [0, 5]
    assert ask(bench.settings, rows)[1][0] == "another"


def test_a_warehouse_that_does_not_know_definitions_holds_what_it_has(bench: Bench) -> None:
    bench.put(DAILY, sample().first(5))
    load_days([DAY], bench.settings)
    with WarehouseConnection(bench.settings).writing() as connection:
        connection.execute("ALTER TABLE source_files DROP COLUMN definition")
    assert load_days([DAY], bench.settings).total("unchanged") == 5
    bench.put(DAILY, sample().first(6).stamped("2024-03-09 00:00:00.0"))
    assert load_days([DAY], bench.settings).total("inserted") == 1


@pytest.mark.parametrize("nth", [60, 100])
def test_a_killed_load_is_done_again(checker: Checker, nth: int) -> None:
    checker.history("2018-12", 5, a=1, b=1)
    checker.history("2019-01", 6, c=1, e=1, h=1)
    checker.kill("monthly", "warehouse", nth)
    assert loads(checker)
    assert set(present(checker)) == set("abceh")
    assert loads(checker) == 0


@pytest.fixture
def loaded(bench: Bench) -> Settings:
    """A month's file that was loaded whole."""
    begin = datetime(2019, 1, 6)
    rows = sample().first(4).spread(begin, begin + timedelta(hours=12))
    bench.put("monthly/traj_summary_monthly_201901.txt", rows)
    settings = bench.settings.model_copy(update={"history": "monthly"})
    assert load_days(DAYS, settings).total("inserted") == 4
    return settings


def test_in_a_new_warehouse_it_is_loaded_anew(loaded: Settings) -> None:
    loaded.warehouse_dir.rename(loaded.warehouse_dir.with_name("former"))
    assert load_days(DAYS, loaded).total("inserted") == 4


def test_a_warehouse_of_an_earlier_version_gets_its_tables_first(loaded: Settings) -> None:
    with WarehouseConnection(loaded).writing() as connection:
        connection.execute("DROP TABLE trajectory_claims")
    reports = [load_days(DAYS, loaded) for _ in range(3)]
    assert not any(report.failed for report in reports)
    # What it held before the first of these is not known: that one is not noted.
    assert ["parse" in report.stopwatch.seconds for report in reports] == [True, True, False]


def test_a_day_that_failed_fails_again(bench: Bench) -> None:
    bench.settings = bench.settings.model_copy(update={"history": "monthly", "chunk_rows": 1})
    begin = datetime(2019, 1, 4)
    rows = sample().first(8).spread(begin, begin + timedelta(days=8))
    late = replace(rows, rows=(*rows.rows[1:], rows.rows[0]))
    bench.put("monthly/traj_summary_monthly_201901.txt", late)
    days = [date(2019, 1, day) for day in range(3, 12)]

    def failed(report: Report) -> set[date]:
        return {day.day for day in report.failed}

    first = failed(load_days(days, bench.settings))
    assert first == failed(load_days(days, bench.settings))


def test_what_somebody_else_loads_meanwhile_is_seen() -> None:
    day, now = date(2019, 1, 5), datetime(2026, 1, 1)
    before = TakenIn({day: (2, now)}, 5, strays=False)
    own = {day: 3}
    later = replace(before, loads={day: (5, now)})
    assert later.differs_only_by(own, before, day)
    assert not replace(later, messages=6).differs_only_by(own, before, day)
    assert not replace(later, loads={day: (6, now)}).differs_only_by(own, before, day)
    next_day = {day + timedelta(days=1): (1, now)}
    far = {day + timedelta(days=9): (1, now)}
    assert not replace(later, loads=later.loads | next_day).differs_only_by(own, before, day)
    assert replace(later, loads=later.loads | far).differs_only_by(own, before, day)
    everywhere = replace(later, loads=later.loads | far, strays=True)
    assert not everywhere.differs_only_by(own, before, day)
    assert everywhere.mark(day) != replace(everywhere, loads=later.loads).mark(day)
