"""Documents: the text of Markdown, plain text and PDF.

What belongs here: text by sections and pages. What does not: searching it
(`database/object_texts.py`, and SQL).
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pypdf

from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.processing.processor import Found, Outcome, Rows, Task
from gmn_pipeline.schemas.arrow import arrow_schema
from gmn_pipeline.schemas.object_tables import DOCUMENTS

_PDF, _MARKDOWN = "application/pdf", "text/markdown"
_MOST_TEXT_BYTES = 64 << 20
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$")
_FENCE = re.compile(r"^\s*(```|~~~)")


class Documents:
    """See above."""

    name = "documents"
    version = 2  # since their words are searched
    content_types = (_PDF, _MARKDOWN, "text/plain")

    def process(self, task: Task) -> Outcome:
        """Rows of `documents`: pages of a PDF, sections of Markdown, a plain text as a whole."""
        kind = task.stored.description.content_type
        title = PurePosixPath(task.stored.name.name).stem
        facts: dict[str, Any] = {}
        if kind == _PDF:
            title, facts, sections = _pdf(task, title)
        else:
            if task.stored.content.size_bytes > _MOST_TEXT_BYTES:
                raise ObjectRefused(f"It has more than {_MOST_TEXT_BYTES >> 20} MB of text.")
            text = task.path.read_text("utf-8", "replace").removeprefix("\ufeff")
            parts = list(_sections(text)) if kind == _MARKDOWN else [("", text)]
            title = next((heading for heading, _ in parts if heading), title)
            sections = [(heading, 0, part) for heading, part in parts]
        rows: list[dict[str, Any]] = [
            {"title": title, "heading": heading, "page": page, "text": text.replace("\0", "")}
            for heading, page, text in sections
        ]
        table = pa.Table.from_pylist(rows, arrow_schema(DOCUMENTS.fields[3:]))
        facts |= {"title": title[:500], "characters": sum(len(row["text"]) for row in rows)}
        return Outcome(
            rows=[Rows(DOCUMENTS.name, table)] if rows else [], found=Found(metadata=facts)
        )


def _pdf(task: Task, name: str) -> tuple[str, dict[str, Any], list[tuple[str, int, str]]]:
    with pypdf.PdfReader(task.path) as reader:
        if reader.is_encrypted and not reader.decrypt(""):
            raise ObjectRefused("It is a PDF with a password.")
        said = reader.metadata
        title = str(said.title or "").strip() if said else ""
        author = str(said.author or "").strip() if said else ""
        pages = [("", n, page.extract_text()) for n, page in enumerate(reader.pages, 1)]
    facts: dict[str, Any] = {"pages": len(pages)} | ({"author": author[:500]} if author else {})
    return title or name, facts, pages


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """Headings of Markdown with what stands under each; headings within code are none."""
    heading, lines, in_code = "", list[str](), False
    for line in text.splitlines():
        if _FENCE.match(line):
            in_code = not in_code
        found = None if in_code else _HEADING.match(line)
        if found is None:
            lines.append(line)
            continue
        if heading or "".join(lines).strip():
            yield heading, "\n".join(lines).strip()
        heading, lines = found[1], []
    if heading or "".join(lines).strip():
        yield heading, "\n".join(lines).strip()
