"""What kind of file bytes are, by the bytes: names lie, and so do headers of requests.

What belongs here: telling from the first bytes, and, where these leave it open, from how the text
looks. What does not: reading the file. Signatures: those of puremagic's collection, and the formats
of this field.
"""

import re
from pathlib import PurePosixPath

import orjson
import puremagic

from gmn_pipeline.readers.ff_bin import MEDIA_TYPE as FF_BIN
from gmn_pipeline.readers.ff_bin import may_be_ff_bin

HEAD_BYTES = 8_192
"""So many of the first bytes are enough."""

UNKNOWN = "application/octet-stream"

_OURS: tuple[tuple[bytes, str], ...] = (
    (b"SIMPLE  =", "application/fits"),
    (b"PAR1", "application/vnd.apache.parquet"),
    (b"ARROW1\0\0", "application/vnd.apache.arrow.file"),
    (b"Obj\x01", "application/avro"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_BY_SUFFIX_OF_ZIP = {
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
}
_BY_SUFFIX_OF_TEXT = {
    ".csv": "text/csv", ".tsv": "text/tab-separated-values", ".md": "text/markdown",
    ".config": "text/x-rms-config", ".json": "application/json",
    ".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson",
}  # fmt: skip
_XML = re.compile(rb"<(?:\w+:)?(VOTABLE|svg|html)\b", re.IGNORECASE)
_XML_TYPES = {
    b"votable": "application/x-votable+xml", b"svg": "image/svg+xml", b"html": "text/html",
}  # fmt: skip
_HTML = re.compile(rb"^\s*<(?:!doctype html|html|head|body|script|iframe)\b", re.IGNORECASE)
_FTP_DETECT_INFO = re.compile(rb"^Meteor Count = \d+", re.MULTILINE)


def content_type(head: bytes, name: str) -> str:
    """The media type of a file that begins with `head` (HEAD_BYTES of it, or all).

    Its name only chooses among what the bytes may be: a text named `.csv` is CSV, an image so
    named is an image.
    """
    for signature, kind in _OURS:
        if head.startswith(signature):
            return kind
    # As people see it: a file `.config` is a configuration.
    suffix = PurePosixPath(f"x{PurePosixPath(name).name}").suffix.lower()
    if head[4:8] == b"ftyp":
        return "image/avif" if head[8:12] == b"avif" else "video/mp4"
    if head.startswith(b"RIFF"):
        return {b"AVI ": "video/x-msvideo", b"WEBP": "image/webp"}.get(head[8:12], UNKNOWN)
    if head.startswith(b"PK\x03\x04"):
        return _BY_SUFFIX_OF_ZIP.get(suffix, "application/zip")
    if may_be_ff_bin(head, name):
        return FF_BIN
    return _of_text(head, suffix) if _is_text(head) else _of_other_bytes(head)


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3  # a letter that the end of the head parts
    return True


def _of_text(head: bytes, suffix: str) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _HTML.match(text):
        return "text/html"
    if text.startswith(b"<"):
        found = _XML.search(text)
        return _XML_TYPES[found[1].lower()] if found else "application/xml"
    if text[:1] in (b"{", b"["):
        return _of_json(text, suffix)
    if _FTP_DETECT_INFO.match(text):
        return "text/x-rms-ftpdetectinfo"
    if suffix in (".json", ".ndjson", ".jsonl"):
        return "text/plain"
    return _BY_SUFFIX_OF_TEXT.get(suffix, "text/plain")


def _of_json(text: bytes, suffix: str) -> str:
    lines = text.split(b"\n", 2)
    if len(lines) > 1 and lines[1].strip():
        try:  # a whole value in each line
            orjson.loads(lines[0])
            if lines[1].lstrip()[:1] in (b"{", b"["):
                return "application/x-ndjson"
        except orjson.JSONDecodeError:
            pass
    if suffix in (".config", ".csv", ".tsv", ".md"):
        return _BY_SUFFIX_OF_TEXT[suffix]
    return _BY_SUFFIX_OF_TEXT.get(suffix, "application/json")


def _of_other_bytes(head: bytes) -> str:
    try:
        return puremagic.from_string(head, mime=True) or UNKNOWN
    except (puremagic.PureError, ValueError):
        return UNKNOWN
