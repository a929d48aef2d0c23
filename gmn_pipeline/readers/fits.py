"""FITS: headers and images.

What belongs here: bytes into cards and arrays, by the standard (FITS 4.0). What does not: tables,
compressed images, and what the cards of a camera mean (`processing/`).
"""

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
        axes = int(self.cards.get("NAXIS", 0))
        return tuple(int(self.cards.get(f"NAXIS{n}", 0)) for n in range(axes, 0, -1))

    @property
    def size_bytes(self) -> int:
        """Of the data, without what fills the last block."""
        axes = int(self.cards.get("NAXIS", 0))
        if not axes:
            return 0
        values = int(self.cards.get("PCOUNT", 0))
        count = 1
        for n in range(1, axes + 1):
            count *= int(self.cards.get(f"NAXIS{n}", 0))
        groups = int(self.cards.get("GCOUNT", 1))
        return abs(int(self.cards["BITPIX"])) // 8 * groups * (values + count)

    def image(self) -> NDArray[np.float32]:
        """The values, scaled as the header says. Raises ObjectRefused if they are not there."""
        kind = _TYPES.get(int(self.cards["BITPIX"]))
        count = int(np.prod(self.shape))
        if kind is None or not count:
            raise ObjectRefused(f"It has no image of a known type (BITPIX {self.cards['BITPIX']}).")
        values = np.fromfile(self.path, dtype=kind, count=count, offset=self.offset)
        if len(values) < count:
            raise ObjectRefused(f"It ends after {len(values):,} of {count:,} values of an image.")
        scaled = values.reshape(self.shape).astype(np.float32)
        scale, zero = float(self.cards.get("BSCALE", 1)), float(self.cards.get("BZERO", 0))
        return scaled if (scale, zero) == (1, 0) else scaled * np.float32(scale) + np.float32(zero)


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
            try:
                at = unit.offset + -(-unit.size_bytes // _BLOCK) * _BLOCK
            except (KeyError, ValueError) as error:
                raise ObjectRefused(f"A header of it lacks {error}.") from error
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
