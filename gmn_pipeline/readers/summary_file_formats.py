"""The formats of summary files, by generation: which columns, in which order.

What belongs here: knowing a format by the names in a file's head, saying how an unknown one
differs, and giving the rows of a former format the columns that it did not have. What does not:
reading the text (`summary_file.py`), and what a column is (`schemas/fields.py`).

A column is known by its names in the two header lines, a `+/-` column by the column that it
follows; its number says nothing.
"""

import hashlib
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property, lru_cache

import polars as pl

from gmn_pipeline.errors import SummaryFormatError
from gmn_pipeline.readers.times import in_calendar, utc_time
from gmn_pipeline.schemas.derive import polars_schema
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS, Field

HeaderPair = tuple[str, str]
_SIGMA: HeaderPair = ("+/-", "sigma")
_ADDED_LATER = ("trajectory_identifier", "latitude_of_perihelion_deg")
_SHOWN = 8


@dataclass(frozen=True)
class FileFormat:
    """A generation of the format: its columns in the order of the file."""

    meaning: str
    fields: tuple[Field, ...]

    @cached_property
    def header(self) -> list[HeaderPair]:
        """The names of each column: in the first header line, and in the second."""
        return [field.header or ("", "") for field in self.fields]


CURRENT = FileFormat("the current format", TRAJECTORY_FIELDS)
FORMER = FileFormat(
    "the format of 2021",
    tuple(f for f in TRAJECTORY_FIELDS
          if f.name not in _ADDED_LATER and f.sigma_of not in _ADDED_LATER),
)  # fmt: skip
FORMATS = (CURRENT, FORMER)


# --- knowing a format ----------------------------------------------------------------------------


def known_format(header: Sequence[HeaderPair]) -> FileFormat | None:
    """The format with just these columns, if there is one."""
    return next((known for known in FORMATS if known.header == header), None)


def format_of(header: Sequence[HeaderPair], name: str) -> FileFormat:
    """The format with just these columns.

    Raises SummaryFormatError if none is known; it names the columns that make the difference.
    """
    known = known_format(header)
    if known is None:
        raise SummaryFormatError(
            f"{name}, lines 2-3: {_difference(tuple(header))}.",
            remedy="Nothing of the file was loaded. If upstream changed its columns, change "
            "gmn_pipeline/schemas/fields.py and gmn_pipeline/readers/summary_file_formats.py, and "
            "validate the day again.",
        )
    return known


@dataclass(frozen=True)
class _Column:
    """What a column is known by: its names, the column that a `+/-` follows, and which one it is
    of several alike."""

    pair: HeaderPair
    sigma_of: HeaderPair | None = None
    occurrence: int = 0


def _columns(header: Sequence[HeaderPair]) -> list[_Column]:
    columns: list[_Column] = []
    seen: Counter[tuple[HeaderPair, HeaderPair | None]] = Counter()
    value: HeaderPair | None = None
    for pair in header:
        sigma_of = value if pair == _SIGMA else None
        value = value if pair == _SIGMA else pair
        columns.append(_Column(pair, sigma_of, seen[pair, sigma_of]))
        seen[pair, sigma_of] += 1
    return columns


@lru_cache(maxsize=16)  # all files of a new format have the same
def _difference(header: tuple[HeaderPair, ...]) -> str:
    """How a header differs from the known format that is most like it."""
    found = _columns(header)

    def compared(known: FileFormat) -> dict[str, list[_Column]]:
        expected = _columns(known.header)
        matcher = SequenceMatcher(
            None, [c for c in expected if c in found], there := [c for c in found if c in expected],
            autojunk=False,
        )  # fmt: skip
        kept = {
            there[at]
            for block in matcher.get_matching_blocks()
            for at in range(block.b, block.b + block.size)
        }
        return {
            "missing": [c for c in expected if c not in found],
            "new": [c for c in found if c not in expected],
            "moved": [c for c in there if c not in kept],
        }

    words = {
        known: {kind: _in_words(columns, found) for kind, columns in compared(known).items()}
        for known in FORMATS
    }
    nearest = min(FORMATS, key=lambda known: sum(map(len, words[known].values())))
    told = [f"{kind}: {_shortened(names)}" for kind, names in words[nearest].items() if names]
    return (
        f"the {len(header)} columns are those of no known format. Compared with {nearest.meaning} "
        f"({len(nearest.fields)} columns): {'; '.join(told)}"
    )


def _in_words(columns: Sequence[_Column], found: Sequence[_Column]) -> list[str]:
    """Columns by their names, a `+/-` together with its value, and where they are in the file."""
    words: list[str] = []
    for column in columns:
        value = _Column(column.sigma_of, None, column.occurrence) if column.sigma_of else None
        if value in columns:
            words[-1] += " and its '+/-'"
            continue
        name = f"the '+/-' of {_quoted(value.pair)}" if value else _quoted(column.pair)
        words.append(name + (f" (column {found.index(column) + 1})" if column in found else ""))
    return words


def _shortened(words: Sequence[str]) -> str:
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more


def _quoted(pair: HeaderPair) -> str:
    return f"'{' / '.join(part for part in pair if part)}'"


# --- rows of a former format ---------------------------------------------------------------------


def with_all_columns(rows: pl.DataFrame, file_format: FileFormat) -> pl.DataFrame:
    """Rows as the reader left them, with the columns that their format did not have.

    They get an identifier of their own and no latitude of perihelion, and are marked so: columns
    of truths named as the quality flags.
    """
    if file_format is CURRENT:
        return rows
    identifiers = made_identifiers(
        rows.get_column("beginning_utc_time"), rows.get_column("participating_stations")
    )
    rows = rows.with_columns(identifiers)
    empty = [
        pl.lit(None, kind).alias(name)
        for name, kind in polars_schema(TRAJECTORY_FIELDS).items()
        if name not in rows.columns
    ]
    return rows.with_columns(
        *empty,
        pl.lit(value=True).alias("identifier_made_here"),
        pl.lit(value=True).alias("latitude_of_perihelion_missing"),
    ).select(
        *(field.name for field in TRAJECTORY_FIELDS),
        "identifier_made_here",
        "latitude_of_perihelion_missing",
    )


_LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_NO_TIME = "0" * 14  # of a row that is rejected for its time


def made_identifiers(times: pl.Series, stations: pl.Series) -> pl.Series:
    """Identifiers in the network's form, `YYYYMMDDhhmmss_XXXXX`, for rows that have none.

    The first part is the beginning cut to seconds; the second, five letters or digits of the
    BLAKE2b hash of what tells one event from all others: the beginning to the microsecond and the
    sorted codes of the stations. Padding and the order of the stations change nothing, nor does
    another orbit of the same beginning. They are never those of the network, which hashes the
    solution.
    """
    when = in_calendar(utc_time(pl.col("times").str.strip_chars(" ")))
    parts = pl.DataFrame({"times": times, "stations": stations}).select(
        when.dt.strftime("%Y%m%d%H%M%S").fill_null(_NO_TIME).alias("second"),
        pl.concat_str(
            when.dt.strftime("%Y-%m-%d %H:%M:%S%.6f").fill_null(pl.col("times")),
            pl.col("stations").str.strip_chars(" ").str.split(",")
            .list.eval(pl.element().str.strip_chars(" ")).list.sort().list.join(","),
            separator=" ",
        ).alias("event"),
    )  # fmt: skip
    # Row by row, since no hash of Polars is promised to be the same in the next version.
    made = (f"{second}_{_five_letters(event)}" for second, event in parts.iter_rows())
    return pl.Series("trajectory_identifier", made, dtype=pl.String)


def _five_letters(text: str) -> str:
    number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
    return "".join(_LETTERS[number // len(_LETTERS) ** place % len(_LETTERS)] for place in range(5))
