"""Formats of TAP's answers, by the names that clients give them.

What belongs here: which there are, VOTable as TAP wants it, and two that are for people: values
between tabs, and columns in line. What does not: the other formats (`serving/formats/`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import polars as pl
import pyarrow as pa

from gmn_pipeline.schemas.fields import Kind
from gmn_pipeline.serving.formats.export import Export
from gmn_pipeline.serving.formats.frames import cell_text, frames, joined, lines_of
from gmn_pipeline.serving.formats.registry import FORMATS
from gmn_pipeline.serving.formats.votable import votable
from gmn_pipeline.serving.problems import VOTABLE_TYPE, bad_request

_WIDEST = 60
_NUMBERS = (Kind.INTEGER, Kind.LONG, Kind.NUMBER)


@dataclass(frozen=True)
class Told:
    """What an answer says beside its rows."""

    infos: Mapping[str, str] = field(default_factory=dict)
    closing_infos: Callable[[], Mapping[str, str]] = dict
    xtypes: Mapping[str, str] = field(default_factory=dict)


Writer: TypeAlias = Callable[[Export, Iterable[pa.RecordBatch], Told], Iterator[bytes]]


@dataclass(frozen=True)
class TapFormat:
    """`name` is the short name of RESPONSEFORMAT, `aliases` are media types that mean it too."""

    name: str
    media_type: str
    write: Writer
    aliases: tuple[str, ...] = ()


def _votable(export: Export, batches: Iterable[pa.RecordBatch], told: Told) -> Iterator[bytes]:
    return votable(
        export, batches, infos=told.infos, closing_infos=told.closing_infos, xtypes=told.xtypes
    )


def _tsv(export: Export, batches: Iterable[pa.RecordBatch], told: Told) -> Iterator[bytes]:
    """Values between tabs; a tab or the end of a line within one becomes a space."""
    del told
    yield ("\t".join(map(_one_line_of, export.names)) + "\n").encode()
    cells = [_one_line(one) for one in _cells(export)]
    parts = [part for cell in cells for part in (cell, "\t")]
    row = joined([*parts[:-1], "\n"])
    for frame in frames(export, batches):
        yield lines_of(frame.select(row).to_series())


def _text(export: Export, batches: Iterable[pa.RecordBatch], told: Told) -> Iterator[bytes]:
    """Columns in line, as wide as the first rows want them."""
    del told
    widths: list[int] | None = None
    for frame in frames(export, batches):
        texts = frame.select(
            _one_line(cell).fill_null("").alias(str(n)) for n, cell in enumerate(_cells(export))
        )
        if widths is None:
            widths = _widths(export, texts)
            yield _head(export, widths)
        padded = (
            pl.col(str(n)).str.pad_start(width) if field.kind in _NUMBERS
            else pl.col(str(n)).str.pad_end(width)
            for n, (field, width) in enumerate(zip(export.fields, widths, strict=True))
        )  # fmt: skip
        row = pl.concat_str([*padded], separator=" ").str.strip_chars_end() + "\n"
        yield lines_of(texts.select(row).to_series())
    if widths is None:
        yield _head(export, [len(name) for name in export.names])


def _widths(export: Export, texts: pl.DataFrame) -> list[int]:
    longest = texts.select(pl.all().str.len_chars().max().fill_null(0)).row(0)
    return [
        max(len(name), min(length, _WIDEST))
        for name, length in zip(export.names, longest, strict=True)
    ]


def _head(export: Export, widths: list[int]) -> bytes:
    names = " ".join(
        _one_line_of(name).ljust(w) for name, w in zip(export.names, widths, strict=True)
    )
    return f"{names.rstrip()}\n{' '.join('-' * w for w in widths)}\n".encode()


def _cells(export: Export) -> Iterator[pl.Expr]:
    for one in export.fields:
        yield cell_text(one, nan="NaN", infinity="Infinity")


def _one_line(cell: pl.Expr) -> pl.Expr:
    return cell.str.replace_all(r"[\t\r\n]", " ")


def _one_line_of(name: str) -> str:
    return name.translate({9: " ", 10: " ", 13: " "})


def _known(suffix: str) -> Writer:
    """A format that has no place for what TAP says beside the rows."""

    def write(export: Export, batches: Iterable[pa.RecordBatch], told: Told) -> Iterator[bytes]:
        del told
        return FORMATS[suffix].write(export, batches)

    return write


def _same(name: str, *aliases: str) -> TapFormat:
    return TapFormat(name, FORMATS[name].media_type, _known(name), aliases)


TAP_FORMATS = (
    TapFormat(
        "votable", VOTABLE_TYPE, _votable,
        (
            "application/x-votable+xml", "application/x-votable+xml;serialization=tabledata",
            "votable/td", "vot", "text/xml", "application/xml",
        ),
    ),
    _same("csv", "text/csv", "text/csv;header=present"),
    TapFormat(
        "tsv", "text/tab-separated-values; charset=utf-8", _tsv, ("text/tab-separated-values",)
    ),
    TapFormat("text", "text/plain; charset=utf-8", _text, ("text/plain",)),
    _same("json"),
    _same("ndjson"),
    _same("ecsv", "text/x-ecsv"),
    _same("parquet"),
    _same("arrow"),
)  # fmt: skip
"""In the order in which the capabilities declare them; the first one is it where none is named."""


def format_named(text: str | None) -> TapFormat:
    """The format that a client names. Raises Problem."""
    if text is None:
        return TAP_FORMATS[0]
    wanted = text.strip().lower().replace(" ", "")
    for one in TAP_FORMATS:
        if wanted in (one.name, one.media_type.replace(" ", ""), *one.aliases):
            return one
    names = ", ".join(one.name for one in TAP_FORMATS)
    raise bad_request(f"There is no format {text[:100]!r} here, but {names}.")
