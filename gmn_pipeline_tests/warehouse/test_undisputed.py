"""What nothing has to be weighed for is decided as if it had been weighed."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.warehouse.merge.undisputed import Undisputed
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
