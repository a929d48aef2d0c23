"""Which bodies are well-formed records, found for all of them at once.

`polars-avro` may loop for ever on bytes that are no record, and joined bodies could lend bytes to
each other. So every body is walked before it reaches it: all bodies together, field by field. A
body that is not walked to exactly its end is for fastavro to read, or to say why not.

What belongs here: the shape of bytes. What does not: values (`codec.py`).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gmn_pipeline.schemas.fields import Kind
from gmn_pipeline.schemas.message_schema import MessageField

Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# The walk steps over the items of all lists together; longer lists are read one by one.
_MOST_ITEMS = 1024
_LONGEST_VARINT = 10
# So many bodies fit into a processor's cache: twice as fast as all at once.
_AT_ONCE = 2048
_NULL, _VALUE = 0, 2
_INT32 = np.int64(2**31)


def wellformed(bodies: Sequence[bytes], fields: Sequence[MessageField]) -> Mask:
    """Of each body whether it is one record of these optional fields, and nothing after it."""
    kinds = [field.kind for field in fields]
    found = [
        _walked(bodies[begin : begin + _AT_ONCE], kinds)
        for begin in range(0, len(bodies), _AT_ONCE)
    ]
    return np.concatenate(found) if found else np.zeros(0, np.bool_)


def _walked(bodies: Sequence[bytes], kinds: Sequence[Kind]) -> Mask:
    walk = _Walk(bodies)
    for kind in kinds:
        walk.field(kind)
    whole: Mask = walk.ok & (walk.at == walk.end)
    return whole


class _Walk:
    """Where each body is read up to, and whether it is well-formed up to there."""

    def __init__(self, bodies: Sequence[bytes]) -> None:
        sizes = np.fromiter((len(body) for body in bodies), np.int64, len(bodies))
        self.end: Positions = np.cumsum(sizes)
        self.at: Positions = self.end - sizes
        self.ok: Mask = np.ones(len(bodies), np.bool_)
        # Room for what a varint at the very end would read beyond it.
        self._bytes = np.frombuffer(b"".join([*bodies, bytes(16)]), np.uint8)

    def field(self, kind: Kind) -> None:
        """Step over one optional field."""
        self._optional(self._all(), kind)

    def _all(self) -> Positions:
        return np.flatnonzero(self.ok)

    def _optional(self, which: Positions, kind: Kind) -> None:
        """Step over a union of null and a value, for the bodies named."""
        tag = self._bytes[self.at[which]]
        self._refuse(which[(tag != _NULL) & (tag != _VALUE)])
        self._advance(which, 1)
        self._value(which[(tag == _VALUE) & self.ok[which]], kind)

    def _value(self, which: Positions, kind: Kind) -> None:
        if not which.size:
            return
        if kind is Kind.NUMBER:
            self._advance(which, 8)
        elif kind is Kind.BOOLEAN:
            self._refuse(which[self._bytes[self.at[which]] > 1])
            self._advance(which, 1)
        elif kind in (Kind.TEXT, Kind.BYTES):
            self._text(which)
        elif kind is Kind.TEXT_LIST:
            self._list(which)
        else:
            value = self._varint(which)
            if kind is Kind.DATE:
                self._refuse(which[(value < -_INT32) | (value >= _INT32)])

    def _text(self, which: Positions) -> None:
        size = self._varint(which)
        fits = (size >= 0) & (size <= self.end[which] - self.at[which])
        self._refuse(which[~fits])
        self._advance(which[fits], size[fits])

    def _list(self, which: Positions) -> None:
        """Blocks of items until an empty one; other forms of a block are left to fastavro."""
        while which.size:
            left = self._varint(which)
            self._refuse(which[(left < 0) | (left > _MOST_ITEMS)])
            more = self.ok[which] & (left > 0)
            which, left = which[more], left[more]
            pending, count = which, left
            while pending.size:
                self._optional(pending, Kind.TEXT)
                count = count - 1
                going_on = (count > 0) & self.ok[pending]
                pending, count = pending[going_on], count[going_on]
            which = which[self.ok[which]]

    def _varint(self, which: Positions) -> Positions:
        """Step over a number, and return it."""
        value = np.zeros(which.size, np.uint64)
        at = self.at[which]
        reading = np.ones(which.size, np.bool_)
        for group in range(_LONGEST_VARINT):
            byte = self._bytes[np.minimum(at, self._bytes.size - 1)]
            bits = (byte & 0x7F).astype(np.uint64) << np.uint64(7 * group)
            value |= np.where(reading, bits, np.uint64(0))
            at = at + reading
            if group == _LONGEST_VARINT - 1:
                # The tenth group has room for one bit of 64.
                self._refuse(which[reading & (byte > 1)])
            reading = reading & (byte >= 0x80)
            if not reading.any():
                break
        self._refuse(which[reading | (at > self.end[which])])
        self.at[which] = np.minimum(at, self.end[which])
        sign = -(value & np.uint64(1)).astype(np.int64)
        return (value >> np.uint64(1)).astype(np.int64) ^ sign

    def _advance(self, which: Positions, step: Positions | int) -> None:
        at = self.at[which] + step
        self._refuse(which[at > self.end[which]])
        self.at[which] = np.minimum(at, self.end[which])

    def _refuse(self, which: Positions) -> None:
        if which.size:
            self.ok[which] = False
