"""The rows that a run rejected, as a person wants to see them: line, reasons, and the row itself.

What belongs here: which of them are shown, and how. What does not: why a row is rejected
(`validated/`). Shown are the first of each day, for thousands may be rejected alike; the others
are named by the query that finds all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from gmn_pipeline.database.ledger import Ledger
from gmn_pipeline.flows.report import DayReport
from gmn_pipeline.orchestration.markdown import cell, table

SHOWN_ROWS = 20
_SHOWN_CHARACTERS = 300


@dataclass(frozen=True)
class RejectedRow:
    """A row of a file that was not accepted."""

    day: date
    file: str
    line_number: int
    reasons: tuple[str, ...]
    raw_line: str

    def __str__(self) -> str:
        cut = self.raw_line[:_SHOWN_CHARACTERS]
        return f"{self.file}, line {self.line_number}: {'; '.join(self.reasons)}: {cut}"


class RejectedRows:
    """The first rejected rows of each day, with how many there are."""

    def __init__(self, ledger: Ledger, validated_dir: Path) -> None:
        self._ledger = ledger
        self._validated_dir = validated_dir
        self.rows: dict[date, list[RejectedRow]] = {}
        self.counts: dict[date, int] = {}
        self._files: dict[date, list[str]] = {}

    def add(self, days: Iterable[DayReport]) -> list[RejectedRow]:
        """Read those of some days that are not read yet; the first of them."""
        rejecting = {day.day: day for day in days if day.rejected and day.day not in self.counts}
        if not rejecting:
            return []
        self.rows |= _read(self._ledger, self._validated_dir, rejecting)
        for day in rejecting.values():
            self.counts[day.day] = day.rejected
            self._files[day.day] = [file.version.sha256 for file in day.files]
        return [row for day in rejecting for row in self.rows.get(day, ())][:SHOWN_ROWS]

    def table(self, day: date | None = None) -> str:
        """Markdown: the first rows of a day, or of all days, and how to see the others."""
        days = sorted(self.counts) if day is None else [day]
        rows = [row for each in days for row in self.rows.get(each, ())][:SHOWN_ROWS]
        text = table(
            ("file", "line", "reasons", "row"),
            [
                (
                    cell(row.file), str(row.line_number), cell("; ".join(row.reasons)),
                    cell(row.raw_line, _SHOWN_CHARACTERS),
                )
                for row in rows
            ],
        )  # fmt: skip
        more = sum(self.counts.get(each, 0) for each in days) - len(rows)
        and_more = f"and {more:,} more. " if more else ""
        return f"{text}\n\n{and_more}All of them, whole:\n\n```sql\n{self.query(day)}\n```"

    def query(self, day: date | None = None) -> str:
        """SQL for all rejected rows of a day, or of all days from the first to the last."""
        where = f"BETWEEN DATE '{min(self.counts)}' AND DATE '{max(self.counts)}'"
        if day is not None:
            where = f"= DATE '{day}'"
            if len(files := self._files[day]) == 1:
                where += f" AND source_file_sha256 = '{files[0]}'"
        return f"SELECT * FROM rejected_rows WHERE bin_date {where} ORDER BY bin_date, line_number"


def _read(
    ledger: Ledger, validated_dir: Path, days: dict[date, DayReport]
) -> dict[date, list[RejectedRow]]:
    """The first rejected rows of each day, from the validated Parquet."""
    names = {f.version.sha256: f.version.path for day in days.values() for f in day.files}
    slices = [
        slice_
        for slice_ in ledger.validated(days)
        if slice_.rows_rejected and slice_.source_file_sha256 in names
    ]
    found: dict[date, list[RejectedRow]] = {}
    for path in sorted({slice_.rejected_path for slice_ in slices}):
        frame = (
            pl.scan_parquet(validated_dir / path)
            .filter(
                pl.col("bin_date").is_in(list(days)),
                pl.col("source_file_sha256").is_in(list(names)),
            )
            .sort("bin_date", "source_file_sha256", "line_number")
            .group_by("bin_date", maintain_order=True)
            .head(SHOWN_ROWS)
            .collect()
        )
        for row in frame.iter_rows(named=True):
            of_day = found.setdefault(row["bin_date"], [])
            if len(of_day) < SHOWN_ROWS:
                of_day.append(
                    RejectedRow(
                        row["bin_date"], names[row["source_file_sha256"]], row["line_number"],
                        tuple(row["reasons"]), row["raw_line"],
                    )
                )  # fmt: skip
    return found
