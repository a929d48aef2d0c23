"""CSV in the columns of UFOOrbit's results (U2), as SonotaCo, EDMOND and UKMON exchange them.

What belongs here: which of our columns each of them is. J2000 angles in degrees, speeds in km/s,
distances in au, heights in km, as there. `_#`, what UFOOrbit computes on the way (quality, pole,
single stations), and what needs the observations stays empty, not 0: nothing here says it. The
azimuth of the radiant is +east of north, as UKMON writes it.
"""

from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow as pa

from gmn_pipeline.serving.formats.columns_csv import (
    BEGINNING,
    LOCAL_TIME,
    MODIFIED_JULIAN_DATE,
    SHOWER_CODE,
    UNIFIED,
    Sources,
    columns_of,
    foreign_csv,
)
from gmn_pipeline.serving.formats.export import Export

_NAMES = """
_Version _# _localtime _mjd _sol _ID1 _ID2 _amag _ra_o _dc_o _ra_t _dc_t _elng _elat _vo _vi _vg
_vs _a _q _e _p _peri _node _incl _stream _dr _dv% _mag _Qo _dur _av _Voa _Pra _Pdc _GPlng _GPlat
_ra1 _dc1 _az1 _ev1 _lng1 _lat1 _H1 _LD1 _Qr1 _Qd1 _ra2 _dc2 _lng2 _lat2 _H2 _LD2 _Qr2 _Qd2 _LD21
_az1r _ev1r _evro _evrt _Nts _Nos _leap _rstar _ddeg _cdeg _drop _inout _tme _dt _GD _Qc _dGP
_Gm% _dv12% _zmv _Ed _Ex _QA _Y_ut _M_ut _D_ut _h_ut _m_ut _s_ut _No _Qp
"""

_SECONDS = BEGINNING.dt.second() + BEGINNING.dt.microsecond() / 1e6


RESULT_SOURCES: Sources = {
    "_localtime": ("beginning, UTC, cut to seconds", None, LOCAL_TIME),
    "_mjd": ("modified Julian date of the beginning", "d", MODIFIED_JULIAN_DATE),
    "_sol": ("solar longitude, J2000", "deg", pl.col("solar_longitude_deg")),
    "_ID1": ("how many stations the orbit unites", None, UNIFIED),
    "_amag": ("absolute peak magnitude", "mag", pl.col("peak_absolute_magnitude")),
    "_ra_o": ("right ascension of the apparent radiant", "deg", pl.col("raapp_deg")),
    "_dc_o": ("declination of the apparent radiant", "deg", pl.col("decapp_deg")),
    "_ra_t": ("right ascension of the geocentric radiant", "deg", pl.col("rageo_deg")),
    "_dc_t": ("declination of the geocentric radiant", "deg", pl.col("decgeo_deg")),
    "_elng": ("ecliptic longitude of the geocentric radiant", "deg", pl.col("lamgeo_deg")),
    "_elat": ("ecliptic latitude of the geocentric radiant", "deg", pl.col("betgeo_deg")),
    "_vo": ("observed speed: the average", "km/s", pl.col("vavg_km_s")),
    "_vi": ("initial speed", "km/s", pl.col("vinit_km_s")),
    "_vg": ("geocentric speed", "km/s", pl.col("vgeo_km_s")),
    "_vs": ("heliocentric speed", "km/s", pl.col("vhel_km_s")),
    "_a": ("semi-major axis", "AU", pl.col("semi_major_axis_au")),
    "_q": ("perihelion distance", "AU", pl.col("perihelion_distance_au")),
    "_e": ("eccentricity", None, pl.col("eccentricity")),
    "_p": ("orbital period", "a", pl.col("orbital_period_years")),
    "_peri": ("argument of perihelion", "deg", pl.col("argument_of_perihelion_deg")),
    "_node": ("ascending node", "deg", pl.col("ascending_node_deg")),
    "_incl": ("inclination", "deg", pl.col("inclination_deg")),
    "_stream": ("IAU code of the shower, spo for a sporadic meteor", None, SHOWER_CODE),
    "_dur": ("duration", "s", pl.col("duration_s")),
    "_lng1": ("longitude of the beginning", "deg", pl.col("begin_longitude_deg")),
    "_lat1": ("latitude of the beginning", "deg", pl.col("begin_latitude_deg")),
    "_H1": ("height of the beginning", "km", pl.col("begin_height_km")),
    "_lng2": ("longitude of the end", "deg", pl.col("end_longitude_deg")),
    "_lat2": ("latitude of the end", "deg", pl.col("end_latitude_deg")),
    "_H2": ("height of the end", "km", pl.col("end_height_km")),
    "_az1r": ("azimuth of the apparent radiant, +east of north", "deg",
              pl.col("radiant_azimuth_deg")),
    "_ev1r": ("elevation of the apparent radiant", "deg", pl.col("radiant_elevation_deg")),
    "_Nos": ("number of stations", None, pl.col("station_count")),
}  # fmt: skip
"""What UFOOrbit and UKMON have in common: meaning, unit, and where it comes from."""

_ONLY_HERE: Sources = {
    "_Version": ("where the row comes from", None, pl.lit("GMN")),
    "_Qc": ("convergence angle", "deg", pl.col("convergence_angle_deg")),
    "_Y_ut": ("year of the beginning", None, BEGINNING.dt.year()),
    "_M_ut": ("month", None, BEGINNING.dt.month()),
    "_D_ut": ("day", None, BEGINNING.dt.day()),
    "_h_ut": ("hour", None, BEGINNING.dt.hour()),
    "_m_ut": ("minute", None, BEGINNING.dt.minute()),
    "_s_ut": ("second, with its fraction", "s", _SECONDS),
    "_No": ("number of stations", None, pl.col("station_count")),
}

COLUMNS = columns_of(_NAMES, {**RESULT_SOURCES, **_ONLY_HERE})


def ufo_csv(export: Export, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """CSV with UFOOrbit's names."""
    return foreign_csv(export, batches, COLUMNS, "UFOOrbit's CSV")
