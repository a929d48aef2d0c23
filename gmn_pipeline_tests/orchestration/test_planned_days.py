"""Days that are planned together: rows of the event log, as Dagster makes them of single ones."""

from pathlib import Path
from uuid import uuid4

import pytest
from dagster._core.definitions.partitions.subset import DefaultPartitionsSubset
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent
from dagster._core.events.log import EventLogEntry

from gmn_pipeline.orchestration.assets.trajectories import LANDING
from gmn_pipeline.orchestration.event_log import BatchingEventLogStorage

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
