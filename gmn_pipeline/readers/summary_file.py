"""Read trajectory summary files: the head, whether the file is whole, and its rows in bulk.

What belongs here: the text format. What does not: what a value may be (`validated/`), and which
days a file holds (`solar_longitude_bins.py`).

Rows are parsed by PyArrow, typed, at some 400,000 rows/s and core; it counts the fields of every
row and refuses any text that is not a number. Only when it refuses a block are the lines looked
at one by one, the bad ones set aside with their reasons, and the rest parsed by the same reader:
an accepted value always comes from that one reader.
"""

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from itertools import zip_longest
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv

from gmn_pipeline.errors import FileIncomplete, SourceRefused, SummaryFormatError
from gmn_pipeline.isolate import BROKEN, by_halves, in_words
from gmn_pipeline.readers.summary_file_formats import (
    CURRENT,
    FileFormat,
    format_of,
    known_format,
    with_all_columns,
)
from gmn_pipeline.schemas.derive import arrow_csv_types
from gmn_pipeline.schemas.fields import Field, Kind

SEPARATOR = b";"
_LF, _CR = b"\n\r"
_HEAD_BYTES = 1 << 14
_BLOCK_BYTES = 1 << 24
_CSV_BLOCK_BYTES = 1 << 21  # what fits the processor's cache: measured three times as fast as 64 MB
_LONGEST_LINE_BYTES = 1 << 16
_GENERATED = re.compile(rb"#\s*Summary generated on\s+(.+?)\s*UTC")
# `None` as upstream pads it to the width of its column; the width has changed over time.
_NULL_SPELLINGS = [" " * before + "None" + " " * after for before in range(33) for after in (0, 1)]
# What the reader takes, spelled out: a text that only one of the two takes would cost its block.
_NUMBER = (
    r"^(?:[ \t]*(?:[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
    r"|[+-]?(?i:nan|inf|infinity))[ \t]*| {0,32}None ?)$"
)
_INTEGER = r"^[ \t]*-?[0-9]{1,9}[ \t]*$"


@dataclass(frozen=True)
class Head:
    """The lines above the rows: when the file was generated, its columns, where the rows begin."""

    generated_at_utc: datetime
    header: list[tuple[str, str]]
    size_bytes: int
    lines: int

    @cached_property
    def file_format(self) -> FileFormat | None:
        """The format that its columns are of; None if it is unknown."""
        return known_format(self.header)


@dataclass(frozen=True)
class RejectedLine:
    """A line that is not a row, as it stood in the file."""

    line_number: int
    raw_line: bytes
    reasons: list[str]


@dataclass(frozen=True)
class Block:
    """Whole lines of a file; `first_line_number` counts from 1 within the file."""

    data: bytes
    first_line_number: int
    file_format: FileFormat = CURRENT

    def lines(self) -> list[tuple[int, bytes]]:
        """(line number, line) of every line that is not blank, without its line end."""
        lines = (line.strip(b"\r") for line in self.data.split(b"\n"))
        return [(n, line) for n, line in enumerate(lines, self.first_line_number) if line.strip()]


@dataclass(frozen=True)
class ParsedBlock:
    """Rows of a block: typed where they could be, and the lines that are not rows.

    `rows` has the 86 columns, of whichever format the file is, and of a former one the marks that
    say so; numbers and integers are typed (`None` is null, `nan` is NaN), the
    rest is still text with its padding. `line_number` tells where each row stood.
    """

    rows: pl.DataFrame
    rejected: list[RejectedLine] = field(default_factory=list)


def read_head(data: bytes, name: str) -> Head:
    """The head of a file from its first bytes.

    Raises FileIncomplete for a file that ends within its head, SourceRefused for what is no
    summary file, SummaryFormatError for a head that cannot be read.
    """
    marked, data = len(data), data.removeprefix(codecs.BOM_UTF8)  # an editor may have put it there
    if not data.strip():
        raise FileIncomplete(f"{name} is empty.", remedy="It is taken again later.")
    comments, position, lines = [], marked - len(data), 0
    for line in data.splitlines(keepends=True):
        content = line.strip()
        if content and not content.startswith(b"#"):
            break
        position += len(line)
        # LF CR is one line end; bytes.splitlines sees two.
        lines += line.endswith(b"\n")
        if content:
            comments.append(content)
    match = _GENERATED.match(comments[0]) if comments else None
    if match is None and data.startswith(b"#") and b"\n" not in data:
        raise FileIncomplete(
            f"{name} ends within its first line.", remedy="It is taken again later."
        )
    if match is None:
        raise SourceRefused(
            f"{name} is not a trajectory summary file: it begins with {data[:60]!r}.",
            remedy="Look at its address in a browser: is it an error or a login page?",
        )
    if len(comments) < 4:
        raise FileIncomplete(f"{name} ends within its head.", remedy="It is taken again later.")
    return Head(
        _utc(match[1].decode("ascii", "backslashreplace"), name),
        _header(comments[1], comments[2]),
        position,
        lines,
    )


def _utc(text: str, name: str) -> datetime:
    try:
        when = datetime.fromisoformat(text)
        return (when.astimezone(UTC) if when.tzinfo else when).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise SummaryFormatError(
            f"{name}, line 1: {text!r} is not a time.",
            remedy="The format has changed: adapt gmn_pipeline/readers/summary_file.py.",
        ) from error


@lru_cache(maxsize=16)  # thousands of files have the same
def _header(first: bytes, second: bytes) -> list[tuple[str, str]]:
    """Pairs of column heads, blanks folded."""

    def names(line: bytes) -> list[str]:
        text = line.decode("ascii", "backslashreplace").lstrip("#")
        return [" ".join(part.split()) for part in text.split(";")]

    return list(zip_longest(names(first), names(second), fillvalue=""))


def check_columns(head: Head, name: str) -> FileFormat:
    """The format of the file. Raises SummaryFormatError unless its columns are exactly those of a
    known one, in order."""
    return format_of(head.header, name)


def check_whole(path: Path, name: str) -> Head:
    """The head of a file on disk, after a look at its end.

    Raises FileIncomplete if it has no row, or if the last line is not a row with its line end:
    upstream copies its files into place without locking.
    """
    with path.open("rb") as file:
        head = read_head(file.read(_HEAD_BYTES), name)
        size = file.seek(0, 2)
        file.seek(max(head.size_bytes, size - _HEAD_BYTES))
        tail = file.read()
    if not tail.strip():
        raise FileIncomplete(
            f"{name} has a head and no rows.",
            remedy="A bin without meteors has no file at all, so this one is half written; it is "
            "taken again later.",
        )
    content = tail.rstrip()
    last = content.rsplit(b"\n", 1)[-1]
    terminated = b"\n" in tail[len(content) :]
    # A bad line in the middle is rejected by itself; only a short last one means a cut file.
    if not terminated or last.count(SEPARATOR) < len(head.header) - 1:
        raise FileIncomplete(
            f"{name} ends in the middle of a line: {last[-60:]!r}.",
            remedy="It was caught half written and is taken again later; if it is a copy of your "
            "own, end its last line.",
        )
    return head


def blocks(path: Path, head: Head, block_bytes: int = _BLOCK_BYTES) -> Iterator[Block]:
    """The rows of a file in blocks of whole lines. A daily file is one block."""
    file_format = head.file_format or CURRENT
    with path.open("rb") as file:
        file.seek(head.size_bytes)
        line_number = head.lines + 1
        while data := file.read(block_bytes) + file.readline():
            yield Block(data, line_number, file_format)
            line_number += _line_feeds(data)


def parse(block: Block) -> ParsedBlock:
    """Rows of a block. Lines that are not rows come back as rejected, with every reason."""
    if not _has_return_within_line(block.data):
        try:
            rows = _read_csv(block.data, block.file_format)
        except BROKEN:
            pass  # it says what is wrong with the first bad line only
        else:
            return ParsedBlock(rows.with_columns(_line_numbers(block, rows.height)))
    good, rejected = _set_aside(block)
    rows, unreadable = _read_lines(good, block.file_format)
    return ParsedBlock(rows, sorted(rejected + unreadable, key=lambda line: line.line_number))


def _read_lines(
    lines: list[tuple[int, bytes]], file_format: FileFormat
) -> tuple[pl.DataFrame, list[RejectedLine]]:
    """Rows of lines in which no fault was found, and those that the reader refuses all the same."""

    def read(first: int, size: int) -> pl.DataFrame:
        part = lines[first : first + size]
        numbers = pl.Series("line_number", [number for number, _ in part], pl.Int32)
        data = b"\n".join(line for _, line in part)
        return _read_csv(data, file_format).with_columns(numbers)

    rows, refused = [], []
    for first, _, result in by_halves(read, len(lines)):
        if isinstance(result, BaseException):
            refused.append(RejectedLine(*lines[first], [f"unreadable: {in_words(result)}"]))
        else:
            rows.append(result)
    return pl.concat(rows or [read(0, 0)]), refused


def parse_together(blocks: Sequence[Block]) -> ParsedBlock | None:
    """Rows of many small blocks in one go, as `parse` would give them one after the other, with
    the number of each row's block in the column `block`.

    None if any line of theirs is blank or not a row, or if they are not all of one format: then
    each has to be looked at by itself.
    A call of the reader costs as much as some hundred rows, and early files have a few rows each.
    """
    file_format = blocks[0].file_format
    if any(block.file_format is not file_format for block in blocks):
        return None
    data = b"".join(block.data for block in blocks)
    sizes = np.array([_line_feeds(block.data) for block in blocks])
    # A last line without its end would hide a blank line from the count below.
    if b"\n" not in data[-2:] or _has_return_within_line(data):
        return None
    try:
        rows = _read_csv(data, file_format)
    except BROKEN:
        return None
    if rows.height != sizes.sum():
        return None
    first_lines = np.array([block.first_line_number for block in blocks])
    first_rows = np.cumsum(sizes) - sizes
    numbers = np.arange(rows.height) + np.repeat(first_lines - first_rows, sizes)
    return ParsedBlock(
        rows.with_columns(
            pl.Series("line_number", numbers, pl.Int32),
            pl.Series("block", np.repeat(np.arange(len(sizes)), sizes), pl.UInt32),
        )
    )


def _line_numbers(block: Block, rows: int) -> pl.Series:
    """Line numbers of a block whose every line that is not blank is a row."""
    first = block.first_line_number
    unterminated = block.data[block.data.rfind(b"\n") + 1 :].strip() != b""
    if _line_feeds(block.data) + unterminated == rows:  # no blank lines
        return pl.int_range(first, first + rows, dtype=pl.Int32, eager=True).alias("line_number")
    return pl.Series("line_number", [number for number, _ in block.lines()], pl.Int32)


def _line_feeds(data: bytes) -> int:
    """How many line feeds stand in `data`, six times as fast as `bytes.count` tells."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == _LF))


def _has_return_within_line(data: bytes) -> bool:
    """Whether a carriage return stands elsewhere than at a line's end. The reader would take it
    for one, and the rows below would get wrong line numbers."""
    text = np.frombuffer(data, np.uint8)
    returns = np.flatnonzero(text == _CR)
    follow = (returns == 0) | (text[returns - 1] == _LF)
    if follow.all():  # LF CR, as upstream has it
        return False
    last = len(text) - 1
    return not ((returns == last) | (text[np.minimum(returns + 1, last)] == _LF)).all()


def _read_csv(data: bytes, file_format: FileFormat) -> pl.DataFrame:
    """All rows of `data`, typed. Raises ArrowInvalid for any line that is not a row."""
    types = arrow_csv_types(file_format.fields)
    if not data.strip():
        table = pa.schema(list(types.items())).empty_table()
        return with_all_columns(pl.from_arrow(table), file_format)  # type: ignore[arg-type]
    table = pacsv.read_csv(
        pa.BufferReader(data),
        read_options=pacsv.ReadOptions(
            column_names=list(types), use_threads=False, block_size=_CSV_BLOCK_BYTES
        ),
        parse_options=pacsv.ParseOptions(
            delimiter=SEPARATOR.decode(), quote_char=False, double_quote=False
        ),
        convert_options=pacsv.ConvertOptions(
            column_types=types, null_values=_NULL_SPELLINGS, strings_can_be_null=False
        ),
    )
    return with_all_columns(pl.from_arrow(table), file_format)  # type: ignore[arg-type]


def _set_aside(block: Block) -> tuple[list[tuple[int, bytes]], list[RejectedLine]]:
    """Split lines into rows that the reader takes and lines that it does not, with reasons."""
    reasons: dict[int, list[str]] = {}
    lines, fields = block.lines(), block.file_format.fields
    for number, line in lines:
        if found := _structure_reasons(line, len(fields)):
            reasons[number] = found
    sound = [(number, line) for number, line in lines if number not in reasons]
    for number, reason in _type_reasons(sound, fields):
        reasons.setdefault(number, []).append(reason)
    good = [(number, line) for number, line in sound if number not in reasons]
    rejected = [RejectedLine(n, line, reasons[n]) for n, line in lines if n in reasons]
    return good, rejected


def _structure_reasons(line: bytes, fields: int) -> list[str]:
    reasons = []
    found = line.count(SEPARATOR) + 1
    if found != fields:
        reasons.append(f"structure: {found} fields where {fields} are expected")
    if len(line) > _LONGEST_LINE_BYTES:
        reasons.append(f"structure: a line of {len(line)} bytes")
    if not line.isascii():
        reasons.append("structure: bytes that are not ASCII")
    if b"\r" in line:
        reasons.append("structure: a carriage return within the line")
    return reasons


def _type_reasons(
    lines: list[tuple[int, bytes]], fields: Sequence[Field]
) -> Iterator[tuple[int, str]]:
    """(line number, reason) of every value that is not of its column's type."""
    if not lines:
        return
    texts = pl.DataFrame({"line": [line.decode("ascii") for _, line in lines]}).select(
        pl.col("line").str.split(SEPARATOR.decode()).list.to_struct(
            fields=[f.name for f in fields]
        )
    ).unnest("line")  # fmt: skip
    for column in fields:
        if column.kind not in (Kind.NUMBER, Kind.INTEGER):
            continue
        pattern = _NUMBER if column.kind is Kind.NUMBER else _INTEGER
        wrong = texts.with_row_index().filter(~pl.col(column.name).str.contains(pattern))
        for index, value in wrong.select("index", column.name).iter_rows():
            yield lines[index][0], f"type: {column.name} is {value.strip()!r}, not a {column.kind}"
