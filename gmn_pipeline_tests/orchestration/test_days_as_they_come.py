"""A run tells of its days as they come through, and tries again those alone that may yet."""

import html
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import BACKFILL_ID_TAG
from markdown_it import MarkdownIt

from gmn_pipeline.flows.report import DayReport
from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.orchestration.assets.trajectories import LANDING, VALIDATED, WAREHOUSE
from gmn_pipeline.orchestration.markdown import cell, table
from gmn_pipeline.orchestration.partitions import range_tags
from gmn_pipeline_tests.support.gmn_site import GmnSite, status
from gmn_pipeline_tests.support.operator import (
    QUIET,
    Operator,
    materializations,
    metadata_by_day,
    put_days,
)
from gmn_pipeline_tests.support.sample import DAILY, DAY, SAMPLE_NAME, Bench, Summary, sample
from gmn_pipeline_tests.support.warehouse import count

SPECS = (LANDING, VALIDATED, WAREHOUSE)
FIRST, MARCH_3, MARCH_4, MARCH_5 = (date(2022, 3, day) for day in (1, 3, 4, 5))
MARCH = [FIRST + timedelta(days=n) for n in range(9)]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def evaluation(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    (found,) = (e for e in result.get_asset_check_evaluations() if e.check_name == name)
    return found


def site_files(bench: Bench) -> list[Path]:
    return list((bench.site / "daily").iterdir())


def told(bench: Bench, days: Sequence[date]) -> list[list[date]]:
    """Of which days a load tells together."""
    found: list[list[date]] = []

    def on_days(done: Sequence[DayReport]) -> None:
        assert all(day.read == day.accepted == day.inserted for day in done)
        found.append([day.day for day in done])

    assert not load_days(days, bench.settings, on_days=on_days).failed
    return found


def test_days_of_daily_files_are_told_of_chunk_by_chunk_and_each_once(
    small_chunks: Bench,
) -> None:
    put_days(small_chunks, *MARCH, rows=4)
    batches = told(small_chunks, MARCH)
    assert len(batches) > 2
    assert sorted(day for batch in batches for day in batch) == MARCH


def month(year: int, number: int, *days: int) -> Summary:
    """A monthly file with three rows on each of the days."""
    rows = []
    for day in days:
        noon = datetime(year, number, day, 12)
        rows += list(sample().first(3).spread(noon, noon + timedelta(hours=1)).rows)
    return Summary(sample().generated, sample().head, tuple(rows))


def test_days_of_monthly_files_are_told_of_when_their_files_are_loaded(
    small_chunks: Bench,
) -> None:
    bench = small_chunks
    bench.put("monthly/traj_summary_monthly_202201.txt", month(2022, 1, 30, 31))
    bench.put("monthly/traj_summary_monthly_202202.txt", month(2022, 2, 1, 2, 3))
    bench.settings = bench.settings.model_copy(update={"history": "monthly"})
    days = [date(2022, 1, 29) + timedelta(days=n) for n in range(7)]
    batches = told(bench, days)
    # The last day of January is in the file of February, too: its bin ends there.
    assert batches[0] == days[:2]
    assert sorted(day for batch in batches for day in batch) == days


@pytest.fixture
def small_chunks(bench: Bench) -> Bench:
    """A bench whose chunks have few rows."""
    bench.settings = bench.settings.model_copy(update={"chunk_rows": 8})
    return bench


def test_only_the_day_that_may_yet_come_through_is_tried_again(
    bench: Bench, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GMN_RUN_RETRY_PAUSE_S", "0")
    put_days(bench, MARCH_3, MARCH_5)
    bench.put(DAILY, sample())
    with GmnSite(bench.site) as site:
        site.faults[DAILY] = [status(500)]
        bench.settings = bench.settings.model_copy(
            update={"source_url": site.url, "http_retries": 0, "run_retries": 2}
        )
        operator = Operator(bench, instance)
        result = operator.run(MARCH_3, MARCH_5)
        asked = {file.name: len(site.asked(f"daily/{file.name}")) for file in site_files(bench)}
    assert result.success
    assert sorted(asked.values()) == [1, 1, 2]
    assert asked[SAMPLE_NAME] == 2
    days = [event.partition for event in materializations(operator, result)]
    assert len(days) == len(set(days)) * len(SPECS) == 9
    assert metadata_by_day(operator, result)["2022-03-04"]["rows_inserted"] == 534
    check = evaluation(result, "counts_add_up")
    assert check.metadata["rows_inserted"].value == count(bench.settings, "trajectories") == 540


def test_a_day_that_cannot_come_through_is_not_tried_again_and_says_why_on_its_page(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    put_days(bench, MARCH_3)
    bench.put(DAILY, sample().with_columns(lambda fields: fields[:9] + fields[10:]))
    operator = Operator(bench, instance)
    assert not operator.run(MARCH_3, MARCH_4).success
    for spec in SPECS:
        (record,) = instance.fetch_observations(spec.key, limit=10).records
        observation = record.event_log_entry.asset_observation
        assert observation is not None
        assert observation.partition == "2022-03-04"
        said = {name: str(value.value) for name, value in observation.metadata.items()}
        assert said["failed_in"] == "validated"
        assert "column" in said["why"]
        assert said["is_tried_again"] == "False"
        assert said["files"] == DAILY


def test_in_a_backfill_days_of_which_nothing_is_new_are_told_of_too(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    """Else Dagster would take the days that it waits for as failed."""
    put_days(bench, MARCH_3)
    operator = Operator(bench, instance)
    assert operator.run(MARCH_3, MARCH_4).success
    again = operator.defs.resolve_job_def("trajectory_days").execute_in_process(
        instance=instance, run_config=QUIET,
        tags={**range_tags(MARCH_3, MARCH_4), BACKFILL_ID_TAG: "abc"},
    )  # fmt: skip
    events = materializations(operator, again)
    assert {event.partition for event in events} == {"2022-03-03", "2022-03-04"}
    assert all(event.tags[BACKFILL_ID_TAG] == "abc" for event in events)


def test_steps_after_the_days_run_in_the_same_run(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    put_days(bench, MARCH_3)

    @dg.asset(deps=[WAREHOUSE.key])
    def after() -> None: ...

    defs = dg.Definitions.merge(Operator(bench, instance).defs, dg.Definitions([after]))
    job = defs.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=instance, run_config=QUIET, tags=range_tags(MARCH_3, MARCH_3),
        asset_selection=[*(spec.key for spec in SPECS), after.key],
    )  # fmt: skip
    assert result.success
    assert instance.get_latest_materialization_event(after.key) is not None
    for spec in SPECS:
        assert len(instance.fetch_materializations(spec.key, limit=10).records) == 1


# --- rejected rows -------------------------------------------------------------------------------


def test_rejected_rows_stand_on_their_day_in_the_check_and_in_the_log(
    bench: Bench, instance: dg.DagsterInstance
) -> None:
    bad = sample()
    for row in range(25):
        bad = bad.with_fields(row, begin_latitude_deg="   +91.000000")
    bench.put(DAILY, bad.with_fields(0, iau_shower_code="`|<b>x"))
    operator = Operator(bench, instance)
    result = operator.run(DAY, DAY)
    told = str(metadata_by_day(operator, result)["2022-03-04"]["rejected"])
    check = evaluation(result, "no_rows_rejected")
    for text in (told, str(check.metadata["rows"].value)):
        assert text.count("| daily/") == 20
        assert "and 5 more." in text
        assert "FROM rejected_rows WHERE bin_date" in text
        assert "<b>" not in text
        assert all(line.count("|") == 5 for line in text.splitlines() if line.startswith("|"))
    logged = instance.all_logs(result.run_id, of_type=None)
    messages = [
        entry.user_message for entry in logged if "Rejected: " in (entry.user_message or "")
    ]
    assert len(messages) == 20
    assert f"{DAILY}, line 5: " in messages[0]
    assert "begin_latitude_deg" in messages[0]
    again = evaluation(operator.run(DAY, DAY), "no_rows_rejected")
    assert str(again.metadata["rows"].value) == str(check.metadata["rows"].value)
    query = told.split("```sql\n")[1].split("\n```")[0]
    assert count(bench.settings, f"({query})") == 25


@pytest.mark.parametrize(
    "text",
    ["a|b", "\\|", "\\\\|", "`|`", "<script>alert(1)</script>", "[x](javascript:1)", "![](http://x)",
     "a\nb", "a\r| c |", "&lt;", "_*~#$"],
)  # fmt: skip
def test_a_cell_cannot_break_out_of_its_table(text: str) -> None:
    made = cell(text)
    shown = MarkdownIt("commonmark").enable("table").render(table(("x", "y"), [(made, "z")]))
    cells = re.findall(r"<td>(.*)</td>", shown)
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    assert [html.unescape(each).replace("\u200b", "") for each in cells] == [printable, "z"]
    assert not set(made) & set("|<>[]`\\*_~\n\r\"'")
    assert "&lt;" not in made


def test_a_cell_makes_no_links_and_is_cut() -> None:
    assert cell("http://example.org") == "http://&#8203;example.org"
    assert cell("www.example.org") == "www&#8203;.example.org"
    assert cell("a@example.org") == "a&#64;&#8203;example.org"
    assert cell("20220304; +91.5 -0.25") == "20220304; +91.5 -0.25"
    assert cell("x" * 9, most=3) == "xxx&#8230;"
