"""What is said of trajectories, and what is known: the words of the model.

What belongs here: rows, speakers, what follows from them. What does not: the rules (`world.py`).

A *speaker* (a slice of a file, a message, a tombstone) says at its generation what is there and
what is not. An *occurrence* is a trajectory in a speaker that has content of it. The newest live
occurrence is what the warehouse shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gmn_pipeline.readers.solar_longitude_bins import Bin

DAILY, HISTORY, MESSAGE, TOMBSTONE = "daily", "history", "message", "tombstone"
INSERTED, REVISED, UNCHANGED = "inserted", "revised", "unchanged"
SUPERSEDED, WITHDRAWN = "superseded", "withdrawn"
LOADED, OLDER = "loaded", "older_than_loaded"
_OUTSIDE_BIN_DEG = 0.55  # from the middle of a bin


@dataclass(frozen=True)
class Row:
    """A solution of a trajectory as a file or a message has it. `time` is that of the identifier,
    unless the beginning is more than 2 s from it: then that of the beginning. `other_bin` is the
    neighbour of the computed bin, where the limit between them is too near to be sure."""

    trajectory: str
    content: str
    time: datetime
    computed_bin: Bin
    solar_longitude_deg: float
    stations: tuple[str, ...]
    other_bin: Bin | None = None

    def is_outside(self, bin_: Bin) -> bool:
        middle = bin_.solar_longitude_deg + 0.5
        return abs((self.solar_longitude_deg - middle + 180) % 360 - 180) > _OUTSIDE_BIN_DEG


@dataclass(frozen=True)
class Speaker:
    """What one source says. `bin` is named by a daily file or a message, if that has one, and
    computed for a slice of a history file, which speaks of the times in [`begin`, `end`)."""

    kind: str
    source: str
    generated_at: datetime
    rows: Mapping[str, Row] = field(default_factory=dict)
    bin: Bin | None = None
    begin: datetime = datetime.min
    end: datetime = datetime.max
    trajectory: str | None = None
    beside: frozenset[str] = frozenset()
    """What other slices of the same file have: a new solution may lie in the next bin."""

    @property
    def names_bin(self) -> bool:
        return self.kind in (DAILY, MESSAGE) and self.bin is not None

    def denies(self, row: Row, place: Bin) -> bool:
        """Whether it speaks of a trajectory at a place, and does not have it."""
        if row.trajectory in self.rows or row.trajectory in self.beside:
            return False
        if self.kind == DAILY:
            return place == self.bin
        if self.kind == HISTORY:
            return self.begin <= row.time < self.end
        return self.kind == TOMBSTONE and row.trajectory == self.trajectory


@dataclass(frozen=True, eq=False)
class Occurrence:
    """A trajectory in a speaker; `order` counts loads: what is loaded together is equal."""

    row: Row
    speaker: Speaker
    order: int

    @property
    def is_named(self) -> bool:
        return self.speaker.names_bin


@dataclass(frozen=True)
class State:
    """A row of `trajectories`. `source` and `generated_at` tell where its content came from when
    it came; `moved_by` which sources have moved it since."""

    row: Row
    bin: Bin
    bin_computed: bool
    outside_bin: bool
    source: str
    generated_at: datetime
    revision: int
    since: int
    moved_by: frozenset[str] = frozenset()

    def told(self) -> str:
        """In short, for a person."""
        computed = " (computed)" if self.bin_computed else ""
        return (f"{self.row.content} in {self.bin.solar_longitude_deg}{computed} of "
                f"{self.generated_at}, revision {self.revision}")  # fmt: skip


@dataclass(frozen=True)
class Former:
    """A row of `trajectory_revisions`: a state that ended with load `until`, and who can be named
    as the cause."""

    state: State
    change: str
    until: int
    causes: frozenset[str]


@dataclass
class Counts:
    """What became of the rows of a slice."""

    outcome: str = LOADED
    accepted: int = 0
    inserted: int = 0
    revised: int = 0
    unchanged: int = 0
    superseded: int = 0
    withdrawn: int = 0
    maybe_withdrawn: int = 0
    """Near a limit of bins several speakers of one load can be who ended it: one of them counts."""
