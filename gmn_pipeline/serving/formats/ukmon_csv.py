"""CSV in the columns of UKMON's archive: its matches as `reqtyp=summary` names them.

What belongs here: which of our columns each of them is. The first ones are UFOOrbit's
(`ufo_csv.py`). The eccentric anomaly and the last perihelion follow from the elements, for closed
orbits; `orbname` is the network's identifier. The Jacchia coefficients, the apparent magnitude,
the length of the path and counts of frames stay empty: nothing here says them.
"""

from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow as pa

from gmn_pipeline.serving.formats.columns_csv import (
    BEGINNING,
    NAME_OF_SHOWER,
    SHOWER_CODE,
    Sources,
    columns_of,
    foreign_csv,
    stations_text,
)
from gmn_pipeline.serving.formats.export import Export
from gmn_pipeline.serving.formats.ufo_csv import RESULT_SOURCES

_NAMES = """
_localtime _mjd _sol _ID1 _amag _ra_o _dc_o _ra_t _dc_t _elng _elat _vo _vi _vg _vs _a _q _e _p
_peri _node _incl _stream _mag _dur _lng1 _lat1 _H1 _lng2 _lat2 _H2 _LD21 _az1r _ev1r _Nts _Nos
_leap _tme _dt dtstamp orbname iau name mass pi Q true_anom EA MA Tj T last_peri jacchia1
Jacchia2 numstats stations
"""

_E = pl.col("eccentricity")
_IS_CLOSED = (_E < 1) & (pl.col("mean_motion_deg_d") > 0)
_HALF = (pl.col("true_anomaly_deg") / 2).radians()
_ECCENTRIC_ANOMALY = (
    2 * pl.arctan2((1 - _E).sqrt() * _HALF.sin(), (1 + _E).sqrt() * _HALF.cos())
).degrees() % 360
_DAYS_SINCE_PERIHELION = pl.col("mean_anomaly_deg") / pl.col("mean_motion_deg_d")
# Dates are written with four digits of the year.
_LAST_PERIHELION = pl.when(_DAYS_SINCE_PERIHELION < 600_000).then(
    (BEGINNING - pl.duration(microseconds=(_DAYS_SINCE_PERIHELION * 86_400e6).cast(pl.Int64)))
    .dt.strftime("%Y-%m-%d")
)  # fmt: skip

_ONLY_HERE: Sources = {
    "dtstamp": ("seconds from 1970 to the beginning, UTC", "s", BEGINNING.dt.strftime("%s%.6f")),
    "orbname": ("the network's identifier", None, pl.col("trajectory_identifier")),
    "iau": ("IAU number of the shower, -1 for a sporadic meteor", None,
            pl.col("iau_shower_number")),
    "name": ("name of the shower, where the export has it", None,
             pl.when(SHOWER_CODE == "spo").then(pl.lit("Sporadic")).otherwise(NAME_OF_SHOWER)),
    "mass": ("photometric mass", "kg", pl.col("mass_kg")),
    "pi": ("longitude of perihelion", "deg", pl.col("longitude_of_perihelion_deg")),
    "Q": ("aphelion distance", "AU", pl.col("aphelion_distance_au")),
    "true_anom": ("true anomaly", "deg", pl.col("true_anomaly_deg")),
    "EA": ("eccentric anomaly", "deg", pl.when(_IS_CLOSED).then(_ECCENTRIC_ANOMALY)),
    "MA": ("mean anomaly", "deg", pl.col("mean_anomaly_deg")),
    "Tj": ("Tisserand parameter with respect to Jupiter", None, pl.col("tisserand_jupiter")),
    "T": ("orbital period", "a", pl.col("orbital_period_years")),
    "last_peri": ("date of the last perihelion before", None,
                  pl.when(_IS_CLOSED).then(_LAST_PERIHELION)),
    "numstats": ("number of stations", None, pl.col("station_count")),
    "stations": ("codes of the stations", None, stations_text(";")),
}  # fmt: skip

COLUMNS = columns_of(_NAMES, {**RESULT_SOURCES, **_ONLY_HERE})


def ukmon_csv(export: Export, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """CSV with UKMON's names."""
    return foreign_csv(export, batches, COLUMNS, "UKMON's CSV")
