"""Tables in Markdown, as the UI shows them, of text that nobody vouches for."""

import re
from collections.abc import Iterable, Sequence

# What no Markdown or HTML is made of: the characters of an ordinary row.
_PLAIN = re.compile(r"[^A-Za-z0-9 .,;:+/()=-]")
# The UI would make links of addresses, however they are written.
_LINK = re.compile(r"(://|www(?=\.)|@)", re.IGNORECASE)
_ZERO_WIDTH_SPACE = "\u200b"


def cell(value: object, most: int | None = None) -> str:
    """Text as a cell that shows just that text, cut to `most` characters."""
    text = str(value)
    if most is not None and len(text) > most:
        text = text[:most] + "…"
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    text = _LINK.sub(rf"\1{_ZERO_WIDTH_SPACE}", text)
    return _PLAIN.sub(lambda found: f"&#{ord(found[0])};", text)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are made by `cell`."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
