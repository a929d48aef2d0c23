"""Stations that are not there: readings and datagrams as a network of them would send.

What belongs here: weather with days and seasons, sensors that drift, outages, wrong clocks; and
datagrams that come late, twice or broken. What does not: sending them (`flows/`).

All is a function of the seed, the station and the time: the same span is the same readings, whether
it is asked for at once or piece by piece, so that history of any length can be made in parts.
Codes have an S in third place: they are no stations of the network's.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl

from gmn_pipeline.schemas.derive import polars_frame
from gmn_pipeline.schemas.station_readings import SENT_FIELDS

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Inland places of countries that have stations: latitude, longitude, height, how far around them.
_PLACES = {
    "HR": (45.55, 16.2, 130, 0.5), "SI": (46.05, 14.8, 350, 0.3), "DE": (50.6, 10.2, 300, 1.8),
    "GB": (52.4, -1.6, 110, 0.7), "FR": (46.6, 2.6, 250, 1.8), "ES": (40.2, -3.9, 700, 1.6),
    "IT": (44.9, 10.3, 80, 0.6), "BE": (50.6, 4.8, 120, 0.4), "NL": (52.1, 5.8, 20, 0.4),
    "CZ": (49.7, 15.3, 400, 0.8), "SK": (48.7, 19.4, 400, 0.5), "HU": (47.0, 19.4, 120, 0.8),
    "PL": (51.9, 19.3, 150, 1.6), "RO": (45.9, 24.9, 450, 1.4), "BG": (42.6, 25.2, 350, 0.7),
    "UA": (49.2, 31.2, 150, 1.8), "US": (34.8, -106.5, 1600, 2.2), "CA": (50.6, -104.8, 580, 1.6),
    "BR": (-18.6, -47.2, 850, 2.2), "AU": (-33.4, 148.3, 320, 1.3), "NZ": (-44.6, 169.6, 400, 0.4),
    "ZA": (-29.3, 25.6, 1300, 1.6), "KR": (36.4, 127.9, 150, 0.5), "JP": (36.2, 138.2, 700, 0.3),
    "DK": (56.1, 9.2, 50, 0.4), "IE": (53.3, -7.8, 80, 0.5), "AT": (47.5, 14.5, 700, 0.6),
    "LU": (49.7, 6.1, 300, 0.1), "MX": (22.5, -102.3, 2000, 1.3), "RU": (55.3, 38.9, 150, 1.5),
}  # fmt: skip

_DAY_S, _YEAR_S = 86_400.0, 31_556_952.0
_EPOCH = datetime(1970, 1, 1)
_QUANTITIES = (
    "temperature_deg_c", "humidity_percent", "pressure_hpa", "dew_point_deg_c",
    "lens_temperature_deg_c", "camera_temperature_deg_c", "cpu_temperature_deg_c",
    "sky_temperature_deg_c", "supply_voltage_v",
)  # fmt: skip
_SPELLED = {
    "temperature_deg_c": "temperature", "humidity_percent": "humidity", "pressure_hpa": "pressure",
    "dew_point_deg_c": "dew_point", "lens_temperature_deg_c": "lens_temperature",
    "camera_temperature_deg_c": "camera_temperature", "cpu_temperature_deg_c": "cpu_temperature",
    "sky_temperature_deg_c": "sky_temperature", "supply_voltage_v": "supply_voltage",
}  # fmt: skip
_BLOCK_S = 6 * 3600
_OUTAGES = 0.01  # of such blocks of a station
_WRONG_CLOCKS, _LOST_CLOCKS = 0.02, 0.004  # of stations
_DOUBLED, _LATE, _MALFORMED = 0.004, 0.004, 0.001  # of datagrams
_LATE_S = 90.0


@dataclass(frozen=True)
class _Stations:
    """What each station is, an item each."""

    codes: list[str]
    number: Integers
    latitude_deg: Floats
    longitude_deg: Floats
    height_m: Floats
    clock_s: Floats
    since_1970: npt.NDArray[np.bool_]


def simulated(
    stations: int, begin: datetime, end: datetime, every_s: float = 1.0, seed: int = 1
) -> pl.DataFrame:
    """The readings of so many stations that are sent from `begin` up to `end` (UTC), one each so
    many seconds, sorted by station and time: rows of the fields that are sent."""
    made = _stations(stations, seed)
    begin_s, end_s = ((when - _EPOCH) / timedelta(seconds=1) for when in (begin, end))
    # Each at its own instant within the interval.
    phase_s = every_s * _uniform(seed, made.number, 11)
    first = np.ceil((begin_s - phase_s) / every_s).astype(np.int64)
    counts = np.maximum(np.ceil((end_s - phase_s) / every_s).astype(np.int64) - first, 0)
    at = np.repeat(np.arange(stations), counts)
    step = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[at]
    sent_ms = np.round((step * every_s + phase_s[at]) * 1e3).astype(np.int64)
    is_up = ~_is_out(seed, at, sent_ms)
    return _rows(made, at[is_up], sent_ms[is_up], seed)


def _rows(made: _Stations, at: Integers, sent_ms: Integers, seed: int) -> pl.DataFrame:
    height = at.size
    codes = pl.Series(made.codes, dtype=pl.String)
    # A clock that was lost begins anew with each day.
    clock_ms = np.where(
        made.since_1970[at],
        sent_ms % (int(_DAY_S) * 1000),
        sent_ms + np.round(made.clock_s[at] * 1e3).astype(np.int64),
    )
    told = {
        "station_code": codes.gather(at) if height else codes.clear(),
        "sensor_id": pl.repeat("1", height, dtype=pl.String, eager=True),
        "measured_at_utc": _instants(clock_ms),
        "latitude_deg": pl.Series(made.latitude_deg[at]),
        "longitude_deg": pl.Series(made.longitude_deg[at]),
        "height_m": pl.Series(made.height_m[at]),
        **_weather(made, at, sent_ms, seed),
        "received_at_utc": _instants(sent_ms + 20),
        "sender": pl.repeat("simulated", height, dtype=pl.String, eager=True),
        "transport": pl.repeat("udp", height, dtype=pl.String, eager=True),
    }
    return polars_frame(SENT_FIELDS, told, height)


def _instants(ms: Integers) -> pl.Series:
    return pl.Series(ms * 1000).cast(pl.Datetime("us"))


# --- stations ------------------------------------------------------------------------------------


def _stations(count: int, seed: int) -> _Stations:
    number = np.arange(count)
    names = list(_PLACES)
    country = number % len(names)
    places = np.array(list(_PLACES.values()))[country]
    # Evenly over a disk, so that none is far from its country's middle.
    away = places[:, 3] * np.sqrt(_uniform(seed, number, 1))
    towards = 2 * np.pi * _uniform(seed, number, 2)
    latitude = places[:, 0] + away * np.sin(towards)
    longitude = places[:, 1] + away * np.cos(towards) / np.cos(np.radians(latitude))
    height = np.round(places[:, 2] * (0.7 + 0.6 * _uniform(seed, number, 3)))
    luck = _uniform(seed, number, 4)
    hours = 2 * _uniform(seed, number, 5) - 1
    return _Stations(
        [f"{names[c]}S{n // len(names) + 1:03d}" for n, c in zip(number, country, strict=True)],
        number,
        np.round(latitude, 6),
        np.round(longitude, 6),
        height,
        np.where(luck < _WRONG_CLOCKS, 3 * 3600 * hours, 0.4 * hours),
        luck > 1 - _LOST_CLOCKS,
    )


def _is_out(seed: int, at: Integers, sent_ms: Integers) -> npt.NDArray[np.bool_]:
    """Whether a station is silent: somewhere within a block of hours, for some of it."""
    block, within = np.divmod(sent_ms, _BLOCK_S * 1000)
    is_struck = _uniform(seed, at, 21, block) < _OUTAGES
    if not is_struck.any():
        return is_struck
    begins, lasts = _uniform(seed, at, 22, block), _uniform(seed, at, 23, block)
    share = within / (_BLOCK_S * 1000)
    return is_struck & (share >= begins) & (share < begins + lasts)


# --- weather -------------------------------------------------------------------------------------


def _weather(made: _Stations, at: Integers, sent_ms: Integers, seed: int) -> dict[str, pl.Series]:
    t_s = sent_ms / 1e3
    latitude, height = made.latitude_deg[at], made.height_m[at]
    front = _waves(seed, made, at, t_s, 31)  # -1 to 1: what the weather of these days is
    clouds = np.clip(0.5 + 0.6 * _waves(seed, made, at, t_s, 41), 0, 1)
    year = np.cos(2 * np.pi * (t_s / _YEAR_S - 0.55)) * np.sign(latitude)
    day = np.cos(2 * np.pi * (t_s / _DAY_S + made.longitude_deg[at] / 360 - 15 / 24))
    swing = (6 - 4 * clouds) * day
    air = (
        27 - 0.009 * latitude**2 - 0.0065 * height
        + (0.22 * np.abs(latitude)) * year + swing + 4 * front
    )  # fmt: skip
    # A sensor in ten drifts, some percent in a year.
    drift = np.where(_uniform(seed, at, 51) < 0.1, 4 * (t_s / _YEAR_S % 1), 0)
    humidity = np.clip(68 + 22 * (clouds - 0.5) - 3.2 * swing - 6 * front + drift, 4, 100)
    pressure = 1013.25 * np.exp(-height / 8434) + 9 * front - 6 * (clouds - 0.5)
    gamma = np.log(humidity / 100) + 17.62 * air / (243.12 + air)
    dew = 243.12 * gamma / (17.62 - gamma)
    is_night = day < 0
    values = {
        "temperature_deg_c": air,
        "humidity_percent": humidity,
        "pressure_hpa": pressure,
        "dew_point_deg_c": dew,
        "lens_temperature_deg_c": air + np.where(is_night, 2.5, 1) - 1.5 * (1 - clouds),
        "camera_temperature_deg_c": air + np.where(is_night, 14, 9),
        "cpu_temperature_deg_c": 38 + 0.5 * air + np.where(is_night, 12, 0),
        "sky_temperature_deg_c": air - 28 * (1 - clouds) - 3,
        "supply_voltage_v": 12.1 - 0.01 * (air - 15) - np.where(is_night, 0.15, 0),
    }
    return {
        name: pl.Series(_noisy(name, value, seed, at, sent_ms)) for name, value in values.items()
    }


def _noisy(name: str, value: Floats, seed: int, at: Integers, sent_ms: Integers) -> Floats:
    """As its sensor tells it: with a noise of its own, in hundredths."""
    scale = {"pressure_hpa": 0.06, "supply_voltage_v": 0.02}.get(name, 0.12)
    noise = scale * (2 * _uniform(seed, at, 60 + _QUANTITIES.index(name), sent_ms) - 1)
    noisy = np.round(value + noise, 2)
    return np.clip(noisy, 0, 100) if name == "humidity_percent" else noisy


def _waves(seed: int, made: _Stations, at: Integers, t_s: Floats, what: int) -> Floats:
    """Slow changes, the same for neighbours but for some hours, from -1 to 1."""
    country = made.number % len(_PLACES)
    total = np.zeros(at.size)
    for wave, (days, share) in enumerate(((3.1, 0.45), (7.3, 0.35), (0.9, 0.2))):
        phase = _uniform(seed, country, what + wave) + 0.05 * _uniform(
            seed, made.number, what + 5 + wave
        )
        total += share * np.sin(2 * np.pi * (t_s / (days * _DAY_S) + phase[at]))
    return total


# --- chance --------------------------------------------------------------------------------------


def _uniform(seed: int, which: Integers, what: int, when: Integers | int = 0) -> Floats:
    """Numbers from 0 to 1 that follow from what they are for (by SplitMix64)."""
    with np.errstate(over="ignore"):
        mixed = _mixed(np.uint64((seed * 1_000_003 + what) % 2**63) + which.astype(np.uint64))
        mixed = _mixed(mixed ^ np.asarray(when).astype(np.uint64))
    return (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53


def _mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    z = numbers + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: npt.NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return mixed


# --- datagrams -----------------------------------------------------------------------------------


class Datagram(NamedTuple):
    """A datagram, and how many seconds after its time it is sent; whether it is a reading."""

    delay_s: float
    payload: bytes
    is_whole: bool


def datagrams(rows: pl.DataFrame, seed: int = 1) -> Iterator[Datagram]:
    """The datagrams of readings in their order: some come late, some twice, and some are broken."""
    codes = rows.get_column("station_code")
    number = np.array([zlib.crc32(code.encode()) for code in codes], dtype=np.int64)
    sent_ms = rows.get_column("received_at_utc").dt.epoch("ms").to_numpy()
    luck, much = (_uniform(seed, number, what, sent_ms) for what in (81, 82))
    for row, chance, share in zip(
        rows.iter_rows(named=True), luck.tolist(), much.tolist(), strict=True
    ):
        payload = _payload(row)
        if chance < _MALFORMED:
            yield Datagram(0.0, payload[: 1 + int(share * (len(payload) - 2))], False)
        elif chance < _MALFORMED + _LATE:
            yield Datagram(share * _LATE_S, payload, True)
        else:
            yield Datagram(0.0, payload, True)
            if chance > 1 - _DOUBLED:
                yield Datagram(share, payload, True)


def _payload(row: dict[str, object]) -> bytes:
    record: dict[str, object] = {
        "timestamp": str(row["measured_at_utc"]),
        **{spelled: row[name] for name, spelled in _SPELLED.items()},
        "sensor_id": 1,
        "station_code": row["station_code"],
        "location": {
            "lon": row["longitude_deg"], "lat": row["latitude_deg"], "height": row["height_m"],
        },
    }  # fmt: skip
    return orjson.dumps(record)
