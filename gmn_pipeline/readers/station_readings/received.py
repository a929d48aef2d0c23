"""What came from a sender, and what is refused of it.

What belongs here: the two, and the causes. What does not: formats.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import polars as pl


class Cause(StrEnum):
    """Why something that came is not on the topic."""

    UNREADABLE = "unreadable"
    OUT_OF_LIMITS = "out_of_limits"
    WRONG_CLOCK = "wrong_clock"
    BAD_SIGNATURE = "bad_signature"
    REPLAY = "replay"
    NOT_ITS_STATION = "not_its_station"


class Transport(StrEnum):
    """How a reading came."""

    UDP = "udp"
    MQTT = "mqtt"
    LINE_PROTOCOL = "line_protocol"
    DATABASE = "database"
    HTTP = "http"
    OBJECT = "object"


class Received(NamedTuple):
    """A payload as it came: a datagram, or a message.

    `stations` are those that its sender may speak for, where the way it came or its signature says
    it; if it is one, that is the station of records which name none.
    """

    payload: bytes
    sender: str
    received_at_us: int
    stations: frozenset[str] | None = None


class Refused(NamedTuple):
    """A record, or a payload whose records cannot be told apart, and why it is not a reading."""

    payload: bytes
    sender: str
    received_at_us: int
    cause: Cause
    reason: str


class NotAReading(Exception):
    """A record says something that a reading cannot; the text says what."""

    def __init__(self, reason: str, cause: Cause = Cause.UNREADABLE) -> None:
        super().__init__(reason)
        self.cause = cause


@dataclass(frozen=True)
class ReadBatch:
    """What was read: rows of the fields that are sent, and what is none of them."""

    rows: pl.DataFrame
    refused: list[Refused]

    @property
    def records(self) -> int:
        """How many records came, readings or not."""
        return self.rows.height + len(self.refused)
