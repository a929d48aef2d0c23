"""Days that are planned together: rows of the event log, as Dagster makes them of single ones."""

from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from dagster._core.definitions.partitions.subset import DefaultPartitionsSubset
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent
from dagster._core.events.log import EventLogEntry

from gmn_pipeline.orchestration.assets.trajectories import LANDING
from gmn_pipeline.orchestration.event_log import BatchingEventLogStorage
from gmn_pipeline.orchestration.partition_events import MANY_DAYS
from gmn_pipeline.orchestration.partitions import DAYS as DAYS_OF_NETWORK

DAYS = {"2022-03-04", 'with "quotes"', "\\ and \u00fc"}


def planned(partition: str | None, together: set[str] | None = None) -> EventLogEntry:
    subset = None if together is None else DefaultPartitionsSubset(together)
    event = DagsterEvent.build_asset_materialization_planned_event(
        "job", "step", AssetMaterializationPlannedData(LANDING.key, partition, subset)
    )
    return EventLogEntry(
        error_info=None, level=10, user_message="", run_id=str(uuid4()), timestamp=1.0,
        step_key="step", job_name="job", dagster_event=event,
    )  # fmt: skip


@pytest.mark.parametrize("in_a_batch", [True, False])
def test_each_is_a_row_as_if_it_had_been_planned_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_a_batch: bool
) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "500")  # which the storage would leave set
    storage = BatchingEventLogStorage(str(tmp_path))
    together = planned(None, DAYS)
    if in_a_batch:
        storage.store_event_batch([planned("before"), together, planned("after")])
    else:
        storage.store_event(together)
    stored = [
        record.event_log_entry for record in storage.get_records_for_run(together.run_id).records
    ]
    assert {entry.get_dagster_event().partition for entry in stored} == DAYS
    for entry in stored:
        alone = planned(entry.get_dagster_event().partition)
        assert entry == alone._replace(run_id=together.run_id)
    storage.dispose()


def test_days_are_told_from_other_names_as_dagster_tells_them() -> None:
    first, last = (
        DAYS_OF_NETWORK.get_first_partition_key(),
        DAYS_OF_NETWORK.get_last_partition_key(),
    )
    assert first is not None
    assert last is not None
    edges = {
        date.fromisoformat(day) + timedelta(days=n) for day in (first, last) for n in (-1, 0, 1)
    }
    names = {day.isoformat() for day in edges}
    names |= {"2022-03-04", "20220304", "2022-W09-5", "2022-3-4", "2022-02-30", "", "a day"}
    valid = MANY_DAYS.filter_valid_partition_keys(names)
    assert valid == DAYS_OF_NETWORK.filter_valid_partition_keys(names)
    assert valid >= {first, last, "2022-03-04"}
    ours, dagsters = (
        days.get_serializable_unique_identifier() for days in (MANY_DAYS, DAYS_OF_NETWORK)
    )
    assert ours == dagsters
