"""What a camera wrote into a picture (EXIF): when, where, and how it was taken.

What belongs here: tags as facts of the object (CIPA DC-008). What does not: the picture itself
(`images.py`). What is nonsense is refused and told, and stops nothing.

A camera's clock has no zone: a time is UTC only by the offset beside it, or by that of GPS.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from PIL import Image as Pictures
from PIL.ExifTags import GPS, IFD, Base

_TOLD = {
    "make": Base.Make, "model": Base.Model, "software": Base.Software,
    "lens": Base.LensModel, "exposure_s": Base.ExposureTime, "f_number": Base.FNumber,
    "iso": Base.ISOSpeedRatings, "focal_length_mm": Base.FocalLength,
    "orientation": Base.Orientation,
}  # fmt: skip
_LONGEST = 200
_OFFSET = re.compile(r"([+-])(\d{2}):(\d{2})")
_EARLIEST = datetime(1990, 1, 1)
_MOST_AHEAD = timedelta(days=2)


@dataclass
class Exif:
    """Facts, and what they say of time (UTC) and place (degrees); `refused` is what is nonsense."""

    facts: dict[str, Any] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    taken_at_utc: datetime | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None


def exif_of(picture: Pictures.Image, now_utc: datetime) -> Exif:
    """What a picture's tags say."""
    found = Exif()
    try:
        tags = picture.getexif()
        own, gps = dict(tags.get_ifd(IFD.Exif)), dict(tags.get_ifd(IFD.GPSInfo))
        everything = {**dict(tags), **own}
    except Exception as error:  # tags are bytes of strangers, and the picture is good without them
        found.refused.append(f"its tags cannot be read ({type(error).__name__})")
        return found
    for name, tag in _TOLD.items():
        value = _plain(everything.get(tag))
        if value is not None:
            found.facts[name] = value
    _take_time(found, everything, gps, now_utc)
    if any(tag in gps for tag in (GPS.GPSLatitude, GPS.GPSLongitude)):
        _take_place(found, gps)
    return found


def _take_time(
    found: Exif, tags: Mapping[int, Any], gps: Mapping[int, Any], now_utc: datetime
) -> None:
    text = str(tags.get(Base.DateTimeOriginal) or "").strip("\0 ")
    if text:
        found.facts["taken_at_local"] = text[:_LONGEST]
    try:
        at = _by_gps(gps) or _by_clock(text, tags)
    except (ValueError, TypeError, OverflowError, ZeroDivisionError) as error:
        found.refused.append(f"its time is none ({error})"[:_LONGEST])
        return
    if at is None:
        return
    if not _EARLIEST <= at <= now_utc + _MOST_AHEAD:
        found.refused.append(f"its time {at:%Y-%m-%d} is that of a clock that is not set")
        return
    found.taken_at_utc = at


def _by_clock(text: str, tags: Mapping[int, Any]) -> datetime | None:
    """By the camera's clock, if the tags say how far that is from UTC."""
    offset = _OFFSET.fullmatch(str(tags.get(Base.OffsetTimeOriginal) or "").strip("\0 "))
    if not text or offset is None:
        return None
    at = datetime.strptime(text, "%Y:%m:%d %H:%M:%S")
    part = str(tags.get(Base.SubsecTimeOriginal) or "").strip("\0 ")
    if part.isascii() and part.isdigit():
        at += timedelta(seconds=float(f"0.{part[:6]}"))
    ahead = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
    return at - ahead if offset[1] == "+" else at + ahead


def _by_gps(gps: Mapping[int, Any]) -> datetime | None:
    day, time = gps.get(GPS.GPSDateStamp), gps.get(GPS.GPSTimeStamp)
    if not day or time is None:
        return None
    hours, minutes, seconds = (float(part) for part in time)
    if not all(map(math.isfinite, (hours, minutes, seconds))):
        raise ValueError("GPS tells no number")
    begin = datetime.strptime(str(day).strip("\0 "), "%Y:%m:%d").replace(tzinfo=UTC)
    at = begin + timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return at.replace(tzinfo=None)


def _take_place(found: Exif, gps: Mapping[int, Any]) -> None:
    try:
        latitude = _degrees(gps[GPS.GPSLatitude], gps.get(GPS.GPSLatitudeRef), "NS")
        longitude = _degrees(gps[GPS.GPSLongitude], gps.get(GPS.GPSLongitudeRef), "EW")
    except (KeyError, ValueError, TypeError, ZeroDivisionError) as error:
        found.refused.append(f"its place is none ({error})"[:_LONGEST])
        return
    if abs(latitude) > 90 or abs(longitude) > 180:
        found.refused.append(f"its place {latitude:g}, {longitude:g} is not on Earth")
        return
    if latitude == longitude == 0:
        found.refused.append("its place 0, 0 is that of a receiver without a fix")
        return
    found.latitude_deg, found.longitude_deg = latitude, longitude


def _degrees(parts: Any, reference: Any, letters: str) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    value = degrees + minutes / 60 + seconds / 3_600
    letter = str(reference or "").strip("\0 ").upper()
    if not math.isfinite(value) or value < 0 or letter not in tuple(letters):
        raise ValueError(f"{parts} {letter or 'without a direction'}")
    return value if letter == letters[0] else -value


def _plain(value: Any) -> str | float | int | None:
    """A tag as JSON has it; nothing of what is no text and no number."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        text = value.replace("\0", "").strip()
        return text[:_LONGEST] or None
    if isinstance(value, tuple):
        value = value[0] if value else None
    if isinstance(value, bool | int):
        return int(value)
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return round(number, 6) if math.isfinite(number) else None
