"""FTPdetectinfo: positions of meteors in frames, as RMS and CAMS write them.

What belongs here: text into rows. What does not: the table (`schemas/object_tables.py`).

After a head, each meteor has a line of dashes, the name of the file that it is in, a line on its
calibration, a line of the camera (code, number, segments, frame rate, ...), and a line for each
frame: frame, column, row, right ascension, declination, azimuth, elevation, intensity, and a
magnitude in newer files (RMS, `Formats/FTPdetectinfo.py`). A centroid without a position is `nan`.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.readers.rms_names import rms_name

_COUNT = re.compile(r"Meteor Count = (\d+)")
_DASHES = "-" * 40
_HEAD_ENDS = "Per segment:"
_NUMBERS = 8


@dataclass(frozen=True)
class DetectedPosition:
    """Where a meteor was in a frame: pixels, degrees (J2000; azimuth east of due north), levels."""

    station_code: str
    ff_name: str
    meteor_number: int
    frame_at_utc: datetime | None
    frame: float
    x_px: float
    y_px: float
    right_ascension_deg: float
    declination_deg: float
    azimuth_deg: float
    elevation_deg: float
    intensity_adu: float
    magnitude: float | None
    frame_rate_hz: float
    is_calibrated: bool


def read_ftp_detect_info(text: str) -> tuple[list[DetectedPosition], int, int]:
    """Positions, how many meteors, and how many lines had a position that is none.

    Raises ObjectRefused naming the line that is not of this format, or if there are not as many
    meteors as its first line says.
    """
    lines = text.splitlines()
    counted = _COUNT.match(lines[0]) if lines else None
    head = next((n for n, line in enumerate(lines) if line.startswith(_HEAD_ENDS)), None)
    if counted is None or head is None:
        raise ObjectRefused("It is no FTPdetectinfo: it lacks the head of one.")
    found: list[DetectedPosition] = []
    meteors = undefined = 0
    for first, block in _blocks(lines, head + 1):
        meteors += 1
        for position in _meteor(first, block):
            if position is None:
                undefined += 1
            else:
                found.append(position)
    if meteors != int(counted[1]):
        raise ObjectRefused(f"It tells of {int(counted[1])} meteors and has {meteors}.")
    return found, meteors, undefined


def _blocks(lines: list[str], begin: int) -> Iterator[tuple[int, list[str]]]:
    """The lines of each meteor, with the number of the first of them."""
    at = [n for n in range(begin, len(lines)) if lines[n].startswith(_DASHES)]
    for here, after in zip(at, [*at[1:], len(lines)], strict=True):
        block = [line for line in lines[here + 1 : after] if line.strip()]
        if block:
            yield here + 2, block


def _value(text: str) -> float:
    """A number; what is none is written with zeros before it, as in 0000nan."""
    return math.nan if text.endswith("nan") else float(text)


def _meteor(first: int, block: list[str]) -> Iterator[DetectedPosition | None]:
    number = first
    try:
        ff_name, calibration, camera = block[0].strip(), block[1], block[2].split()
        station, meteor, rate = camera[0], int(float(camera[1])), float(camera[3])
        named = rms_name(ff_name)
        for number, line in enumerate(block[3:], first + 3):  # noqa: B007 - for the message
            values = [_value(text) for text in line.split()]
            frame, x, y, ra, dec, azimuth, elevation, level = values[:_NUMBERS]
            if not all(map(math.isfinite, values[:_NUMBERS])):
                yield None
                continue
            magnitude = values[_NUMBERS] if len(values) > _NUMBERS else math.nan
            at = named.at_utc + timedelta(seconds=frame / rate) if named and rate > 0 else None
            yield DetectedPosition(
                station, ff_name, meteor, at, frame, x, y, ra, dec, azimuth, elevation, level,
                magnitude if math.isfinite(magnitude) else None, rate,
                "Uncalibrated" not in calibration,
            )  # fmt: skip
    except (ValueError, IndexError, OverflowError) as error:
        raise ObjectRefused(f"Line {number} is not as in an FTPdetectinfo: {error}.") from error
