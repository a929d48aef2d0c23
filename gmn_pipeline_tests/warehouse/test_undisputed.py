"""What nothing has to be weighed for is decided as if it had been weighed."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.warehouse.merge.undisputed import Undisputed
from gmn_pipeline_tests.model.actions import draw, run
from gmn_pipeline_tests.support.archive import Shares, generate, next_generation
from gmn_pipeline_tests.support.sample import Bench
from gmn_pipeline_tests.support.warehouse import assert_same, state

DAYS = [date(2022, 3, day) for day in range(1, 22)]
# History files first, daily files after them, a rewritten generation of each, and the first again.
LOADS = [("first", "monthly"), ("first", "daily"), ("next", "daily"), ("next", "monthly"),
         ("first", "all"), ("next", "daily")]  # fmt: skip


@pytest.fixture(scope="module")
def generations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("generations")
    found = {"first": folder / "first", "next": folder / "next"}
    generate(found["first"], 600, from_date=DAYS[0], to_date=DAYS[-1])
    next_generation(found["first"], found["next"], shares=Shares(withdrawn=0.02, added=0.02))
    return found


def loaded(
    folder: Path, generations: dict[str, Path]
) -> tuple[list[dict[str, int]], dict[str, pl.DataFrame]]:
    """What each load counted, and the tables in the end."""
    folder.mkdir()
    counts = []
    for archive, kind in LOADS:
        bench = Bench(folder, source_url=str(generations[archive]), history=kind)
        report = load_days(DAYS, bench.settings)
        assert not report.failed
        names = ("inserted", "revised", "unchanged", "superseded", "withdrawn", "restored")
        counts.append({name: report.total(name) for name in names})
    return counts, state(bench.settings)


def test_the_same_becomes_of_each_trajectory_as_if_all_were_contested(
    tmp_path: Path, generations: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    undisputed, find = [], Undisputed._find_undisputed

    def counted(self: Undisputed, *, may_be: bool) -> None:
        find(self, may_be=may_be)
        undisputed.append(self.one("SELECT count(*) FROM undisputed"))

    monkeypatch.setattr(Undisputed, "_find_undisputed", counted)
    counts, tables = loaded(tmp_path / "undisputed", generations)
    assert sum(n > 500 for n in undisputed) >= 2, undisputed

    monkeypatch.setattr(
        Undisputed, "_find_undisputed", lambda self, *, may_be: find(self, may_be=False)
    )
    others, contested = loaded(tmp_path / "contested", generations)
    assert counts == others
    assert_same(tables, contested)


@pytest.mark.parametrize("all_are_weighed", [False, True])
def test_messages_leave_what_the_model_says_whether_they_are_weighed_or_not(
    monkeypatch: pytest.MonkeyPatch, all_are_weighed: bool
) -> None:
    unweighed, find, is_all = [], Undisputed._find_undisputed, Undisputed.is_all

    def all_or_none(self: Undisputed, *, may_be: bool) -> None:
        find(self, may_be=may_be and not all_are_weighed)

    def told(self: Undisputed) -> bool:
        unweighed.append(is_all(self))
        return unweighed[-1]

    monkeypatch.setattr(Undisputed, "_find_undisputed", all_or_none)
    monkeypatch.setattr(Undisputed, "is_all", told)
    messages = [action for action in draw(5, 250, slow=False) if action.name == "messages"]
    done, error = run(messages, plain=True)
    assert error is None, f"{error}\n\n{messages[: done + 1]}"
    assert len(unweighed) > 30
    assert any(unweighed) is not all_are_weighed
