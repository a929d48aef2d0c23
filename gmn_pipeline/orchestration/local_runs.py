"""Runs in this process (`gmn run`) that the UI shows among those it launched itself.

What belongs here: how a job is run without the daemon. What does not: which jobs (`cli/run.py`).
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.repository_definition.valid_definitions import (
    SINGLETON_REPOSITORY_NAME,
)
from dagster._core.execution.api import execute_run_iterator
from dagster._core.execution.plan.objects import StepFailureData
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

LOCATION = "gmn_pipeline.definitions"
"""The module that `gmn dev` and workspace.yaml load, and by it the name of the code location."""


@dataclass(frozen=True)
class LocalRun:
    """How a run ended, and why each of its steps failed that did."""

    run_id: str
    is_success: bool
    failures: list[StepFailureData]


def run_job(
    defs: dg.Definitions,
    job_name: str,
    instance: dg.DagsterInstance,
    tags: Mapping[str, str] | None = None,
) -> LocalRun:
    """Run a job to its end. Errors of steps are in what is returned."""
    job = defs.resolve_job_def(job_name)
    config: dict[str, object] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if job.executor_def is not dg.in_process_executor:
        config["execution"] = {"config": {"in_process": {}}}
    run = instance.create_run_for_job(
        job,
        run_config=config,
        tags={**job.run_tags, **(tags or {})},
        remote_job_origin=_origin(job_name),
    )
    failures = []
    for event in execute_run_iterator(InMemoryJob(job), run, instance):
        if event.is_step_failure:
            failures.append(event.step_failure_data)
    ended = instance.get_run_by_id(run.run_id)
    is_success = ended is not None and ended.status is dg.DagsterRunStatus.SUCCESS
    return LocalRun(run.run_id, is_success, failures)


def _origin(job_name: str) -> RemoteJobOrigin:
    """Where the UI would have launched the job from: by that it sorts runs to their job, and puts
    them on the timeline."""
    location = ManagedGrpcPythonEnvCodeLocationOrigin(
        LoadableTargetOrigin(executable_path=sys.executable, module_name=LOCATION), LOCATION
    )
    return RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME).get_job_origin(job_name)
