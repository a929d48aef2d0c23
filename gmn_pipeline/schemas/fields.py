"""The 86 columns of a trajectory summary file, each defined once.

What belongs here: what a column is (name, legacy name, header pair, kind, unit, meaning, allowed
range, null rule). What does not: how a library spells it; `derive.py` makes the Polars, Pandera,
DuckDB and Dagster forms from this list, and `trajectory_tables.py` the warehouse tables.

Source of names, units and order: the trajectory summary files of the Global Meteor Network and
the column description published with them (https://globalmeteornetwork.org/data/).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from itertools import count

from gmn_pipeline.schemas.ucds import ucd_of


class Kind(StrEnum):
    """What a value is, whatever library holds it."""

    TEXT = "text"
    TIMESTAMP = "timestamp"  # UTC, microseconds
    DATE = "date"
    INTEGER = "integer"
    LONG = "integer of 64 bits"
    NUMBER = "number"  # IEEE 754 double
    BOOLEAN = "boolean"
    TEXT_LIST = "list of texts"
    BYTES = "bytes"  # of messages; no table has any


class Null(StrEnum):
    """Which of the two upstream spellings of a missing number a column may carry."""

    NEVER = "never"
    UNDEFINED = "where undefined"  # upstream prints `nan`
    NOT_COMPUTED = "where not computed"  # upstream prints `None`, or `nan`


@dataclass(frozen=True)
class Field:
    """One column.

    `minimum` and `maximum` (`earliest` and `latest` of a time) are hard limits, both inclusive: a
    value beyond them cannot be real and rejects its row. What is merely odd is a quality flag
    (`validated/trajectories/quality.py`).
    `pattern` is a regular expression for texts, or for each member of a list of texts.
    `ucd` follows from the name (`ucds.py`), and stays with a column that is given another name.
    """

    name: str
    meaning: str
    kind: Kind = Kind.NUMBER
    unit: str | None = None
    legacy_name: str | None = None
    header: tuple[str, str] | None = None
    null: Null = Null.NEVER
    minimum: float | None = None
    maximum: float | None = None
    earliest: datetime | None = None
    latest: datetime | None = None
    pattern: str | None = None
    sigma_of: str | None = None
    ucd: str | None = None

    def __post_init__(self) -> None:
        if self.ucd is None:
            object.__setattr__(self, "ucd", ucd_of(self.name, self.sigma_of))

    @cached_property
    def nullable(self) -> bool:
        return self.null is not Null.NEVER


_UNIT_ENDINGS = ("_deg_d", "_deg", "_km_s", "_km", "_au", "_years")
_TRAJECTORY_IDENTIFIER_PATTERN = r"^\d{14}_[0-9A-Za-z]{5}$"
# Wider than today's codes (two letters, four characters): a new form must not reject its rows.
STATION_CODE_PATTERN = r"^[0-9A-Z_-]{4,10}$"


def sigma_name(name: str) -> str:
    """Name of the 1-sigma column of `name`: the word goes before the unit."""
    for ending in _UNIT_ENDINGS:
        if name.endswith(ending):
            return f"{name.removesuffix(ending)}_sigma{ending}"
    return f"{name}_sigma"


def _angle(name: str, legacy: str, header: tuple[str, str], meaning: str) -> Field:
    """An angle that goes round: [0, 360] deg."""
    return Field(name, meaning, Kind.NUMBER, "deg", legacy, header, Null.UNDEFINED, 0, 360)


def _latitude(name: str, legacy: str, header: tuple[str, str], meaning: str) -> Field:
    """An angle from a plane: [-90, 90] deg."""
    return Field(name, meaning, Kind.NUMBER, "deg", legacy, header, Null.UNDEFINED, -90, 90)


def _number(
    name: str,
    legacy: str,
    header: tuple[str, str],
    unit: str | None,
    meaning: str,
    minimum: float | None = None,
    maximum: float | None = None,
    null: Null = Null.UNDEFINED,
) -> Field:
    return Field(name, meaning, Kind.NUMBER, unit, legacy, header, null, minimum, maximum)


_NEVER = Null.NEVER
# Before the network's first camera, and far beyond its last: limits of what can be real.
_EARLIEST, _EARLIEST_JD = datetime(2014, 1, 1), 2456658.5
_LATEST, _LATEST_JD = datetime(2100, 1, 1), 2488069.5

# Values that a 1-sigma column follows in the file, and those without; in file order.
_BEFORE_SIGMAS = (
    Field(
        "trajectory_identifier",
        "beginning time cut to seconds, and five characters of a hash of the solution",
        Kind.TEXT,
        None,
        "unique_trajectory_identifier",
        ("Unique trajectory", "identifier"),
        pattern=_TRAJECTORY_IDENTIFIER_PATTERN,
    ),
    _number("beginning_julian_date", "beginning_julian_date", ("Beginning", "Julian date"), "d",
            "Julian date (UTC) of the beginning", _EARLIEST_JD, _LATEST_JD, _NEVER),
    Field("beginning_utc_time", "UTC time of the beginning", Kind.TIMESTAMP, None,
          "beginning_utc_time", ("Beginning", "UTC Time"), earliest=_EARLIEST, latest=_LATEST),
    Field("iau_shower_number", "IAU number of the meteor shower, -1 for a sporadic meteor",
          Kind.INTEGER, None, "iau_no", ("IAU", "No"), minimum=-1, maximum=99_999),
    Field("iau_shower_code", "three-letter IAU code of the meteor shower, ... for a sporadic "
          "meteor", Kind.TEXT, None, "iau_code", ("IAU", "code"),
          pattern=r"^(\.\.\.|[0-9A-Za-z]{3,5})$"),
    _number("solar_longitude_deg", "sol_lon_deg", ("Sol lon", "deg"), "deg",
            "solar longitude of the beginning, J2000", 0, 360, _NEVER),
    _angle("apparent_lst_deg", "app_lst_deg", ("App LST", "deg"),
           "apparent local sidereal time of the beginning"),
)  # fmt: skip

_WITH_SIGMA = (
    _angle("rageo_deg", "rageo_deg", ("RAgeo", "deg"), "geocentric right ascension, J2000"),
    _latitude("decgeo_deg", "decgeo_deg", ("DECgeo", "deg"), "geocentric declination, J2000"),
    _angle("lamgeo_deg", "lamgeo_deg", ("LAMgeo", "deg"), "geocentric ecliptic longitude, J2000"),
    _latitude("betgeo_deg", "betgeo_deg", ("BETgeo", "deg"), "geocentric ecliptic latitude, J2000"),
    _number("vgeo_km_s", "vgeo_km_s", ("Vgeo", "km/s"), "km/s", "geocentric velocity", 0),
    _angle("lamhel_deg", "lamhel_deg", ("LAMhel", "deg"),
           "heliocentric ecliptic longitude, J2000"),
    _latitude("bethel_deg", "bethel_deg", ("BEThel", "deg"),
              "heliocentric ecliptic latitude, J2000"),
    _number("vhel_km_s", "vhel_km_s", ("Vhel", "km/s"), "km/s", "heliocentric velocity", 0),
    _number("semi_major_axis_au", "a_au", ("a", "AU"), "AU",
            "semi-major axis, negative for a hyperbolic orbit"),
    _number("eccentricity", "e", ("e", ""), None, "eccentricity", 0),
    _number("inclination_deg", "i_deg", ("i", "deg"), "deg", "inclination", 0, 180),
    _angle("argument_of_perihelion_deg", "peri_deg", ("peri", "deg"), "argument of perihelion"),
    _angle("ascending_node_deg", "node_deg", ("node", "deg"), "longitude of the ascending node"),
    _angle("longitude_of_perihelion_deg", "pi_deg", ("Pi", "deg"), "longitude of perihelion"),
    _latitude("latitude_of_perihelion_deg", "b_deg", ("b", "deg"), "latitude of perihelion"),
    _number("perihelion_distance_au", "q_au", ("q", "AU"), "AU", "perihelion distance", 0),
    _angle("true_anomaly_deg", "f_deg", ("f", "deg"), "true anomaly at the beginning"),
    _angle("mean_anomaly_deg", "m_deg", ("M", "deg"),
           "mean anomaly; undefined for a hyperbolic orbit"),
    _number("aphelion_distance_au", "q_au_", ("Q", "AU"), "AU",
            "aphelion distance, negative for a hyperbolic orbit"),
    _number("mean_motion_deg_d", "n_deg_day", ("n", "deg/day"), "deg/d", "mean motion"),
    _number("orbital_period_years", "t_years", ("T", "years"), "a",
            "orbital period; undefined for a hyperbolic orbit", 0),
    _number("tisserand_jupiter", "tisserandj", ("TisserandJ", ""), None,
            "Tisserand parameter with respect to Jupiter"),
    _angle("raapp_deg", "raapp_deg", ("RAapp", "deg"),
           "right ascension of the apparent ground-fixed radiant, epoch of date"),
    _latitude("decapp_deg", "decapp_deg", ("DECapp", "deg"),
              "declination of the apparent ground-fixed radiant, epoch of date"),
    _angle("radiant_azimuth_deg", "azim_e_of_n_deg", ("Azim +E", "of N deg"),
           "azimuth of the apparent radiant, +east of north"),
    _latitude("radiant_elevation_deg", "elev_deg", ("Elev", "deg"),
              "elevation of the apparent radiant (entry angle)"),
    _number("vinit_km_s", "vinit_km_s", ("Vinit", "km/s"), "km/s",
            "apparent ground-fixed initial velocity", 0),
    _number("vavg_km_s", "vavg_km_s", ("Vavg", "km/s"), "km/s",
            "apparent ground-fixed average velocity", 0),
    _number("begin_latitude_deg", "latbeg_n_deg", ("LatBeg", "+N deg"), "deg",
            "latitude of the beginning, +north", -90, 90, _NEVER),
    _number("begin_longitude_deg", "lonbeg_e_deg", ("LonBeg", "+E deg"), "deg",
            "longitude of the beginning, +east", -180, 180, _NEVER),
    _number("begin_height_km", "htbeg_km", ("HtBeg", "km"), "km",
            "begin height above the WGS84 ellipsoid", -1, 1000, _NEVER),
    _number("end_latitude_deg", "latend_n_deg", ("LatEnd", "+N deg"), "deg",
            "latitude of the end, +north", -90, 90, _NEVER),
    _number("end_longitude_deg", "lonend_e_deg", ("LonEnd", "+E deg"), "deg",
            "longitude of the end, +east", -180, 180, _NEVER),
    _number("end_height_km", "htend_km", ("HtEnd", "km"), "km",
            "end height above the WGS84 ellipsoid", -1, 1000, _NEVER),
)  # fmt: skip

_AFTER_SIGMAS = (
    _number("duration_s", "duration_sec", ("Duration", "sec"), "s", "observed duration", 0),
    _number("peak_absolute_magnitude", "peak_absmag", ("Peak", "AbsMag"), "mag",
            "peak magnitude at a distance of 100 km"),
    _number("peak_height_km", "peak_ht_km", ("Peak Ht", "km"), "km",
            "height of the peak magnitude", -1, 1000),
    _number("f_parameter", "f_param", ("F", "param"), None,
            "where on the path the peak lies: (begin height - peak height) / (begin height - end "
            "height)"),
    _number("mass_kg", "mass_kg_tau_0_7", ("Mass kg", "tau=0.7%"), "kg",
            "photometric mass for a luminous efficiency of 0.7 %", 0),
    _number("convergence_angle_deg", "qc_deg", ("Qc", "deg"), "deg",
            "largest convergence angle between two stations", 0, 180),
    _number("median_fit_error_arcsec", "medianfiterr_arcsec", ("MedianFitErr", "arcsec"),
            "arcsec", "median angular error of the fit", 0),
    Field("begin_in_fov", "the beginning was seen by at least one camera", Kind.BOOLEAN, None,
          "beg_in_fov", ("Beg in", "FOV"), Null.NOT_COMPUTED),
    Field("end_in_fov", "the end was seen by at least one camera", Kind.BOOLEAN, None,
          "end_in_fov", ("End in", "FOV"), Null.NOT_COMPUTED),
    Field("station_count", "number of participating stations", Kind.INTEGER, None, "num_stat",
          ("Num", "stat"), minimum=1, maximum=100_000),
    Field("participating_stations", "codes of the participating stations", Kind.TEXT_LIST, None,
          "participating_stations", ("Participating", "stations"),
          pattern=STATION_CODE_PATTERN),
)  # fmt: skip


def _with_sigmas(values: tuple[Field, ...]) -> list[Field]:
    """Each value followed by its 1-sigma column, as in the file."""
    fields: list[Field] = []
    for number, value in zip(count(), values, strict=False):
        sigma = Field(
            sigma_name(value.name),
            f"1-sigma uncertainty of {value.name}",
            Kind.NUMBER,
            value.unit,
            "sigma" if number == 0 else f"sigma_{number}",
            ("+/-", "sigma"),
            Null.NOT_COMPUTED,
            sigma_of=value.name,
        )
        fields += [value, sigma]
    return fields


TRAJECTORY_FIELDS: tuple[Field, ...] = (
    *_BEFORE_SIGMAS,
    *_with_sigmas(_WITH_SIGMA),
    *_AFTER_SIGMAS,
)
"""The 86 columns in the order of the file."""

TRAJECTORY_FIELD: dict[str, Field] = {field.name: field for field in TRAJECTORY_FIELDS}
"""The same, by name."""
