"""The meteors: how many upstream publishes, and rows of them drawn with physically sound values.

What belongs here: showers, sporadic sources, countries and their stations, and how each column
follows from what is drawn. What does not: mechanics in closed form (`sky.py`), and what a later
solution of the same meteor changes (`generation.py`).

The order in which numbers are drawn is part of the promise that the same seed gives the same
bytes: a draw more, or one at another place, makes another archive.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gmn_pipeline_tests.support.archive.sky import (
    DYNAMICAL_TIME_AHEAD_DAYS,
    J2000_JD,
    UNIX_EPOCH_JD,
    Bin,
    Earth,
    Floats,
    orbit,
    sin_altitude,
    solar_longitude_deg,
    to_ecliptic,
    to_equatorial,
    to_horizontal,
    within_180,
)
from gmn_pipeline_tests.support.archive.text import (
    Flags,
    Integers,
    Rows,
    Texts,
    identifiers,
    station_lists,
)

_DAY_US = 86_400_000_000

# --- How many ------------------------------------------------------------------------------

# Upstream's published volume by date (year, rows a day): 14,006 in all by August 2019, 530 in a
# bin of March 2022, 4,031 in one of September 2026.
_VOLUME = np.log([(2018.94, 14), (2019.6, 150), (2020.5, 280), (2022.2, 700), (2024.0, 1900),
                  (2026.7, 3150), (2027.0, 3200)]).T  # fmt: skip


class _Showers(NamedTuple):
    """By shower; the activity falls by e in `decay_deg` of solar longitude off the peak."""

    peak_deg: Floats
    decay_deg: Floats
    ra_deg: Floats
    dec_deg: Floats
    ra_drift: Floats
    dec_drift: Floats
    vgeo_km_s: Floats
    peak_activity: Floats


# number code | peak, decay, deg of solar longitude | radiant at the peak RA Dec and its
# drift per degree, deg | geocentric speed, km/s | activity at the peak, sporadics = 1.
# After the IAU Meteor Data Center's list of established showers, rounded.
_SHOWER_LIST = """\
1 CAP 127 8 306.6 -9.2 0.8 0.25 22.6 .20;  2 STA 216 15 47.9 12.8 0.8 0.2 27.2 .15
4 GEM 262.1 1.2 113.2 32.4 1.02 -0.15 33.8 2.5;  5 SDA 127 5 341.0 -16.1 0.8 0.3 41.0 .35
6 LYR 32.4 1.0 272.2 33.4 0.7 -0.1 46.7 .6;  7 PER 140 3 48.2 58.1 1.4 0.26 59.1 2.2
8 ORI 208.6 4 95.9 15.7 0.75 0.05 66.3 .9;  9 DRA 195.4 .4 262.9 55.7 0.2 0.1 20.7 .3
10 QUA 283.2 .5 230.2 49.5 0.5 -0.2 40.7 2.5;  12 KCG 141 5 286.0 51.0 0.6 0.4 23.0 .1
13 LEO 235.3 1.8 154.2 21.6 0.66 -0.35 70.2 .5;  15 URS 270.7 .6 219.0 75.3 0.4 -0.3 33.0 .5
16 HYD 256.5 5 127.0 2.5 0.75 -0.2 58.9 .25;  17 NTA 224 12 58.6 21.6 0.8 0.16 28.0 .15
19 MON 260.9 4 101.8 8.1 0.7 -0.05 41.4 .12;  20 COM 274 6 175.2 22.2 0.85 -0.35 63.3 .2
22 LMI 209 3 159.5 36.7 1.0 -0.4 61.9 .12;  31 ETA 45.5 5 338.1 -0.8 0.65 0.33 65.7 .9
110 AAN 313 4 159.0 -10.0 0.7 -0.3 44.0 .06;  145 ELY 50.2 1.5 290.0 43.7 0.2 0.0 43.7 .12
164 NZC 101 8 310.0 -5.0 0.9 0.2 38.3 .15;  175 JPE 108 4 347.0 11.0 0.8 0.2 63.9 .1
191 ERI 137.5 5 45.0 -11.7 0.8 0.25 64.0 .12;  206 AUR 158.6 .8 91.0 39.0 1.0 0.0 65.7 .15
208 SPE 166.7 3 48.0 39.9 1.0 0.15 64.8 .25;  246 AMO 239.3 .5 117.0 1.0 0.8 -0.1 62.0 .08
250 NOO 247 4 91.0 15.3 0.75 -0.05 42.5 .2;  281 OCT 192.6 .4 169.0 77.8 1.0 -0.3 45.9 .1
331 AHY 285.5 4 127.6 -7.9 0.7 -0.2 43.3 .08;  333 OCU 202 .8 144.5 64.0 1.5 -0.4 55.6 .06
336 DKD 250 3 187.0 70.0 0.9 -0.4 43.4 .08;  337 NUE 168 8 68.0 1.0 0.75 0.05 66.7 .2
"""
_SHOWER_TABLE = [r.split() for r in _SHOWER_LIST.replace("\n", ";").split(";") if r.strip()]
_SHOWERS = _Showers(*np.array([r[2:] for r in _SHOWER_TABLE], dtype=float).T)
# The last is that of the sporadics.
_SHOWER_NO = np.array([int(r[0]) for r in _SHOWER_TABLE] + [-1])
_SHOWER_CODE = np.array([r[1] for r in _SHOWER_TABLE] + ["..."], dtype="S3")


def _log_volume(jd: Floats) -> Floats:
    years = 2000 + (jd - J2000_JD) / 365.25
    return np.interp(np.log(years), *_VOLUME)


def _activity(sol_lon_deg: Floats) -> Floats:
    """Of each shower (second axis) at each solar longitude, sporadics = 1."""
    from_peak_deg = within_180(sol_lon_deg[:, None] - _SHOWERS.peak_deg)
    activity: Floats = _SHOWERS.peak_activity * np.exp(-np.abs(from_peak_deg) / _SHOWERS.decay_deg)
    return activity


def published_volume(some: Sequence[Bin]) -> Floats:
    """Upstream's own number of rows in these bins, about."""
    middle_deg = np.array([one.middle_deg for one in some])
    season = 1 + 0.25 * np.cos(np.radians(middle_deg - 200))
    volume = np.exp(_log_volume(np.array([one.begins_jd for one in some])))
    rows: Floats = volume * season * (1 + 0.6 * _activity(middle_deg).sum(axis=1))
    return rows


# --- Radiants -------------------------------------------------------------------------------


class _Sources(NamedTuple):
    """By sporadic source; Sun-centred ecliptic radiants, and 1/a in 1/AU."""

    lam_deg: Floats
    lam_spread_deg: Floats
    bet_deg: Floats
    bet_spread_deg: Floats
    inverse_a: Floats
    inverse_a_spread: Floats
    share: Floats


# Antihelion, apex north and south, toroidal north and south.
_SOURCES = _Sources(*np.array([(196, 18, 0, 13, .45, .2, .40), (270, 14, 17, 9, .15, .15, .24),
    (270, 14, -17, 9, .15, .15, .10), (270, 17, 57, 11, .35, .25, .20),
    (270, 17, -57, 11, .35, .25, .06)]).T)  # fmt: skip
_HYPERBOLIC_SHARE = 0.045  # of the sporadics; the fast showers scatter in a few more


class _Radiants(NamedTuple):
    shower: Integers  # an index of _SHOWER_NO
    lam_deg: Floats
    bet_deg: Floats
    ra_deg: Floats
    dec_deg: Floats
    vgeo_km_s: Floats


def _draw_showers(rng: np.random.Generator, sol_lon_deg: Floats) -> Integers:
    degrees, which = np.unique(sol_lon_deg, return_inverse=True)
    activity = _activity(degrees)
    shares = np.cumsum(activity, axis=1) / (1 + activity.sum(axis=1, keepdims=True))
    showers: Integers = (rng.random(len(sol_lon_deg))[:, None] >= shares[which]).sum(axis=1)
    return showers


def _of_showers(
    shower: Integers, sol_lon_deg: Floats, noise: Floats
) -> tuple[Floats, Floats, Floats]:
    """Ecliptic radiants and geocentric speeds, scattered around those of the showers."""
    drift_deg = np.clip(within_180(sol_lon_deg - _SHOWERS.peak_deg[shower]), -12, 12)
    dec = _SHOWERS.dec_deg[shower] + _SHOWERS.dec_drift[shower] * drift_deg + 0.8 * noise[1]
    ra = _SHOWERS.ra_deg[shower] + _SHOWERS.ra_drift[shower] * drift_deg
    ra += 0.8 * noise[0] / np.cos(np.radians(dec))
    return *to_ecliptic(ra, dec), _SHOWERS.vgeo_km_s[shower] * (1 + 0.006 * noise[2])


def _of_sources(
    source: Integers, hyperbolic: Flags, sol_lon_deg: Floats, noise: Floats
) -> tuple[Floats, Floats, Floats]:
    """Ecliptic radiants and 1/a, scattered around those of the sporadic sources."""
    lam_spread, bet_spread = _SOURCES.lam_spread_deg[source], _SOURCES.bet_spread_deg[source]
    lam = sol_lon_deg + _SOURCES.lam_deg[source] + lam_spread * noise[0]
    bet = np.clip(_SOURCES.bet_deg[source] + bet_spread * noise[1], -85, 85)
    inverse_a = _SOURCES.inverse_a[source] + _SOURCES.inverse_a_spread[source] * noise[2]
    elliptic = np.minimum(0.003 + np.abs(inverse_a), 0.95)
    return lam, bet, np.where(hyperbolic, -0.001 - 0.05 * np.abs(noise[2]), elliptic)


def _draw_radiants(rng: np.random.Generator, sol_lon_deg: Floats) -> _Radiants:
    size = len(sol_lon_deg)
    shower = _draw_showers(rng, sol_lon_deg)
    source = np.searchsorted(np.cumsum(_SOURCES.share)[:-1], rng.random(size), side="right")
    noise = rng.standard_normal((3, size))
    hyperbolic = rng.random(size) < _HYPERBOLIC_SHARE
    member = shower < len(_SHOWER_TABLE)
    lam_m, bet_m, vgeo_m = _of_showers(np.where(member, shower, 0), sol_lon_deg, noise)
    lam_s, bet_s, inverse_a_s = _of_sources(source, hyperbolic, sol_lon_deg, noise)
    lam, bet = np.where(member, lam_m, lam_s) % 360, np.where(member, bet_m, bet_s)
    earth = Earth.at(sol_lon_deg)
    towards = earth.speed_towards(lam, bet)
    inverse_a = np.where(member, earth.inverse_a(towards, vgeo_m), inverse_a_s).clip(-0.2, 1.2)
    vgeo = earth.vgeo_km_s(towards, inverse_a)
    return _Radiants(shower, lam, bet, *to_equatorial(lam, bet), vgeo)


# --- Sites and stations ---------------------------------------------------------------------

# country code, latitude, longitude, spread (deg), stations at the end, country whose stations
# see the same meteors
_COUNTRY_LIST = """\
AT 47.5 14.5 1 12 DE;AU -33.0 141.0 9 110 AU;BE 50.8 4.5 1 60 NL;BG 42.7 25.0 1 30 RO
BR -23.5 -47.5 4 70 BR;CA 48.0 -95.0 9 60 US;CH 46.9 8.0 1 12 DE;CZ 49.8 15.5 1 25 DE
DE 50.5 10.0 2 90 NL;DK 56.0 10.0 1 8 DE;ES 39.5 -3.5 2 60 PT;FI 61.5 25.0 2 6 FI
FR 46.5 2.5 2 40 BE;GR 38.5 23.0 1 12 BG;HR 45.3 16.0 1 110 SI;HU 47.0 19.5 1 20 HR
IE 53.2 -8.0 1 15 UK;IL 31.5 35.0 1 12 IL;IT 44.0 11.0 2 30 HR;JP 36.0 138.0 2 30 KR
KR 36.5 127.8 1 80 JP;LU 49.7 6.1 .3 6 BE;MX 20.5 -101.0 3 15 US;MY 3.5 102.0 1 8 MY
NL 52.2 5.4 1 70 BE;NZ -42.5 172.8 2 130 NZ;PL 52.0 19.0 2 25 CZ;PT 39.5 -8.3 1 10 ES
RO 45.5 25.5 1 12 BG;RU 50.0 42.0 4 25 RU;SI 46.1 14.8 1 15 HR;SK 48.8 19.5 1 12 CZ
UA 49.0 31.0 2 10 RO;UK 52.8 -1.8 2 260 IE;US 35.5 -108.0 8 330 MX;ZA -30.0 24.0 3 25 ZA
"""
_COUNTRY_TABLE = [r.split() for r in _COUNTRY_LIST.replace("\n", ";").split(";") if r]
_COUNTRY_CODES = [r[0] for r in _COUNTRY_TABLE]
_PARTNER = np.array([_COUNTRY_CODES.index(r[5]) for r in _COUNTRY_TABLE])
_LATITUDE_DEG, _LONGITUDE_DEG, _SPREAD_DEG = np.array([r[1:4] for r in _COUNTRY_TABLE], float).T
_STATIONS = np.array([int(r[4]) for r in _COUNTRY_TABLE])
_FIRST_STATION = np.concatenate(([0], np.cumsum(_STATIONS)[:-1]))
_BASE_36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# In the order of the codes, so that sorted numbers are sorted codes; the last is none.
_STATION_CODES = np.array([f"{country}00{_BASE_36[k // 36]}{_BASE_36[k % 36]}"
    for country, count in zip(_COUNTRY_CODES, _STATIONS, strict=True)
    for k in range(1, count + 1)] + [""], dtype="S6")  # fmt: skip
_MAX_STATIONS = 14


class _Sites(NamedTuple):
    """Where and when the meteors begin."""

    country: Integers  # an index of _COUNTRY_CODES
    lat_deg: Floats
    lon_deg: Floats
    jd: Floats


def _draw_countries(
    rng: np.random.Generator, ra_deg: Floats, dec_deg: Floats, sol_lon_deg: Floats
) -> tuple[Integers, Floats]:
    """Countries and times of night (deg from midnight) at which the radiants are up.

    Of three tries the first that is high enough, or the highest.
    """
    size = len(ra_deg)
    shares = np.cumsum(_STATIONS)[:-1] / _STATIONS.sum()
    sun_ra_deg, _ = to_equatorial(sol_lon_deg, np.zeros(size))
    best, country, from_midnight_deg = np.full(size, -2.0), np.zeros(size, int), np.zeros(size)
    for _ in range(3):
        new = np.searchsorted(shares, rng.random(size), side="right")
        night_deg = rng.uniform(-80, 80, size)
        hour_angle = np.radians(sun_ra_deg + 180 + night_deg - ra_deg)
        height = sin_altitude(np.radians(_LATITUDE_DEG[new]), np.radians(dec_deg), hour_angle)
        better = (height > best) & (best < 0.3)
        best = np.where(better, height, best)
        country = np.where(better, new, country)
        from_midnight_deg = np.where(better, night_deg, from_midnight_deg)
    return country, from_midnight_deg


def _draw_sites(rng: np.random.Generator, radiants: _Radiants, sol_lon_deg: Floats,
                begins_jd: Floats, length_days: Floats) -> _Sites:  # fmt: skip
    """A country, a place and a time of night in the bin at which the radiant is up."""
    size = len(sol_lon_deg)
    country, from_midnight_deg = _draw_countries(
        rng, radiants.ra_deg, radiants.dec_deg, sol_lon_deg
    )
    noise = rng.standard_normal((2, size)).clip(-2, 2)
    lat_deg = _LATITUDE_DEG[country] + 0.5 * _SPREAD_DEG[country] * noise[0]
    lon_deg = _LONGITUDE_DEG[country] + 0.7 * _SPREAD_DEG[country] * noise[1]
    days = ((from_midnight_deg - lon_deg) / 360 - (begins_jd + 0.5)) % 1
    # A bin is not a day: some times of day come twice in it, or not at all.
    again = rng.random(size)
    second = days + (days < length_days - 1) * (again < 0.5)
    days = np.where(days < length_days, second, length_days * again)
    return _Sites(country, lat_deg, lon_deg, begins_jd + days)


def _draw_stations(
    rng: np.random.Generator, country: Integers, growth: float
) -> tuple[Integers, Texts]:
    """How many stations saw it, and their codes: sorted, joined by commas."""
    size = len(country)
    active = np.maximum(4, np.rint(_STATIONS * growth)).astype(np.int64)[country]
    count = np.minimum(1 + rng.geometric(0.62, size), np.minimum(active, _MAX_STATIONS))
    longest = int(count.max())
    step_limit = np.clip(active // count, 1, 3)
    steps = 1 + (rng.random((size, longest)) * step_limit[:, None]).astype(np.int64)
    first = (active * rng.random(size) ** 2).astype(np.int64)
    rank = (first[:, None] + np.cumsum(steps, axis=1)) % active[:, None]
    number = _FIRST_STATION[country][:, None] + rank
    abroad = (rng.random(size) < 0.15) & (_PARTNER[country] != country)
    guest = _FIRST_STATION[_PARTNER[country]] + (4 * rng.random(size) ** 2).astype(np.int64)
    number[abroad, 0] = guest[abroad]
    number[np.arange(longest) >= count[:, None]] = len(_STATION_CODES) - 1
    number.sort(axis=1)
    return count, station_lists(_STATION_CODES[number], count)


# --- Flight through the atmosphere ----------------------------------------------------------


def _draw_flight(rng: np.random.Generator, values: dict[str, Floats]) -> dict[str, Floats]:
    """The apparent radiant and the luminous path, for a radiant, a place and a time."""
    vgeo, lat = values["vgeo_km_s"], np.radians(values["latbeg_n_deg"])
    hour_angle = np.radians(values["app_lst_deg"] - values["rageo_deg"])
    height, azimuth = to_horizontal(lat, np.radians(values["decgeo_deg"]), hour_angle)
    vinit = np.sqrt(vgeo**2 + 125 + 5 * rng.random(len(vgeo)))
    zenith_distance = np.pi / 2 - np.arcsin(np.clip(height, 0.09, 1))
    zenith_attraction = 2 * np.arctan((vinit - vgeo) / (vinit + vgeo) * np.tan(zenith_distance / 2))
    elevation = np.pi / 2 - (zenith_distance - zenith_attraction)
    sin_dec, hour_angle = to_horizontal(lat, elevation, azimuth)
    vavg = vinit * (1 - 0.07 * rng.beta(1.2, 2.5, len(vgeo)))
    return {
        "raapp_deg": (values["app_lst_deg"] - np.degrees(hour_angle)) % 360,
        "decapp_deg": np.degrees(np.arcsin(np.clip(sin_dec, -1, 1))),
        "azim_e_of_n_deg": np.degrees(azimuth) % 360,
        "elev_deg": np.degrees(elevation),
        "vinit_km_s": vinit,
        "vavg_km_s": vavg,
        **_draw_path(rng, values, azimuth, elevation, vinit, vavg),
    }


def _draw_path(rng: np.random.Generator, values: dict[str, Floats], azimuth: Floats,
               elevation: Floats, vinit: Floats, vavg: Floats) -> dict[str, Floats]:  # fmt: skip
    """Heights, end, light and mass, and how well the solution fits."""
    size, lat = len(vinit), np.radians(values["latbeg_n_deg"])
    noise = rng.standard_normal((4, size)).clip(-3.5, 3.5)
    begin_km = np.clip(60.3 + 6.2 * np.sqrt(vinit) + 4.5 * noise[0], 60, 150)
    drop_km = np.clip(13.5 * np.exp(0.4 * noise[1]) * np.sin(elevation) ** 0.7, 1.5, 38)
    track_deg = drop_km / np.tan(elevation) / 111.2
    f_param = np.clip(rng.beta(4.2, 3.2, size), 0.02, 0.98)
    magnitude = np.clip(0.25 + 1.3 * noise[2] - rng.exponential(0.25, size), -12, 6)
    log_mass = 0.1 - 0.45 * magnitude - 2.66 * np.log10(vinit) + 0.22 * noise[3]
    end_lon_deg = values["lonbeg_e_deg"] - track_deg * np.sin(azimuth) / np.cos(lat)
    return {
        "htbeg_km": begin_km,
        "htend_km": begin_km - drop_km,
        "latend_n_deg": values["latbeg_n_deg"] - track_deg * np.cos(azimuth),
        "lonend_e_deg": within_180(end_lon_deg),
        "duration_sec": drop_km / np.sin(elevation) / vavg,
        "peak_absmag": magnitude,
        "peak_ht_km": begin_km - f_param * drop_km,
        "f_param": f_param,
        "mass_kg_tau_0_7": 10**log_mass,
        "qc_deg": 5 + 84 * rng.beta(1.4, 1.6, size),
        "medianfiterr_arcsec": 47 * np.exp(0.5 * rng.standard_normal(size)),
    }


# --- Uncertainties --------------------------------------------------------------------------

# 1-sigma in the column's unit for a solution of middling quality; a, Q and T follow from 1/a.
_SIGMA = {
    "rageo_deg": .25, "decgeo_deg": .25, "lamgeo_deg": .31, "betgeo_deg": .23, "vgeo_km_s": .16,
    "lamhel_deg": .28, "bethel_deg": .2, "vhel_km_s": .16, "a_au": 0, "e": .009, "i_deg": .25,
    "peri_deg": .6, "node_deg": .0004, "pi_deg": .59, "b_deg": .31, "q_au": .002, "f_deg": .59,
    "m_deg": .22, "q_au_": 0, "n_deg_day": .0096, "t_years": 0, "tisserandj": .07,
    "raapp_deg": .24, "decapp_deg": .23, "azim_e_of_n_deg": .32, "elev_deg": .23, "vinit_km_s": .15,
    "vavg_km_s": .09, "latbeg_n_deg": .0003, "lonbeg_e_deg": .0004, "htbeg_km": .06,
    "latend_n_deg": .0003, "lonend_e_deg": .0004, "htend_km": .05}  # fmt: skip
_SIGMA_CAP = {"rageo_deg": 1.4, "decgeo_deg": 1.4, "peri_deg": 99.0, "node_deg": 99.0}
# Columns that the solutions of the first weeks had no uncertainties for.
_NO_SIGMA_IN_2018 = ("azim_e_of_n_deg", "elev_deg", "vavg_km_s")


def _draw_sigmas(rng: np.random.Generator, values: dict[str, Floats]) -> dict[str, Floats]:
    """By the column that they are the uncertainties of."""
    size = len(values["a_au"])
    quality = np.exp(0.7 * rng.standard_normal(size))
    factors = np.exp(0.5 * rng.standard_normal((len(_SIGMA), size), np.float32))
    sigmas = {}
    for (name, usual), factor in zip(_SIGMA.items(), factors, strict=True):
        sigmas[name] = np.minimum(usual * quality * factor, _SIGMA_CAP.get(name, 9.9))
    sigmas["vgeo_km_s"] = np.minimum(sigmas["vgeo_km_s"], 0.09 * values["vgeo_km_s"])
    a = np.abs(values["a_au"])
    of_inverse_a = 0.013 * quality
    sigmas["a_au"] = a**2 * of_inverse_a
    sigmas["q_au_"] = 2 * sigmas["a_au"]
    sigmas["t_years"] = 1.5 * np.sqrt(a) * sigmas["a_au"]
    # The runs of a Monte Carlo solution that left the Sun's hold have no period.
    unbound = ~(values["a_au"] > 0) | (3 * of_inverse_a * a > 1)
    for name in ("m_deg", "t_years"):
        sigmas[name][unbound] = np.nan
    return sigmas


def _spoil_sigmas(rng: np.random.Generator, sigmas: dict[str, Floats], in_2018: Flags) -> None:
    """Make some negative, `nan` or `None`, as upstream prints a few."""
    size = len(in_2018)
    sigmas["node_deg"][rng.random(size) < 0.003] *= -1
    chosen = rng.integers(0, len(_SIGMA), size)
    for k in np.nonzero(rng.random(size) < 0.0005)[0]:
        sigmas[list(_SIGMA)[chosen[k]]][k] = np.nan
    without = rng.random(size) < 0.002
    for name, sigma in sigmas.items():
        sigma[without | in_2018 if name in _NO_SIGMA_IN_2018 else without] = np.inf


# --- Rows -----------------------------------------------------------------------------------


def _drop_some_fractions(rng: np.random.Generator, jd: Floats) -> Integers:
    """The times in UTC (us since 1970), a few of them made whole seconds, here and in `jd`.

    A time printed without its decimals is rare, and trips readers.
    """
    utc_us: Integers = np.rint((jd - UNIX_EPOCH_JD) * _DAY_US).astype(np.int64)
    whole = rng.random(len(jd)) < 0.0005
    utc_us[whole] -= utc_us[whole] % 1_000_000
    jd[whole] = UNIX_EPOCH_JD + utc_us[whole] / _DAY_US
    return utc_us


def _draw_values(rng: np.random.Generator, radiants: _Radiants, sites: _Sites,
                 in_2018: Flags) -> dict[str, Floats]:  # fmt: skip
    """Every column that is a number with decimals, and the mass."""
    _, lam, bet, ra, dec, vgeo = radiants
    sol_lon = solar_longitude_deg(sites.jd + DYNAMICAL_TIME_AHEAD_DAYS) % 360
    sidereal = 280.46061837 + 360.98564736629 * (sites.jd - J2000_JD) + sites.lon_deg
    values = {"sol_lon_deg": sol_lon, "app_lst_deg": sidereal % 360, "rageo_deg": ra,
              "decgeo_deg": dec, "lamgeo_deg": lam, "betgeo_deg": bet, "vgeo_km_s": vgeo,
              "latbeg_n_deg": sites.lat_deg, "lonbeg_e_deg": within_180(sites.lon_deg),
              **orbit(sol_lon, lam, bet, vgeo)}  # fmt: skip
    values |= _draw_flight(rng, values)
    sigmas = _draw_sigmas(rng, values)
    _spoil_sigmas(rng, sigmas, in_2018)
    return values | {f"{name}_sigma": sigma for name, sigma in sigmas.items()}


def _draw_begins(
    rng: np.random.Generator, chunk: Sequence[Bin], which: Integers
) -> tuple[_Radiants, _Sites, Integers]:
    """Whence, where and when (UTC, us since 1970) in these bins, in the order of time in each."""
    begins_jd = np.array([one.begins_jd for one in chunk])[which]
    length_days = np.array([one.length_days for one in chunk])[which]
    middle_deg = np.array([one.middle_deg for one in chunk])[which]
    radiants = _draw_radiants(rng, middle_deg)
    sites = _draw_sites(rng, radiants, middle_deg, begins_jd, length_days)
    utc_us = _drop_some_fractions(rng, sites.jd)
    order = np.lexsort((sites.jd, which))
    return (
        _Radiants._make(array[order] for array in radiants),
        _Sites._make(array[order] for array in sites),
        utc_us[order],
    )


def draw_rows(chunk: Sequence[Bin], counts: Sequence[int], rng: np.random.Generator,
              first_sequence: int) -> Rows:  # fmt: skip
    """So many sound rows in each bin, bin by bin in the order of time."""
    which = np.repeat(np.arange(len(chunk)), counts)
    radiants, sites, utc_us = _draw_begins(rng, chunk, which)
    in_2018 = np.array([one.start_date.year == 2018 for one in chunk])[which]
    values = _draw_values(rng, radiants, sites, in_2018)
    first_jd = np.array([chunk[which[0]].begins_jd])
    growth = np.exp(_log_volume(first_jd) - _VOLUME[1, -1]).item() ** 0.7
    count, stations = _draw_stations(rng, sites.country, min(growth, 1.0))
    in_fov = rng.random((2, len(which))) < 0.99
    sequence = first_sequence + np.arange(len(which))
    return Rows(
        identifiers=identifiers(utc_us, sequence),
        jd=sites.jd,
        utc_us=utc_us,
        iau_no=_SHOWER_NO[radiants.shower],
        iau_code=_SHOWER_CODE[radiants.shower],
        values=values,
        begins_in_fov=in_fov[0],
        ends_in_fov=in_fov[1],
        station_count=count,
        stations=stations,
    )
