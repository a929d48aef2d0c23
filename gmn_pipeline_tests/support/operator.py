"""An operator of Dagster on a data folder, and days for it to load."""

from datetime import date, datetime

import dagster as dg
from dagster._core.events import DagsterEventType

from gmn_pipeline.definitions import build_defs
from gmn_pipeline.orchestration.jobs import trajectory_days_job
from gmn_pipeline.orchestration.partitions import range_tags
from gmn_pipeline.readers.solar_longitude_bins import bins_between
from gmn_pipeline_tests.support.sample import Bench, sample

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class Operator:
    """Runs days as the UI would, against an instance."""

    def __init__(self, bench: Bench, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        overrides = {
            name: getattr(bench.settings, name)
            for name in (
                "source_url",
                "data_dir",
                "run_retries",
                "http_retries",
                "http_backoff_s",
                "history",
                "chunk_rows",
                "sensor_refetch_history",
            )
        }
        self.defs = build_defs(overrides | {"iau_showers_url": "http://127.0.0.1:1/list.txt"})

    def run(self, first: date, last: date, job: str = trajectory_days_job.name,
            assets: list[dg.AssetKey] | None = None) -> dg.ExecuteInProcessResult:  # fmt: skip
        return self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, tags=range_tags(first, last), raise_on_error=False,
            asset_selection=assets, run_config=QUIET,
        )  # fmt: skip

    def materialized(self, spec: dg.AssetSpec) -> set[str]:
        return self.instance.get_materialized_partitions(spec.key)

    def sensor_context(self, cursor: str | None = None) -> dg.SensorEvaluationContext:
        return dg.build_sensor_context(
            instance=self.instance, cursor=cursor, resources={"pipeline": self.pipeline}
        )

    @property
    def pipeline(self) -> object:
        assert self.defs.resources is not None
        return self.defs.resources["pipeline"]


def put_days(bench: Bench, *days: date, rows: int = 3) -> None:
    for timed in bins_between(datetime(2022, 3, 1), datetime(2022, 3, 12)):
        if timed.bin.date in days:
            summary = sample().first(rows).spread(timed.begins_at, timed.ends_at)
            bench.put(f"daily/{timed.bin.file_name}", summary)


def materializations(
    operator: Operator, result: dg.ExecuteInProcessResult
) -> list[dg.AssetMaterialization]:
    """What the run told of the days that came through."""
    logged = operator.instance.all_logs(
        result.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION
    )
    return [entry.asset_materialization for entry in logged if entry.asset_materialization]


def metadata_by_day(
    operator: Operator, result: dg.ExecuteInProcessResult
) -> dict[str, dict[str, object]]:
    """What the materializations of all stages say of each day."""
    found: dict[str, dict[str, object]] = {}
    for materialization in materializations(operator, result):
        if materialization.partition:
            values = {name: value.value for name, value in materialization.metadata.items()}
            found.setdefault(materialization.partition, {}).update(values)
    return found
