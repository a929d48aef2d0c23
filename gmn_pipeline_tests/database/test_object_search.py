"""Searching objects by indexes finds what looking at each of them finds, however they change."""

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from importlib import import_module

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import select, text

from gmn_pipeline.database import object_search
from gmn_pipeline.database.engine import Database, open_database
from gmn_pipeline.database.object_rows import NEWEST, OBSERVED_CELL, described, stored_object
from gmn_pipeline.database.object_search import Folder, Interval, ObjectSearch, Search
from gmn_pipeline.database.object_texts import ObjectTexts
from gmn_pipeline.database.objects import ObjectCatalogue
from gmn_pipeline.database.tables import OBJECT_TERMS, OBJECT_VERSIONS, OBJECTS
from gmn_pipeline.database.tables_search import OBJECT_FOLDERS, OBJECT_TEXTS
from gmn_pipeline.errors import ObjectConflict
from gmn_pipeline.schemas.objects import (
    By,
    Content,
    Description,
    Link,
    LinkKind,
    NewVersion,
    ObjectName,
    StoredObject,
    searchable,
)
from gmn_pipeline.settings import Settings

BY = By("ada")
AT = datetime(2022, 3, 4, 21)
LETTERS = ["a", "A", "b", "ff", "FF_", "0", "01", "ä", "Ä", "ß", "İ", "\u017f", "%", "_", '"',
           "'", "*", "(", "\\", " ", "-", "流", "🌠", "e\u0301", ".fits"]  # fmt: skip
TYPES = ["image/png", "image/jpeg", "application/fits", "imagery/x"]
PLACES = [-180.0, -179.5, -0.5, 0.0, 10.0, 10.999, 11.0, 89.5, 90.0, 179.999, 180.0]
OBJECT_COUNT = 80
NEW_INDEXES = ("objects_deleted", "object_versions_by_size", "object_versions_by_put")


class Lake:
    """Objects that come, change and go at random."""

    def __init__(self, database: Database, seed: int) -> None:
        self.random = random.Random(seed)
        self.database = database
        self.catalogue = ObjectCatalogue(database)
        self.search = ObjectSearch(database)
        for project in ("cams", "other"):
            self.catalogue.make_project(project, BY)
            for container in ("ff", "raw"):
                self.catalogue.make_container(project, container, BY)

    def name(self) -> ObjectName:
        parts = [
            "".join(self.random.choices(LETTERS, k=self.random.randint(1, 4))).strip() or "x"
            for _ in range(self.random.randint(1, 3))
        ]
        place = self.random.choice([("cams", "ff"), ("cams", "raw"), ("other", "ff")])
        return ObjectName(*place, "/".join(parts))

    def description(self) -> Description:
        one = self.random
        begin = one.choice([None, AT + timedelta(hours=one.randint(-999, 999))])
        end = one.choice([None, begin and begin + timedelta(hours=one.choice([0, 5, 2_000]))])
        place = one.choice([(None, None), (max(-90.0, min(90.0, one.choice(PLACES))),
                                           one.choice(PLACES))])  # fmt: skip
        return Description(
            one.choice(TYPES), metadata={"gain": one.randint(0, 3), "flags": ["dew", "4"]},
            tags=frozenset(one.sample(["moon", "Moon", "x"], one.randint(0, 2))),
            links=frozenset({Link(LinkKind.STATION, one.choice(["US0001", "SI0001"]))}),
            observed_from_utc=begin, observed_until_utc=end,
            latitude_deg=place[0], longitude_deg=place[1],
        )  # fmt: skip

    def put(self, names: list[ObjectName]) -> None:
        news = [
            NewVersion(name, Content(f"{size:064x}", size), self.description())
            for name in names
            for size in [self.random.randint(0, 9)]
        ]
        self.catalogue.claim([new.content for new in news])
        self.catalogue.name(news, BY)

    def all(self) -> list[StoredObject]:
        with self.database.reading() as connection:
            assert connection is not None
            query = described().where(NEWEST).order_by(OBJECTS.c.object_id)
            return [stored_object(row) for row in connection.execute(query)]

    def change(self) -> None:
        """Put, move, delete, restore and sweep."""
        self.put([self.name() for _ in range(OBJECT_COUNT // 2)])
        for _ in range(OBJECT_COUNT // 4):
            one = self.random.choice(self.all())
            with suppress(ObjectConflict):
                if one.deleted_at_utc is not None:
                    self.catalogue.restore(one.object_id, BY)
                    continue
                match self.random.randint(0, 3):
                    case 0:
                        self.put([one.name, one.name])
                    case 1:
                        self.catalogue.move(one, self.name(), BY)
                    case _:
                        self.catalogue.delete(one, BY, timedelta(self.random.choice([-1, 1])))
        self.catalogue.sweep(AT, lambda _: None)


@pytest.fixture
def lake(settings: Settings) -> Lake:
    made = Lake(open_database(settings), 3)
    for _ in range(2):
        made.change()
    return made


def some_search(lake: Lake, objects: list[StoredObject]) -> Search:
    """One to three conditions."""
    one = lake.random
    low = one.randint(0, 9)
    begin = AT + timedelta(hours=one.randint(-999, 999))
    name = one.choice(objects).name.name
    first = one.randrange(len(name))
    box = (one.choice(PLACES), one.choice([-95.0, *PLACES[2:9]]), one.choice(PLACES), 90.0)
    given = [
        {"text": name[first : first + one.randint(1, 6)].swapcase()}, {"text": one.choice(LETTERS)},
        {"text": "".join(one.choices(LETTERS, k=3))}, {"project": "cams"}, {"container": "ff"},
        {"projects": frozenset({"other"})}, {"projects": frozenset()},
        {"folder": one.choice([name, name.rpartition("/")[0]])}, {"is_deleted": True},
        {"content_type": one.choice([*TYPES, "image/*", "IMAGE/*", "none/*"])},
        {"size_bytes": one.choice([Interval(low), Interval(low, low), Interval(high=low)])},
        {"sha256": f"{low:064x}"}, {"tags": frozenset({one.choice(["moon", "Moon", "none"])})},
        {"links": frozenset({Link(LinkKind.STATION, "US0001")})},
        {"metadata": {"gain": one.choice([1.0, Interval(1, 2), "1"]), "flags": "4"}},
        {"observed_from_utc": begin}, {"observed_until_utc": begin}, {"box_deg": box},
        {"observed_from_utc": begin, "observed_until_utc": begin + timedelta(hours=30)},
        {"put_since_utc": one.choice([AT, datetime(2999, 1, 1)])},
    ]  # fmt: skip
    search = Search()
    for some in one.sample(given, one.randint(1, 3)):
        search = replace(search, **some)  # type: ignore[arg-type]
    return search


def holds(search: Search, stored: StoredObject, has_text: set[int]) -> bool:
    """What a search says, asked of one object."""
    said, name = stored.description, stored.name
    begin, end = said.observed_from_utc, said.observed_until_utc or said.observed_from_utc
    return all(_reasons(search, stored)) and (
        (stored.deleted_at_utc is not None) == search.is_deleted
        and stored.object_id in has_text
        and (not search.folder or name.name.startswith(search.folder.rstrip("/") + "/"))
        and search.tags <= said.tags
        and search.links <= said.links
        and (not search.observed_from_utc or bool(end and end >= search.observed_from_utc))
        and (not search.observed_until_utc or bool(begin and begin <= search.observed_until_utc))
        and (not search.put_since_utc or stored.put_at_utc >= search.put_since_utc)
    )


def _reasons(search: Search, stored: StoredObject) -> Iterator[bool]:
    said = stored.description
    yield search.projects is None or stored.name.project in search.projects
    yield search.project in (None, stored.name.project)
    yield search.container in (None, stored.name.container)
    yield search.sha256 in (None, stored.content.sha256)
    yield _is_within(search.size_bytes, stored.content.size_bytes)
    kind = search.content_type
    if kind is not None and kind.endswith("/*"):
        # SQLite compares without regard to case here, PostgreSQL with it: types are small letters.
        yield said.content_type.startswith(kind.lower()[:-1])
    elif kind is not None:
        yield said.content_type == kind
    known = searchable(said.metadata)
    for path, value in search.metadata.items():
        values = known.get(path, [])
        if isinstance(value, Interval):
            yield any(not isinstance(v, str) and _is_within(value, v) for v in values)
        else:
            yield value in values
    if search.box_deg is not None:
        west, south, east, north = search.box_deg
        latitude, longitude = said.latitude_deg, said.longitude_deg
        yield latitude is not None and south <= latitude <= north
        if longitude is not None:
            inside, over = west <= longitude <= east, longitude >= west or longitude <= east
            yield inside if west <= east else over


def _is_within(interval: Interval, value: float) -> bool:
    is_low = interval.low is not None and value < interval.low
    return not is_low and (interval.high is None or value <= interval.high)


def test_each_search_finds_what_holds_for_each_object_and_each_level_what_lies_there(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = lake.all()
    number_found = 0
    for _ in range(50):
        search = some_search(lake, objects)
        with lake.database.reading() as connection:
            assert connection is not None
            plain = OBJECTS.c.name.icontains(search.text, autoescape=True)
            has_text = set(connection.scalars(select(OBJECTS.c.object_id).where(plain)))
            is_sqlite = connection.dialect.name == "sqlite"
        if not is_sqlite and "A" <= (search.content_type or "")[:1] <= "Z":
            continue
        expected = [one for one in objects if holds(search, one, has_text)]
        monkeypatch.setattr(object_search, "_FEW", lake.random.choice([3, 30, 10_000]))
        assert lake.search.find(search, 1_000) == expected, search
        size_bytes = sum(one.content.size_bytes for one in expected)
        assert lake.search.count(search) == (len(expected), size_bytes), search
        most = lake.random.randint(0, 9)
        assert lake.search.count(search, most)[0] == min(len(expected), most + 1), search
        middle = expected[len(expected) // 2].object_id if expected else 0
        after = [one for one in expected if one.object_id > middle]
        assert lake.search.find(search, 2, middle) == after[:2], search
        number_found += bool(expected)
    assert number_found > 12
    _check_folders(lake)


def _check_folders(lake: Lake) -> None:
    """Folders have as many objects as lie in them, and are gone with the last one."""
    live = [one for one in lake.all() if one.deleted_at_utc is None]
    for place in ("ff", "raw"):
        names = sorted(
            (o.name.name for o in live if o.name.project == "cams" and o.name.container == place),
            key=str.encode,
        )
        folders = ["", *sorted({name[: at + 1] for name in names for at, letter in enumerate(name)
                                if letter == "/"})]  # fmt: skip
        for folder in folders:
            expected: dict[str, int] = {}
            for name in names:
                if name.startswith(folder):
                    inner, slash, _ = name.removeprefix(folder).partition("/")
                    expected[inner + slash] = expected.get(inner + slash, 0) + 1
            found: dict[str, int] = {}
            after = ""
            while page := lake.search.level("cams", place, folder, 7, after):
                for one in page:
                    is_folder = isinstance(one, Folder)
                    after = f"{one.name}/" if is_folder else one.name.name[len(folder) :]  # type: ignore[union-attr]
                    found[after] = one.objects if isinstance(one, Folder) else 1
            assert list(found.items()) == list(expected.items())
    for stored in live:
        lake.catalogue.delete(stored, BY, timedelta(1))
    with lake.database.reading() as connection:
        assert connection is not None
        assert connection.execute(select(OBJECT_FOLDERS)).all() == []


def test_objects_of_a_former_database_are_found_after_it_is_brought_up_to_date(
    settings: Settings,
) -> None:
    lake = Lake(open_database(settings), 1)
    lake.put([lake.name() for _ in range(40)])
    lake.catalogue.delete(lake.all()[0], BY, timedelta(1))
    cells = OBJECT_TERMS.c.field == OBSERVED_CELL

    def found_by() -> list[object]:
        with lake.database.reading() as connection:
            assert connection is not None
            return [
                connection.execute(select(OBJECT_FOLDERS).order_by("container_id", "folder")).all(),
                connection.execute(select(OBJECT_TERMS).where(cells).order_by("object_id")).all(),
                [lake.search.find(Search(text=one.name.name[-3:]), 99) for one in lake.all()],
            ]

    before = found_by()
    with lake.database.writing() as connection:  # as the revision before has it, and brought up
        connection.execute(OBJECT_TERMS.delete().where(cells))
        for table in (OBJECT_FOLDERS, OBJECT_TEXTS):
            table.drop(connection)
        if connection.dialect.name == "sqlite":
            for what in ("add", "drop", "change"):
                connection.execute(text(f"DROP TRIGGER index_of_names_{what}"))
            connection.execute(text("DROP TABLE index_of_names"))
        for index in (*OBJECTS.indexes, *OBJECT_VERSIONS.indexes):
            if index.name in NEW_INDEXES:
                index.drop(connection)
        connection.execute(text("DROP INDEX IF EXISTS index_of_names"))
        with Operations.context(MigrationContext.configure(connection)):
            import_module("gmn_pipeline.database.migrations.versions.0010_object_search").upgrade()
    assert found_by() == before
    assert before[0]
    assert before[1]


def test_documents_are_found_by_their_words_until_they_say_something_else(
    settings: Settings,
) -> None:
    lake, texts = Lake(open_database(settings), 0), ObjectTexts(open_database(settings))
    lake.put([ObjectName("cams", "ff", name) for name in ("a.pdf", "b.md", "c.txt")])
    a, b, c = (one.object_id for one in lake.all())
    texts.replace({
        (a, "x"): ["The Perseids of 2022,", "seen from Križevci: it's a 'night' OR more"],
        (b, "x"): ["of the Geminids " + "many words " * 30_000 + "at last"],
        (b, "y"): ["perseids"], (c, "x"): [],
    })  # fmt: skip

    def found(words: str) -> list[int]:
        return [one.object_id for one in lake.search.find(Search(words=words), 10)]

    assert found("PERSEIDS") == [a, b]
    assert found('perseids "of the"') == [b]  # in different parts of it
    assert found('"seen from Križevci"') == [a]
    assert found("geminids last") == [b]
    assert found("perseid") == found("NOT") == found('"from seen"') == []
    assert found("OR") == [a]
    for odd in ('"', "'", '" OR "', "a*", "(", "text:a", "^a", "{a b}", "!", "\\", "-", "a NEAR b"):
        found(odd)
    texts.replace({(a, "x"): ["other"]})
    assert found("perseids") == [b]
    texts.replace({(b, "y"): []})
    assert found("perseids") == []
    assert found("geminids") == [b]
    lake.catalogue.delete(lake.catalogue.by_id(b), BY, timedelta(-1))
    lake.catalogue.sweep(AT, lambda _: None)
    with lake.database.reading() as connection:
        assert connection is not None
        assert len(connection.execute(select(OBJECT_TEXTS)).all()) == 1
