"""Settings of the data folder.

What belongs here: what lies where in it.
"""

from pathlib import Path

from pydantic import Field

from gmn_pipeline.settings.group import SettingsGroup


class FolderSettings(SettingsGroup):
    """Data folder: where everything is kept, and what lies where in it."""

    data_dir: Path = Field(
        Path("data"),
        description="Folder of everything this pipeline keeps: landing, validated, warehouse, "
        "snapshot and Dagster's own storage.",
    )

    @property
    def landing_dir(self) -> Path:
        return self.data_dir / "landing"

    @property
    def validated_dir(self) -> Path:
        return self.data_dir / "validated"

    @property
    def warehouse_dir(self) -> Path:
        return self.data_dir / "warehouse"

    @property
    def snapshot_dir(self) -> Path:
        return self.data_dir / "snapshot"

    @property
    def dagster_home(self) -> Path:
        return self.data_dir / "dagster"
