"""FITS: headers and images.

What belongs here: bytes into cards and arrays, by the standard (FITS 4.0). What does not: tables,
compressed images, and what the cards of a camera mean (`processing/`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gmn_pipeline.errors import ObjectRefused

Card: TypeAlias = bool | int | float | str
_BLOCK, _CARD = 2_880, 80
_MOST_BLOCKS, _MOST_UNITS = 1_000, 1_000
_MOST_AXES, _LONGEST_SIDE = 999, 1 << 62
_GREATEST = float(np.finfo(np.float32).max)
_TYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


@dataclass(frozen=True)
class Unit:
    """A header with its data: cards by keyword, and where the data are."""

    cards: dict[str, Card]
    path: Path
    offset: int

    @property
    def name(self) -> str:
        """EXTNAME, or empty."""
        return str(self.cards.get("EXTNAME", ""))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an image, rows first; empty if there is none."""
        if self.cards.get("XTENSION", "IMAGE") != "IMAGE":
            return ()
        axes = self._whole("NAXIS", 0, _MOST_AXES)
        return tuple(self._whole(f"NAXIS{n}", 0) for n in range(axes, 0, -1))

    @property
    def size_bytes(self) -> int:
        """Of the data, without what fills the last block."""
        axes = self._whole("NAXIS", 0, _MOST_AXES)
        if not axes:
            return 0
        count = math.prod(self._whole(f"NAXIS{n}", 0) for n in range(1, axes + 1))
        values, groups = self._whole("PCOUNT", 0), self._whole("GCOUNT", 1)
        return abs(self._bits) // 8 * groups * (values + count)

    def image(self) -> NDArray[np.float32]:
        """The values, scaled as the header says. Raises ObjectRefused if they are not there."""
        kind = _TYPES.get(self._bits)
        count = math.prod(self.shape)
        if kind is None or not count:
            raise ObjectRefused(f"It has no image of a known type (BITPIX {self.cards['BITPIX']}).")
        there = max(0, (self.path.stat().st_size - self.offset) // np.dtype(kind).itemsize)
        if there < count:
            raise ObjectRefused(f"It ends after {there:,} of {count:,} values of an image.")
        values = np.fromfile(self.path, dtype=kind, count=count, offset=self.offset)
        scaled = values.reshape(self.shape).astype(np.float32)
        scale, zero = self._number("BSCALE", 1), self._number("BZERO", 0)
        return scaled if (scale, zero) == (1, 0) else scaled * np.float32(scale) + np.float32(zero)

    @property
    def _bits(self) -> int:
        if "BITPIX" not in self.cards:
            raise ObjectRefused("A header of it lacks 'BITPIX'.")
        found = self.cards["BITPIX"]
        if not isinstance(found, int):
            raise self._refused("BITPIX")
        return found

    def _whole(self, keyword: str, otherwise: int, most: int = _LONGEST_SIDE) -> int:
        """A count that the header says. Raises ObjectRefused for what is none."""
        found = self.cards.get(keyword, otherwise)
        if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= most:
            raise self._refused(keyword)
        return found

    def _number(self, keyword: str, otherwise: float) -> float:
        found = self.cards.get(keyword, otherwise)
        if not isinstance(found, int | float) or not math.isfinite(found) or abs(found) > _GREATEST:
            raise self._refused(keyword)
        return float(found)

    def _refused(self, keyword: str) -> ObjectRefused:
        return ObjectRefused(f"A header of it says {keyword} = {str(self.cards[keyword])[:30]!r}.")


def units(path: Path) -> list[Unit]:
    """All units of a file. Raises ObjectRefused if it is not FITS, or ends within a header."""
    size = path.stat().st_size
    found: list[Unit] = []
    with path.open("rb") as file:
        at = 0
        while at < size and len(found) < _MOST_UNITS:
            file.seek(at)
            cards = dict(_cards(file))
            if not found and "SIMPLE" not in cards:
                raise ObjectRefused("It is no FITS file: it does not begin with SIMPLE.")
            if not cards:
                break
            unit = Unit(cards, path, file.tell())
            found.append(unit)
            at = unit.offset + -(-unit.size_bytes // _BLOCK) * _BLOCK
    return found


def _cards(file: IO[bytes]) -> Iterator[tuple[str, Card]]:
    for _ in range(_MOST_BLOCKS):
        block = file.read(_BLOCK)
        if len(block) < _BLOCK:
            if not block:
                return
            raise ObjectRefused("It ends within a header.")
        for at in range(0, _BLOCK, _CARD):
            card = block[at : at + _CARD].decode("ascii", "replace")
            keyword = card[:8].rstrip()
            if keyword == "END":
                return
            if card[8:10] == "= ":
                yield keyword, _value(card[10:])
    raise ObjectRefused("A header of it does not end.")


def _value(text: str) -> Card:
    text = text.strip()
    if text.startswith("'"):
        end = text.find("'", 1)
        while 0 < end < len(text) - 1 and text[end + 1] == "'":
            end = text.find("'", end + 2)
        return text[1 : end if end > 0 else None].replace("''", "'").rstrip()
    text = text.split("/")[0].strip()
    if text in ("T", "F"):
        return text == "T"
    for kind in (int, float):
        try:
            return kind(text.replace("D", "E"))
        except ValueError:
            continue
    return text
