"""The files that `make portal` built, as this program carries them.

What belongs here: reading them once, their types and tags. What does not: addresses (`routes.py`),
and what is in them (`portal/` at the top of the repository).
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "built"
INDEX = "index.html"
MEDIA_TYPES = {
    ".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml",
}  # fmt: skip
_HASHED = re.compile(r".+-[\w-]{8}\.\w+")
"""As the build names what it names by content."""


@dataclass(frozen=True)
class BuiltFile:
    """Its bytes, and what is said of them."""

    body: bytes
    media_type: str
    etag: str
    is_named_by_content: bool


def tag_of(body: bytes) -> str:
    """The ETag of what is sent."""
    return f'W/"{hashlib.sha256(body).hexdigest()[:16]}"'


@cache
def built_files() -> dict[str, BuiltFile]:
    """By name. There is no other way to a file: a name that is not here leads nowhere."""
    return {
        path.name: _read(path) for path in sorted(FOLDER.glob("*")) if path.suffix in MEDIA_TYPES
    }


def _read(path: Path) -> BuiltFile:
    body = path.read_bytes()
    return BuiltFile(
        body,
        MEDIA_TYPES[path.suffix],
        tag_of(body),
        _HASHED.fullmatch(path.name) is not None,
    )
