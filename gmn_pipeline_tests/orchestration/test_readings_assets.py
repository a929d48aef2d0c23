"""Readings of stations in Dagster: the sensor of their topic, a day's asset and its checks."""

from datetime import timedelta
from pathlib import Path

import dagster as dg

from gmn_pipeline.clock import utc_now
from gmn_pipeline.definitions import build_defs
from gmn_pipeline.orchestration.assets.keys import (
    STREAMS_STATION_READINGS,
    WAREHOUSE_STATION_READINGS,
)
from gmn_pipeline.orchestration.sensors.streams import station_readings_sensor
from gmn_pipeline.streams.consumer import consumer_lock
from gmn_pipeline.streams.readings_overview import readings_overview
from gmn_pipeline.streams.station_readings import STATION_READINGS
from gmn_pipeline_tests.support.kafka import RunningBroker
from gmn_pipeline_tests.support.readings import NIGHT, ReadingsBench, night, reading


def test_a_day_of_readings_goes_from_the_topic_into_the_lake_and_is_looked_at(
    tmp_path: Path, kafka: RunningBroker
) -> None:
    bench = ReadingsBench(tmp_path, kafka)
    off = reading(station_code="HR9999", received_at_utc=NIGHT + timedelta(hours=2))
    sparse = [
        reading(station_code="HR5555", measured_at_utc=NIGHT - timedelta(hours=h)) for h in (0, 3)
    ]
    recent = reading(received_at_utc=utc_now() - timedelta(hours=1))
    bench.send_readings([*night(50), off, *sparse, recent])
    bench.send(b"garbage")
    defs = build_defs(bench.settings.model_dump(exclude_unset=True))
    with dg.instance_for_test() as instance:
        assert readings_overview(bench.settings) is None
        asked = _look(defs, instance)
        assert isinstance(asked, dg.SensorResult)
        assert asked.run_requests is not None
        (request,) = asked.run_requests
        taken_in = _run(defs, instance, "station_readings", request.run_config)
        (materialization,) = taken_in.asset_materializations_for_node(
            STREAMS_STATION_READINGS.to_python_identifier()
        )
        assert materialization.metadata["messages_inserted"].value == 54
        assert materialization.metadata["messages_dead"].value == 1
        day = NIGHT.date().isoformat()
        kept = defs.get_job_def("station_reading_days").execute_in_process(
            instance=instance, partition_key=day
        )
        (told,) = kept.asset_materializations_for_node("keep_station_readings")
        assert told.asset_key == WAREHOUSE_STATION_READINGS
        assert told.metadata["readings"].value == 54
        assert told.metadata["readings_rolled_up"].value == 54
        checks = {one.check_name: one for one in kept.get_asset_check_evaluations()}
    assert {name: one.passed for name, one in checks.items()} == {
        "no_sensor_is_silent": False,
        "no_hour_is_missing": False,
        "clocks_are_right": False,
        "all_values_are_possible": True,  # it was refused today, not on that day
    }
    assert checks["clocks_are_right"].metadata[day].value == {"HR9999/1": 7200.0}
    assert checks["no_hour_is_missing"].metadata[day].value == {"HR5555/1": 2.0}
    found = readings_overview(bench.settings)
    assert found is not None
    assert (found.readings, found.silent, found.dead_letters, found.lag) == (54, 1, 1, 0)


def test_the_sensor_rests_while_the_service_works(tmp_path: Path, kafka: RunningBroker) -> None:
    bench = ReadingsBench(tmp_path, kafka)
    defs = build_defs(bench.settings.model_dump(exclude_unset=True))
    with dg.instance_for_test() as instance:
        for held in (consumer_lock(STATION_READINGS, bench.settings), None):
            if held is not None:
                with held:
                    skipped = _look(defs, instance)
            else:
                skipped = _look(defs, instance)
            assert isinstance(skipped, dg.SkipReason)
            said = "gmn stations take-in" if held is not None else "There is no topic"
            assert said in str(skipped.skip_message)


def _look(defs: dg.Definitions, instance: dg.DagsterInstance) -> object:
    context = dg.build_sensor_context(
        instance=instance, resources=defs.resources, repository_def=defs.get_repository_def()
    )
    return station_readings_sensor(context)


def _run(
    defs: dg.Definitions, instance: dg.DagsterInstance, job: str, config: object
) -> dg.ExecuteInProcessResult:
    return defs.get_job_def(job).execute_in_process(
        instance=instance,
        run_config=config,  # type: ignore[arg-type]
    )
