"""Do what a source, a topic and an operator can do, and compare with the world after each step.

What belongs here: the actions, on a real data folder, and the comparison. What does not: the rules
(`world.py`), random sequences (`actions.py`).
"""

import shutil
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import polars as pl

from gmn_pipeline.clock import utc_now
from gmn_pipeline.config import load_settings
from gmn_pipeline.publications.publish import GENERATED_AT_HEADER
from gmn_pipeline.streams.client import TopicState
from gmn_pipeline.streams.consumer import arrive
from gmn_pipeline.streams.framing import single_object_framing
from gmn_pipeline.streams.rows import to_message_fields
from gmn_pipeline.warehouse import layout, maintenance
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.snapshot import make_snapshot
from gmn_pipeline.warehouse.store import Warehouse
from gmn_pipeline.warehouse.stream_store import Range, StreamStore
from gmn_pipeline_tests.model import lake as lakes
from gmn_pipeline_tests.model import plain
from gmn_pipeline_tests.model.killed import load_days, load_killed
from gmn_pipeline_tests.model.lake import Lake, bin_of, content_of
from gmn_pipeline_tests.model.source import (
    DAYS,
    HISTORY_PATHS,
    TIMED,
    File,
    Source,
    daily_path,
    generated_at,
    identifier,
    row,
)
from gmn_pipeline_tests.model.world import (
    HISTORY,
    MESSAGE,
    TOMBSTONE,
    Counts,
    Former,
    Row,
    Speaker,
    State,
    World,
)

TOPIC, TOPIC_ID = "trajectory_summary_raw", "the-topic"
_SENT_FROM = datetime(2019, 6, 1)
_MOST_TOLD = 12
_EVERY = 8  # steps between looks at statistics and former states


class Discrepancy(AssertionError):
    """The warehouse is not what the world says. `kind` is the first thing that differs."""

    def __init__(self, differences: Sequence[str]) -> None:
        super().__init__("\n".join(differences[:_MOST_TOLD]))
        self.kind = differences[0].split(":")[0]


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
        self._times: list[datetime] = [datetime(2000, 1, 1)]
        self._remembered: list[tuple[datetime, set[tuple[str, str, int]]]] = []
        self._contents: dict[str, str] = {}
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
        with patch.object(layout, "_INLINED_ROWS", rows - 1):
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
        wrong += _unlike_report(report, told, new, wrong)
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
        maintenance.maintain(self.settings)
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
        for name, solution, generation, degree in messages:
            records.append(self._record(name, solution, generation, degree))
            cause = f"kafka:{TOPIC}/0/{records[-1].offset}"
            told.append(_message(name, solution, generation, degree, cause))
        ranges = [Range(0, begin, self._offset)]
        state = TopicState(TOPIC, TOPIC_ID, "cluster", {0: 0}, {0: self._offset})
        store = StreamStore(self.settings)
        store.create()
        arrival, dead = arrive(records, state, ranges, None)
        assert not dead, dead
        merged = store.merge(arrival)
        lake = self._read()
        before, revised = len(self.world.present), _revised(self.world)
        counts = Counts()
        now = self._moment_of_merge(lake)
        for speaker in told:  # one after the other, as if each had come alone
            self._times.append(now)
            [count] = self.world.hear([speaker])
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
        last = self._remembered[-1][0] if self._remembered else datetime.min
        return max([t for t in told if t > last], default=last)

    def _record(self, name: str, solution: int | None, generation: int, degree: int | None) -> Any:
        offset, self._offset = self._offset, self._offset + 1
        sent = _SENT_FROM.timestamp() + offset
        when = generated_at(generation)
        headers = [(GENERATED_AT_HEADER, when.isoformat().encode())]
        value = None if solution is None else _value(name, solution, generation, degree)
        return SimpleNamespace(
            key=identifier(name).encode(), value=value, headers=headers, partition=0,
            offset=offset, timestamp=int(sent * 1000),
        )  # fmt: skip

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
        waiting = {_slice_key(s): s for s in told}
        for now in sorted({f["loaded_at_utc"] for f in new}):
            some = [f for f in new if f["loaded_at_utc"] == now]
            speakers = [waiting.pop(_file_key(f), None) for f in some]
            known = [(f, s) for f, s in zip(some, speakers, strict=True) if s]
            if len(known) != len(some):
                return [f"files: {_file_key(f)} was loaded, which none says" for f, s
                        in zip(some, speakers, strict=True) if not s]  # fmt: skip
            self._times.append(now)
            before = set(self.world.present)
            counts = self.world.hear([s for _, s in known])
            withdrawn = len(before - self.world.present.keys())
            if sum(f["rows_withdrawn"] for f in some) != withdrawn:
                wrong.append(f"counts: withdrawn in all is not {withdrawn}")
            for (file, speaker), count in zip(known, counts, strict=True):
                wrong += _unlike_counts(file, speaker, count)
        return [f"{'files' if s.rows else 'empty'}: {_slice_key(s)} was not loaded"
                for s in waiting.values() if not self.world.knows(s)]  # fmt: skip

    # --- comparing -------------------------------------------------------------------------------

    def _compare(self, lake: Lake, wrong: list[str], *, thorough: bool = False) -> None:
        self.steps += 1
        thorough |= self.steps % self._every == 0
        wrong = [
            *wrong, *self._unlike_rows(lake), *self._unlike_revisions(lake), *_unlike_links(lake),
            *self._unlike_claims(lake),
        ]  # fmt: skip
        self._remember()
        if thorough:
            wrong += [f"statistics: {w}" for w in lakes.wrong_statistics(self.settings, lake)]
            wrong += self._unlike_former_states()
        wrong = [why for why in wrong if why.split(":")[0] not in self._ignored]
        if wrong:
            raise Discrepancy(wrong)

    def _unlike_rows(self, lake: Lake) -> list[str]:
        there = Counter(r["trajectory_identifier"] for r in lake.trajectories)
        wrong = [f"rows: {x} is there {n} times" for x, n in there.items() if n > 1]
        rows = {r["trajectory_identifier"]: r for r in lake.trajectories}
        for x in sorted(rows.keys() | self.world.present.keys()):
            state, found = self.world.present.get(x), rows.get(x)
            if state is None or found is None:
                has, not_has = (_told(found), state.told() if state else "not there")
                wrong.append(f"rows: {x} is {has}; should be: {not_has}")
                continue
            wrong += self._unlike_state(x, state, found)
        return wrong

    def _unlike_state(self, x: str, state: State, found: dict[str, Any]) -> list[str]:
        wrong = []
        flags = found["quality_flags"]
        pairs = {
            "content": (self._content(state.row, found), True),
            "bin": (bin_of(found), state.bin),
            "bin_computed": ("bin_computed" in flags, state.bin_computed),
            "outside_bin": ("outside_bin" in flags, state.outside_bin),
            "revision": (found["revision"], state.revision),
            "valid_from_utc": (found["valid_from_utc"], self._times[state.since]),
        }
        if found["source_file_sha256"] not in state.moved_by:
            pairs["source"] = (
                (found["source_file_sha256"], found["summary_generated_at_utc"]),
                (state.source, state.generated_at),
            )
        for name, (has, should) in pairs.items():
            if has != should:
                wrong.append(f"rows: {name} of {x} is {has}, should be {should}; {_told(found)}")
        return wrong

    def _content(self, row: Row, found: dict[str, Any]) -> bool:
        """Whether this is the row's content: the same each time it was seen, and no other's."""
        content = content_of(found)
        if row.content in self._contents:
            return self._contents[row.content] == content
        number = int(row.content[1:])
        if content in self._contents.values() or found["duration_s"] != number + 0.25:
            return False
        self._contents[row.content] = content
        return True

    def _unlike_revisions(self, lake: Lake) -> list[str]:
        def key(x: str, revision: int) -> tuple[str, int]:
            return x, revision

        found = {key(r["trajectory_identifier"], r["revision"]): r for r in
                 lake.trajectory_revisions}  # fmt: skip
        should = {key(f.state.row.trajectory, f.state.revision): f for f in self.world.former}
        wrong = []
        if len(found) != len(lake.trajectory_revisions):
            wrong.append("revisions: one revision stands twice")
        for at in sorted(found.keys() ^ should.keys()):
            wrong.append(f"revisions: {at} is {'there' if at in found else 'missing'}")
        for at in sorted(found.keys() & should.keys()):
            wrong += self._unlike_former(at, should[at], found[at])
        return wrong

    def _unlike_former(
        self, at: tuple[str, int], former: Former, found: dict[str, Any]
    ) -> list[str]:
        wrong = [w.replace("rows:", "revisions:") for w in
                 self._unlike_state(at[0], former.state, found)]  # fmt: skip
        pairs = {
            "change": (found["change"], former.change),
            "valid_until_utc": (found["valid_until_utc"], self._times[former.until]),
        }
        wrong += [f"revisions: {name} of {at} is {has}, should be {should}"
                  for name, (has, should) in pairs.items() if has != should]  # fmt: skip
        if found["superseded_by_file_sha256"] not in former.causes:
            wrong.append(f"revisions: {at} was ended by {found['superseded_by_file_sha256']}, "
                         f"not by one of {set(former.causes)}")  # fmt: skip
        return wrong

    def _unlike_claims(self, lake: Lake) -> list[str]:
        if not lake.has_claims:
            return []
        found = [(r["trajectory_identifier"], bin_of(r)) for r in lake.tables[lakes.CLAIMS]]
        # At the row's own place a claim keeps the content of what named it: the model has it all.
        own = {(r["trajectory_identifier"], bin_of(r)) for r in lake.tables["trajectories"]}
        found = [claim for claim in found if claim not in own]
        should = self.world.claims()
        if sorted(found) != sorted(should):
            return [f"claims: {sorted(found)}, should be {sorted(should)}"]
        return []

    def _remember(self) -> None:
        now = {
            (x, s.row.content, s.revision) for x, s in self.world.present.items()
        }  # fmt: skip
        self._remembered.append((utc_now(), now))

    def _unlike_former_states(self) -> list[str]:
        """What was the answer at some earlier step must be the answer for that time now."""
        contents = {content: name for name, content in self._contents.items()}
        step = max(1, len(self._remembered) // 3)
        wrong = []
        for when, should in self._remembered[::-step]:
            rows = lakes.as_of(self.settings, when)
            found = {
                (r["trajectory_identifier"], contents.get(content_of(r), "?"), r["revision"])
                for r in rows
            }
            if found != should or len(rows) != len(should):
                wrong.append(f"as of: {when}: {sorted(found ^ should)} of {len(rows)} rows")
        return wrong


def _slice_key(speaker: Speaker) -> tuple[Any, ...]:
    limits = (None, None)
    if speaker.kind == HISTORY:
        assert speaker.bin
        timed = TIMED[speaker.bin.solar_longitude_deg]
        limits = (
            speaker.begin if speaker.begin > timed.begins_at else None,
            speaker.end if speaker.end < timed.ends_at else None,
        )
    return (speaker.bin, speaker.source, *limits)


def _file_key(file: dict[str, Any]) -> tuple[Any, ...]:
    limits = file["covers_from_utc"], file["covers_until_utc"]
    timed = TIMED.get(file["bin_solar_longitude_deg"])
    if timed:  # a limit of the bin itself may be written down or not
        limits = (
            None if limits[0] == timed.begins_at else limits[0],
            None if limits[1] == timed.ends_at else limits[1],
        )
    return (bin_of(file), file["source_file_sha256"], *limits)


def _unlike_counts(file: dict[str, Any], speaker: Speaker, count: Counts) -> list[str]:
    pairs = {
        "outcome": (file["outcome"], count.outcome),
        "read": (file["rows_read"], count.accepted),
        "accepted": (file["rows_accepted"], count.accepted),
        "rejected": (file["rows_rejected"], 0),
        "inserted": (file["rows_inserted"], count.inserted),
        "revised": (file["rows_revised"], count.revised),
    }
    most = count.withdrawn + count.maybe_withdrawn
    if not count.withdrawn <= file["rows_withdrawn"] <= most:
        pairs["withdrawn"] = (file["rows_withdrawn"], count.withdrawn)
    superseded = file.get("rows_superseded")
    if superseded is None:
        total = count.unchanged + count.superseded
        pairs["unchanged"] = (file["rows_unchanged"], total)
    else:
        pairs["unchanged"] = (file["rows_unchanged"], count.unchanged)
        pairs["superseded"] = (superseded, count.superseded)
    return [
        f"counts: {name} of {speaker.bin} by {file['source_path']} is {has}, should be {should}"
        for name, (has, should) in pairs.items() if has != should
    ]  # fmt: skip


def _unlike_report(
    report: Any, told: list[Speaker], new: list[dict[str, Any]], failed: list[str]
) -> list[str]:
    """The report of a run adds up to what stands in `source_files`, and what was skipped."""
    if failed:
        return []
    wrong = []
    loaded = {_file_key(f) for f in new}
    for day, day_report in report.days.items():
        files = [f for f in new if f["bin_date"] == day]
        skipped = [s for s in told if s.bin and s.bin.date == day
                   and _slice_key(s) not in loaded]  # fmt: skip
        rows = sum(len(s.rows) for s in skipped)
        for name in ("read", "accepted", "inserted", "revised", "withdrawn", "restored"):
            has = getattr(day_report, name, 0)
            should = sum(f.get(f"rows_{name}") or 0 for f in files)
            should += rows if name in ("read", "accepted") else 0
            if has != should:
                wrong.append(f"report: {name} of {day} is {has}, should be {should}")
        parts = ("inserted", "revised", "unchanged", "superseded")
        if sum(getattr(day_report, part, 0) for part in parts) != day_report.accepted:
            wrong.append(f"report: {day}: accepted is not the sum of its parts: {day_report}")
    return wrong


def _unlike_links(lake: Lake) -> list[str]:
    found = sorted(
        (r["trajectory_identifier"], r["station_code"], r["bin_date"])
        for r in lake.trajectory_stations
    )
    should = sorted(
        (r["trajectory_identifier"], station, r["bin_date"])
        for r in lake.trajectories for station in set(r["participating_stations"])
    )  # fmt: skip
    wrong = [] if found == should else [f"links: {found}, should be {should}"]
    stations = Counter(r["station_code"] for r in lake.stations)
    numbers = Counter(r["station_number"] for r in lake.stations)
    if any(n > 1 for n in (*stations.values(), *numbers.values())):
        wrong.append(f"stations: {stations} {numbers}")
    if missing := {station for _, station, _ in should} - stations.keys():
        wrong.append(f"stations: {missing} are missing")
    return wrong


def _told(found: dict[str, Any] | None) -> str:
    names = ("duration_s", "bin_solar_longitude_deg", "quality_flags", "revision",
             "summary_generated_at_utc")  # fmt: skip
    return "not there" if found is None else str({name: found[name] for name in names})


def _revised(world: World) -> int:
    return sum(f.change == "revised" for f in world.former)


# --- messages ------------------------------------------------------------------------------------


def _message(
    name: str, solution: int | None, generation: int, degree: int | None, cause: str
) -> Speaker:
    if solution is None:
        return Speaker(
            TOMBSTONE, cause, generated_at(generation), trajectory=identifier(name)
        )  # fmt: skip
    bin_ = TIMED[degree].bin if degree else None
    rows = {identifier(name): row(name, solution)}
    return Speaker(MESSAGE, cause, generated_at(generation), rows, bin_)


def _value(name: str, solution: int, generation: int, degree: int | None) -> bytes:
    """A message's bytes, from the line of a file with this solution."""
    its = row(name, solution)
    bin_ = TIMED[degree].bin if degree else its.computed_bin
    speaker = Speaker(MESSAGE, "", generated_at(generation), bin=bin_)
    typed = plain.placed_row(its, bin_, speaker, 1).with_columns(
        pl.lit("inserted").alias("change"), pl.lit(None, pl.String).alias("source_file_sha256")
    )
    if degree is None:
        typed = typed.with_columns(
            pl.lit(None, pl.Date).alias("bin_date"),
            pl.lit(None, pl.Int32).alias("bin_solar_longitude_deg"),
            pl.lit(None, pl.List(pl.String)).alias("quality_flags"),
        )
    [value] = single_object_framing().frame(to_message_fields(typed))
    return value
