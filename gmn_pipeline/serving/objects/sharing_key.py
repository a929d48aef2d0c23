"""What addresses of this server are signed with.

What belongs here: the key, in the data folder, and signatures by it. What does not: addresses
(`sharing.py`).
"""

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from gmn_pipeline.storage.files import working_folder

_KEY_BYTES = 32


class SharingKey:
    """A key that is made when it is first needed, once for all servers of a data folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "sharing.key"

    def signature(self, *said: object) -> str:
        """Of these values, in this order."""
        text = "\n".join(map(str, said)).encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()

    def is_signature(self, given: str, *said: object) -> bool:
        """Whether it is theirs."""
        return hmac.compare_digest(given.encode(), self.signature(*said).encode())

    @cached_property
    def _key(self) -> bytes:
        if not self._path.exists():
            self._make()
        return self._path.read_bytes()

    def _make(self) -> None:
        with working_folder(self._path.parent / "incoming") as folder:
            new = folder / self._path.name
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):  # another server was first
                os.link(new, self._path)
