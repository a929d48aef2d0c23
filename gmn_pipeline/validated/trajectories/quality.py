"""What is odd about a trajectory, though not impossible: quality flags.

What belongs here: each flag's name, meaning and condition, once; the docs, the asset checks and
the `quality_flags` column follow from this list. What does not: hard limits, which reject a row
(`schemas/fields.py`).

Two families. IDENTITY: a physical identity between columns does not hold; sound rows hold it
within the rounding of the file (largest deviations measured on real rows stand in
docs/quality.md), so such a row is probably corrupted. LIMIT: the row would not pass the quality
limits that the network applies today; older files precede some of them. NOTE: worth knowing,
nothing wrong.

Most flags follow from the values of a row. A few (`MARKS`) say how its file spelled the row or
came by it: the reader knows that, the values do not tell.
"""

import polars as pl

from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS, Null
from gmn_pipeline.schemas.trajectory_tables import QUALITY_FLAGS_FIELD
from gmn_pipeline.validated.flags import Family, QualityFlag, with_flags
from gmn_pipeline.validated.trajectories.shower_codes import iau_codes

OUTSIDE_BIN_DEG = 0.55
"""So far from its middle a row is outside a bin: half its width, and what limits are unsure by."""

A_JUPITER_AU = 5.2044
"""Semi-major axis of Jupiter that upstream's Tisserand parameter uses, au."""


def _c(name: str) -> pl.Expr:
    return pl.col(name)


def _n(name: str) -> pl.Expr:
    """A number; undefined is null here, since NaN compares as larger than everything."""
    return pl.col(name).fill_nan(None)


def _angle_difference_deg(one: pl.Expr, other: pl.Expr) -> pl.Expr:
    """Smallest difference between two angles, deg, from 0 to 180."""
    return ((one - other + 180) % 360 - 180).abs()


_A, _E, _Q = _n("semi_major_axis_au"), _n("eccentricity"), _n("perihelion_distance_au")
_JULIAN_DAY_OF_1970 = 2440587.5
_UTC_DAYS = _c("beginning_utc_time").dt.timestamp("us") / 86_400_000_000
_DAYS_SINCE_J2000 = _n("beginning_julian_date") - 2451545.0
_MEAN_ANOMALY_RAD = (357.528 + 0.9856003 * _DAYS_SINCE_J2000) * (3.141592653589793 / 180)
# Low-precision solar position of the Astronomical Almanac, less the precession since J2000.
_SOLAR_LONGITUDE_DEG = (
    280.460
    + 0.9856474 * _DAYS_SINCE_J2000
    + 1.915 * _MEAN_ANOMALY_RAD.sin()
    + 0.020 * (2 * _MEAN_ANOMALY_RAD).sin()
    - 1.396971 / 36525 * _DAYS_SINCE_J2000
)
_TISSERAND = A_JUPITER_AU / _A + 2 * (
    _n("inclination_deg") * (3.141592653589793 / 180)
).cos() * (_A / A_JUPITER_AU * (1 - _E**2)).sqrt()  # fmt: skip
_SIGMAS = [f.name for f in TRAJECTORY_FIELDS if f.sigma_of]
_B, _B_SIGMA = "latitude_of_perihelion_deg", "latitude_of_perihelion_sigma_deg"
_STATIONS = _c("participating_stations")
_IAU_CODES = iau_codes()
_UNDEFINED_ONLY_WHEN_HYPERBOLIC = ("mean_anomaly_deg", "orbital_period_years")
_VALUES = [
    f.name
    for f in TRAJECTORY_FIELDS
    if f.null is Null.UNDEFINED and f.name not in _UNDEFINED_ONLY_WHEN_HYPERBOLIC
]

# Tolerances: some ten times what rounding does. From 1000 au on the file gives `a` to three
# digits, and e always to six decimals: what is computed from them is allowed its share of that.
_A_RELATIVE = pl.when(_A.abs() >= 1000).then(2e-2).otherwise(1e-3)
QUALITY_FLAGS: tuple[QualityFlag, ...] = (
    QualityFlag(
        "perihelion_distance_inconsistent", Family.IDENTITY, "q is not a (1 - e)",
        (_Q - _A * (1 - _E)).abs() > 1e-3 + 1e-6 * _A.abs() + _A_RELATIVE * _Q,
    ),
    QualityFlag(
        "aphelion_distance_inconsistent", Family.IDENTITY, "Q is not a (1 + e)",
        (_n("aphelion_distance_au") - _A * (1 + _E)).abs()
        > 1e-3 + _A_RELATIVE * (_A * (1 + _E)).abs(),
    ),
    QualityFlag(
        "orbital_period_inconsistent", Family.IDENTITY, "T in years is not |a|^1.5",
        (_n("orbital_period_years") - _A.abs() ** 1.5).abs()
        > 1e-3 + 2 * _A_RELATIVE * _A.abs() ** 1.5,
    ),
    QualityFlag(
        "longitude_of_perihelion_inconsistent", Family.IDENTITY,
        "longitude of perihelion is not argument of perihelion + node",
        _angle_difference_deg(
            _n("longitude_of_perihelion_deg"),
            _n("argument_of_perihelion_deg") + _n("ascending_node_deg"),
        ) > 1e-4,
    ),
    QualityFlag(
        "tisserand_inconsistent", Family.IDENTITY,
        "Tisserand parameter is not that of a, e and i with respect to Jupiter",
        (_n("tisserand_jupiter") - _TISSERAND).abs() > 4e-3 + 1e-5 * _A.abs() + _A_RELATIVE,
    ),
    QualityFlag(
        "solar_longitude_inconsistent", Family.IDENTITY,
        "solar longitude is not that of the beginning time (by more than 0.05 deg)",
        _angle_difference_deg(_n("solar_longitude_deg"), _SOLAR_LONGITUDE_DEG) > 0.05,
    ),
    QualityFlag(
        "julian_date_inconsistent", Family.IDENTITY,
        "Julian date and UTC time of the beginning differ by more than 10 ms",
        (_n("beginning_julian_date") - _JULIAN_DAY_OF_1970 - _UTC_DAYS).abs() > 0.01 / 86400,
    ),
    QualityFlag(
        "identifier_time_inconsistent", Family.IDENTITY,
        "the time in the identifier is more than 2 s from the beginning",
        (_c("trajectory_identifier").str.head(14).str.to_datetime("%Y%m%d%H%M%S", strict=False)
         - _c("beginning_utc_time")).dt.total_microseconds().abs() > 2_000_000,
    ),
    QualityFlag(
        "station_count_inconsistent", Family.IDENTITY,
        "the number of stations is not the number of codes listed",
        _c("station_count") != _STATIONS.list.len(),
    ),
    QualityFlag(
        "station_repeated", Family.IDENTITY, "a station stands more than once in the list",
        _STATIONS.list.len() != _STATIONS.list.n_unique(),
    ),
    QualityFlag(
        "sporadic_inconsistent", Family.IDENTITY,
        "of the number -1 and the code `...`, both of which say sporadic, the row has just one",
        (_c("iau_shower_number") == -1) != (_c("iau_shower_code") == "..."),
    ),
    QualityFlag(
        "shower_code_inconsistent", Family.IDENTITY,
        "the IAU list that comes along has another code for the shower's number",
        (_c("iau_shower_code") != "...")
        & (_c("iau_shower_code") != _c("iau_shower_number").replace_strict(
            list(_IAU_CODES), list(_IAU_CODES.values()), default=None, return_dtype=pl.String
        )),
    ),
    QualityFlag(
        "outside_bin", Family.IDENTITY,
        "the solar longitude lies outside the bin of the file (by more than 0.05 deg)",
        _angle_difference_deg(_n("solar_longitude_deg"), _c("bin_solar_longitude_deg") + 0.5)
        > OUTSIDE_BIN_DEG,
    ),
    QualityFlag("convergence_angle_small", Family.LIMIT, "Qc below 5 deg",
                _n("convergence_angle_deg") < 5),
    QualityFlag("eccentricity_large", Family.LIMIT, "e above 1.5", _E > 1.5),
    QualityFlag(
        "radiant_error_large", Family.LIMIT, "error of the geocentric radiant above 2 deg",
        ((_n("rageo_sigma_deg") * (_n("decgeo_deg") * (3.141592653589793 / 180)).cos()) ** 2
         + _n("decgeo_sigma_deg") ** 2).sqrt() > 2,
    ),
    QualityFlag("vgeo_large", Family.LIMIT, "Vgeo above 120 km/s", _n("vgeo_km_s") > 120),
    QualityFlag("vgeo_error_large", Family.LIMIT, "error of Vgeo above 10 %",
                _n("vgeo_sigma_km_s") > 0.1 * _n("vgeo_km_s")),
    QualityFlag("begin_height_large", Family.LIMIT, "begin height above 160 km",
                _n("begin_height_km") > 160),
    QualityFlag("end_height_small", Family.LIMIT, "end height below 20 km",
                _n("end_height_km") < 20),
    QualityFlag("single_station", Family.LIMIT, "fewer than 2 stations", _c("station_count") < 2),
    QualityFlag("mass_zero", Family.LIMIT, "photometric mass is zero", _n("mass_kg") == 0),
    QualityFlag("hyperbolic", Family.NOTE, "e above 1: period and mean anomaly are undefined",
                _E > 1),
    QualityFlag("value_undefined", Family.NOTE, "a value other than these is undefined (`nan`)",
                pl.any_horizontal(pl.col(_VALUES).is_nan())),
    QualityFlag("uncertainty_negative", Family.NOTE,
                "an uncertainty is negative (upstream lets the node's wrap around)",
                pl.any_horizontal(pl.col(_SIGMAS).fill_nan(None) < 0)),
    QualityFlag("uncertainty_undefined", Family.NOTE, "an uncertainty is undefined (`nan`)",
                pl.any_horizontal(pl.col(_SIGMAS).is_nan())),
    QualityFlag("uncertainty_not_computed", Family.NOTE,
                "an uncertainty was not computed (`None`)",
                pl.any_horizontal(pl.col(s for s in _SIGMAS if s != _B_SIGMA).is_null())
                | (_c(_B_SIGMA).is_null() & ~_c("latitude_of_perihelion_missing"))),
    QualityFlag("second_sixty", Family.NOTE,
                "the seconds of the beginning are printed as 60 (a leap second, or rounded up): "
                "taken as the first second of the next minute", _c("second_sixty")),
    QualityFlag("time_cut_to_microseconds", Family.NOTE,
                "the time of the beginning has more than six decimals: the others are cut off",
                _c("time_cut_to_microseconds")),
    QualityFlag("identifier_made_here", Family.NOTE,
                "the file is of the former format, without identifiers: this one was made here, "
                "from the time and the stations", _c("identifier_made_here")),
    QualityFlag("latitude_of_perihelion_missing", Family.NOTE,
                "the file is of the former format, without the latitude of perihelion and its "
                "uncertainty", _c("latitude_of_perihelion_missing")),
    QualityFlag("bin_computed", Family.NOTE,
                "the bin was computed from the time, since no daily file named it (the row came "
                "from a monthly, yearly or all-file)", _c("bin_computed")),
)  # fmt: skip
"""In the order in which a row names them. At most 63: they are gathered as bits."""

MARKS = (
    "second_sixty", "time_cut_to_microseconds", "identifier_made_here",
    "latitude_of_perihelion_missing", "bin_computed",
)  # fmt: skip
"""Flags that the reader of the file sets, as a column of truths of the same name; rows without
the column, or without a value in it, do not carry the flag."""

FLAGS_OF_THE_FILE = (
    "value_undefined", "uncertainty_undefined", "uncertainty_not_computed", *MARKS,
)  # fmt: skip
"""Flags that only the file can tell, by its spelling or kind: rows without it (those of messages)
carry them as they were given. Both spellings of a missing number are NULL in the warehouse."""


def with_quality_flags(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the `quality_flags` column, and take away the marks."""
    return with_flags(rows, QUALITY_FLAGS_FIELD, QUALITY_FLAGS, MARKS)
