"""Places on a topic, as who reads it, the warehouse and Dagster name them alike."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OffsetRange:
    """Offsets of a partition, from `begin` to before `end`."""

    partition: int
    begin: int
    end: int

    @property
    def length(self) -> int:
        """How many offsets, 0 if it ends before it begins; of messages there may be fewer."""
        return max(self.end - self.begin, 0)


@dataclass(frozen=True)
class StoredOffset:
    """Up to where a partition is in the warehouse."""

    topic_id: str
    next_offset: int
