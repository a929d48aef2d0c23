"""Every setting: its name, default and a sentence of help. The environment sets them (`GMN_...`).

What belongs here: values that an operator may want to change, and the paths that follow from
them. What does not: constants of the data format, and reading settings at import: `Settings()` is
made where a resource or a command is made.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from gmn_pipeline.errors import SettingsError

History = Literal["daily", "monthly", "yearly", "all"]


class Settings(BaseSettings):
    """Settings of one process; `gmn settings` prints them."""

    model_config = SettingsConfigDict(env_prefix="GMN_", extra="ignore", frozen=True)

    source_url: str = Field(
        "https://globalmeteornetwork.org/data/traj_summary_data/",
        description="GMN data directory: an http(s) address or a folder laid out the same way.",
    )
    data_dir: Path = Field(
        Path("data"),
        description="Folder of everything this pipeline keeps: landing, validated, warehouse, "
        "snapshot and Dagster's own storage.",
    )
    history: History = Field(
        "daily",
        description="Which files days are read from: the daily ones, or (for a first load) the "
        "monthly, yearly or all-file, split over the days.",
    )
    http_timeout_s: float = Field(
        60.0, gt=0, description="Seconds without a byte after which a request is given up."
    )
    http_retries: int = Field(
        5, ge=0, description="Retries of a request that failed in passing, with backoff and jitter."
    )
    http_backoff_s: float = Field(
        1.0, ge=0, description="First pause between retries in seconds; it doubles each time."
    )
    http_concurrency: int = Field(
        4, ge=1, le=16, description="Files fetched from the source at once."
    )
    chunk_rows: int = Field(
        150_000,
        ge=1_000,
        description="Rows validated and merged at once: more is faster, and takes more memory.",
    )
    refresh_days: int = Field(
        10, ge=1, description="Days that the nightly schedule loads again (upstream rewrites ten)."
    )
    run_retries: int = Field(
        2, ge=0, description="Retries of a run in which days failed for a reason that may pass."
    )
    run_retry_pause_s: float = Field(
        60.0, ge=0, description="Seconds before the first such retry; it doubles each time."
    )
    sensor_days_per_run: int = Field(
        400, ge=1, description="Most days that the sensor puts into one run."
    )
    sensor_runs_at_once: int = Field(
        4, ge=1, description="Most runs that the sensor asks for in one look."
    )
    sensor_attempts: int = Field(
        5, ge=1, description="How often the sensor asks for the same state of a file before it "
        "leaves the failure to a person."
    )  # fmt: skip
    warehouse_busy_timeout_s: float = Field(
        600.0, gt=0, description="Seconds a writer waits for another writer of the warehouse."
    )
    iau_showers_url: str = Field(
        "https://www.ta3.sk/IAUC22DB/MDC2007/Etc/streamfulldata.txt",
        description="The IAU Meteor Data Center's list of all meteor showers.",
    )
    user_agent: str = Field(
        "gmn_pipeline (+https://globalmeteornetwork.org/data/)",
        description="How requests introduce themselves to the source.",
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


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment; an override that is None is left to the environment.

    Raises SettingsError naming each variable that has no usable value.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = "; ".join(
            f"GMN_{str(detail['loc'][0]).upper()}: {detail['msg']}" for detail in error.errors()
        )
        raise SettingsError(
            f"Settings without a usable value: {wrong}.",
            remedy="Correct them; 'gmn settings' lists every setting with its default.",
        ) from error
    return settings.model_copy(update={"data_dir": settings.data_dir.expanduser().resolve()})
