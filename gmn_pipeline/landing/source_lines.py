"""Lines of trajectories as they stood in the landed files that they came in.

What belongs here: finding lines by the identifiers that they begin with, in files of any size and
in bounded memory. What does not: which file a trajectory came in (`source_file_sha256` says it),
and what is in a line (`readers/`).

A file is looked at in blocks of some megabytes. The first time, all of it is read once, to note
the least and the greatest identifier of each block: 0.1 s for 100 MB. From then on only blocks in
which an identifier may stand are read; rows are in order of time, as identifiers are, so mostly
there is one.
"""

import re
import threading
from bisect import bisect_left
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gmn_pipeline.errors import DataDamaged
from gmn_pipeline.readers.summary_file import Head, read_head
from gmn_pipeline.readers.summary_file_formats import CURRENT
from gmn_pipeline.storage.object_store import ObjectStore

_BLOCK_BYTES = 1 << 22
_HEAD_BYTES = 1 << 14
_KEPT_BLOCKS = 8
_KEPT_FILES = 1_000
"""Of each its head is kept, some 15 kB."""
# Lines end in LF CR, so that CR is the first of a line; an editor may have made other ends.
_IDENTIFIER = re.compile(rb"\r?([0-9]{14}_[0-9A-Za-z]{5})[ \t]*;")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class _Block:
    offset: int
    size: int
    first: bytes
    last: bytes


@dataclass(frozen=True)
class _File:
    path: Path
    head: Head
    head_lines: tuple[bytes, ...]
    blocks: tuple[_Block, ...]


class LandedLines:
    """Lines out of the landed files of a data folder; threads may share it."""

    def __init__(self, objects: ObjectStore, block_bytes: int = _BLOCK_BYTES) -> None:
        self._objects = objects
        self._block_bytes = block_bytes
        self._files: OrderedDict[str, _File] = OrderedDict()
        self._read: OrderedDict[tuple[str, int], dict[bytes, list[bytes]]] = OrderedDict()
        self._lock = threading.Lock()
        self._looking = threading.Lock()

    def has_lines(self, source_file_sha256: str) -> bool:
        """Whether it is a file with a line of 86 fields for each trajectory: not a message's
        place, and not of a former format."""
        if not _SHA256.fullmatch(source_file_sha256):
            return False
        return self._file(source_file_sha256).head.file_format is CURRENT

    def head_lines(self, source_file_sha256: str) -> tuple[bytes, ...]:
        """The three lines that name its columns."""
        return self._file(source_file_sha256).head_lines

    def lines(
        self, source_file_sha256: str, identifiers: Sequence[str]
    ) -> Mapping[str, Sequence[bytes]]:
        """The lines that begin with each identifier, in the order of the file, without line ends.

        A file may say an identifier twice. Raises DataDamaged if the file, or a line, is not there.
        """
        file = self._file(source_file_sha256)
        wanted = {identifier.encode() for identifier in identifiers}
        in_order = sorted(wanted)
        found: dict[bytes, list[bytes]] = defaultdict(list)
        for block in file.blocks:
            nearest = bisect_left(in_order, block.first)
            if nearest < len(in_order) and in_order[nearest] <= block.last:
                for one, lines in self._in_block(source_file_sha256, file, block, wanted):
                    found[one] += lines
        if missing := wanted - found.keys():
            raise DataDamaged(
                f"{file.path} has no line that begins with {min(missing).decode()}.",
                remedy="'gmn verify' says what else is wrong with the data folder.",
            )
        return {one.decode(): lines for one, lines in found.items()}

    def _file(self, sha256: str) -> _File:
        if (known := self._known(sha256)) is not None:
            return known
        with self._looking:  # who comes meanwhile waits, rather than read all of it as well
            if (known := self._known(sha256)) is not None:
                return known
            file = self._looked_through(self._objects.path(sha256))
            with self._lock:
                self._files[sha256] = file
                while len(self._files) > _KEPT_FILES:
                    self._files.popitem(last=False)
        return file

    def _known(self, sha256: str) -> _File | None:
        with self._lock:
            if sha256 in self._files:
                self._files.move_to_end(sha256)
            return self._files.get(sha256)

    def _looked_through(self, path: Path) -> _File:
        try:
            with path.open("rb") as opened:
                start = opened.read(_HEAD_BYTES)
                head = read_head(start, path.name)
                comments = [line.strip() for line in start[: head.size_bytes].split(b"\n")]
                opened.seek(offset := head.size_bytes)
                blocks = []
                while data := opened.read(self._block_bytes) + opened.readline():
                    if identifiers := _identifiers(data):
                        ends = min(identifiers), max(identifiers)
                        blocks.append(_Block(offset, len(data), *ends))
                    offset += len(data)
        except FileNotFoundError as error:
            raise DataDamaged(
                f"The landed file {path} is missing.",
                remedy="Put it back from a copy of the data folder.",
            ) from error
        names = tuple(line for line in comments if line)[1:4]
        return _File(path, head, names, tuple(blocks))

    def _in_block(
        self, sha256: str, file: _File, block: _Block, wanted: set[bytes]
    ) -> Iterator[tuple[bytes, list[bytes]]]:
        if len(wanted) == 1 and (sha256, block.offset) not in self._read:
            # To take a whole block apart for one line takes ten times as long as looking for it.
            (one,) = wanted
            if lines := _lines_of(_bytes_of(file, block), one):
                yield one, lines
            return
        there = self._block(sha256, file, block)
        for one in wanted & there.keys():
            yield one, there[one]

    def _block(self, sha256: str, file: _File, block: _Block) -> dict[bytes, list[bytes]]:
        key = (sha256, block.offset)
        with self._lock:
            if key in self._read:
                self._read.move_to_end(key)
                return self._read[key]
        lines: dict[bytes, list[bytes]] = defaultdict(list)
        for line in _bytes_of(file, block).split(b"\n"):
            if match := _IDENTIFIER.match(line):
                lines[match[1]].append(line.strip(b"\r"))
        with self._lock:
            self._read[key] = lines
            while len(self._read) > _KEPT_BLOCKS:
                self._read.popitem(last=False)
        return lines


def _identifiers(data: bytes) -> list[bytes]:
    """Those that lines begin with. Line by line: to look for them in all of it takes five times as
    long."""
    return [match[1] for line in data.split(b"\n") if (match := _IDENTIFIER.match(line))]


def _bytes_of(file: _File, block: _Block) -> bytes:
    with file.path.open("rb") as opened:
        opened.seek(block.offset)
        return opened.read(block.size)


def _lines_of(data: bytes, identifier: bytes) -> list[bytes]:
    """The lines that begin with an identifier."""
    lines = []
    at = data.find(identifier)
    while at >= 0:
        begin, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
        line = data[begin : end if end >= 0 else len(data)]
        match = _IDENTIFIER.match(line)
        if match and match[1] == identifier:
            lines.append(line.strip(b"\r"))
        at = data.find(identifier, at + len(identifier))
    return lines
