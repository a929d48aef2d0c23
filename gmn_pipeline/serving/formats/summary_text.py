"""The network's own format, trajectory summary files, so that programs written for them read it.

What belongs here: the lines as they stood in the files that the rows came in, byte for byte, under
a head like theirs. Rows that have no such line, since they came in a message or in a file of a
former format, are printed from their values (`summary_line.py`). The format has no place for
licence and snapshot; the first line says when the export was made, and readers that know the
format take it as the state of that time.
"""

from collections.abc import Iterable, Iterator, Sequence

import polars as pl
import pyarrow as pa

from gmn_pipeline.errors import FormatRefused
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline.serving.formats.export import Export, SourceLines
from gmn_pipeline.serving.formats.frames import frames
from gmn_pipeline.serving.formats.summary_line import HEAD_LINES, summary_line

_SOURCE = "source_file_sha256"
# The lake keeps 100,000 rows at a time in the order of stations, files in that of time: to look
# up few rows at a time would be to read all of a file again and again.
_ROWS = 65_536
NEEDED = (*(field.name for field in TRAJECTORY_FIELDS), _SOURCE)


def summary_text(export: Export, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """The head, then a line for each row, in the order in which the rows come."""
    if missing := [name for name in NEEDED if name not in export.names]:
        raise FormatRefused(
            f"Summary files are made of columns that are not here: {', '.join(missing)}.",
            remedy="Ask for all columns of trajectories, or for another format.",
        )
    lines = export.lines
    if lines is None:
        raise FormatRefused("Summary files are made of landed files, which are not at hand here.")

    def text() -> Iterator[bytes]:
        is_first = True
        for frame in _gathered(frame.select(NEEDED) for frame in frames(export, batches)):
            if is_first and frame.height:
                yield _head(export, lines, frame[_SOURCE][0])
                is_first = False
            yield b"".join(b"\r%b\n" % line for line in _lines(frame, lines))
        if is_first:
            yield _head(export, lines, "")

    return text()


def _gathered(frames_: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    some: list[pl.DataFrame] = []
    for frame in frames_:
        some.append(frame)
        if sum(one.height for one in some) >= _ROWS:
            yield pl.concat(some)
            some = []
    if some:
        yield pl.concat(some)


def _head(export: Export, lines: SourceLines, first_source: str) -> bytes:
    made_at = f"{export.about.made_at_utc:%Y-%m-%d %H:%M:%S.%f}+00:00"
    names: Sequence[bytes] = HEAD_LINES
    if lines.has_lines(first_source):
        names = lines.head_lines(first_source)
    generated = f"# Summary generated on {made_at} UTC".encode()
    # The network writes a carriage return before each line but the first.
    return generated + b"\n" + b"".join(b"\r%b\n" % line for line in names)


def _lines(frame: pl.DataFrame, lines: SourceLines) -> Iterator[bytes]:
    found: dict[tuple[str, str], Sequence[bytes]] = {}
    for (source,), rows in frame.group_by(_SOURCE):
        if lines.has_lines(str(source)):
            there = lines.lines(str(source), rows["trajectory_identifier"].to_list())
            found |= {(str(source), one): candidates for one, candidates in there.items()}
    keys = frame.select(_SOURCE, "trajectory_identifier", "participating_stations")
    for number, (source, identifier, stations) in enumerate(keys.iter_rows()):
        candidates = found.get((source, identifier))
        if candidates is None:
            yield summary_line(frame.row(number, named=True))
        else:
            yield _of_stations(candidates, stations)


def _of_stations(candidates: Sequence[bytes], stations: Sequence[str]) -> bytes:
    """Of several lines with one identifier, the first with the row's stations: such are told
    apart by them, and the first of equal ones was loaded."""
    if len(candidates) == 1:
        return candidates[0]
    for line in candidates:
        listed = line.rpartition(b";")[2].strip().decode("ascii", "replace").split(",")
        if sorted(listed) == sorted(stations):
            return line
    raise FormatRefused(
        f"None of the {len(candidates)} lines of one identifier has the stations "
        f"{', '.join(stations)}."
    )
