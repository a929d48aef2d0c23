"""Fetching the IAU shower list, replacing the one at hand, and showers that it does not know."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import repeat
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from gmn_pipeline.definitions import build_defs
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.orchestration.jobs import iau_showers_job
from gmn_pipeline.readers.iau_showers import parse
from gmn_pipeline.readers.iau_showers_rows import ShowerList
from gmn_pipeline.schemas.showers import IAU_SHOWER_SOLUTIONS
from gmn_pipeline.settings import Settings
from gmn_pipeline.sources.iau_showers import BUNDLED_EDITION, bundled, current
from gmn_pipeline.warehouse import showers
from gmn_pipeline.warehouse.backend import CATALOG
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.showers import (
    Refresh,
    load_showers,
    refresh_showers,
    unknown_showers,
)
from gmn_pipeline_tests.support.gmn_site import (
    LOGIN_PAGE,
    GmnSite,
    half_written,
    page,
    status,
    truncated,
)
from gmn_pipeline_tests.support.iau_list import Solution, json_list, many, solution, text_list
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample
from gmn_pipeline_tests.support.warehouse import ask, count

NOW = datetime(2026, 11, 25, 12)
THIS_YEAR, LAST_YEAR, JSON = "list2026.txt", "list2025.txt", "list.json"


@dataclass
class MeteorDataCenter:
    """The list on a web server, and what a refresh makes of it."""

    bench: Bench
    site: GmnSite
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        self.settings = self.bench.settings.model_copy(update={
            "iau_showers_url": f"{self.site.url}list{{year}}.txt {self.site.url}{JSON}",
            "iau_showers_min_share": 0.0,
        })  # fmt: skip

    def put(self, name: str, content: bytes) -> None:
        (self.site.folder / name).write_bytes(content)

    def refresh(self, **update: object) -> Refresh:
        settings = self.settings.model_copy(update=update)
        return refresh_showers(settings, WarehouseConnection(settings))

    def fetch(self, **update: object) -> ShowerList:
        return current(self.settings.model_copy(update=update))

    def asked_for(self) -> list[str]:
        return [request.path for request in self.site.requests]


@pytest.fixture
def mdc(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MeteorDataCenter]:
    for module in ("gmn_pipeline.sources.iau_showers", "gmn_pipeline.warehouse.showers"):
        monkeypatch.setattr(f"{module}.utc_now", lambda: NOW)
    (tmp_path / "mdc").mkdir()
    with GmnSite(tmp_path / "mdc") as site:
        yield MeteorDataCenter(bench, site)


def shower_list(*solutions: Solution, updated: str = "Aug 14, 2026") -> ShowerList:
    return parse(text_list(solutions, updated=updated), "here")


def numbers(settings: Settings) -> list[int]:
    return [n for (n,) in ask(settings, "SELECT iau_shower_number FROM iau_showers ORDER BY 1")]


def test_the_text_of_this_year_is_loaded_with_all_it_says(mdc: MeteorDataCenter) -> None:
    mdc.put(THIS_YEAR, text_list([*many(5), solution(2, "AAC", AdNo="001", Vg="20.5")]))
    refresh = mdc.refresh()
    assert refresh.edition == f"IAU MDC streamfulldata of 2026-08-14, {mdc.site.url}{THIS_YEAR}"
    assert (refresh.showers, refresh.solutions, refresh.age_days) == (5, 6, 103)
    assert refresh.replaced
    assert not refresh.warnings
    assert mdc.asked_for() == [THIS_YEAR]
    speeds = "SELECT solution_number, vgeo_km_s FROM iau_shower_solutions WHERE iau_shower_code = ?"
    assert ask(mdc.settings, f"{speeds} ORDER BY 1", "AAC") == [(0, 30.1), (1, 20.5)]
    dates = "SELECT DISTINCT source, edition_date, loaded_at_utc FROM iau_showers"
    assert ask(mdc.settings, dates) == [(refresh.edition, date(2026, 8, 14), NOW)]


def test_the_list_of_a_year_before_is_used_where_that_of_this_year_is_not_there(
    mdc: MeteorDataCenter,
) -> None:
    mdc.put(LAST_YEAR, text_list(many(5), updated="Dec 30, 2025"))
    found = current(mdc.settings)
    assert found.edition_date == date(2025, 12, 30)
    assert mdc.asked_for() == [THIS_YEAR, LAST_YEAR]
    assert not found.problems


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (page(LOGIN_PAGE), "answers with a page, not with the IAU shower list"),
        (status(500), "cannot be had from"),
        (status(403), "answers 403"),
        (truncated(300), "cannot be had from"),
        (half_written(3000), "is a part of the list"),
    ],
    ids=["page", "500", "403", "truncated", "half written"],
)
def test_the_json_is_used_where_the_text_is_no_good(
    mdc: MeteorDataCenter, fault: Any, words: str
) -> None:
    mdc.put(THIS_YEAR, text_list(many(50)))
    mdc.put(JSON, json_list(many(50)))
    mdc.site.faults[THIS_YEAR] = repeat(fault)
    found = current(mdc.settings, fewest=40)
    assert found.edition == f"IAU MDC streamfulldata of 2026-08-14, {mdc.site.url}{JSON}"
    assert len(found.showers) == 50
    assert words in found.problems[0]


def test_the_copy_that_comes_along_is_used_where_nothing_can_be_had(
    mdc: MeteorDataCenter,
) -> None:
    refresh = mdc.refresh()
    assert (refresh.edition, refresh.showers, refresh.solutions) == (BUNDLED_EDITION, 972, 2376)
    missing, no_json, in_use, old = refresh.warnings
    assert all(f"list{year}.txt" in missing for year in (2026, 2025, 2024, 2023))
    assert no_json.endswith("list.json.")
    assert in_use == f"No IAU shower list could be had: {BUNDLED_EDITION} is in use."
    assert "is 3.6 years old" in old


def test_a_server_that_is_down_is_asked_once_and_not_for_each_year(mdc: MeteorDataCenter) -> None:
    mdc.site.faults[THIS_YEAR] = repeat(status(503))
    mdc.put(LAST_YEAR, text_list(many(5)))
    found = mdc.fetch(iau_showers_url=f"{mdc.site.url}list{{year}}.txt")
    assert found.is_bundled
    assert mdc.asked_for() == [THIS_YEAR]


def test_the_list_may_be_a_file_with_blanks_in_its_path(
    mdc: MeteorDataCenter, tmp_path: Path
) -> None:
    file = tmp_path / "by hand" / "list of {year}.txt"
    file.parent.mkdir()
    Path(str(file).replace("{year}", "2026")).write_bytes(text_list(many(5)))
    found = mdc.fetch(iau_showers_url=f"{file} {mdc.site.url}{JSON}")
    assert len(found.showers) == 5
    assert not mdc.asked_for()


def test_a_list_much_shorter_than_the_one_at_hand_is_refused_and_that_one_stays(
    mdc: MeteorDataCenter,
) -> None:
    mdc.put(THIS_YEAR, text_list(many(100), updated="Aug 14, 2026"))
    mdc.refresh()
    mdc.put(THIS_YEAR, text_list(many(79), updated="Oct 14, 2026"))
    mdc.put(JSON, json_list(many(10), "2026-10-14"))
    refresh = mdc.refresh(iau_showers_min_share=0.8)
    assert not refresh.replaced
    assert (refresh.showers, count(mdc.settings, "iau_showers")) == (100, 100)
    assert "has 79 showers where 80 are expected at least" in refresh.warnings[0]
    assert any(f"No IAU shower list could be had: {refresh.edition}" in w for w in refresh.warnings)
    mdc.put(THIS_YEAR, text_list(many(80), updated="Oct 14, 2026"))
    assert mdc.refresh(iau_showers_min_share=0.8).showers == 80


def test_half_a_page_is_no_list_for_an_empty_warehouse_either(mdc: MeteorDataCenter) -> None:
    mdc.put(THIS_YEAR, text_list(many(700)))
    assert mdc.refresh(iau_showers_min_share=0.8).edition == BUNDLED_EDITION


def test_the_same_list_again_changes_nothing(mdc: MeteorDataCenter) -> None:
    mdc.put(THIS_YEAR, text_list(many(5)))
    mdc.refresh()
    versions = f"SELECT count(*) FROM ducklake_snapshots('{CATALOG}')"
    before = ask(mdc.settings, versions)
    assert not mdc.refresh().replaced
    assert ask(mdc.settings, versions) == before


def test_what_a_newer_list_adds_renames_and_removes_is_said(mdc: MeteorDataCenter) -> None:
    mdc.put(THIS_YEAR, text_list([*many(3), solution(4, "XYZ", "xyzids")]))
    mdc.refresh()
    newer = [*many(2), solution(4, "XYY", "xyyids"), solution(5, "NEW", "", Designation="M2026-K1")]
    mdc.put(THIS_YEAR, text_list(newer, updated="Oct 14, 2026"))
    changes = mdc.refresh().changes
    assert changes.added == ("5 NEW M2026-K1",)
    assert changes.renamed == ("4 XYZ xyzids: now XYY xyyids",)
    assert changes.removed == ("3 AAD AAD shower",)
    assert numbers(mdc.settings) == [1, 2, 4, 5]


def test_an_older_list_never_replaces_a_newer_one(mdc: MeteorDataCenter) -> None:
    warehouse = WarehouseConnection(mdc.settings)
    load_showers(warehouse, shower_list(*many(5), updated="Aug 14, 2026"))
    older = load_showers(warehouse, shower_list(*many(6), updated="Aug 13, 2026"))
    assert not older.replaced
    assert older.edition_date == date(2026, 8, 14)
    assert "is older than the one at hand" in older.warnings[0]
    assert numbers(mdc.settings) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("updated", ["Aug 14, 2026", "no date"])
def test_the_bundled_copy_never_replaces_a_list_that_was_fetched(
    mdc: MeteorDataCenter, updated: str
) -> None:
    warehouse = WarehouseConnection(mdc.settings)
    load_showers(warehouse, shower_list(*many(5), updated=updated))
    assert not load_showers(warehouse, bundled()).replaced
    assert numbers(mdc.settings) == [1, 2, 3, 4, 5]


def test_a_fetched_list_replaces_the_bundled_copy_though_a_part_of_that_is_newer(
    mdc: MeteorDataCenter,
) -> None:
    warehouse = WarehouseConnection(mdc.settings)
    load_showers(warehouse, bundled())
    assert load_showers(warehouse, shower_list(*many(5), updated="Aug 14, 2026")).replaced
    assert count(mdc.settings, "iau_shower_solutions") == 5


def test_the_bundled_copy_of_a_former_version_is_replaced(mdc: MeteorDataCenter) -> None:
    warehouse = WarehouseConnection(mdc.settings)
    load_showers(warehouse, bundled())
    with warehouse.writing() as connection:
        connection.execute(
            "UPDATE iau_showers SET source = 'IAU MDC streamfulldata, as of April 2023, bundled', "
            "edition_date = NULL, status = NULL"
        )
        connection.execute("DELETE FROM iau_shower_solutions")
    assert load_showers(warehouse, bundled()).replaced
    assert count(mdc.settings, "iau_shower_solutions") == 2376


def test_a_crash_while_the_list_is_replaced_leaves_the_former_one(
    mdc: MeteorDataCenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = WarehouseConnection(mdc.settings)
    load_showers(warehouse, shower_list(*many(5)))
    replace = showers._replace

    def fails_at_the_second_table(*arguments: Any) -> None:
        if arguments[1] is IAU_SHOWER_SOLUTIONS:
            raise RuntimeError("power cut")
        replace(*arguments)

    monkeypatch.setattr(showers, "_replace", fails_at_the_second_table)
    with pytest.raises(RuntimeError, match="power cut"):
        load_showers(warehouse, shower_list(*many(9), updated="Oct 14, 2026"))
    assert numbers(mdc.settings) == [1, 2, 3, 4, 5]
    assert count(mdc.settings, "iau_shower_solutions") == 5


@pytest.mark.parametrize(
    ("updated", "words"),
    [("Nov 20, 2025", "is 1.0 years old"), ("no date", "cannot be told"), ("Nov 26, 2025", None)],
)
def test_a_list_older_than_a_year_is_warned_of(
    mdc: MeteorDataCenter, updated: str, words: str | None
) -> None:
    found = shower_list(*many(5), updated=updated)
    warnings = load_showers(WarehouseConnection(mdc.settings), found).warnings
    assert [words in w for w in warnings if words] == ([True] if words else [])
    assert len(warnings) == (1 if words else 0)


@pytest.fixture
def loaded(mdc: MeteorDataCenter) -> MeteorDataCenter:
    """The sample's day, one trajectory of it put into a shower that no list has."""
    unknown = sample().first(40).with_fields(0, iau_shower_number=" 65001", iau_shower_code=" ZZZ ")
    mdc.bench.put(DAILY, unknown)
    load_days([DAY], mdc.bench.settings)
    return mdc


def test_showers_that_the_list_does_not_know_or_has_under_another_code_are_told(
    loaded: MeteorDataCenter,
) -> None:
    warehouse = WarehouseConnection(loaded.settings)
    (number, code, rows), *_ = ask(
        loaded.settings,
        "SELECT iau_shower_number, iau_shower_code, count(*) FROM trajectories "
        "WHERE iau_shower_number > 0 GROUP BY 1, 2 ORDER BY 3 DESC",
    )
    load_showers(warehouse, bundled())
    with warehouse.open(read_only=True) as connection:
        assert [str(u) for u in unknown_showers(connection)] == ["65001 ZZZ: 1 trajectories"]
    with warehouse.writing() as connection:
        connection.execute(
            "UPDATE iau_showers SET iau_shower_code = 'QQQ' WHERE iau_shower_number = ?", [number]
        )
    with warehouse.open(read_only=True) as connection:
        first, second = unknown_showers(connection)
    assert str(first) == f"{number} {code} (the list has QQQ there): {rows} trajectories"
    assert (second.number, second.code_in_list) == (65001, None)


def test_the_refresh_shows_edition_age_and_unknown_showers_in_dagster(
    loaded: MeteorDataCenter,
) -> None:
    known = bundled().showers.select("iau_shower_number", "iau_shower_code").rows()
    loaded.put(THIS_YEAR, text_list([solution(n, code) for n, code in known]))
    overrides = {name: getattr(loaded.settings, name) for name in
                 ("source_url", "data_dir", "iau_showers_url", "run_retries")}  # fmt: skip
    with dg.DagsterInstance.ephemeral() as instance:
        result = build_defs(overrides).resolve_job_def(iau_showers_job.name).execute_in_process(
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )  # fmt: skip
    (materialized,) = result.get_asset_materialization_events()
    metadata = materialized.materialization.metadata
    assert metadata["edition"].value == (
        f"IAU MDC streamfulldata of 2026-08-14, {loaded.site.url}{THIS_YEAR}"
    )
    assert metadata["edition_age_days"].value == 103
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("all_showers_known", False)
    assert check.severity is dg.AssetCheckSeverity.WARN
    assert check.metadata["trajectories_by_shower"].value == {"65001 ZZZ": 1}
