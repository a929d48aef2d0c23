"""One definition of a column, and every form derived from it."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import duckdb
import pandera.errors
import polars as pl
import pytest
from astropy.io.votable.ucd import check_ucd

from gmn_pipeline.orchestration.metadata import column_schema
from gmn_pipeline.readers.summary_file import read_head
from gmn_pipeline.readers.summary_file_formats import CURRENT
from gmn_pipeline.schemas.dataset import Table
from gmn_pipeline.schemas.derive import (
    arrow_csv_types,
    duckdb_create_table,
    polars_schema,
    polars_within_limits,
)
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELD, TRAJECTORY_FIELDS, Field, Kind, Null
from gmn_pipeline.schemas.hard_limits import pandera_schema
from gmn_pipeline.schemas.tables import WAREHOUSE_TABLES
from gmn_pipeline.schemas.trajectory_tables import REJECTED_ROWS, VALIDATED_TRAJECTORIES
from gmn_pipeline.schemas.ucds import UCDS
from gmn_pipeline_tests.support.sample import sample_bytes

# The names by which existing clients know the columns; `+` marks a column that a sigma follows.
_LEGACY = """
unique_trajectory_identifier beginning_julian_date beginning_utc_time iau_no iau_code sol_lon_deg
app_lst_deg rageo_deg+ decgeo_deg+ lamgeo_deg+ betgeo_deg+ vgeo_km_s+ lamhel_deg+ bethel_deg+
vhel_km_s+ a_au+ e+ i_deg+ peri_deg+ node_deg+ pi_deg+ b_deg+ q_au+ f_deg+ m_deg+ q_au_+ n_deg_day+
t_years+ tisserandj+ raapp_deg+ decapp_deg+ azim_e_of_n_deg+ elev_deg+ vinit_km_s+ vavg_km_s+
latbeg_n_deg+ lonbeg_e_deg+ htbeg_km+ latend_n_deg+ lonend_e_deg+ htend_km+ duration_sec peak_absmag
peak_ht_km f_param mass_kg_tau_0_7 qc_deg medianfiterr_arcsec beg_in_fov end_in_fov num_stat
participating_stations
"""
TABLES = [VALIDATED_TRAJECTORIES, *WAREHOUSE_TABLES]
every_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


def legacy_names() -> list[str]:
    names: list[str] = []
    for name in _LEGACY.split():
        names.append(name.removesuffix("+"))
        if name.endswith("+"):
            sigmas = sum(known.startswith("sigma") for known in names)
            names.append(f"sigma_{sigmas}" if sigmas else "sigma")
    return names


def test_the_86_columns_have_the_legacy_names_in_the_order_of_the_file() -> None:
    assert len(TRAJECTORY_FIELDS) == 86
    assert [f.legacy_name for f in TRAJECTORY_FIELDS] == legacy_names()
    assert legacy_names()[-12] == "sigma_33"


def test_the_header_pairs_are_those_of_a_real_file() -> None:
    assert read_head(sample_bytes(), "sample").header == CURRENT.header


def test_names_are_unique_and_say_their_unit() -> None:
    assert len(TRAJECTORY_FIELD) == 86
    endings = {"deg": "_deg", "km/s": "_km_s", "AU": "_au", "km": "_km", "s": "_s", "kg": "_kg",
               "deg/d": "_deg_d", "a": "_years", "arcsec": "_arcsec"}  # fmt: skip
    for field in TRAJECTORY_FIELDS:
        if field.unit in endings:
            assert field.name.endswith(endings[field.unit]), field.name


def test_a_sigma_is_named_after_its_value_and_has_its_unit() -> None:
    sigmas = [(one, two) for one, two in itertools.pairwise(TRAJECTORY_FIELDS)
              if two.sigma_of]  # fmt: skip
    assert len(sigmas) == 34
    for value, sigma in sigmas:
        assert (sigma.sigma_of, sigma.unit, sigma.null) == (
            value.name, value.unit, Null.NOT_COMPUTED,
        )  # fmt: skip
    named = {value.name: sigma.name for value, sigma in sigmas}
    assert named["vgeo_km_s"] == "vgeo_sigma_km_s"
    assert named["mean_motion_deg_d"] == "mean_motion_sigma_deg_d"
    assert named["eccentricity"] == "eccentricity_sigma"
    assert named["aphelion_distance_au"] == "aphelion_distance_sigma_au"


@every_table
def test_each_form_of_a_table_has_exactly_its_columns(table: Table) -> None:
    assert len(set(table.columns)) == len(table.columns)
    assert tuple(polars_schema(table.fields)) == table.columns
    assert tuple(pandera_schema(table).columns) == table.columns
    assert tuple(column.name for column in column_schema(table).columns) == table.columns
    assert tuple(arrow_csv_types(table.fields)) == table.columns


@every_table
def test_duckdb_makes_the_table_with_the_types_that_polars_has(table: Table) -> None:
    with duckdb.connect() as db:
        db.execute(duckdb_create_table(table, catalog="memory"))
        described = db.execute(f"DESCRIBE {table.name}").fetchall()
        assert dict(db.sql(f"FROM {table.name}").pl().schema) == dict(polars_schema(table.fields))
    assert [(row[0], row[2] == "YES") for row in described] == [
        (field.name, field.nullable) for field in table.fields
    ]
    shown = column_schema(table).columns
    assert [(c.name, c.type, c.constraints.nullable) for c in shown] == [
        (row[0], row[1], row[2] == "YES") for row in described
    ]


def sound_value(field: Field) -> Any:
    texts = {"trajectory_identifier": "20220304220741_yrPTs", "iau_shower_code": "PER"}
    return {
        Kind.TEXT: texts.get(field.name, "text"),
        Kind.TIMESTAMP: datetime(2022, 3, 4),
        Kind.DATE: date(2022, 3, 4),
        Kind.INTEGER: int(field.minimum or 0),
        Kind.NUMBER: float(field.minimum or 0),
        Kind.BOOLEAN: True,
        Kind.TEXT_LIST: ["UK000H"],
    }[field.kind]


def one_row(**changes: Any) -> pl.DataFrame:
    fields = VALIDATED_TRAJECTORIES.fields
    row = {field.name: sound_value(field) for field in fields} | changes
    return pl.DataFrame([row], schema=polars_schema(fields))


def refused(frame: pl.DataFrame) -> bool:
    """Whether Pandera refuses the frame; the quick look at the same limits has to agree."""
    try:
        pandera_schema(VALIDATED_TRAJECTORIES).validate(frame, lazy=True)
        is_refused = False
    except pandera.errors.SchemaErrors:
        is_refused = True
    if frame.schema == polars_schema(VALIDATED_TRAJECTORIES.fields):
        within = frame.select(polars_within_limits(VALIDATED_TRAJECTORIES).all()).item()
        assert within is not is_refused
    return is_refused


LIMITED = [f for f in VALIDATED_TRAJECTORIES.fields if f.kind in (Kind.NUMBER, Kind.INTEGER)]


@pytest.mark.parametrize("field", LIMITED, ids=lambda field: field.name)
def test_the_quick_look_agrees_with_pandera_at_every_limit(field: Field) -> None:
    step = 1 if field.kind is Kind.INTEGER else 1e-9
    values: list[Any] = [None]
    values += [field.minimum - step, field.minimum] if field.minimum is not None else []
    values += [field.maximum, field.maximum + step] if field.maximum is not None else []
    values += [float("inf"), float("-inf")] if field.kind is Kind.NUMBER else [-(2**31), 2**31 - 1]
    for value in values:
        refused(one_row(**{field.name: int(value) if value and step == 1 else value}))


def test_pandera_takes_a_sound_row() -> None:
    assert not refused(one_row())
    assert not refused(one_row(**{f.name: None for f in TRAJECTORY_FIELDS if f.nullable}))


CANARIES: dict[str, dict[str, Any]] = {
    "a number below its minimum": {"begin_latitude_deg": -90.001},
    "a number above its maximum": {"rageo_deg": 360.001},
    "a number below an only minimum": {"vgeo_km_s": -0.001},
    "an infinity where no maximum is": {"vgeo_km_s": float("inf")},
    "an infinity where no limit is": {"semi_major_axis_au": float("-inf")},
    "an integer below its minimum": {"station_count": 0},
    "an integer above its maximum": {"iau_shower_number": 100_000},
    "a time before the earliest": {"beginning_utc_time": datetime(1, 1, 1)},
    "a time after the latest": {"beginning_utc_time": datetime(2101, 1, 1)},
    "a text unlike its pattern": {"trajectory_identifier": "20220304220741_yrP"},
    "a longer text than its pattern": {"trajectory_identifier": "20220304220741_yrPTsX"},
    "a null number": {"begin_height_km": None},
    "a null integer": {"iau_shower_number": None},
    "a null text": {"iau_shower_code": None},
    "a null time": {"beginning_utc_time": None},
    "a null list": {"quality_flags": None},
}


@pytest.mark.parametrize("change", CANARIES.values(), ids=CANARIES)
def test_pandera_refuses_every_kind_of_limit(change: dict[str, Any]) -> None:
    """The canaries: were value checks skipped, all of these would pass."""
    assert refused(one_row(**change))


MISSHAPEN: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "a column too few": lambda frame: frame.drop("eccentricity"),
    "a column too many": lambda frame: frame.with_columns(extra=pl.lit(1)),
    "columns out of place": lambda frame: frame.select(reversed(frame.columns)),
    "another type": lambda frame: frame.cast({"vgeo_km_s": pl.Float32}),
}


@pytest.mark.parametrize("misshape", MISSHAPEN.values(), ids=MISSHAPEN)
def test_pandera_refuses_a_frame_of_another_shape(
    misshape: Callable[[pl.DataFrame], pl.DataFrame],
) -> None:
    assert refused(misshape(one_row()))


def test_every_limited_column_has_its_check() -> None:
    """A column that is limited in the definition and not in Pandera would let anything in."""
    columns = pandera_schema(VALIDATED_TRAJECTORIES).columns
    for field in TRAJECTORY_FIELDS:
        limited = field.kind is Kind.NUMBER or (field.pattern and field.kind is Kind.TEXT)
        limited = limited or (field.minimum, field.earliest) != (None, None)
        assert bool(columns[field.name].checks) == bool(limited), field.name


def test_a_rejected_row_keeps_where_it_stood_and_why() -> None:
    assert {"source_file_sha256", "line_number", "raw_line", "reasons"} <= set(
        REJECTED_ROWS.columns
    )


# What the Virtual Observatory calls a column -----------------------------------------------------


def test_ucds_are_of_the_controlled_vocabulary_and_stand_where_they_may() -> None:
    named = {f.name: f.ucd for table in TABLES for f in table.fields if f.ucd}
    assert len(named) > 90
    for name, ucd in named.items():
        assert check_ucd(ucd, check_controlled_vocabulary=True), f"{name}: {ucd}"


def test_every_number_of_a_file_has_a_ucd_but_those_that_the_vocabulary_has_no_word_for() -> None:
    without = {field.name for field in TRAJECTORY_FIELDS if not field.ucd}
    assert without == {"apparent_lst_deg", "f_parameter"}
    assert TRAJECTORY_FIELD["vgeo_sigma_km_s"].ucd == "stat.error;phys.veloc;pos.geocentric"


def test_a_ucd_stays_with_a_column_under_another_name() -> None:
    assert replace(TRAJECTORY_FIELD["eccentricity"], name="e").ucd == "src.orbital.eccentricity"


def test_ucds_name_columns_that_there_are() -> None:
    assert set(UCDS) <= {field.name for table in TABLES for field in table.fields}
