"""The tables and views that can be asked by name, of each lake.

What belongs here: which there are, and what tells their rows apart. What does not: columns, which
are those of `schemas/` and `warehouse/views.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from gmn_pipeline.schemas.dataset import Table
from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.schemas.station_readings import (
    LATEST_VALUES,
    ROLLUPS,
    SENSORS,
    STATION_PLACES,
    STATION_READINGS,
)
from gmn_pipeline.schemas.tables import DATASETS, READINGS_TABLES, WAREHOUSE_TABLES
from gmn_pipeline.warehouse.lakes import READINGS, WAREHOUSE
from gmn_pipeline.warehouse.station_readings.views import READINGS_VIEWS
from gmn_pipeline.warehouse.views import VIEWS, View

_SENSOR = ("station_code", "sensor_id")
_KEYS: Mapping[str, tuple[str, ...]] = {
    "trajectory_revisions": ("trajectory_identifier", "revision"),
    "trajectory_stations": ("trajectory_identifier", "station_code"),
    "stations": ("station_number",),
    "source_files": (
        "bin_date", "bin_solar_longitude_deg", "source_file_sha256", "loaded_at_utc",
        "covers_from_utc",
    ),
    "rejected_rows": (
        "source_file_sha256", "line_number", "bin_date", "bin_solar_longitude_deg", "raw_line",
    ),
    # The list gives a few numbers of solutions twice.
    "iau_shower_solutions": ("iau_shower_number", "solution_number", "list_row"),
    "meteor_summary": ("unique_trajectory_identifier",),
    "meteor": ("id",),
    "iau_shower": ("id",),
    "station": ("id",),
    # Its `id` counts the rows of the answer.
    "participating_station": ("meteor_id", "station_id"),
    "trajectory_history": ("trajectory_identifier", "revision"),
    "trajectories_with_showers": ("trajectory_identifier",),
    "quality_flag_definitions": ("flag_name",),
    "macro_definitions": ("macro_name",),
    "column_definitions": ("relation_name", "column_name"),
    **{
        name: (*_SENSOR, "quantity", "begin_utc")
        for table in ROLLUPS.values()
        for name in (table.name, f"{table.name}_now")
    },
    LATEST_VALUES.name: (*_SENSOR, "quantity"),
    SENSORS.name: _SENSOR,
    STATION_PLACES.name: ("station_code", "since_utc"),
    "latest_readings": _SENSOR,
}  # fmt: skip
"""Columns that together differ from row to row, of what no dataset declares a key of."""

_SEARCHED = frozenset({"iau_showers", "iau_shower", "stations", "station", "sensors"})
"""Small ones of which texts are looked through as a whole (`_search`)."""


_TIMES: Mapping[str, str] = {
    STATION_READINGS.name: "measured_at_utc",
    **{
        name: "begin_utc"
        for table in ROLLUPS.values()
        for name in (table.name, f"{table.name}_now")
    },
}
_ROW_ID = Field("rowid", "number of the row, by the lake", Kind.LONG)


@dataclass(frozen=True)
class Relation:
    """A table or view."""

    name: str
    meaning: str
    fields: tuple[Field, ...]
    key: tuple[str, ...]
    is_view: bool
    lake: str = WAREHOUSE.name

    @property
    def time(self) -> str | None:
        """The column by which the latest rows come first where nobody says how: of what comes all
        the time."""
        return _TIMES.get(self.name)

    @property
    def is_counted(self) -> bool:
        """Whether all rows may be counted for a page: of readings there may be billions."""
        return self.time is None

    @property
    def tie(self) -> tuple[Field, ...]:
        """What tells rows apart that are equal in the key: a sensor may tell two things at one
        instant."""
        return (_ROW_ID,) if self.name == STATION_READINGS.name else ()

    @property
    def in_sql(self) -> str:
        """As clients name it in SQL."""
        return self.name if self.lake == WAREHOUSE.name else f"{self.lake}.{self.name}"

    @property
    def is_searched(self) -> bool:
        return self.name in _SEARCHED

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        return MappingProxyType({field.name: field for field in self.fields})


def _key(name: str, fields: tuple[Field, ...]) -> tuple[str, ...]:
    """Of a table that nobody knows more of, all columns."""
    declared = {dataset.current.name: dataset.key for dataset in DATASETS}
    return declared.get(name) or _KEYS.get(name) or tuple(field.name for field in fields)


def _relations(tables: Iterable[Table], views: Iterable[View], lake: str) -> tuple[Relation, ...]:
    return tuple(
        Relation(one.name, one.meaning, one.fields, _key(one.name, one.fields), is_view, lake)
        for some, is_view in ((tables, False), (views, True))
        for one in some
    )


RELATIONS = _relations(WAREHOUSE_TABLES, VIEWS, WAREHOUSE.name)
"""Those of the warehouse."""

READINGS_RELATIONS = _relations(READINGS_TABLES, READINGS_VIEWS, READINGS.name)
"""Those of the lake of readings."""

RELATIONS_OF: Mapping[str, tuple[Relation, ...]] = {
    WAREHOUSE.name: RELATIONS,
    READINGS.name: READINGS_RELATIONS,
}
