"""Whether what a warehouse holds is what the world says, table by table.

What belongs here: one comparison for each table, as sentences that begin with its kind. What does
not: when it is asked (`checker.py`), and how the tables are read (`lake.py`).
"""

from collections import Counter
from datetime import datetime
from typing import Any

from gmn_pipeline.clock import utc_now
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.model import lake as lakes
from gmn_pipeline_tests.model.lake import Lake, bin_of, content_of
from gmn_pipeline_tests.model.said import HISTORY, Counts, Former, Row, Speaker, State
from gmn_pipeline_tests.model.source import TIMED
from gmn_pipeline_tests.model.world import World


class Comparison:
    """Compares with a world; remembers when what was known, and how each content was stored."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.times: list[datetime] = [datetime(2000, 1, 1)]
        """When each load of the world was, by its number."""
        self.remembered: list[tuple[datetime, set[tuple[str, str, int]]]] = []
        self._contents: dict[str, str] = {}

    def unlike_rows(self, lake: Lake) -> list[str]:
        """Rows of `trajectories` that are not what the world says."""
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
            "valid_from_utc": (found["valid_from_utc"], self.times[state.since]),
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

    def unlike_revisions(self, lake: Lake) -> list[str]:
        """The same of `trajectory_revisions`."""

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
            "valid_until_utc": (found["valid_until_utc"], self.times[former.until]),
        }
        wrong += [f"revisions: {name} of {at} is {has}, should be {should}"
                  for name, (has, should) in pairs.items() if has != should]  # fmt: skip
        if found["superseded_by_file_sha256"] not in former.causes:
            wrong.append(f"revisions: {at} was ended by {found['superseded_by_file_sha256']}, "
                         f"not by one of {set(former.causes)}")  # fmt: skip
        return wrong

    def unlike_claims(self, lake: Lake) -> list[str]:
        """The same of `trajectory_claims`: which trajectory, and where."""
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

    def remember(self) -> None:
        """What is known after this step, so as to ask for it later."""
        now = {
            (x, s.row.content, s.revision) for x, s in self.world.present.items()
        }  # fmt: skip
        self.remembered.append((utc_now(), now))

    def unlike_former_states(self, settings: Settings) -> list[str]:
        """What was the answer at some earlier step must be the answer for that time now."""
        contents = {content: name for name, content in self._contents.items()}
        step = max(1, len(self.remembered) // 3)
        wrong = []
        for when, should in self.remembered[::-step]:
            rows = lakes.as_of(settings, when)
            found = {
                (r["trajectory_identifier"], contents.get(content_of(r), "?"), r["revision"])
                for r in rows
            }
            if found != should or len(rows) != len(should):
                wrong.append(f"as of: {when}: {sorted(found ^ should)} of {len(rows)} rows")
        return wrong


def slice_key(speaker: Speaker) -> tuple[Any, ...]:
    """What tells a slice from others: its bin, its file and the limits that are not the bin's."""
    limits: tuple[datetime | None, datetime | None] = (None, None)
    if speaker.kind == HISTORY:
        assert speaker.bin
        timed = TIMED[speaker.bin.solar_longitude_deg]
        limits = (
            speaker.begin if speaker.begin > timed.begins_at else None,
            speaker.end if speaker.end < timed.ends_at else None,
        )
    return (speaker.bin, speaker.source, *limits)


def file_key(file: dict[str, Any]) -> tuple[Any, ...]:
    """The same of a row of `source_files`."""
    limits = file["covers_from_utc"], file["covers_until_utc"]
    timed = TIMED.get(file["bin_solar_longitude_deg"])
    if timed:  # a limit of the bin itself may be written down or not
        limits = (
            None if limits[0] == timed.begins_at else limits[0],
            None if limits[1] == timed.ends_at else limits[1],
        )
    return (bin_of(file), file["source_file_sha256"], *limits)


def unlike_counts(file: dict[str, Any], speaker: Speaker, count: Counts) -> list[str]:
    """Counts of a row of `source_files` that are not those of the world."""
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


def unlike_report(
    report: Any, told: list[Speaker], new: list[dict[str, Any]], failed: list[str]
) -> list[str]:
    """The report of a run adds up to what stands in `source_files`, and what was skipped."""
    if failed:
        return []
    wrong = []
    loaded = {file_key(f) for f in new}
    for day, day_report in report.days.items():
        files = [f for f in new if f["bin_date"] == day]
        skipped = [s for s in told if s.bin and s.bin.date == day
                   and slice_key(s) not in loaded]  # fmt: skip
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


def unlike_links(lake: Lake) -> list[str]:
    """Whether links and stations are those of the rows."""
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
