"""Objects in Dagster and by the command: what asks for them to be read, a run, what it tells."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from gmn_pipeline.cli.main import app
from gmn_pipeline.definitions import build_defs
from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.flows.object_processing import ObjectProcessing
from gmn_pipeline.orchestration.run_requests import WHY_TAG
from gmn_pipeline.orchestration.sensors.objects import OBJECTS_TAG, objects_sensor
from gmn_pipeline_tests.support.commands import Command
from gmn_pipeline_tests.support.objects import PERSON, object_bench, settings_of


def test_objects_that_come_are_asked_for_and_read_and_one_that_fails_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path, objects_process_tries=1)
    objects = object_bench(settings)
    defs = build_defs(settings.model_dump(exclude_unset=True))
    with dg.instance_for_test() as instance:
        assert "Every object has been read" in str(look(defs, instance))
        good = objects.put("a.md", b"# Camera\nit dews")
        bad = objects.put("b.png", b"\x89PNG\r\n\x1a\nnothing")
        processing = ObjectProcessing(settings, PERSON)
        with processing.working():
            assert "reads objects already" in str(look(defs, instance))
        asked = look(defs, instance)
        assert isinstance(asked, dg.SensorResult)
        assert asked.run_requests
        (request,) = asked.run_requests
        assert request.tags[OBJECTS_TAG] == f"{good.object_id},{bad.object_id}"
        assert request.tags[WHY_TAG] == "2 objects wait to be read"
        ran = defs.resolve_job_def("object_processing").execute_in_process(
            instance=instance, tags=dict(request.tags)
        )
        (told,) = ran.asset_materializations_for_node("process_objects")
        assert told.metadata["read"].value == 3
        assert told.metadata["failed"].value == 1
        (check,) = ran.get_asset_check_evaluations()
        assert not check.passed
        assert "UnidentifiedImageError" in check.metadata["reasons"].value["cams/ff/b.png (images)"]
        runs = processing.runs.of_object(good.object_id)
        assert {run.run_id for run in runs} == {ran.run_id}
        with monkeypatch.context() as patched:  # no lake is opened for it
            patched.setattr("gmn_pipeline.flows.object_processing.mark", None)
            assert "Every object has been read" in str(look(defs, instance))
        objects.catalogue.delete(objects.catalogue.by_id(good.object_id), PERSON, timedelta(days=1))
        asked = look(defs, instance)
        assert isinstance(asked, dg.SensorResult)  # for its rows to go


def look(defs: dg.Definitions, instance: dg.DagsterInstance) -> Any:
    assert defs.resources is not None
    context = dg.build_sensor_context(
        instance=instance, resources={"pipeline": defs.resources["pipeline"]}
    )
    return objects_sensor(context)


def test_the_commands_read_what_waits_and_what_they_are_asked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path)
    monkeypatch.setenv("GMN_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("COLUMNS", "200")

    def says(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["objects", *arguments])
        assert done.exit_code == code, done.output
        return done.output

    objects = object_bench(settings)
    objects.put("w.csv", b"a,b\n1,x\n")
    assert "2 readings of objects: 0 rows" in says("process")
    assert "objects.ff_wind" in says("accept", "cams/ff/w.csv", "--table", "wind")
    assert json.loads(says("rules", "cams/ff")) == {"tables": [{"names": "w.csv", "table": "wind"}]}
    objects.put("bad.png", b"\x89PNG\r\n\x1a\nnothing")
    done = says("process", code=1)
    assert "1 rows" in done
    assert "cams/ff/bad.png (images)" in done
    gmn = Command(GMN_DATA_DIR=str(settings.data_dir))
    assert gmn.says("sql", "SELECT b FROM objects.ff_wind", "--format", "csv") == "b\nx\n"
    assert "tables 1" in says("runs", "cams/ff/w.csv")
    assert "failed" in says("runs")
    assert "2 readings" in says("reprocess", "--type", "text/*")
    refused = CliRunner().invoke(app, ["objects", "reprocess"])
    assert isinstance(refused.exception, ObjectRefused)
