"""Names of objects, and what may be said of them."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.schemas.objects import Description, ObjectName

AT = datetime(2022, 3, 4, 21)


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", ".", "..", "a/../b", "a\nb", "a\0b", "\udc80", "x" * 1025]
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(ObjectRefused, match="no name of an object"):
        ObjectName("cams", "ff", name)


@pytest.mark.parametrize("place", ["", "A", "a_b", "-a", "a/b", "..", "x" * 64])
def test_projects_and_containers_have_plain_names(place: str) -> None:
    with pytest.raises(ObjectRefused, match="no name of a"):
        ObjectName(place, "ff", "a")
    with pytest.raises(ObjectRefused, match="no name of a"):
        ObjectName("cams", place, "a")


@given(st.text(min_size=1, max_size=30))
def test_any_other_name_is_taken_and_reads_back(name: str) -> None:
    try:
        made = ObjectName("cams", "ff", name)
    except ObjectRefused:
        return
    assert ObjectName.parse(str(made)) == made


@pytest.mark.parametrize(
    "said",
    [
        {"metadata": {"a": float("nan")}},
        {"metadata": {"a": "\0"}},
        {"metadata": {"a": "x" * 70_000}},
        {"tags": frozenset({""})},
        {"latitude_deg": 1.0},
        {"latitude_deg": 91.0, "longitude_deg": 0.0},
        {"observed_from_utc": AT, "observed_until_utc": AT - timedelta(1)},
    ],
)
def test_what_cannot_be_said_of_an_object_is_refused(said: dict[str, object]) -> None:
    with pytest.raises(ObjectRefused, match="cannot be kept"):
        Description(**said)  # type: ignore[arg-type]
