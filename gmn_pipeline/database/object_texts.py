"""What stands in documents, to be found by its words.

What belongs here: texts of an object in place of its former ones, and the question for words. What
does not: reading documents (`processing/documents.py`), and rows for analysts (the lake's table
`documents`).

A text that is longer than an index takes is kept in pieces, parted between words.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, literal_column, select

from gmn_pipeline.database.engine import Database
from gmn_pipeline.database.tables_search import OBJECT_TEXTS, TEXTS_INDEX

_MOST_CHARACTERS = 100_000  # PostgreSQL's tsvector has at most 1 MB
_WORDS = re.compile(r'"([^"]*)"|(\S+)')


class ObjectTexts:
    """Any number of processes may; one at a time replaces the texts of an object."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, read: Mapping[tuple[int, str], Iterable[str]]) -> None:
        """Let objects be found by the words of what processors read out of them now, and not by
        what the same processors read before. `read`: by object and processor."""
        texts = OBJECT_TEXTS.c
        rows = [
            {"object_id": object_id, "processor": processor, "text": piece}
            for (object_id, processor), some in read.items()
            for text in some
            for piece in _pieces(text)
        ]
        with self._database.reading() as connection:
            of_these = texts.object_id.in_({object_id for object_id, _ in read})
            query = select(texts.object_id, texts.processor).where(of_these).distinct()
            before = set(map(tuple, connection.execute(query))) if connection else set()
        former = [{"of": one[0], "by": one[1]} for one in sorted(before & set(read))]
        if not former and not rows:
            return  # as with most objects
        of_it = and_(texts.object_id == bindparam("of"), texts.processor == bindparam("by"))
        with self._database.writing() as connection:
            if former:
                connection.execute(OBJECT_TEXTS.delete().where(of_it), former)
            if rows:
                connection.execute(OBJECT_TEXTS.insert(), rows)


def _pieces(text: str) -> Iterator[str]:
    text = text.replace("\0", " ").strip()
    while len(text) > _MOST_CHARACTERS:
        end = text.rfind(" ", _MOST_CHARACTERS // 2, _MOST_CHARACTERS)
        end = _MOST_CHARACTERS if end < 0 else end
        yield text[:end]
        text = text[end:].lstrip()
    if text:
        yield text


def parts_of(words: str) -> list[str]:
    """What is looked for, one by one: words, and what stands in quotes as it stands there."""
    return [quoted or word for quoted, word in _WORDS.findall(words) if quoted or word]


def objects_with(part: str, dialect: str) -> Select[tuple[int]]:
    """Objects in whose texts a word stands, or several words one after the other."""
    texts = OBJECT_TEXTS.c
    if dialect == "sqlite":
        found = select(TEXTS_INDEX.c.rowid).where(matches(TEXTS_INDEX.name, [part]))
        return select(texts.object_id).where(texts.text_id.in_(found))
    vector = func.to_tsvector("simple", texts.text)
    query = func.phraseto_tsquery("simple", part)
    return select(texts.object_id).where(vector.op("@@")(query))


def matches(index: str, parts: Iterable[str]) -> ColumnElement[bool]:
    """Whether a row of an index of SQLite's has all these, each of which is no more than text."""
    wanted = " AND ".join('"' + part.replace('"', '""') + '"' for part in parts)
    return literal_column(index).bool_op("MATCH")(wanted)
