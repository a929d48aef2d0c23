"""Do what a source, a topic and an operator can do, and compare with the world after each step.

What belongs here: the actions, on a real data folder, and the comparison. What does not: the rules
(`world.py`), random sequences (`actions.py`).
"""

import re
import shutil
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.kafka.topics import TopicState
from gmn_pipeline.releases.snapshot import make_snapshot
from gmn_pipeline.schemas.offsets import OffsetRange
from gmn_pipeline.settings import load_settings
from gmn_pipeline.streams.trajectories import decode_batch
from gmn_pipeline.warehouse import ddl
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.trajectories.files import Warehouse
from gmn_pipeline.warehouse.trajectories.messages import merge_messages
from gmn_pipeline_tests.model import lake as lakes
from gmn_pipeline_tests.model import plain
from gmn_pipeline_tests.model.comparison import (
    Comparison,
    file_key,
    slice_key,
    unlike_counts,
    unlike_links,
    unlike_report,
)
from gmn_pipeline_tests.model.killed import load_killed
from gmn_pipeline_tests.model.lake import Lake
from gmn_pipeline_tests.model.records import TOPIC, TOPIC_ID, record, speaker
from gmn_pipeline_tests.model.said import Counts, Speaker
from gmn_pipeline_tests.model.source import (
    DAYS,
    HISTORY_PATHS,
    TIMED,
    File,
    Source,
    daily_path,
)
from gmn_pipeline_tests.model.world import World
from gmn_pipeline_tests.support.warehouse import maintain

_MOST_TOLD = 12
_EVERY = 8  # steps between looks at statistics and former states


class Discrepancy(AssertionError):
    """The warehouse is not what the world says. `kind` is the first thing that differs: table and
    column, without which row it is."""

    def __init__(self, differences: Sequence[str]) -> None:
        super().__init__("\n".join(differences[:_MOST_TOLD]))
        self.kind = re.split(r" (?:of|is|are)\b|[\[(\d]", differences[0])[0].strip()


class Checker:
    """A source, a warehouse and the world; every action is a method."""

    def __init__(
        self,
        folder: Path,
        *,
        every: int = _EVERY,
        ignored: Collection[str] = (),
        plain: bool = False,
    ) -> None:
        self.source = Source(folder / "site")
        given = {"source_url": str(self.source.folder), "data_dir": folder / "data"}
        self.settings = load_settings().model_copy(update=given)
        self.world = World()
        self.steps = 0
        self._every = every
        self._ignored = ignored
        self._plain = plain
        self._seen_files = 0
        self._offset = 0
        self._comparison = Comparison(self.world)
        self._stack = ExitStack()

    def __enter__(self) -> "Checker":
        session = lakes.plain_session if self._plain else lakes.one_session
        self._stack.enter_context(session(self.settings))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # --- the source ------------------------------------------------------------------------------

    def daily(self, degree: int, generation: int, **solutions: int) -> None:
        """A daily file is put in place."""
        self.source.put(daily_path(TIMED[degree].bin), File(generation, solutions))

    def history(self, covers: str, generation: int, **solutions: int) -> None:
        """A monthly, yearly or all-file is put in place."""
        self.source.put(HISTORY_PATHS[covers], File(generation, solutions))

    def same_bytes(self, degree: int, as_degree: int) -> None:
        """The bytes of a daily file stand under the name of another bin too."""
        file = self.source.files.get(daily_path(TIMED[degree].bin))
        if file:
            self.source.put(daily_path(TIMED[as_degree].bin), file)

    def alias(self, degree: int) -> None:
        """The source copies a daily file to `latest` and `yesterday`."""
        file = self.source.files.get(daily_path(TIMED[degree].bin))
        for name in ("latest_daily", "yesterday"):
            if file:
                self.source.put(f"daily/traj_summary_{name}.txt", file)

    def gone(self, what: int | str) -> None:
        """A file is there no more."""
        named = daily_path(TIMED[what].bin) if isinstance(what, int) else HISTORY_PATHS[what]
        self.source.remove(named)

    # --- the warehouse from its first day -------------------------------------------------------

    def files_from(self, rows: int) -> None:
        """Make the warehouse so that commits of so many rows go to files, not to its catalogue."""
        assert self.steps == 0, "the warehouse is made already"
        self._stack.close()
        shutil.rmtree(self.settings.data_dir)
        with patch.object(ddl, "_INLINED_ROWS", rows - 1):
            Warehouse(self.settings).create()
        self._stack.enter_context(lakes.one_session(self.settings))

    # --- the operator ----------------------------------------------------------------------------

    def load(self, history: str = "daily", days: Sequence[int] = (0, 1, 2, 3)) -> None:
        """Days (by their place among DAYS) are taken from the source to the warehouse."""
        wanted = [DAYS[at] for at in days if at < len(DAYS)]
        told = self.source.speakers(history, wanted)
        if not told:
            return
        if self._plain:
            plain.load(self.settings, [s for s in told if not self.world.is_current(s)])
            self._compare_loaded(told)
            return
        report = load_days(wanted, self.settings.model_copy(update={"history": history}))
        wrong = [f"failed: {day.day} {day.error}" for day in report.failed]
        lake = self._read()
        new = self._new_files(lake)
        expected = self._hear_files(told, new, wrong)
        wrong += unlike_report(report, told, new, wrong)
        self._compare(lake, wrong + expected)

    def _compare_loaded(self, told: list[Speaker]) -> None:
        """Let the world hear what was loaded of what is told, and compare."""
        lake = self._read()
        wrong: list[str] = []
        wrong += self._hear_files(told, self._new_files(lake), wrong)
        self._compare(lake, wrong)

    def kill(self, history: str, part: str, nth: int) -> None:
        """A load of all days is killed after the n-th call of a function."""
        told = self.source.speakers(history, DAYS)
        if not told:
            return
        load_killed(self.settings.model_copy(update={"history": history}), DAYS, part, nth)
        lake = self._read()
        wrong: list[str] = []
        missing = self._hear_files(told, self._new_files(lake), wrong)
        wrong += [why for why in missing if not why.endswith("was not loaded")]
        self._compare(lake, wrong)

    def maintain(self) -> None:
        """Maintenance of the night."""
        Warehouse(self.settings).create()
        maintain(self.settings)
        self._compare(self._read(), [], thorough=True)

    def flush(self) -> None:
        """Rows of small commits are written into files."""
        Warehouse(self.settings).create()
        with WarehouseConnection(self.settings).writing() as connection:
            connection.execute("CALL ducklake_flush_inlined_data('warehouse')")
        self._compare(self._read(), [], thorough=True)

    def snapshot(self) -> None:
        """The analysts' file is made."""
        make_snapshot(self.settings)
        lake = self._read()
        wrong = [f"snapshot: {why}" for why in lakes.unlike_the_snapshot(self.settings, lake)]
        self._compare(lake, wrong)

    # --- the topic -------------------------------------------------------------------------------

    def messages(self, *messages: tuple[Any, ...]) -> None:
        """Somebody else's messages: (name, solution, generation, degree); no degree: without a
        bin; no solution: a tombstone."""
        begin, records, told = self._offset, [], []
        for given in messages:
            message = (self._offset, *given)
            records.append(record(*message))
            told.append(speaker(*message))
            self._offset += 1
        ranges = [OffsetRange(0, begin, self._offset)]
        state = TopicState(TOPIC, TOPIC_ID, "cluster", {0: 0}, {0: self._offset})
        Warehouse(self.settings).create()
        batch, dead = decode_batch(records, state, ranges, None)
        assert not dead, dead
        merged = merge_messages(WarehouseConnection(self.settings), batch)
        lake = self._read()
        before, revised = len(self.world.present), _revised(self.world)
        counts = Counts()
        now = self._moment_of_merge(lake)
        for one in told:  # one after the other, as if each had come alone
            self._comparison.times.append(now)
            [count] = self.world.hear([one])
            for fate in ("inserted", "revised", "withdrawn"):
                setattr(counts, fate, getattr(counts, fate) + getattr(count, fate))
        wrong = []
        true = (counts.inserted, counts.withdrawn)
        if (merged.inserted, merged.withdrawn) != true:
            wrong.append(f"counts: merged {merged.as_dict()}, not inserted, withdrawn {true}")
        if before + counts.inserted - counts.withdrawn != len(self.world.present):
            wrong.append("model: its own counts do not add up")
        if merged.revised > _revised(self.world) - revised:
            wrong.append(f"counts: merged {merged.as_dict()}, revised {counts.revised}")
        self._compare(lake, wrong)

    def _moment_of_merge(self, lake: Lake) -> datetime:
        """When a merge of messages changed rows, if it did."""
        told = [r["valid_from_utc"] for r in (*lake.trajectories, *lake.trajectory_revisions)]
        told += [r["valid_until_utc"] for r in lake.trajectory_revisions]
        last = self._comparison.remembered[-1][0] if self._comparison.remembered else datetime.min
        return max([t for t in told if t > last], default=last)

    # --- hearing ---------------------------------------------------------------------------------

    def _read(self) -> Lake:
        return lakes.read(self.settings)

    def _new_files(self, lake: Lake) -> list[dict[str, Any]]:
        """Rows of `source_files` since the last step, in the order of loading."""
        files = sorted(lake.source_files, key=lambda f: f["loaded_at_utc"])
        new, self._seen_files = files[self._seen_files :], len(files)
        return new

    def _hear_files(
        self, told: list[Speaker], new: list[dict[str, Any]], wrong: list[str]
    ) -> list[str]:
        """Let the world hear the slices in the order in which the warehouse did."""
        waiting = {slice_key(s): s for s in told}
        for now in sorted({f["loaded_at_utc"] for f in new}):
            some = [f for f in new if f["loaded_at_utc"] == now]
            speakers = [waiting.pop(file_key(f), None) for f in some]
            known = [(f, s) for f, s in zip(some, speakers, strict=True) if s]
            if len(known) != len(some):
                return [f"files: {file_key(f)} was loaded, which none says" for f, s
                        in zip(some, speakers, strict=True) if not s]  # fmt: skip
            self._comparison.times.append(now)
            before = set(self.world.present)
            counts = self.world.hear([s for _, s in known])
            withdrawn = len(before - self.world.present.keys())
            if sum(f["rows_withdrawn"] for f in some) != withdrawn:
                wrong.append(f"counts: withdrawn in all is not {withdrawn}")
            for (file, slice_), count in zip(known, counts, strict=True):
                wrong += unlike_counts(file, slice_, count)
        return [f"{'files' if s.rows else 'empty'}: {slice_key(s)} was not loaded"
                for s in waiting.values() if not self.world.knows(s)]  # fmt: skip

    # --- comparing -------------------------------------------------------------------------------

    def _compare(self, lake: Lake, wrong: list[str], *, thorough: bool = False) -> None:
        self.steps += 1
        thorough |= self.steps % self._every == 0
        wrong = [
            *wrong, *self._comparison.unlike_rows(lake), *self._comparison.unlike_revisions(lake),
            *unlike_links(lake), *self._comparison.unlike_claims(lake),
        ]  # fmt: skip
        self._comparison.remember()
        if thorough:
            wrong += [f"statistics: {w}" for w in lakes.wrong_statistics(self.settings, lake)]
            wrong += self._comparison.unlike_former_states(self.settings)
        wrong = [why for why in wrong if why.split(":")[0] not in self._ignored]
        if wrong:
            raise Discrepancy(wrong)


def _revised(world: World) -> int:
    return sum(f.change == "revised" for f in world.former)


def present(checker: Checker) -> dict[str, tuple[int, int]]:
    """Solution and bin of each trajectory that the world (and so the warehouse) has."""
    return {
        state.row.content[0]: (int(state.row.content[1:]), state.bin.solar_longitude_deg)
        for state in checker.world.present.values()
    }
