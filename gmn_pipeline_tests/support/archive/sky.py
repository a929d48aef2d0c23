"""The sky: solar longitude and its bins, the Earth's motion, orbits around the Sun.

What belongs here: celestial mechanics in closed form, the same for every meteor. What does not:
whatever is drawn by chance (`meteors.py`), and how a number is printed (`text.py`).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

J2000_JD = 2_451_545.0
UNIX_EPOCH_JD = 2_440_587.5
# TT - UTC since 2017. Upstream cuts the bins by UTC read as dynamical time, but prints the
# solar longitude of the true dynamical time: a row may lie 0.0008 deg beyond its file's name.
DYNAMICAL_TIME_AHEAD_DAYS = 69.184 / 86_400
_J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)

# Upstream inverts its formula numerically and stops short of the root: with this offset the dates
# of the real directory's double and missing files come out (2019-01-01, 2019-11-05, ...).
_BIN_OFFSET_DEG = 0.0025

# The Earth's heliocentric longitude of J2000: the largest terms of VSOP87 (Bretagnon and
# Francou 1988; Meeus, Astronomical Algorithms, appendix III), 1e-8 rad, per Julian millennium.
_LONGITUDE = ((175_347_046.0, 0.0, 0.0), (3_341_656.0, 4.6692568, 6283.07585),
    (34_894.0, 4.6261, 12566.1517), (3_497.0, 2.7441, 5753.3849), (3_418.0, 2.8289, 3.5231),
    (3_136.0, 3.6277, 77713.7715), (2_676.0, 4.4181, 7860.4194), (2_343.0, 6.1352, 3930.2097),
    (1_324.0, 0.7425, 11506.7698), (1_273.0, 2.0371, 529.691), (1_199.0, 1.1096, 1577.3435),
    (990.0, 5.233, 5884.927), (902.0, 2.045, 26.298), (857.0, 3.508, 398.149),
    (780.0, 1.179, 5223.694), (753.0, 2.533, 5507.553), (505.0, 4.583, 18849.228),
    (492.0, 4.205, 775.523), (357.0, 2.92, 0.067), (317.0, 5.849, 11790.629),
    (284.0, 1.899, 796.298), (271.0, 0.315, 10977.079))  # fmt: skip
_LONGITUDE_PER_MILLENNIUM = ((628_307_584_999.0, 0.0, 0.0), (206_059.0, 2.678235, 6283.07585),
    (4_303.0, 2.6351, 12566.1517))  # fmt: skip

_GM_SUN = 887.128  # km^2 s^-2 AU
_EARTH_E, _EARTH_PERIHELION = 0.0167, np.radians(103.0)
_JUPITER_A_AU = 5.2044
_OBLIQUITY = np.radians(23.4392911)
_MEAN_MOTION_AT_1_AU_DEG_DAY = 0.9856076686


# --- Time and solar longitude ---------------------------------------------------------------


def julian_date(moment: datetime) -> float:
    return J2000_JD + (moment - _J2000) / timedelta(days=1)


def solar_longitude_deg(jd: Floats) -> Floats:
    """J2000 solar longitude, not wrapped: it grows by 360 a year."""
    t = (jd - J2000_JD) / 365_250
    total = np.zeros_like(t)
    for factor, terms in ((1.0, _LONGITUDE), (t, _LONGITUDE_PER_MILLENNIUM)):
        for amplitude, phase, rate in terms:
            total += factor * amplitude * np.cos(phase + rate * t)
    return np.degrees(total * 1e-8) + 180


@dataclass(frozen=True)
class Bin:
    """One degree of solar longitude: what a daily file covers."""

    start_date: date
    solar_longitude_deg: int
    begins_at: datetime
    ends_at: datetime

    @property
    def file_name(self) -> str:
        first, last = self.solar_longitude_deg, (self.solar_longitude_deg + 1) % 360
        return f"traj_summary_{self.start_date:%Y%m%d}_solrange_{first:03d}.0-{last:03d}.0.txt"

    @property
    def middle_deg(self) -> float:
        return self.solar_longitude_deg + 0.5

    @property
    def begins_jd(self) -> float:
        return julian_date(self.begins_at)

    @property
    def length_days(self) -> float:
        return (self.ends_at - self.begins_at) / timedelta(days=1)


def bins(from_date: date, to_date: date) -> list[Bin]:
    """The bins that begin on these UTC dates, both included, in order."""
    first_jd = julian_date(datetime.combine(from_date, time(), UTC))
    edges_jd = np.array([first_jd, first_jd + (to_date - from_date).days + 1])
    low, high = np.ceil(solar_longitude_deg(edges_jd) - _BIN_OFFSET_DEG).astype(int)
    degrees = np.arange(low, high + 1)
    begins_jd = first_jd + (degrees - low) * 1.0146
    for _ in range(8):
        begins_jd -= (solar_longitude_deg(begins_jd) - _BIN_OFFSET_DEG - degrees) / 0.9856
    moments = [_J2000 + timedelta(days=jd - J2000_JD) for jd in begins_jd.tolist()]
    return [
        Bin(begin.date(), degree % 360, begin, end)
        for degree, (begin, end) in zip(degrees[:-1].tolist(), pairwise(moments), strict=True)
    ]


# --- Directions -----------------------------------------------------------------------------


def within_180(angle_deg: Floats) -> Floats:
    """The angle from -180 up to 180."""
    return (angle_deg + 180) % 360 - 180


def _unit_vector(lon_deg: Floats, lat_deg: Floats) -> tuple[Floats, Floats, Floats]:
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    return np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)


def _tilted(lon_deg: Floats, lat_deg: Floats, tilt: float) -> tuple[Floats, Floats]:
    x, y, z = _unit_vector(lon_deg, lat_deg)
    y, z = y * np.cos(tilt) - z * np.sin(tilt), y * np.sin(tilt) + z * np.cos(tilt)
    return np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arcsin(np.clip(z, -1, 1)))


def to_equatorial(lam_deg: Floats, bet_deg: Floats) -> tuple[Floats, Floats]:
    """Right ascension and declination of an ecliptic longitude and latitude."""
    return _tilted(lam_deg, bet_deg, _OBLIQUITY)


def to_ecliptic(ra_deg: Floats, dec_deg: Floats) -> tuple[Floats, Floats]:
    """Ecliptic longitude and latitude of a right ascension and declination."""
    return _tilted(ra_deg, dec_deg, -_OBLIQUITY)


def sin_altitude(lat: Floats, dec: Floats, hour_angle: Floats) -> Floats:
    """Of a declination and hour angle at a geographic latitude; all in radians."""
    sine: Floats = np.sin(lat) * np.sin(dec) + np.cos(lat) * np.cos(dec) * np.cos(hour_angle)
    return sine


def to_horizontal(lat: Floats, dec: Floats, hour_angle: Floats) -> tuple[Floats, Floats]:
    """Sine of the altitude, and azimuth east of north; all in radians.

    It is its own inverse: an altitude and an azimuth give the sine of the declination, and the
    hour angle.
    """
    azimuth = np.arctan2(-np.cos(dec) * np.sin(hour_angle),
        np.sin(dec) * np.cos(lat) - np.cos(dec) * np.cos(hour_angle) * np.sin(lat))  # fmt: skip
    return sin_altitude(lat, dec, hour_angle), azimuth


# --- Orbits ---------------------------------------------------------------------------------


class Earth(NamedTuple):
    """Where the Earth is and how it moves, heliocentric, in the ecliptic."""

    distance_au: Floats
    longitude: Floats  # rad
    vx_km_s: Floats
    vy_km_s: Floats

    @classmethod
    def at(cls, sol_lon_deg: Floats) -> "Earth":
        longitude = np.radians(sol_lon_deg + 180)
        distance = (1 - _EARTH_E**2) / (1 + _EARTH_E * np.cos(longitude - _EARTH_PERIHELION))
        speed = np.sqrt(_GM_SUN / (1 - _EARTH_E**2))
        vx = -speed * (np.sin(longitude) + _EARTH_E * np.sin(_EARTH_PERIHELION))
        vy = speed * (np.cos(longitude) + _EARTH_E * np.cos(_EARTH_PERIHELION))
        return cls(distance, longitude, vx, vy)

    @property
    def speed_squared(self) -> Floats:
        return self.vx_km_s**2 + self.vy_km_s**2

    def speed_towards(self, lam_deg: Floats, bet_deg: Floats) -> Floats:
        """The part of the Earth's velocity that points to a radiant, km/s."""
        x, y, _ = _unit_vector(lam_deg, bet_deg)
        return self.vx_km_s * x + self.vy_km_s * y

    def inverse_a(self, towards: Floats, vgeo_km_s: Floats) -> Floats:
        """1/a (1/AU) of a meteoroid of this geocentric speed, by `speed_towards` its radiant."""
        v2 = self.speed_squared - 2 * vgeo_km_s * towards + vgeo_km_s**2
        return 2 / self.distance_au - v2 / _GM_SUN

    def vgeo_km_s(self, towards: Floats, inverse_a: Floats) -> Floats:
        """The geocentric speed of a meteoroid of this 1/a, never below 5 km/s."""
        v2 = _GM_SUN * (2 / self.distance_au - inverse_a)
        vgeo = towards + np.sqrt(np.maximum(towards**2 - self.speed_squared + v2, 4.0))
        return np.maximum(vgeo, 5.0)


def orbit(
    sol_lon_deg: Floats, lam_deg: Floats, bet_deg: Floats, vgeo_km_s: Floats
) -> dict[str, Floats]:
    """The heliocentric columns that follow from a geocentric radiant and speed."""
    earth = Earth.at(sol_lon_deg)
    x, y, z = _unit_vector(lam_deg, bet_deg)
    vx, vy, vz = earth.vx_km_s - vgeo_km_s * x, earth.vy_km_s - vgeo_km_s * y, -vgeo_km_s * z
    v2 = vx**2 + vy**2 + vz**2
    return {
        "lamhel_deg": np.degrees(np.arctan2(-vy, -vx)) % 360,
        "bethel_deg": np.degrees(np.arcsin(-vz / np.sqrt(v2))),
        "vhel_km_s": np.sqrt(v2),
        **_elements(earth, vx, vy, vz, 2 / earth.distance_au - v2 / _GM_SUN),
    }


def _elements(
    earth: Earth, vx: Floats, vy: Floats, vz: Floats, inverse_a: Floats
) -> dict[str, Floats]:
    """The orbital elements of a meteoroid that meets the Earth with a heliocentric velocity."""
    cos_l, sin_l = np.cos(earth.longitude), np.sin(earth.longitude)
    radial, transverse = vx * cos_l + vy * sin_l, vy * cos_l - vx * sin_l
    semilatus_rectum = earth.distance_au**2 * (transverse**2 + vz**2) / _GM_SUN
    e = np.sqrt(np.maximum(1 - semilatus_rectum * inverse_a, 1e-12))
    true_anomaly = np.arctan2(
        np.sqrt(semilatus_rectum / _GM_SUN) * radial, semilatus_rectum / earth.distance_au - 1
    )
    inclination = np.arctan2(np.abs(vz), transverse)
    tisserand = _JUPITER_A_AU * inverse_a + 2 * np.cos(inclination) * np.sqrt(
        semilatus_rectum / _JUPITER_A_AU
    )
    return {
        **_angles(earth, inclination, true_anomaly, vz > 0),
        **_size_and_period(inverse_a, semilatus_rectum, e, true_anomaly),
        "tisserandj": tisserand,
    }


def _angles(
    earth: Earth, inclination: Floats, true_anomaly: Floats, ascending: NDArray[np.bool_]
) -> dict[str, Floats]:
    node = np.degrees(earth.longitude) + np.where(ascending, 0, 180)
    peri = np.where(ascending, 0, 180) - np.degrees(true_anomaly)
    latitude = np.arcsin(np.sin(inclination) * np.sin(np.radians(peri)))
    return {
        "i_deg": np.degrees(inclination),
        "peri_deg": peri % 360,
        "node_deg": node % 360,
        "pi_deg": (peri + node) % 360,
        "b_deg": np.degrees(latitude),
        "f_deg": np.degrees(true_anomaly) % 360,
    }


def _size_and_period(
    inverse_a: Floats, semilatus_rectum: Floats, e: Floats, true_anomaly: Floats
) -> dict[str, Floats]:
    """A hyperbolic orbit has no period and no mean anomaly: nan."""
    a, bound = 1 / inverse_a, inverse_a > 0
    e_bound = np.where(bound, e, 0)
    eccentric_anomaly = 2 * np.arctan(
        np.sqrt((1 - e_bound) / (1 + e_bound)) * np.tan(true_anomaly / 2)
    )
    mean_anomaly = eccentric_anomaly - e_bound * np.sin(eccentric_anomaly)
    years = np.abs(a) ** 1.5
    return {
        "a_au": a,
        "e": e,
        "q_au": semilatus_rectum / (1 + e),
        "q_au_": a * (1 + e),
        "m_deg": np.where(bound, np.degrees(mean_anomaly) % 360, np.nan),
        "n_deg_day": _MEAN_MOTION_AT_1_AU_DEG_DAY / years,
        "t_years": np.where(bound, years, np.nan),
    }
