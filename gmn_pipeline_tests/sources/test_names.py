"""Names of files: what is read, what only looks like it, and what is expected instead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmn_pipeline.readers.solar_longitude_bins import FileKind
from gmn_pipeline.sources.names import (
    ALIASES,
    FOLDERS,
    expected_instead,
    kind_of_name,
    looks_like_summary,
)
from gmn_pipeline_tests.support.sample import SAMPLE_NAME

FORM = "a name like traj_summary_YYYYMMDD_solrange_SSS.0-SSS.0.txt"
NEW_YEAR = [f"traj_summary_20190101_solrange_{n}.0-{n + 1}.0.txt" for n in (280, 281)]
MONTHLY = "traj_summary_monthly_202203.txt"


@pytest.mark.parametrize(
    ("name", "folder", "expected"),
    [
        (SAMPLE_NAME.replace(".txt", " (1).txt"), "daily", SAMPLE_NAME),
        (f"Copy of {SAMPLE_NAME}", "daily", SAMPLE_NAME),
        (SAMPLE_NAME.upper(), "daily", SAMPLE_NAME),
        (SAMPLE_NAME.replace("345.0", "345"), "daily", SAMPLE_NAME),
        (SAMPLE_NAME.replace("345.0", "346.0"), "daily", SAMPLE_NAME),
        (SAMPLE_NAME.replace("344.0", "333.0"), "daily", SAMPLE_NAME),
        (SAMPLE_NAME + ".gz", "daily", f"{SAMPLE_NAME}, unpacked"),
        (SAMPLE_NAME.replace(".txt", ".csv"), "daily", SAMPLE_NAME),
        ("344.0-345.txt", "daily", FORM),
        ("traj_summary_20190101.txt", "daily", " or ".join(NEW_YEAR)),
        ("traj_summary_20190101_solrange_281-282.txt", "daily", NEW_YEAR[1]),
        ("traj_summary_20220230_solrange_344.0-345.0.txt", "daily", FORM),
        ("traj_summary_20190503_solrange_042.0-43.0.txt", "daily", FORM),  # no bin begins then
        ("traj_summary_19990101_solrange_280.0-281.0 (1).txt", "daily", FORM),
        ("traj_summary_monthly_2022-03.txt", "monthly", MONTHLY),
        ("traj_summary_202203.txt", "monthly", MONTHLY),
        ("traj_summary_monthly_202213.txt", "monthly", "traj_summary_monthly_YYYYMM.txt"),
        (MONTHLY, "daily", f"monthly/{MONTHLY}"),
        (SAMPLE_NAME, "", f"daily/{SAMPLE_NAME}"),
        ("traj_summary_all.txt", "daily", "traj_summary_all.txt in the directory itself"),
        ("traj_summary_all (1).txt", "", "traj_summary_all.txt"),
        ("traj_summary_year_2022.txt", "", "traj_summary_yearly_2022.txt"),
    ],
)
def test_a_file_that_looks_like_a_summary_is_told_what_its_name_should_be(
    name: str, folder: str, expected: str
) -> None:
    assert expected_instead(name, folder) == expected


@pytest.mark.parametrize("name", [*sorted(ALIASES), "notes.txt", "README", "index.html",
                                  ".traj_summary_all.txt.x1Y", "20220304.txt"])  # fmt: skip
@pytest.mark.parametrize("folder", sorted(set(FOLDERS.values())))
def test_an_alias_and_what_looks_like_something_else_are_not_told_of(
    name: str, folder: str
) -> None:
    assert expected_instead(name, folder) is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [(SAMPLE_NAME, FileKind.DAILY), (MONTHLY, FileKind.MONTHLY),
     ("traj_summary_yearly_2022.txt", FileKind.YEARLY), ("traj_summary_all.txt", FileKind.ALL),
     ("traj_summary_yesterday.txt", None), ("traj_summary_monthly_202213.txt", None)],
)  # fmt: skip
def test_a_name_says_its_kind_and_in_its_folder_a_file_is_read(
    name: str, kind: FileKind | None
) -> None:
    assert kind_of_name(name) is kind
    if kind:
        assert expected_instead(name, FOLDERS[kind]) is None


MIDDLES = ["traj_summary", "20220304", "solrange_344.0-345.0", "monthly_202299", ""]


@given(st.text(max_size=20), st.sampled_from(MIDDLES), st.text(max_size=20))
def test_any_name_is_read_or_told_of_or_looks_like_something_else(
    before: str, middle: str, after: str
) -> None:
    name = before + middle + after
    for folder in set(FOLDERS.values()):
        told = expected_instead(name, folder)
        assert told is None or looks_like_summary(name)
