"""The views of trajectories that can be counted, each declared once.

What belongs here: quantity, domain, unit, bins and title of each. What does not: SQL of bins
(`query.py`), and what is selected (`selection.py`). Units and columns are those of `schemas/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from gmn_pipeline.schemas.fields import TRAJECTORY_FIELD

DEG_OF_A_CIRCLE = 360.0
_MOST_BINS = 130
STEPS, STEPS_OF_A_PLANE = 12, 2
"""Of a bin. The steps of a plane are 360 by 180, which two bytes can number."""


@dataclass(frozen=True)
class Axis:
    """A quantity from `low` to `high`; a value at the top of a closed one lies in its last bin.

    `sql` is made of `columns`. Of time, low and high follow from the trajectories (`basis.py`).
    """

    title: str
    sql: str
    columns: tuple[str, ...]
    unit: str | None
    low: float
    high: float
    bins: int
    steps: int
    """Numbers of bins that divide it are made of so many; others are counted by themselves."""
    is_closed: bool = False
    is_circular: bool = False
    """Whether the top is the bottom, so that what is selected may reach over it."""
    is_time: bool = False
    """Seconds since 1970; in addresses and answers a time (UTC)."""

    @property
    def column(self) -> str | None:
        """The column that it is, if it is no more than one."""
        return self.columns[0] if self.sql == self.columns[0] or self.is_time else None


@dataclass(frozen=True)
class View:
    """One axis (`interval`), two (`plane`), a text's values (`category`) or a list's (`members`).

    Of a list, a trajectory is counted with each member, so it cannot be the active view.
    """

    name: str
    title: str
    kind: str
    axes: tuple[Axis, ...] = ()
    column: str = ""
    """Of texts and lists."""


def _axis(
    title: str, column: str, low: float, high: float, bins: int, *,
    is_closed: bool = False, is_circular: bool = False,
) -> Axis:  # fmt: skip
    unit = TRAJECTORY_FIELD[column].unit
    steps = bins * STEPS_OF_A_PLANE
    return Axis(title, column, (column,), unit, low, high, bins, steps, is_closed, is_circular)


def _longitude(title: str, column: str, low: float = 0.0) -> Axis:
    high = low + DEG_OF_A_CIRCLE
    return _axis(title, column, low, high, 180, is_closed=True, is_circular=True)


def _latitude(title: str, column: str) -> Axis:
    return _axis(title, column, -90.0, 90.0, 90, is_closed=True)


_LATITUDE = _latitude("ecliptic latitude", "betgeo_deg")
_SUN_CENTRED = Axis(
    "Sun-centred ecliptic longitude", "sun_centred_longitude_deg(lamgeo_deg, solar_longitude_deg)",
    ("lamgeo_deg", "solar_longitude_deg"), "deg", 0.0, DEG_OF_A_CIRCLE, 180, 360,
    is_closed=True, is_circular=True,
)  # fmt: skip
TIME = Axis(
    "beginning (UTC)", "epoch(beginning_utc_time)", ("beginning_utc_time",), None, 0.0, 0.0,
    _MOST_BINS, _MOST_BINS * STEPS, is_time=True,
)  # fmt: skip


def _interval(name: str, axis: Axis) -> View:
    return View(name, axis.title, "interval", (replace(axis, steps=axis.bins * STEPS),))


def _one(
    name: str, title: str, column: str, low: float, high: float, bins: int,
    *, is_closed: bool = False,
) -> View:  # fmt: skip
    return _interval(name, _axis(title, column, low, high, bins, is_closed=is_closed))


VIEWS: Mapping[str, View] = MappingProxyType({
    view.name: view
    for view in (
        View("ground", "where they began", "plane", (
            _longitude("longitude", "begin_longitude_deg", -180.0),
            _latitude("latitude", "begin_latitude_deg"),
        )),
        View("radiant_sun_centred", "radiants, Sun-centred ecliptic", "plane",
             (_SUN_CENTRED, _LATITUDE)),
        View("radiant_equatorial", "radiants, equatorial", "plane", (
            _longitude("right ascension", "rageo_deg"),
            _latitude("declination", "decgeo_deg"),
        )),
        View("radiant_ecliptic", "radiants, ecliptic", "plane",
             (_longitude("ecliptic longitude", "lamgeo_deg"), _LATITUDE)),
        View("orbit", "semi-major axis and eccentricity", "plane", (
            _axis("semi-major axis", "semi_major_axis_au", 0.0, 9.0, 180),
            _axis("eccentricity", "eccentricity", 0.0, 1.2, 90),
        )),
        _interval("time", TIME),
        _interval("solar_longitude", Axis(
            "solar longitude", "solar_longitude_deg", ("solar_longitude_deg",), "deg",
            0.0, DEG_OF_A_CIRCLE, 120, 0, is_closed=True, is_circular=True,
        )),
        _one("speed", "geocentric speed", "vgeo_km_s", 0.0, 80.0, 80),
        _one("begin_height", "begin height", "begin_height_km", 60.0, 140.0, 80),
        _one("end_height", "end height", "end_height_km", 20.0, 130.0, 110),
        _one("magnitude", "peak magnitude at 100 km", "peak_absolute_magnitude", -10.0, 8.0, 72),
        _interval("mass", Axis(
            "mass, logarithm", "CASE WHEN mass_kg > 0 THEN log10(mass_kg) END", ("mass_kg",),
            "log10 kg", -8.0, 2.0, 80, 0,
        )),
        _one("inclination", "inclination", "inclination_deg", 0.0, 180.0, 90, is_closed=True),
        _one("tisserand", "Tisserand parameter (Jupiter)", "tisserand_jupiter", -2.0, 8.0, 80),
        _one("convergence", "convergence angle", "convergence_angle_deg", 0.0, 90.0, 90,
             is_closed=True),
        _one("stations_each", "stations of a trajectory", "station_count", 1.0, 21.0, 20),
        View("shower", "shower", "category", column="iau_shower_code"),
        View("station", "station", "members", column="participating_stations"),
        View("flag", "quality flag", "members", column="quality_flags"),
    )
})  # fmt: skip
