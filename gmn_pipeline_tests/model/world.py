"""What the warehouse must hold: the rules, in plain Python.

What belongs here: the rules by which files and messages decide what is known of a trajectory.
What does not: what there is to decide about (`said.py`), and how the pipeline does it. Nothing
here looks into the warehouse.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gmn_pipeline.readers.solar_longitude_bins import Bin
from gmn_pipeline_tests.model.said import (
    DAILY,
    HISTORY,
    INSERTED,
    LOADED,
    OLDER,
    REVISED,
    SUPERSEDED,
    UNCHANGED,
    WITHDRAWN,
    Counts,
    Former,
    Occurrence,
    Row,
    Speaker,
    State,
)


def _newest(occurrences: Sequence[Occurrence]) -> Occurrence:
    """The newest of one place: at equal generation the one that was loaded later."""
    return max(occurrences, key=lambda o: (o.speaker.generated_at, o.order))


def _first(placed: Mapping[Bin, Occurrence]) -> tuple[Bin, Occurrence]:
    """The newest of several places: at equal generation the one inside its bin, then the one of
    the earlier bin. Which was loaded first does not matter."""
    return min(
        sorted(placed.items()),
        key=lambda item: (
            -item[1].speaker.generated_at.timestamp(), item[1].row.is_outside(item[0]),
        ),
    )  # fmt: skip


def _named_place(o: Occurrence) -> Bin:
    assert o.speaker.bin is not None
    return o.speaker.bin


def _by_place(
    occurrences: Sequence[Occurrence], place: Callable[[Occurrence], Bin]
) -> dict[Bin, Occurrence]:
    """The newest occurrence at each place."""
    places: dict[Bin, list[Occurrence]] = defaultdict(list)
    for o in occurrences:
        places[place(o)].append(o)
    return {bin_: _newest(some) for bin_, some in places.items()}


class World:
    """All that was said, and what is known because of it."""

    def __init__(self) -> None:
        self.order = 0
        self.present: dict[str, State] = {}
        self.former: list[Former] = []
        self.winners: dict[str, Occurrence] = {}
        self.live: dict[str, list[Occurrence]] = defaultdict(list)
        self._said: list[Speaker] = []
        self._current: dict[Bin, Speaker] = {}

    # --- what is heard ---------------------------------------------------------------------------

    def hear(self, speakers: Sequence[Speaker]) -> list[Counts]:
        """Speakers of one transaction; what became of the rows of each."""
        self.order += 1
        counts = [Counts(self._outcome(s), len(s.rows)) for s in speakers]
        for speaker in speakers:
            if speaker.kind == DAILY and not self._newer_daily(speaker):
                assert speaker.bin is not None
                self._current[speaker.bin] = speaker
        told = {x for s in speakers for x in s.rows}
        before = dict(self.present)
        for x in sorted(told | set(before)):
            self._settle(x, speakers)
        for speaker, count in zip(speakers, counts, strict=True):
            for x, row in speaker.rows.items():
                fate = self._fate(speaker, count.outcome, row, before.get(x))
                setattr(count, fate, getattr(count, fate) + 1)
        for x in before.keys() - self.present.keys():
            ended = [at for at, s in enumerate(speakers) if self._may_end(s, before[x])]
            for at in ended:
                name = "withdrawn" if len(ended) == 1 else "maybe_withdrawn"
                setattr(counts[at], name, getattr(counts[at], name) + 1)
        self._said += speakers
        return counts

    @staticmethod
    def _may_end(speaker: Speaker, state: State) -> bool:
        """Whether a speaker denies a trajectory where it is, or may be."""
        places = {state.bin}
        if state.bin_computed and state.row.other_bin:
            places |= {state.row.computed_bin, state.row.other_bin}
        return any(speaker.denies(state.row, place) for place in places)

    def is_current(self, speaker: Speaker) -> bool:
        """Whether this very daily file is the newest of its bin."""
        current = self._current.get(speaker.bin) if speaker.bin else None
        return speaker.kind == DAILY and current is not None and current.source == speaker.source

    def knows(self, speaker: Speaker) -> bool:
        """Whether to hear it again would change nothing."""
        told = any(replace(s, beside=speaker.beside) == speaker for s in self._said)
        current = self._current.get(speaker.bin) if speaker.bin else None
        if speaker.kind != DAILY or current is None:
            return told
        is_older = current.generated_at > speaker.generated_at
        return told and (is_older or current.source == speaker.source)

    def _newer_daily(self, slice_: Speaker) -> bool:
        current = self._current.get(slice_.bin) if slice_.bin else None
        return current is not None and current.generated_at > slice_.generated_at

    def _outcome(self, slice_: Speaker) -> str:
        """A slice is older than loaded if a newer one covers it wholly."""
        within = any(
            s.kind == HISTORY == slice_.kind
            and s.generated_at > slice_.generated_at
            and s.begin <= slice_.begin
            and slice_.end <= s.end
            for s in self._said
        )
        return OLDER if within or self._newer_daily(slice_) else LOADED

    # --- what is known of one trajectory ---------------------------------------------------------

    def _settle(self, x: str, speakers: Sequence[Speaker]) -> None:
        """Which occurrences are alive after these speakers, and what follows from it."""
        before, known = self.present.get(x), self.live[x]
        coming = [Occurrence(s.rows[x], s, self.order) for s in speakers if x in s.rows]
        coming = [o for o in coming if not self._is_of_older_slice(o)]
        # Who names a place now: also one whose own bin just says that it is gone.
        naming = [o for o in (*known, *coming) if o.is_named and not self._is_denied_early(o)]
        where = self._place_of_unnamed(naming, before)

        def denying(o: Occurrence, speakers_: Sequence[Speaker]) -> list[Speaker]:
            if o.is_named or naming:
                place = o.speaker.bin if o.is_named else where
                assert place is not None
                return [s for s in speakers_ if s.denies(o.row, place)]
            return self._denying_unnamed(o, where or o.row.computed_bin, speakers_)

        newer = {
            o: [s for s in speakers if s.generated_at >= o.speaker.generated_at] for o in known
        }
        alive = [o for o in known if not self._is_of_older_slice(o) and not denying(o, newer[o])]
        doubtful = []
        for o in coming:
            deniers = denying(o, self._newer(o, speakers))
            if not deniers:
                alive.append(o)
            elif all(s.kind == HISTORY for s in deniers):
                doubtful.append(o)
        # Whether the history file had it nobody knows any more: what is there, it is taken to have.
        if known or alive:
            alive += doubtful
        self.live[x] = alive
        causes = frozenset(
            s.source for s in speakers
            if x in s.rows or (before and self._may_end(s, before))
        )  # fmt: skip
        self._become(x, before, alive, causes)

    def _denying_unnamed(
        self, o: Occurrence, place: Bin, speakers: Sequence[Speaker]
    ) -> list[Speaker]:
        """Who of some newer speakers denies what no daily file has named a bin of. Near a limit it
        may belong to either bin: there the newest daily files of both have to lack it."""
        either = {o.row.computed_bin, o.row.other_bin}
        if o.row.other_bin is None or place not in either:
            return [s for s in speakers if s.denies(o.row, place)]
        others = [s for s in speakers if s.kind != DAILY and s.denies(o.row, place)]
        daily = [s for s in speakers if any(b and s.denies(o.row, b) for b in either)
                 and s.kind == DAILY]  # fmt: skip
        newest = [self._current.get(b) for b in either if b]
        as_new = [
            s for s in newest
            if s and o.row.trajectory not in s.rows
            and (s.generated_at > o.speaker.generated_at
                 or (s.generated_at == o.speaker.generated_at and s in speakers))
        ]  # fmt: skip
        return others + (daily if len(as_new) == len(newest) else [])

    def _is_of_older_slice(self, o: Occurrence) -> bool:
        """Only the newest slice of a daily bin is current."""
        if o.speaker.kind != DAILY:
            return False
        assert o.speaker.bin is not None
        return self._current[o.speaker.bin] is not o.speaker

    def _is_denied_early(self, o: Occurrence) -> bool:
        """Whether it came in with this load and is out of date already."""
        return o.order == self.order and any(
            s.generated_at > o.speaker.generated_at
            and s.kind != HISTORY
            and s.denies(o.row, o.speaker.bin or o.row.computed_bin)
            for s in self._said
        )

    def _newer(self, o: Occurrence, speakers: Sequence[Speaker]) -> list[Speaker]:
        everybody = [*self._said, *speakers]
        return [s for s in everybody if s.generated_at > o.speaker.generated_at]

    @staticmethod
    def _place_of_unnamed(naming: Sequence[Occurrence], before: State | None) -> Bin | None:
        if naming:
            return _first(_by_place(naming, _named_place))[0]
        return before.bin if before else None

    def _become(
        self, x: str, before: State | None, alive: Sequence[Occurrence], causes: frozenset[str]
    ) -> None:
        if not alive:
            self.winners.pop(x, None)
            if before:
                del self.present[x]
                self.former.append(Former(before, WITHDRAWN, self.order, causes))
            return
        named = [o for o in alive if o.is_named]
        where = self._place_of_unnamed(named, before)

        def place(o: Occurrence) -> Bin:
            return (o.speaker.bin if o.is_named else where) or o.row.computed_bin

        bin_, winner = _first(_by_place(alive, place))
        self.winners[x] = winner
        naming = winner
        if named and not winner.is_named:
            naming = _first(_by_place(named, _named_place))[1]
        label = (bin_, not named, naming.row.is_outside(bin_))
        if before and before.row.content == winner.row.content:
            moved = before.moved_by
            if (before.bin, before.bin_computed, before.outside_bin) != label:
                moved |= causes | {naming.speaker.source, winner.speaker.source}
            self.present[x] = State(
                before.row, *label, before.source, before.generated_at, before.revision,
                before.since, moved,
            )  # fmt: skip
            return
        former = [f.state.revision for f in self.former if f.state.row.trajectory == x]
        revision = 1 + max([*former, before.revision if before else 0])
        if before:
            causes |= {winner.speaker.source}
            self.former.append(Former(before, REVISED, self.order, causes))
        self.present[x] = State(
            winner.row, *label, winner.speaker.source, winner.speaker.generated_at, revision,
            self.order,
        )  # fmt: skip

    def _fate(self, speaker: Speaker, outcome: str, row: Row, before: State | None) -> str:
        after = self.present.get(row.trajectory)
        if after is None or after.row.content != row.content:
            return SUPERSEDED
        if outcome == OLDER and not self._changed_by(speaker, row, before):
            return SUPERSEDED
        if before and before.row.content == row.content:
            return UNCHANGED
        if self.winners[row.trajectory].speaker is not speaker:
            return UNCHANGED
        return REVISED if before else INSERTED

    def _changed_by(self, speaker: Speaker, row: Row, before: State | None) -> bool:
        is_new = before is None or before.row.content != row.content
        return is_new and self.winners[row.trajectory].speaker is speaker

    # --- answers ---------------------------------------------------------------------------------

    def claims(self) -> set[tuple[str, Bin]]:
        """Live named occurrences at other places than where their trajectory is shown."""
        return {
            (x, o.speaker.bin)
            for x, state in self.present.items() for o in self.live[x]
            if o.is_named and o.speaker.bin and o.speaker.bin != state.bin
        }  # fmt: skip
