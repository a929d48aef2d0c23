"""Keys of a project as S3 lists them: any page is what sorting all of them gives."""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmn_pipeline.database.content_md5s import ContentMd5s, noting
from gmn_pipeline.database.object_conditions import LAST
from gmn_pipeline.database.object_key_versions import KeyVersion, ObjectKeyVersions, VersionPage
from gmn_pipeline.database.object_keys import ObjectKeys, key_of
from gmn_pipeline.schemas.objects import (
    Content,
    Description,
    NewVersion,
    ObjectName,
    StoredObject,
)
from gmn_pipeline_tests.support.objects import PERSON, ObjectBench, object_bench, settings_of
from gmn_pipeline_tests.support.postgres import PostgresServer

CONTAINERS = ("a", "a-b", "ab", "b")
NAMES = [
    name
    for parts in itertools.product(("a", "-", "ž", "a-"), ("", "/a", "/b", "/a/ž"), ("", ".x"))
    if (name := "".join(parts))
]
KEYS = [f"{container}/{name}" for container in CONTAINERS for name in NAMES]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ObjectBench:
    folder: Path = tmp_path_factory.mktemp("keys")
    place: dict[str, object] = {}
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        place = {"database_url": server.new_database(), "database_password": server.password}
    bench = object_bench(settings_of(folder, **place))
    content = Content("0" * 64, 1)
    bench.catalogue.claim([content])
    bench.catalogue.make_project("keys", PERSON)
    for container in CONTAINERS:
        bench.catalogue.make_container("keys", container, PERSON)
        news = [NewVersion(ObjectName("keys", container, n), content, Description()) for n in NAMES]
        bench.catalogue.name(news, PERSON, beside=noting(content.sha256, "md5"))
    return bench


def listed(prefix: str, delimiter: str, after: str) -> list[str]:
    """By sorting."""
    found = set()
    for key in KEYS:
        if not key.startswith(prefix):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        told = key if at < 0 else key[: at + len(delimiter)]
        if told > after:
            found.add(told)
    return sorted(found, key=str.encode)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    key=st.sampled_from(KEYS), length=st.integers(0, 9), delimiter=st.sampled_from(["", "/", "-"]),
    after=st.sampled_from(["", *KEYS, "a", "a-", "b/zz"]), size=st.integers(1, 9),
)  # fmt: skip
def test_pages_are_what_sorting_gives(
    filled: ObjectBench, key: str, length: int, delimiter: str, after: str, size: int
) -> None:
    keys, prefix = ObjectKeys(filled.database), key[:length]
    after = after if not delimiter else ""
    wanted = listed(prefix, delimiter, after)
    found: list[str] = []
    next_after = after
    for _ in range(len(wanted) + 1):
        page = keys.page("keys", prefix, delimiter, next_after, size)
        assert page.length <= size
        found += sorted([*map(key_of, page.objects), *page.prefixes], key=str.encode)
        next_after = page.next_after
        if not next_after:
            break
    assert found == wanted


def test_nothing_is_listed_of_what_is_not_there_or_not_wanted(filled: ObjectBench) -> None:
    keys = ObjectKeys(filled.database)
    assert keys.page("cams").length == keys.page("none").length == 0
    assert keys.page("keys", most=0).length == 0
    assert keys.page("keys", "b/", after="b/ž/z").length == 0
    assert ContentMd5s(filled.database).of(["0" * 64, "1" * 64]) == {"0" * 64: "md5"}


# --- all versions --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def versions(filled: ObjectBench) -> list[tuple[str, str, bool]]:
    """Of a project of its own, what a list of versions has: key, id, and whether it is there now.

    Names are put again, deleted, deleted and put again, brought back, and moved to."""
    catalogue, content = filled.catalogue, Content("0" * 64, 1)
    catalogue.make_project("old", PERSON)
    for container in CONTAINERS[:2]:
        catalogue.make_container("old", container, PERSON)

    def put(container: str, name: str) -> StoredObject:
        new = NewVersion(ObjectName("old", container, name), content, Description())
        return catalogue.name([new], PERSON)[0]

    for container, (at, name) in itertools.product(CONTAINERS[:2], enumerate(NAMES[::2])):
        for _ in range(1 + at % 2):
            stored = put(container, name)
        if at % 3:
            catalogue.delete(stored, PERSON, timedelta(days=1))
        if at % 5 == 1:
            put(container, name)
            catalogue.delete(put(container, name), PERSON, timedelta(days=1))
        if at % 5 == 2:
            put(container, name)
        elif at % 3 == 1:
            catalogue.restore(catalogue.by_id(stored.object_id).object_id, PERSON)
    moved = put("a-b", "moved")
    catalogue.delete(put("a", "to"), PERSON, timedelta(days=1))
    catalogue.move(moved, ObjectName("old", "a", "to"), PERSON)
    pages = list(all_pages(filled, "", "", 1_000_000))
    assert len(pages) == 1
    return [(key_of(one.stored), said(one), one.is_latest) for one in pages[0].versions]


def said(one: KeyVersion) -> str:
    return f"{one.mark.object_id}.{one.mark.version or 'deleted'}"


def all_pages(filled: ObjectBench, prefix: str, delimiter: str, size: int) -> Iterator[VersionPage]:
    asked, after, behind = ObjectKeyVersions(filled.database), "", None
    while True:
        page = asked.page("old", prefix, delimiter, after, behind, size)
        assert page.length <= size
        yield page
        if page.last is None:
            return
        if isinstance(page.last, KeyVersion):
            after, behind = key_of(page.last.stored), page.last.mark
        else:
            after, behind = page.last + LAST, None


def test_all_versions_of_a_name_are_listed_those_that_are_there_first(
    filled: ObjectBench, versions: list[tuple[str, str, bool]]
) -> None:
    keys = [key for key, _, _ in versions]
    assert keys == sorted(keys, key=str.encode)
    assert len({mark for _, mark, _ in versions}) == len(versions)
    there = {key_of(one) for one in ObjectKeys(filled.database).page("old", most=9_999).objects}
    for key, group in itertools.groupby(versions, lambda one: one[0]):
        first, *others = group
        assert first[2], key
        assert not any(is_latest for _, _, is_latest in others), key
        assert first[1].endswith("deleted") != (key in there)
    with filled.database.reading() as connection:
        assert connection is not None
        query = "SELECT count(*) FROM object_versions v JOIN objects o USING (object_id) " \
            "JOIN containers c USING (container_id) WHERE project = 'old'"  # fmt: skip
        count = connection.exec_driver_sql(query).scalar_one()
    assert sum(not mark.endswith("deleted") for _, mark, _ in versions) == count


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    key=st.sampled_from(KEYS), length=st.integers(0, 9), delimiter=st.sampled_from(["", "/", "-"]),
    size=st.integers(1, 30),
)  # fmt: skip
def test_pages_of_versions_are_what_the_whole_list_is(
    filled: ObjectBench, versions: list[tuple[str, str, bool]], key: str, length: int,
    delimiter: str, size: int,
) -> None:  # fmt: skip
    prefix = key[:length]
    wanted = [one for one in versions if one[0].startswith(prefix)]
    rolled_up: set[str] = set()
    if delimiter:
        ends = [(one, one[0].find(delimiter, len(prefix))) for one in wanted]
        rolled_up = {one[0][: at + 1] for one, at in ends if at >= 0}
        wanted = [one for one, at in ends if at < 0]
    pages = list(all_pages(filled, prefix, delimiter, size))
    found = [(key_of(one.stored), said(one), one.is_latest) for p in pages for one in p.versions]
    assert found == wanted
    prefixes = [one for page in pages for one in page.prefixes]
    assert prefixes == sorted(rolled_up, key=str.encode)
