"""The keys of signed datagrams: a file that may change while a listener works.

What belongs here: the file. What does not: what a signature is (`readers/station_readings/`).

    # key id   secret                     stations
    hr0001     6d1f9c0e...                HR0001
    zagreb     0c77ab31...                HR0002,HR0003
    office     fa0e11d8...                *
"""

import logging
import re
import time
from collections.abc import Mapping
from pathlib import Path

from gmn_pipeline.errors import SettingsError
from gmn_pipeline.readers.station_readings.signed import Key
from gmn_pipeline.schemas.station_readings import READING_STATION_PATTERN

_log = logging.getLogger(__name__)
_LOOK_S = 1.0
_SHORTEST_SECRET = 16
_KEY_ID = re.compile(r"[!-~]{1,64}")


class StationKeys:
    """Keys by their id, as the file has them; one that is wrong leaves them as they were."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looked_at = time.monotonic()
        self._seen = self._state()
        self._keys = read_keys(path)

    def current(self) -> Mapping[str, Key]:
        """The keys; the file is looked at once a second."""
        now = time.monotonic()
        if now - self._looked_at > _LOOK_S:
            self._looked_at = now
            self._look()
        return self._keys

    def _look(self) -> None:
        state = self._state()
        if state == self._seen:
            return
        self._seen = state
        try:
            self._keys = read_keys(self._path)
        except SettingsError as error:
            _log.warning("%s The keys stay as they were.", error)

    def _state(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def read_keys(path: Path) -> dict[str, Key]:
    """The keys of a file. Raises SettingsError, which names the line and no secret."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The stations' keys in {path} cannot be read: {type(error).__name__}.",
            remedy="See GMN_STATIONS_KEYS_FILE.",
        ) from error
    keys: dict[str, Key] = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if problem := _problem(words, keys):
            raise SettingsError(
                f"Line {number} of the stations' keys in {path} is wrong: {problem}.",
                remedy="A line has key id, secret, and codes of stations with commas (or *).",
            )
        key_id, secret, stations = words
        codes = None if stations == "*" else frozenset(stations.split(","))
        keys[key_id] = Key(secret.encode(), codes)
    return keys


def _problem(words: list[str], keys: Mapping[str, Key]) -> str | None:
    if len(words) != 3:
        return f"it has {len(words)} words"
    if not _KEY_ID.fullmatch(words[0]):
        return "its key id is not of 1 to 64 visible ASCII characters"
    if words[0] in keys:
        return "its key id is that of a line before"
    if len(words[1]) < _SHORTEST_SECRET:
        return f"its secret is shorter than {_SHORTEST_SECRET} characters"
    wrong = [c for c in words[2].split(",") if not re.fullmatch(READING_STATION_PATTERN, c)]
    return f"{wrong[0]!r} is no code of a station" if wrong and words[2] != "*" else None
