"""DAGSTER_HOME: Dagster's own storage, under the data folder."""

import json
import os
from pathlib import Path

import dagster as dg

from gmn_pipeline.config import Settings

_EVENT_LOG = """
event_log_storage:
  module: gmn_pipeline.orchestration.event_log
  class: BatchingEventLogStorage
  config:
    base_dir: {home}
"""


def dagster_instance(settings: Settings) -> dg.DagsterInstance:
    """Dagster's storage under the data folder: the same that `make dev` shows."""
    return dg.DagsterInstance.from_config(str(prepare_dagster_home(settings)))


def prepare_dagster_home(settings: Settings) -> Path:
    """Make DAGSTER_HOME and put dagster.yaml there."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    common = (Path(__file__).parents[2] / "dagster.yaml").read_text("utf-8")
    (home / "dagster.yaml").write_text(dagster_yaml(common, home), "utf-8")
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def dagster_yaml(common: str, home: Path) -> str:
    """The settings with our event log in them, unless they keep all storage elsewhere."""
    if any(line.startswith("storage:") for line in common.splitlines()):
        return common
    return common + _EVENT_LOG.format(home=json.dumps(str(home)))
