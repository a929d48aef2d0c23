"""What a stream is: which topic goes into which lake, and what its messages mean there.

What belongs here: what the reader of any topic has to be given. What does not: the streams
themselves (`trajectories.py`, `station_readings.py`), and reading (`consumer.py`, `service.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from gmn_pipeline.kafka.dead_letters import DeadLetter, send_dead_letters
from gmn_pipeline.kafka.schema_registry import SchemaRegistry
from gmn_pipeline.kafka.topics import TopicState
from gmn_pipeline.schemas.offsets import OffsetRange, StoredOffset
from gmn_pipeline.schemas.topics import Topic
from gmn_pipeline.settings import KafkaSettings, TopicSettings
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import Lake
from gmn_pipeline.warehouse.offsets import forget_offsets, stored_offsets
from gmn_pipeline.warehouse.stream_session import stream_session

C = TypeVar("C", bound="Counts")


class Batch(Protocol):
    """What was read of ranges, decoded."""

    @property
    def ranges(self) -> Sequence[OffsetRange]:
        """The offsets that were read."""


class Counts(Protocol):
    """What became of messages; the parts add up to `read`."""

    read: int

    def add(self: C, other: C) -> None:
        """Count another batch's messages too."""

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""


class Beside(Protocol):
    """What a service does between its merges, so that the lake stays quick."""

    def look(self, *, is_last: bool = False) -> None:
        """Do what is due; `is_last`: whatever is left to do, since nothing comes after."""


class Nothing:
    """There is nothing to do."""

    def look(self, *, is_last: bool = False) -> None:
        """See Beside."""


@dataclass(frozen=True)
class Place:
    """Where what comes goes, with the offsets beside it: `session` is held as long as is worked
    there, the offsets are of a topic by its name."""

    open: Callable[[TopicSettings], Any]
    session: Callable[[Any], AbstractContextManager[None]]
    stored_offsets: Callable[[Any, str], Mapping[int, StoredOffset]]
    forget_offsets: Callable[[Any, str], None]


def in_lake(lake: Lake) -> Place:
    """A lake of DuckLake's."""
    return Place(
        lambda settings: WarehouseConnection(settings, lake),
        stream_session, stored_offsets, forget_offsets,
    )  # fmt: skip


def merging(
    topic: Callable[[KafkaSettings], Topic], merge: Callable[[Any, Any], Any]
) -> Callable[[TopicSettings, Any, Any, Sequence[DeadLetter]], Any]:
    """How a batch is taken in of which decoding has told all that is refused."""

    def ingest(settings: TopicSettings, target: Any, batch: Any, dead: Sequence[DeadLetter]) -> Any:
        send_dead_letters(settings, topic(settings), dead)
        return merge(target, batch)

    return ingest


@dataclass(frozen=True)
class Stream:
    """One topic's way into a lake.

    `name` is its dataset's, `command` is what takes it in without Dagster, `lock` is the file that
    its only reader holds. `most` and `gather_s` say how many messages are merged at once and how
    long a service gathers them. `ingest` sends dead letters to their topic, and then brings a batch
    in, in one transaction with the next offsets and the notes of dead letters.
    """

    name: str
    command: str
    lock: str
    place: Place
    topic: Callable[[KafkaSettings], Topic]
    decode: Callable[
        [Sequence[Any], TopicState, Sequence[OffsetRange], SchemaRegistry | None, str | None],
        tuple[Any, list[DeadLetter]],
    ]
    ingest: Callable[[TopicSettings, Any, Any, Sequence[DeadLetter]], Any]
    no_counts: Callable[[], Any]
    most: Callable[[TopicSettings], int]
    gather_s: Callable[[TopicSettings], float]
    beside: Callable[[TopicSettings, Any], Beside] = lambda *_: Nothing()
