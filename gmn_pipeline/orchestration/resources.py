"""Dagster's resources: what an operation or a sensor is handed to work with.

What belongs here: how settings reach the work. What does not: the settings (`config.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gmn_pipeline.config import Settings, load_settings
from gmn_pipeline.flows.progress import ProgressListener


@dataclass(frozen=True)
class Pipeline:
    """The resource `pipeline`: settings, read when a run needs them, and who watches the run."""

    overrides: Mapping[str, Any] = field(default_factory=dict)
    watch: ProgressListener | None = None

    def settings(self) -> Settings:
        """From the environment (`GMN_...`), with the overrides on top."""
        return load_settings(**self.overrides)
