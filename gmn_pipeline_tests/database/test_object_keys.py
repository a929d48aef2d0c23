"""Keys of a project as S3 lists them: any page is what sorting all of them gives."""

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmn_pipeline.database.content_md5s import ContentMd5s, noting
from gmn_pipeline.database.object_keys import ObjectKeys, key_of
from gmn_pipeline.schemas.objects import Content, Description, NewVersion, ObjectName
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
