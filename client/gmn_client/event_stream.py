"""Server-sent events, decoded as their bytes come, by the HTML standard's section 9.2.

What belongs here: the format. What does not: connecting and going on (`flows.py`).
"""

import codecs
import json
from dataclasses import dataclass
from typing import Any

_BOM = "\ufeff"


@dataclass(frozen=True)
class Event:
    """An event; `id` is what to go on from after it."""

    type: str
    data: str
    id: str

    def json(self) -> Any:
        return json.loads(self.data)


class EventDecoder:
    """Bytes in, events out. An event without its empty line was not sent whole, and is dropped."""

    def __init__(self, last_event_id: str = "") -> None:
        self.last_event_id = last_event_id
        """Of the last event that was handed out."""
        self.retry_s: float | None = None
        """How long the server wants to be left alone before it is connected again."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self._is_first = True
        self._ends_with_cr = False
        self._id = last_event_id
        self._type = ""
        self._data: list[str] = []

    def feed(self, data: bytes) -> list[Event]:
        """The events that are whole with these bytes."""
        text = self._decoder.decode(data)
        if self._is_first and text:
            text, self._is_first = text.removeprefix(_BOM), False
        if self._ends_with_cr and text:
            # The second half of a line end whose first half ended the piece before.
            text, self._ends_with_cr = text.removeprefix("\n"), False
        self._ends_with_cr = self._ends_with_cr or text.endswith("\r")
        lines = (self._text + text.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
        self._text = lines.pop()
        return [event for line in lines if (event := self._line(line)) is not None]

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._data.append(value)
            case "event":
                self._type = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry_s = int(value) / 1000
            case _:
                pass  # a comment, or a field of a later standard
        return None

    def _dispatch(self) -> Event | None:
        data, kind = self._data, self._type
        self._data, self._type = [], ""
        self.last_event_id = self._id
        return Event(kind or "message", "\n".join(data), self._id) if data else None
