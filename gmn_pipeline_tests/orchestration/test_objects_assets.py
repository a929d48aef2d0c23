"""The lake of objects in Dagster: swept and counted, and its bytes checked by parts."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from gmn_pipeline.definitions import build_defs
from gmn_pipeline.errors import StorageUnavailable
from gmn_pipeline.orchestration.assets.keys import OBJECTS_CATALOGUE
from gmn_pipeline.orchestration.schedules import nightly_objects, weekly_object_verification
from gmn_pipeline.storage.contents import FolderContents
from gmn_pipeline_tests.support.objects import PERSON, object_bench, settings_of


def test_objects_are_swept_and_counted_and_damaged_ones_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = object_bench(
        settings_of(tmp_path, objects_claim_hours=1e-9, run_retries=1, run_retry_pause_s=0)
    )
    stored = [lake.put(name, name.encode() * 9) for name in "abcd"]
    lake.catalogue.delete(stored[3], PERSON, timedelta(0))
    lake.landing.contents.remove(stored[1].content.sha256)
    read, reads = FolderContents.read, []

    def fails_once(self: FolderContents, content: object, *more: object) -> object:
        reads.append(content)
        if len(reads) == 2:
            raise StorageUnavailable("away")
        return read(self, content, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(FolderContents, "read", fails_once)
    defs = build_defs(lake.settings.model_dump(exclude_unset=True))
    with dg.instance_for_test() as instance:
        swept = defs.resolve_job_def(nightly_objects.job_name).execute_in_process(instance=instance)
        (told,) = swept.asset_materializations_for_node(OBJECTS_CATALOGUE.to_python_identifier())
        assert not swept.get_asset_check_evaluations()
        job = defs.resolve_job_def(weekly_object_verification.job_name)
        (found,) = job.execute_in_process(instance=instance).get_asset_check_evaluations()
        assert not found.passed
        again = len(reads)
        (later,) = job.execute_in_process(instance=instance).get_asset_check_evaluations()
    assert told.metadata["objects"].value == 3
    assert told.metadata["bytes"].value == 27
    assert told.metadata["contents_removed"].value == 1
    assert "| cams | 3 | 27 |" in str(told.metadata["by_project"].value)
    # The first was checked before the store was away for a moment, and not once more.
    assert (again, found.metadata["contents_checked"].value) == (4, 2)
    assert found.metadata["damaged"].value == 1
    assert "cams/ff/b" in str(found.metadata["which"].value)
    assert not later.passed  # though it was read lately, and is not read again
    assert len(reads) == again
