"""Cameras that look at meteors, simulated: where they stand is known, unlike in summaries.

What belongs here: which meteors a camera sees. Flat ground, meteors at 95 km all over the sky, a
field of 88 by 48 deg (the network's usual lens) in any direction, 20 to 70 deg up; one that is
twice as far is seen a quarter as often.
"""

from dataclasses import dataclass

import numpy as np

KM_A_DEG = 111.2
_FIELD_DEG = (88, 48)
_AROUND_KM, _HEIGHT_KM, _EARTH_KM, _AT_ONCE = 600, 95, 6371, 20_000


@dataclass(frozen=True)
class Camera:
    """A place, and the middles of the tracks that are seen from it."""

    latitude_deg: float
    longitude_deg: float
    latitudes_deg: np.ndarray
    longitudes_deg: np.ndarray

    def is_off_by_km(self, latitude_deg: float, longitude_deg: float) -> float:
        across = (longitude_deg - self.longitude_deg + 540) % 360 - 180
        across_km = across * np.cos(np.radians(self.latitude_deg)) * KM_A_DEG
        return float(np.hypot((latitude_deg - self.latitude_deg) * KM_A_DEG, across_km))


def camera(rng: np.random.Generator, meteors: int) -> Camera:
    """Somewhere on Earth, looking somewhere."""
    latitude = float(np.degrees(np.arcsin(rng.uniform(-0.9, 0.9))))
    longitude = float(rng.uniform(-180, 180))
    azimuth, elevation = np.radians(rng.uniform(0, 360)), np.radians(rng.uniform(20, 70))
    seen: list[np.ndarray] = []
    while sum(map(len, seen)) < meteors:
        seen.append(_seen(rng, azimuth, elevation))
    east_km, north_km = np.concatenate(seen)[:meteors].T
    across = east_km / KM_A_DEG / np.cos(np.radians(latitude))
    return Camera(
        latitude, longitude, latitude + north_km / KM_A_DEG,
        (longitude + across + 540) % 360 - 180,
    )  # fmt: skip


def _seen(rng: np.random.Generator, azimuth: float, elevation: float) -> np.ndarray:
    """Of meteors all around those in the field and bright enough: east and north, km."""
    away, towards = _AROUND_KM * np.sqrt(rng.random(_AT_ONCE)), 2 * np.pi * rng.random(_AT_ONCE)
    east, north = away * np.sin(towards), away * np.cos(towards)
    height = _HEIGHT_KM - away**2 / (2 * _EARTH_KM)
    ahead = east * np.sin(azimuth) + north * np.cos(azimuth)
    aside = east * np.cos(azimuth) - north * np.sin(azimuth)
    depth = ahead * np.cos(elevation) + height * np.sin(elevation)
    above = height * np.cos(elevation) - ahead * np.sin(elevation)
    wide, high = (np.tan(np.radians(side / 2)) for side in _FIELD_DEG)
    is_in_field = (height > 5) & (np.abs(aside) < depth * wide) & (np.abs(above) < depth * high)
    is_bright = rng.random(_AT_ONCE) < np.minimum(1, 100**2 / (away**2 + height**2))
    return np.stack([east, north], axis=1)[is_in_field & is_bright]
