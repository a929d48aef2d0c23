"""The tables and views that can be asked by name.

What belongs here: which there are, and what tells their rows apart. What does not: columns, which
are those of `schemas/` and `warehouse/views.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from gmn_pipeline.schemas.fields import Field
from gmn_pipeline.schemas.tables import DATASETS, WAREHOUSE_TABLES
from gmn_pipeline.warehouse.views import VIEWS

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
}  # fmt: skip
"""Columns that together differ from row to row, of what no dataset declares a key of."""

_SEARCHED = frozenset({"iau_showers", "iau_shower", "stations", "station"})
"""Small ones of which texts are looked through as a whole (`_search`)."""


@dataclass(frozen=True)
class Relation:
    """A table or view."""

    name: str
    meaning: str
    fields: tuple[Field, ...]
    key: tuple[str, ...]
    is_view: bool

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


RELATIONS = tuple(
    Relation(one.name, one.meaning, one.fields, _key(one.name, tuple(one.fields)), is_view)
    for some, is_view in ((WAREHOUSE_TABLES, False), (VIEWS, True))
    for one in some
)
