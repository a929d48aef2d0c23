"""FF files of CAMS and of older RMS, `FF*.bin`: four planes that sum up some hundred frames.

What belongs here: bytes into a header and planes. What does not: FF files in FITS (`fits.py`), and
what is made of either (`processing/images.py`).

The format is the one that RMS reads (`RMS/Formats/FFbin.py`), in the byte order of PCs. It begins
with -1 and numbers of 32 bits: rows, columns, frames, first frame, camera, decimation, interlace
flag, frames a second times 1,000. Older files of CAMS begin with the number of rows, then columns,
the logarithm (base 2) of the number of frames, first frame, camera. Then, a byte for each pixel:
the greatest level, the frame of that, mean and standard deviation, each plane by rows.
"""

import re
import struct
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from gmn_pipeline.errors import ObjectRefused

MEDIA_TYPE = "application/x-rms-ff"
PLANES = ("maxpixel", "maxframe", "avepixel", "stdpixel")
_NAME = re.compile(r"FF.*\.bin", re.IGNORECASE)
_NEW, _OLD = struct.Struct("<i8I"), struct.Struct("<i4I")
_VERSION = -1
_LONGEST_SIDE_PX = 100_000
_MOST_BITS = 16
_MOST_FRAMES = 1 << _MOST_BITS


@dataclass(frozen=True)
class FfBin:
    """A header, and where the planes begin. `frame_rate_hz` is None where the file does not say."""

    height_px: int
    width_px: int
    frame_count: int
    first_frame: int
    camera_number: int
    frame_rate_hz: float | None
    offset: int

    @property
    def plane_bytes(self) -> int:
        """Of one of the four."""
        return self.height_px * self.width_px

    def plane(self, path: Path, name: str) -> NDArray[np.float32]:
        """One of `PLANES`, rows first. Raises ObjectRefused if the file ends before."""
        at = self.offset + PLANES.index(name) * self.plane_bytes
        if at + self.plane_bytes > path.stat().st_size:
            raise ObjectRefused(f"It ends within its plane {name}.")
        values = np.fromfile(path, dtype=np.uint8, count=self.plane_bytes, offset=at)
        return values.reshape(self.height_px, self.width_px).astype(np.float32)


def may_be_ff_bin(head: bytes, name: str) -> bool:
    """Whether a file that begins so and is called so is an FF file: its numbers say too little."""
    if not _NAME.fullmatch(PurePosixPath(name).name):
        return False
    try:
        header_of(head)
    except ObjectRefused:
        return False
    return True


def header_of(head: bytes) -> FfBin:
    """The header that a file begins with. Raises ObjectRefused if it is none."""
    if len(head) < _NEW.size:
        raise ObjectRefused("It is no FF file: it ends within its header.")
    first = _OLD.unpack_from(head)
    if first[0] == _VERSION:
        _, rows, columns, frames, begin, camera, _, _, rate = _NEW.unpack_from(head)
        found = FfBin(rows, columns, frames, begin, camera, rate / 1_000 or None, _NEW.size)
    else:
        rows, columns, bits, begin, camera = first
        frames = 1 << bits if bits <= _MOST_BITS else 0
        found = FfBin(rows, columns, frames, begin, camera, None, _OLD.size)
    sides = (found.height_px, found.width_px)
    if not all(0 < side <= _LONGEST_SIDE_PX for side in sides):
        raise ObjectRefused(
            f"It is no FF file: its images would have {sides[1]} by {sides[0]} pixels."
        )
    if not 0 < found.frame_count <= _MOST_FRAMES:
        raise ObjectRefused(f"It is no FF file: it would be of {found.frame_count:,} frames.")
    return found


def read_header(path: Path) -> FfBin:
    """The header of a file. Raises ObjectRefused if it has none."""
    with path.open("rb") as file:
        return header_of(file.read(_NEW.size))
