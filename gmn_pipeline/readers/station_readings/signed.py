"""Payloads under a signature: a line before them says by which key, when, and the signature.

    GMN1 <key id> <epoch in seconds> <HMAC-SHA256 in hexadecimal digits>
    {"timestamp": ...}

The signature is of the line without it, `GMN1 <key id> <epoch>`, a line feed, and the payload that
follows, so that neither key nor time can be exchanged.

What belongs here: the line, and whether it holds. What does not: where keys are
(`sources/station_keys.py`).
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gmn_pipeline.readers.station_readings.received import Cause, Received, Refused

_BEGIN = b"GMN1 "
_LINE = re.compile(rb"(GMN1 ([!-~]{1,64}) ([0-9]{1,12}(?:\.[0-9]{1,9})?)) ([0-9a-fA-F]{64})\r?\n")


@dataclass(frozen=True)
class Key:
    """A secret, and the stations that it may speak for (None: any)."""

    secret: bytes
    stations: frozenset[str] | None = None


@dataclass(frozen=True)
class Rules:
    """What is asked of signatures."""

    keys: Mapping[str, Key]
    signed_only: bool
    window_s: float


def opened(received: Iterable[Received], rules: Rules) -> tuple[list[Received], list[Refused]]:
    """The payloads without their signatures, and those whose signature does not hold."""
    good: list[Received] = []
    refused: list[Refused] = []
    for came in received:
        if not came.payload.startswith(_BEGIN):
            if rules.signed_only:
                refused.append(_refused(came, Cause.BAD_SIGNATURE, "it is not signed"))
            else:
                good.append(came)
            continue
        found = _opened(came, rules)
        if isinstance(found, Refused):
            refused.append(found)
        else:
            good.append(found)
    return good, refused


def _opened(came: Received, rules: Rules) -> Received | Refused:
    line = _LINE.match(came.payload)
    if line is None:
        why = "its first line is not GMN1, key id, epoch and signature"
        return _refused(came, Cause.BAD_SIGNATURE, why)
    key = rules.keys.get(line[2].decode("ascii"))
    payload = came.payload[line.end() :]
    secret = key.secret if key else b""
    is_good = hmac.compare_digest(
        hmac.new(secret, line[1] + b"\n" + payload, hashlib.sha256).digest(),
        bytes.fromhex(line[4].decode("ascii")),
    )
    if key is None or not is_good:
        # Not which of the two: that would tell which keys there are.
        return _refused(came, Cause.BAD_SIGNATURE, "its signature does not hold")
    away_s = float(line[3]) - came.received_at_us / 1e6
    if abs(away_s) > rules.window_s:
        why = f"it was signed {abs(away_s):.0f} s {'after' if away_s > 0 else 'before'} it came"
        return _refused(came, Cause.REPLAY, why)
    stations = key.stations if came.stations is None else came.stations
    if key.stations is not None and came.stations is not None:
        stations = came.stations & key.stations
    return came._replace(payload=payload, stations=stations)


def _refused(came: Received, cause: Cause, reason: str) -> Refused:
    return Refused(came.payload, came.sender, came.received_at_us, cause, reason)


def signature_line(key_id: str, secret: bytes, at_s: float, payload: bytes) -> bytes:
    """The line that goes before a payload, with its line feed."""
    begin = f"GMN1 {key_id} {at_s:.3f}".encode()
    digest = hmac.new(secret, begin + b"\n" + payload, hashlib.sha256).hexdigest()
    return begin + b" " + digest.encode() + b"\n"
