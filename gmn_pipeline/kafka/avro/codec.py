"""Message bodies to and from frames, all rows at once.

What belongs here: Avro bytes without any framing, in any version of a message schema. What does
not: how a body says which version it has (`kafka/framing.py`), and what a row means.

`polars-avro` writes a whole frame as one Avro file, some fifteen times as fast as one record at a
time. Avro's binary form has no marks between records, so the file is cut at lengths computed from
the columns; and bodies are joined to be read as one file, once each is known to be well-formed
(`walk.py`). Others are left to fastavro, to read or to say why not.
"""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import fastavro
import numpy as np
import polars as pl
import polars_avro

from gmn_pipeline.kafka.avro.walk import wellformed
from gmn_pipeline.schemas.message_schema import MessageField, MessageSchema

_SYNC = b"gmn message body"
_MAGIC = b"Obj\x01"
# A batch that will not be read whole is halved down to so many bodies, and then read one by one.
_ONE_BY_ONE = 8
_LONG_MIN, _LONG_MAX = -(2**63), 2**63 - 1


@dataclass
class Decoded:
    """`rows` has one row for each body that could be read, `index` says which (ascending);
    `reasons` says of each other why not."""

    rows: pl.DataFrame
    index: list[int] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)


# --- lengths -------------------------------------------------------------------------------------


def _varint_bytes(number: pl.Expr, most: int) -> pl.Expr:
    """Length of a number as Avro writes it: zigzag, seven bits to a byte."""
    magnitude = pl.when(number < 0).then(-(number + 1)).otherwise(number)
    length = pl.lit(1, pl.Int64)
    for bits in range(6, 63, 7):
        if 1 << bits > most:
            break
        length = length + (magnitude >= 1 << bits).cast(pl.Int64)
    return length


def _text_bytes(text: pl.Expr, most: int) -> pl.Expr:
    size = text.str.len_bytes().cast(pl.Int64)
    return size + _varint_bytes(size, most)


def _longest(texts: pl.Series) -> int:
    longest = texts.str.len_bytes().max()
    return longest if isinstance(longest, int) else 0


def _longest_bytes(values: pl.Series) -> int:
    longest = values.bin.size().max()
    return longest if isinstance(longest, int) else 0


def _value_bytes(values: pl.Series) -> pl.Expr:
    """Length of each value that is there, without the byte that says so."""
    column = pl.col(values.name)
    if values.dtype == pl.Float64:
        return pl.lit(8, pl.Int64)
    if values.dtype == pl.Boolean:
        return pl.lit(1, pl.Int64)
    if values.dtype == pl.String:
        return _text_bytes(column, _longest(values))
    if values.dtype == pl.Binary:
        size = column.bin.size().cast(pl.Int64)
        return size + _varint_bytes(size, _longest_bytes(values))
    if values.dtype.is_integer():
        low, high = values.min(), values.max()
        most = max(abs(int(low)), abs(int(high))) if low is not None and high is not None else 0  # type: ignore[arg-type]
        return _varint_bytes(column.cast(pl.Int64), most)
    assert values.dtype == pl.List(pl.String), values.dtype
    item = pl.element()
    most = _longest(values.explode(empty_as_null=False, keep_nulls=False))
    items = column.list.eval(
        1 + pl.when(item.is_null()).then(0).otherwise(_text_bytes(item, most)).fill_null(0)
    ).list.sum()
    count = column.list.len().cast(pl.Int64)
    # A block of items, if there are any, and the end of the blocks.
    block = pl.when(count > 0).then(items + _varint_bytes(count, 1 << 31)).otherwise(0)
    return block.cast(pl.Int64) + 1


def record_lengths(rows: pl.DataFrame) -> pl.Series:
    """Length in bytes of each row as a record whose fields are all optional."""
    lengths = [
        pl.when(pl.col(values.name).is_null()).then(0).otherwise(_value_bytes(values))
        for values in rows.iter_columns()
        if values.null_count() < values.len()
    ]
    if not lengths:
        return pl.repeat(rows.width, rows.height, dtype=pl.Int64, eager=True)
    total = pl.sum_horizontal(lengths) + rows.width
    return rows.select(total.cast(pl.Int64).alias("bytes")).to_series()


# --- rows to bodies ------------------------------------------------------------------------------


def encode(rows: pl.DataFrame, fields: Sequence[MessageField]) -> list[bytes]:
    """The body of each row. Columns have the names and wire types of the fields."""
    rows = rows.select(pl.col(f.name).cast(f.wire_type) for f in fields)
    if not rows.height:
        return []
    ends = record_lengths(rows).cum_sum().to_list()
    file = io.BytesIO()
    polars_avro.write_avro(rows.rechunk(), file)
    bodies = b"".join(_blocks(file.getbuffer()))
    if ends[-1] != len(bodies):
        raise AssertionError(f"Records of {ends[-1]} bytes were written as {len(bodies)}.")
    return [bodies[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def _blocks(file: memoryview) -> Iterator[memoryview]:
    """What is in the blocks of an Avro file, without its head and marks."""
    at = len(_MAGIC)
    while True:  # the map of metadata
        count, at = _long_at(file, at)
        if count == 0:
            break
        for _ in range(2 * count):
            size, at = _long_at(file, at)
            at += size
    at += len(_SYNC)
    while at < len(file):
        _, at = _long_at(file, at)
        size, at = _long_at(file, at)
        yield file[at : at + size]
        at += size + len(_SYNC)


def _long_at(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at


def _long(value: int) -> bytes:
    """A number that is not negative, as Avro writes it."""
    value <<= 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


# --- bodies to rows ------------------------------------------------------------------------------


@cache
def _plain_schema(messages: MessageSchema, version: str) -> dict[str, Any]:
    """The schema of a version with times as numbers: no date is too strange to be read."""
    published = messages.published(version)
    fields = [
        {"name": f["name"], "type": ["null", _plain(f["type"][1])], "default": None}
        for f in published["fields"]
    ]
    return {"type": "record", "name": published["name"], "fields": fields}


def _plain(kind: Any) -> Any:
    return kind["type"] if isinstance(kind, dict) and "logicalType" in kind else kind


@cache
def _parsed(messages: MessageSchema, version: str) -> Any:
    return fastavro.parse_schema(_plain_schema(messages, version))


@cache
def _head(messages: MessageSchema, version: str) -> bytes:
    schema = json.dumps(_plain_schema(messages, version)).encode()
    name = b"avro.schema"
    return b"".join(
        [_MAGIC, _long(1), _long(len(name)), name, _long(len(schema)), schema, _long(0), _SYNC]
    )


def decode(bodies: Sequence[bytes], messages: MessageSchema, version: str) -> Decoded:
    """Read bodies that were written with a version's schema; later versions' fields are null."""
    reading = _Reading(bodies, messages, version)
    reading.read_all()
    return reading.decoded()


def decode_foreign(bodies: Sequence[bytes], messages: MessageSchema, writer_schema: Any) -> Decoded:
    """Read bodies that were written with another schema, as far as Avro's rules resolve it."""
    decoded = Decoded(no_rows(messages))
    try:
        writer = fastavro.parse_schema(writer_schema)
    except Exception as error:
        reason = f"undecodable: its schema is not one: {_one_line(error)}"
        return Decoded(decoded.rows, [], dict.fromkeys(range(len(bodies)), reason))
    records = []
    reader = _parsed(messages, messages.current_version)
    for index, body in enumerate(bodies):
        record = _read_one(body, writer, reader)
        if isinstance(record, str):
            decoded.reasons[index] = record
        else:
            records.append(record)
            decoded.index.append(index)
    decoded.rows = _frame(messages, records)
    return decoded


class _Reading:
    """Bodies of one schema on their way to rows."""

    def __init__(self, bodies: Sequence[bytes], messages: MessageSchema, version: str) -> None:
        self._bodies = bodies
        self._messages = messages
        self._version = version
        self._rows: dict[int, pl.DataFrame] = {}
        self._index: dict[int, list[int]] = {}
        self._reasons: dict[int, str] = {}

    def decoded(self) -> Decoded:
        """What was read, in the order of the bodies."""
        index = [at for begin in sorted(self._index) for at in self._index[begin]]
        rows = [self._rows[begin] for begin in sorted(self._rows)]
        if not rows:
            return Decoded(no_rows(self._messages), [], self._reasons)
        order = pl.Series(index).arg_sort()
        return Decoded(pl.concat(rows)[order], sorted(index), self._reasons)

    def read_all(self) -> None:
        """Read well-formed bodies at once, the others one by one."""
        sound = wellformed(self._bodies, self._messages.fields_of(self._version))
        self._read(np.flatnonzero(sound).tolist())
        self._read_one_by_one(np.flatnonzero(~sound).tolist())

    def _read(self, which: list[int]) -> None:
        """Read bodies at once; if a text is not UTF-8, their halves, and at last one by one."""
        if not which:
            return
        rows = self._read_at_once(which)
        if rows is not None:
            self._keep(which, rows)
        elif len(which) > _ONE_BY_ONE:
            middle = len(which) // 2
            self._read(which[:middle])
            self._read(which[middle:])
        else:
            self._read_one_by_one(which)

    def _read_at_once(self, which: Sequence[int]) -> pl.DataFrame | None:
        block = b"".join([self._bodies[at] for at in which])
        head = _head(self._messages, self._version)
        file = b"".join([head, _long(len(which)), _long(len(block)), block, _SYNC])
        try:
            rows = polars_avro.read_avro(io.BytesIO(file))
        except polars_avro.AvroError:
            return None
        return self._completed(rows) if rows.height == len(which) else None

    def _read_one_by_one(self, which: Sequence[int]) -> None:
        records, index = [], []
        for at in which:
            record = _read_one(self._bodies[at], _parsed(self._messages, self._version))
            if isinstance(record, str):
                self._reasons[at] = record
            else:
                records.append(record)
                index.append(at)
        if records:
            self._keep(index, _frame(self._messages, records))

    def _completed(self, rows: pl.DataFrame) -> pl.DataFrame:
        """With the fields that later versions added, null."""
        return rows.select(
            pl.col(f.name).cast(f.wire_type)
            if f.name in rows.columns
            else pl.lit(None, f.wire_type).alias(f.name)
            for f in self._messages.fields
        )

    def _keep(self, which: list[int], rows: pl.DataFrame) -> None:
        self._rows[which[0]] = rows
        self._index[which[0]] = which


def _read_one(body: bytes, writer: Any, reader: Any = None) -> dict[str, Any] | str:
    """One record, or why it cannot be read."""
    opened = io.BytesIO(body)
    try:
        record = fastavro.schemaless_reader(opened, writer, reader)
    except Exception as error:
        return f"undecodable: {_one_line(error)}"
    if opened.tell() != len(body):
        return f"undecodable: {len(body) - opened.tell()} bytes follow the record"
    if not isinstance(record, dict):
        return "undecodable: it is not a record"
    for name, value in record.items():
        if isinstance(value, int) and not _LONG_MIN <= value <= _LONG_MAX:
            return f"undecodable: {name} is no number of 64 bits"
    return record


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."


def no_rows(messages: MessageSchema) -> pl.DataFrame:
    """A frame of the current version's fields, without rows."""
    return _frame(messages, [])


def _frame(messages: MessageSchema, records: Sequence[dict[str, Any]]) -> pl.DataFrame:
    schema = {f.name: f.wire_type for f in messages.fields}
    return pl.DataFrame(
        [[record.get(name) for name in schema] for record in records], schema=schema, orient="row"
    )
