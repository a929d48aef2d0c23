"""DAGSTER_HOME: Dagster's own storage, under the data folder."""

import os
from pathlib import Path

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from gmn_pipeline.errors import SettingsError
from gmn_pipeline.settings import FolderSettings
from gmn_pipeline.storage.files import atomic_write, exclusive
from gmn_pipeline.storage.problems import explaining

# The folder is named by the environment alone: the file stays true where the folder is moved.
_STORAGE = """
run_storage:
  module: gmn_pipeline.orchestration.sqlite_storage
  class: RunStorage
  config:
    home: {env: DAGSTER_HOME}

schedule_storage:
  module: gmn_pipeline.orchestration.sqlite_storage
  class: ScheduleStorage
  config:
    home: {env: DAGSTER_HOME}

event_log_storage:
  module: gmn_pipeline.orchestration.event_log
  class: BatchingEventLogStorage
  config:
    base_dir: {env: DAGSTER_HOME}
"""


# A command's output is its user's. To keep it too, Dagster starts two programs for each step and
# stream, which answer a Ctrl-C with tracebacks.
_NO_COMPUTE_LOGS = {
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
}


def dagster_instance(settings: FolderSettings) -> dg.DagsterInstance:
    """Dagster's storage under the data folder, for a command: the same that `make dev` shows."""
    home = prepare_dagster_home(settings)
    with explaining(settings.data_dir):
        return dg.DagsterInstance.from_ref(
            InstanceRef.from_dir(str(home), overrides=_NO_COMPUTE_LOGS)
        )


def prepare_dagster_home(settings: FolderSettings) -> Path:
    """Make DAGSTER_HOME and put dagster.yaml there."""
    home = settings.dagster_home
    if "[" in str(home):
        raise SettingsError(
            f"Dagster looks for its settings in {home} by a pattern, in which [ means something.",
            remedy="Give the data folder a path without [ (GMN_DATA_DIR).",
        )
    common = (Path(__file__).parents[2] / "dagster.yaml").read_text("utf-8")
    with explaining(settings.data_dir):
        home.mkdir(parents=True, exist_ok=True)
        with exclusive(home / "making.lock"):
            atomic_write(home / "dagster.yaml", dagster_yaml(common))
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def dagster_yaml(common: str) -> str:
    """The settings with our storages in them, unless they keep all storage elsewhere."""
    if any(line.startswith("storage:") for line in common.splitlines()):
        return common
    return common + _STORAGE
