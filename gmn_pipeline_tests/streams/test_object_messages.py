"""What messages of objects say, and which addresses in them are fetched: without a broker."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmn_pipeline.errors import (
    ObjectRefused,
    SettingsError,
    SourceRefused,
    SourceUnavailable,
)
from gmn_pipeline.schemas.offsets import OffsetRange
from gmn_pipeline.settings import Settings
from gmn_pipeline.sources.files_by_address import FilesByAddress
from gmn_pipeline.streams.objects import Arrived, ObjectBatch, wanted_of
from gmn_pipeline_tests.support.script_server import Said, answering

# --- addresses -----------------------------------------------------------------------------------


def test_http_is_asked_where_it_is_allowed_and_not_followed_elsewhere() -> None:
    def read(url: str, allowed: str, longest_s: float = 60) -> bytes:
        found: list[bytes] = []
        files = FilesByAddress(allowed, Settings(), 5, longest_s)
        files.read(url, found.append)
        return b"".join(found)

    moved = Said(302, {"Location": "http://127.0.0.1:1/secret", "Content-Length": "0"})
    with answering(Said(pieces=[b"by", b"tes"], headers={"Content-Length": "5"}), moved) as site:
        allowed = f"{site.url}/open/"
        assert read(f"{site.url}/open/a?signature=x", allowed) == b"bytes"
        for refused in (
            f"{site.url}/open/a", f"{site.url}/opened", f"{site.url}/open/%2e%2e/x",
            f"{site.url}/open/..%252fx", "http://127.0.0.1:9/open/a", "ftp://127.0.0.1/open/a",
            site.url.replace("//", "//user:word@") + "/open/a", "file:///etc/passwd",
        ):  # fmt: skip
            with pytest.raises(SourceRefused):
                read(refused, allowed)
    assert len(site.heard) == 2
    cut = Said(pieces=[b"by"], headers={"Content-Length": "5"}, breaks=True)
    slow = Said(pieces=[b"by"] * 3, headers={"Content-Length": "6"})
    with answering(cut, slow) as site:
        with pytest.raises(SourceUnavailable):
            read(f"{site.url}/a", site.url)
        with pytest.raises(SourceRefused, match="within 0 s"):
            read(f"{site.url}/a", site.url, longest_s=0)
    with pytest.raises(SettingsError):
        FilesByAddress("/data", Settings(), 5, 5)


# --- what fields say -----------------------------------------------------------------------------

TEXTS = st.none() | st.text(max_size=20) | st.sampled_from(["cams", "station:US0001", "{}", "ab\0"])


@settings(max_examples=200, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            **dict.fromkeys(
                ("project", "container", "name", "address", "sha256", "application", "metadata"),
                TEXTS,
            ),
            "content": st.none() | st.binary(max_size=5),
            "tags": st.none() | st.lists(TEXTS, max_size=3),
            "links": st.none() | st.lists(TEXTS, max_size=3),
            **dict.fromkeys(
                ("observed_from_utc", "observed_until_utc"),
                st.none() | st.integers(-(2**63), 2**63 - 1),
            ),
            **dict.fromkeys(("latitude_deg", "longitude_deg"), st.none() | st.floats()),
        }
    )
)
def test_any_fields_are_an_object_or_refused(row: dict[str, Any]) -> None:
    try:
        wanted = wanted_of(row)
    except ObjectRefused:
        return
    assert (wanted.content is None) != (wanted.address is None)
    json.dumps(wanted.description.metadata, allow_nan=False)


@dataclass(frozen=True)
class Place:
    """Of a record, where it stands."""

    partition: int
    offset: int


@given(
    st.lists(st.integers(0, 2), max_size=20), st.integers(1, 7),
    st.lists(st.integers(0, 3), min_size=3, max_size=3),
)  # fmt: skip
def test_parts_of_a_batch_are_of_all_its_offsets_in_order(
    partitions: list[int], most: int, holes: list[int]
) -> None:
    at = dict.fromkeys(range(3), 10)
    arrived = []
    for partition in partitions:
        arrived.append(Arrived(Place(partition, at[partition])))
        at[partition] += 1 + holes[partition]
    ranges = [OffsetRange(p, 10, end) for p, end in at.items()]
    parts = list(ObjectBatch("t", "i", "c", ranges, arrived).parts(most))
    assert [one for part in parts for one in part.arrived] == arrived
    reached = dict.fromkeys(range(3), 10)
    for part in parts:
        assert len(part.arrived) <= most
        for range_ in part.ranges:
            assert range_.begin == reached[range_.partition]
            reached[range_.partition] = range_.end
        for one in part.arrived:
            assert one.record.offset < reached[one.record.partition]
    assert reached == at
