"""Every setting: its name, default and a sentence of help. The environment sets them (`GMN_...`).

What belongs here: values that an operator may want to change, and the paths that follow from
them. What does not: constants of the data format, and reading settings at import: `Settings()` is
made where a resource or a command is made.
"""

from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator

from gmn_pipeline.addresses import checked_address
from gmn_pipeline.errors import SettingsError
from gmn_pipeline.paths import resolved
from gmn_pipeline.settings.alerts import AlertSettings as AlertSettings
from gmn_pipeline.settings.folders import FolderSettings as FolderSettings
from gmn_pipeline.settings.group import SettingsGroup as SettingsGroup  # others import it here
from gmn_pipeline.settings.kafka import KafkaSettings as KafkaSettings
from gmn_pipeline.settings.kafka import StreamSettings as StreamSettings
from gmn_pipeline.settings.object_storage import ObjectStorageSettings as ObjectStorageSettings
from gmn_pipeline.settings.objects import ObjectSettings as ObjectSettings
from gmn_pipeline.settings.objects_http import (
    ObjectsOverHttpSettings as ObjectsOverHttpSettings,
)
from gmn_pipeline.settings.objects_topic import ObjectsTopicSettings as ObjectsTopicSettings
from gmn_pipeline.settings.processing import ProcessingSettings as ProcessingSettings
from gmn_pipeline.settings.queries import QuerySettings as QuerySettings
from gmn_pipeline.settings.readings import ReadingsSettings as ReadingsSettings
from gmn_pipeline.settings.serving import ServingSettings as ServingSettings
from gmn_pipeline.settings.sign_in import SignInSettings as SignInSettings
from gmn_pipeline.settings.station_database import (
    StationDatabaseSettings as StationDatabaseSettings,
)
from gmn_pipeline.settings.stations import StationSettings as StationSettings
from gmn_pipeline.settings.tap import TapSettings as TapSettings
from gmn_pipeline.settings.topics import TopicsOverHttpSettings as TopicsOverHttpSettings

History = Literal["daily", "monthly", "yearly", "all"]


class HttpSettings(SettingsGroup):
    """Requests: how web servers are asked."""

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
    user_agent: str = Field(
        "gmn_pipeline (+https://globalmeteornetwork.org/data/)",
        description="How requests introduce themselves to the source.",
    )


class SourceSettings(FolderSettings, HttpSettings):
    """Source: where trajectories come from."""

    source_url: str = Field(
        "https://globalmeteornetwork.org/data/traj_summary_data/",
        description="GMN data directory: an http(s) address or a folder laid out the same way.",
    )
    history: History = Field(
        "daily",
        description="Which files days are read from: the daily ones, or (for a first load) the "
        "monthly, yearly or all-file, split over the days.",
    )


class ShowerListSettings(HttpSettings):
    """IAU showers: where the list of showers comes from."""

    iau_showers_url: str = Field(
        "https://www.ta3.sk/IAUC22DB/MDC2022/Etc/streamfulldata{year}.txt "
        "https://ceresiaumdc.ta3.sk/downloads/lists_shw_data/streamfulldata.json",
        description="The IAU Meteor Data Center's list of all meteor showers, text or JSON: "
        "addresses (or a file) tried in turn; {year} is this year, then the three before. If none "
        "answers, the copy that comes along.",
    )
    iau_showers_min_share: float = Field(
        0.8,
        ge=0,
        le=1,
        description="Share of the showers at hand that a new list must have: a shorter one is "
        "taken for half a page and refused.",
    )


class LoadSettings(FolderSettings):
    """Loads: how much is checked and merged at once."""

    chunk_rows: int = Field(
        100_000,
        ge=1_000,
        description="Rows validated and merged at once: more is faster, and takes more memory.",
    )


class RunSettings(SettingsGroup):
    """Runs, schedules and sensors: when days are loaded, and how often again."""

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
    sensor_refetch_history: bool = Field(
        False, description="Whether the sensor asks for every daily file of days that were loaded "
        "from monthly, yearly or all-files, not only for those modified since."
    )  # fmt: skip


class DatabaseSettings(FolderSettings):
    """Operational database: where it is."""

    database_url: str | None = Field(
        None,
        description="Operational database (what was landed, validated, what failed): "
        "postgresql://user@host:5432/database, without a password. Unset: a SQLite file in the "
        "data folder, whose rows a new PostgreSQL database takes over.",
    )
    database_password: SecretStr | None = Field(
        None,
        description="Password of that address. Unset: what libpq finds (PGPASSWORD, ~/.pgpass).",
    )

    @field_validator("database_url")
    @classmethod
    def _is_without_a_password(cls, url: str | None) -> str | None:
        return checked_address(url, "GMN_DATABASE_PASSWORD") if url else None


class WarehouseSettings(FolderSettings, ObjectStorageSettings):
    """Warehouse: where catalogue and data are, and how long what is kept."""

    warehouse_catalog_url: str | None = Field(
        None,
        description="Catalogue of the warehouse: postgresql://user@host:5432/database, without a "
        "password; it gets a schema gmn_warehouse there, gmn_readings for "
        "readings and gmn_objects for tables of objects. Unset: a SQLite file in the data folder.",
    )
    warehouse_catalog_password: SecretStr | None = Field(
        None, description="Password of that address."
    )
    warehouse_storage_url: str | None = Field(
        None,
        description="Data files of the warehouse: s3://bucket/prefix, or a folder (one that every "
        "machine has under the same path); those of readings and of objects' tables lie "
        "beside it, in prefixes that end in -readings and -objects. Unset: in the data folder.",
    )
    warehouse_busy_timeout_s: float = Field(
        600.0, gt=0, description="Seconds a writer waits for another writer of the warehouse."
    )
    warehouse_threads: int | None = Field(
        None,
        ge=1,
        description="Threads that DuckDB works in, for each session with the lake. Unset: one for "
        "each processor, but for commits of few rows, which take less processor time in one.",
    )
    snapshot_keep_days: int = Field(
        7, ge=1, description="Days that DuckLake's own snapshots (AT VERSION ...) and files that "
        "nothing names any more are kept; past states of trajectories stay for ever."
    )  # fmt: skip

    @field_validator("warehouse_catalog_url")
    @classmethod
    def _is_without_a_password(cls, url: str | None) -> str | None:
        return checked_address(url, "GMN_WAREHOUSE_CATALOG_PASSWORD") if url else None

    @field_validator("warehouse_storage_url")
    @classmethod
    def _empty_is_unset(cls, url: str | None) -> str | None:
        return url or None


class DaySettings(SourceSettings, LoadSettings, DatabaseSettings, WarehouseSettings):
    """Way of days, from the source to the warehouse: the groups that it needs, and no setting."""


class TopicSettings(
    DatabaseSettings, ObjectSettings, WarehouseSettings, KafkaSettings, StreamSettings,
    ReadingsSettings, ObjectsTopicSettings,
):  # fmt: skip
    """Way of a topic, from the warehouse to Kafka and back: the groups that it needs."""


class ListenerSettings(KafkaSettings, StationSettings):
    """Way of readings, from their senders to Kafka: the groups that it needs."""


class StationRoadSettings(KafkaSettings, StationDatabaseSettings):
    """Way of a station's database, from its table to Kafka: the groups that it needs."""


class TopicsSettings(KafkaSettings, TopicsOverHttpSettings):
    """Way of topics over HTTP: the groups that it needs."""


class ObjectRoadSettings(DatabaseSettings, ObjectSettings):
    """Way of an object, from its bytes to its name: the groups that it needs."""


class ObjectProcessingSettings(ObjectRoadSettings, WarehouseSettings, ProcessingSettings):
    """Way of what is read out of objects, into their tables: the groups that it needs."""


class ObjectServingSettings(
    ObjectProcessingSettings, ObjectsOverHttpSettings, ServingSettings, SignInSettings
):
    """Way of objects over HTTP: the groups that it needs."""


class Settings(
    DaySettings,
    ShowerListSettings,
    RunSettings,
    QuerySettings,
    TopicSettings,
    ListenerSettings,
    StationRoadSettings,
    AlertSettings,
    TopicsSettings,
    ObjectServingSettings,
    ObjectProcessingSettings,
):
    """Settings of one process; `gmn settings` prints them."""


GROUPS: tuple[type[SettingsGroup], ...] = (
    FolderSettings,
    SourceSettings,
    HttpSettings,
    ShowerListSettings,
    LoadSettings,
    RunSettings,
    DatabaseSettings,
    WarehouseSettings,
    ObjectStorageSettings,
    ObjectSettings,
    ObjectsOverHttpSettings,
    SignInSettings,
    ProcessingSettings,
    QuerySettings,
    ServingSettings,
    TapSettings,
    KafkaSettings,
    StreamSettings,
    ObjectsTopicSettings,
    StationSettings,
    ReadingsSettings,
    AlertSettings,
    StationDatabaseSettings,
    TopicsOverHttpSettings,
)
"""All groups, in the order in which a reader wants them."""


def variable(name: str) -> str:
    """The environment variable of a setting."""
    alias = Settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else f"GMN_{name.upper()}"


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment; an override that is None is left to the environment.

    Raises SettingsError naming each variable that has no usable value.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = "; ".join(
            f"{_variable_of(detail['loc'][0])}: {detail['msg']}" for detail in error.errors()
        )
        raise SettingsError(
            f"Settings without a usable value: {wrong}.",
            remedy="Correct them; 'gmn settings' lists every setting with its default.",
        ) from error
    return settings.model_copy(update={"data_dir": resolved(settings.data_dir)})


def _variable_of(place: object) -> str:
    """The variable at fault, whether it is named by its setting or by itself."""
    return variable(str(place)) if place in Settings.model_fields else str(place)
