"""An Arrow stream, decoded as its bytes come.

What belongs here: where a message ends, and whether the stream came to its end. What does not: the
meaning of messages, which is pyarrow's. pyarrow reads from files that can be waited for; bytes that
come when they like are therefore kept until a message is whole.

The framing (Arrow columnar format, "Encapsulated message format"): FF FF FF FF, the length of the
metadata as int32, the metadata (a flatbuffer `Message`, padded), the body, whose length stands in
the metadata. A length of 0 is the end of the stream.
"""

import struct

import pyarrow as pa

from gmn_client.errors import BrokenTransfer, UnexpectedAnswer

_CONTINUES = 0xFFFFFFFF
_PREFIX = struct.Struct("<II")
_RECORD_BATCH = 3
"""Of the union `MessageHeader`: none, schema, dictionary batch, record batch."""
_KIND_FIELD, _BODY_LENGTH_FIELD = 1, 3


class ArrowDecoder:
    """Bytes in, record batches out."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._source = _Source()
        self._reader: pa.ipc.RecordBatchStreamReader | None = None
        self._has_ended = False
        self.bytes = 0

    @property
    def schema(self) -> pa.Schema:
        """Known with the first batch, and at the end."""
        if self._reader is None:
            raise BrokenTransfer("The answer broke off before its columns.")
        return self._reader.schema

    def feed(self, data: bytes) -> list[pa.RecordBatch]:
        """The batches that are whole with these bytes; those without a row are left out."""
        self.bytes += len(data)
        self._waiting += data
        found = []
        while (batch := self._next()) is not None:
            if batch.num_rows:
                found.append(batch)
        return found

    def close(self) -> None:
        """Raises BrokenTransfer if the stream did not come to its end."""
        if not self._has_ended:
            raise BrokenTransfer(f"The answer broke off after {self.bytes:,} bytes.")

    def _next(self) -> pa.RecordBatch | None:
        """The next batch, if it is whole."""
        while not self._has_ended and (length := self._message_length()) is not None:
            message = bytes(self._waiting[:length])
            del self._waiting[:length]
            self._source.add(message)
            if length == _PREFIX.size:
                self._has_ended = True
                return None
            kind, _ = _message(message[_PREFIX.size :])
            if self._reader is None:
                self._reader = pa.ipc.open_stream(pa.PythonFile(self._source, mode="r"))
            if kind == _RECORD_BATCH:
                return self._reader.read_next_batch()
        return None

    def _message_length(self) -> int | None:
        """Bytes of the message that begins here; None as long as it is not whole."""
        if len(self._waiting) < _PREFIX.size:
            return None
        continues, metadata_length = map(int, _PREFIX.unpack_from(self._waiting))
        if continues != _CONTINUES:
            raise UnexpectedAnswer("The answer is no Arrow stream. Is the address right?")
        length = _PREFIX.size + metadata_length
        if metadata_length == 0:
            return length
        if len(self._waiting) < length:
            return None
        _, body_length = _message(self._waiting[_PREFIX.size : length])
        return length + body_length if len(self._waiting) >= length + body_length else None


def _message(metadata: bytes | bytearray) -> tuple[int, int]:
    """Kind of a message, and length of its body: two fields of the flatbuffer."""
    (table,) = struct.unpack_from("<I", metadata)
    (to_offsets,) = struct.unpack_from("<i", metadata, table)
    offsets = table - to_offsets

    def place(field: int) -> int:
        (size,) = struct.unpack_from("<H", metadata, offsets)
        entry = 4 + 2 * field
        return int(struct.unpack_from("<H", metadata, offsets + entry)[0]) if entry < size else 0

    kind_at, length_at = place(_KIND_FIELD), place(_BODY_LENGTH_FIELD)
    kind = metadata[table + kind_at] if kind_at else 0
    (length,) = struct.unpack_from("<q", metadata, table + length_at) if length_at else (0,)
    return kind, int(length)


class _Source:
    """A file of whole messages, which are there before they are read."""

    closed = False

    def __init__(self) -> None:
        self._held = bytearray()

    def add(self, message: bytes) -> None:
        self._held += message

    def read(self, size: int = -1) -> bytes:
        size = len(self._held) if size < 0 else size
        piece = bytes(self._held[:size])
        del self._held[:size]
        return piece

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self._held.clear()
