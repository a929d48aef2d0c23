"""Landing: bytes unchanged, every version kept, and a file that fails, fails alone."""

import codecs
import hashlib
import os
import subprocess
import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from gmn_pipeline import clock
from gmn_pipeline.database.ledger import LandedVersion
from gmn_pipeline.errors import (
    FileIncomplete,
    RetryableError,
    SourceRefused,
    SourceUnavailable,
)
from gmn_pipeline.landing.trajectories import is_daily, wanted_files
from gmn_pipeline.readers.solar_longitude_bins import Bin, FileKind
from gmn_pipeline.sources.gmn_directory import ListingEntry
from gmn_pipeline_tests.support.gmn_site import (
    LOGIN_PAGE,
    Fault,
    GmnSite,
    half_written,
    page,
    status,
    truncated,
)
from gmn_pipeline_tests.support.sample import (
    CASES,
    DAILY,
    DAY,
    SAMPLE_NAME,
    Bench,
    sample,
    sample_bytes,
)

NEXT_DAY = date(2022, 3, 5)
TWO_FILES, NO_FILE = date(2019, 1, 1), date(2019, 5, 3)


def daily(day: date, degree: int) -> str:
    return f"daily/{Bin(day, degree).file_name}"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def site(bench: Bench) -> Iterator[GmnSite]:
    """The bench's folder as a web server; the bench lands from it."""
    with GmnSite(bench.site) as site:
        web = {"source_url": site.url, "http_retries": 0, "http_timeout_s": 5.0}
        bench.settings = bench.settings.model_copy(update=web)
        yield site


def objects(bench: Bench) -> list[Path]:
    return sorted((bench.settings.landing_dir / "objects").rglob("*.txt"))


def left_over(bench: Bench) -> list[Path]:
    return list((bench.settings.landing_dir / "incoming").glob("**/*"))


def versions(bench: Bench) -> list[LandedVersion]:
    return bench.ledger.landed_versions(DAILY)


def test_bytes_land_unchanged_and_are_named_by_their_hash(bench: Bench) -> None:
    bench.put(DAILY, sample_bytes())
    [landed] = bench.land().files
    assert landed.object_path.read_bytes() == sample_bytes()
    assert landed.object_path.stem == hashlib.sha256(sample_bytes()).hexdigest()
    [version] = versions(bench)
    assert version == landed.version
    assert version.size_bytes == len(sample_bytes())
    assert version.url.endswith(DAILY)
    assert landed.generated_at_utc == datetime(2022, 3, 16, 17, 49, 26, 628043)
    assert landed.is_new
    assert not left_over(bench)


@pytest.mark.parametrize("over", ["folder", "http"])
def test_a_file_with_a_byte_order_mark_lands_as_it_is_and_its_rows_are_read(
    bench: Bench, over: str, request: pytest.FixtureRequest
) -> None:
    if over == "http":
        request.getfixturevalue("site")
    marked = codecs.BOM_UTF8 + sample().first(4).to_bytes()
    done = bench.check(marked)
    assert done.counts == {("2022-03-04", 344): (4, 0)}
    assert objects(bench)[0].read_bytes() == marked


def test_the_same_file_again_is_not_fetched_again(bench: Bench, site: GmnSite) -> None:
    bench.put(DAILY, sample_bytes())
    assert [bench.land().files[0].is_new for _ in range(2)] == [True, False]
    assert "If-None-Match" in site.asked(DAILY)[1].headers
    assert len(versions(bench)) == len(objects(bench)) == 1


def test_the_same_bytes_under_a_new_time_land_once(bench: Bench) -> None:
    for modified in (1_650_000_000, 1_660_000_000):
        os.utime(bench.put(DAILY, sample_bytes()), (modified, modified))
        [landed] = bench.land().files
        [version] = versions(bench)
        assert version.etag == f"{modified}000000000-{len(sample_bytes())}"
        assert version.listed_state == landed.wanted.listed_state
    assert not landed.is_new
    assert len(objects(bench)) == 1


def test_a_changed_file_keeps_both_versions_and_a_return_to_the_first_is_a_third(
    bench: Bench,
) -> None:
    contents = [sample().first(rows).to_bytes() for rows in (5, 6, 5)]
    for content in contents:
        bench.put(DAILY, content)
        assert bench.land().files[0].is_new
    hashes = [hashlib.sha256(content).hexdigest() for content in contents]
    assert [version.sha256 for version in versions(bench)] == hashes
    assert bench.ledger.newest_landed()[DAILY].sha256 == hashes[0]
    assert {path.read_bytes() for path in objects(bench)} == set(contents)


def test_an_object_that_was_lost_is_fetched_again(bench: Bench) -> None:
    bench.put(DAILY, sample_bytes())
    bench.land().files[0].object_path.unlink()
    [landed] = bench.land().files
    assert landed.object_path.read_bytes() == sample_bytes()
    assert len(versions(bench)) == 1


def test_a_date_with_two_files_lands_both(bench: Bench) -> None:
    for degree, rows in ((280, 2), (281, 3)):
        bench.put(daily(TWO_FILES, degree), sample().first(rows))
    bench.put("daily/traj_summary_yesterday.txt", sample().first(2))
    landing = bench.land(TWO_FILES)
    assert [file.wanted.bin for file in landing.files if is_daily(file)] == [
        Bin(TWO_FILES, 280), Bin(TWO_FILES, 281),
    ]  # fmt: skip
    assert not landing.failed_days


def test_a_date_without_a_file_is_no_error(bench: Bench) -> None:
    bench.put(DAILY, sample_bytes())
    landing = bench.land(NO_FILE, DAY)
    assert [file.wanted.bin.date for file in landing.files if is_daily(file)] == [DAY]
    assert not landing.failed_days


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        ([status(500)], SourceUnavailable),
        ([truncated(5_000)], FileIncomplete),
        ([half_written(5_000)], FileIncomplete),
        ([half_written(0)], FileIncomplete),
        ([page(LOGIN_PAGE)] * 2, SourceRefused),
    ],
)
def test_a_file_that_fails_fails_its_day_only_and_lands_later(
    bench: Bench, site: GmnSite, faults: list[Fault], error: type[Exception]
) -> None:
    bench.put(DAILY, sample().first(9))
    bench.put(daily(NEXT_DAY, 345), sample().first(3))
    site.faults = {DAILY: faults}
    landing = bench.land(DAY, NEXT_DAY)
    assert {day: type(e) for day, e in landing.failed_days.items()} == {DAY: error}
    assert [file.wanted.bin for file in landing.files if is_daily(file)] == [Bin(NEXT_DAY, 345)]
    assert len(objects(bench)) == 1
    assert not versions(bench)
    assert not left_over(bench)
    again = bench.land(DAY, NEXT_DAY)
    assert not again.failed_days
    assert [file.is_new for file in again.files] == [True, False]


def test_a_page_that_is_no_data_is_kept_where_a_person_can_look(
    bench: Bench, site: GmnSite
) -> None:
    bench.put(DAILY, sample_bytes())
    site.faults = {DAILY: [page(LOGIN_PAGE)] * 2}
    error = bench.land().failed_days[DAY]
    [kept] = (bench.settings.landing_dir / "refused").iterdir()
    assert kept.read_text() == LOGIN_PAGE
    assert str(kept) in str(error)


def case(bench: Bench, name: str) -> None:
    """The daily file of a case, in place of what is there."""
    bench.put(DAILY, (CASES / name / DAILY).read_bytes())


def test_a_file_from_the_future_is_refused_and_kept_and_the_next_sound_version_lands(
    bench: Bench,
) -> None:
    case(bench, "future_header/first")
    error = bench.land().failed_days[DAY]
    assert isinstance(error, SourceRefused)
    assert "generated on 2096-03-16 17:49:26 UTC, which is more than a day ahead" in str(error)
    [kept] = (bench.settings.landing_dir / "refused").iterdir()
    assert kept.read_bytes() == (bench.site / DAILY).read_bytes()
    assert str(kept) in str(error)
    assert not objects(bench)
    assert not versions(bench)
    case(bench, "future_header/second")
    assert not (landing := bench.land()).failed_days
    assert landing.files[0].generated_at_utc.year == 2022


@pytest.mark.parametrize(("seconds_ahead", "lands"), [(86_399, True), (86_401, False)])
def test_a_file_may_be_a_day_ahead_of_the_clock_and_no_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, seconds_ahead: int, lands: bool
) -> None:
    now = datetime(2022, 3, 5, 12)
    monkeypatch.setattr(clock, "utc_now", lambda: now)
    stamp = now + timedelta(seconds=seconds_ahead)
    bench.put(DAILY, sample().first(3).stamped(str(stamp)))
    landing = bench.land()
    assert bool(landing.files) is lands
    assert bool(landing.failed_days) is not lands


def test_a_version_that_the_clock_has_fallen_behind_is_not_taken_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put(DAILY, sample().first(3))
    assert bench.land().files
    monkeypatch.setattr(clock, "utc_now", lambda: datetime(2022, 3, 5, 12))
    assert "ahead of this machine's clock" in str(bench.land().failed_days[DAY])


def test_a_listing_that_cannot_be_had_stops_the_run(bench: Bench, site: GmnSite) -> None:
    bench.put(DAILY, sample_bytes())
    site.faults = {"daily/": [status(500), page(LOGIN_PAGE)]}
    with pytest.raises(SourceUnavailable):
        bench.land()
    with pytest.raises(SourceRefused):
        bench.land()


def test_no_more_files_are_fetched_at_once_than_the_setting_says(
    bench: Bench, site: GmnSite
) -> None:
    days = [date(2022, 3, day) for day in range(1, 10)]
    for number, day in enumerate(days):
        bench.put(daily(day, 340 + number), sample().first(1))
    bench.settings = bench.settings.model_copy(update={"http_concurrency": 3})
    site.meeting = threading.Barrier(3)
    assert len(bench.land(*days).files) == 9
    assert site.most_at_once == 3


@pytest.fixture
def small_disk(bench: Bench) -> Iterator[Path]:
    """The landing folder on a file system of 300 kB."""
    folder = bench.settings.landing_dir
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_leaves_nothing_partial_and_the_day_lands_when_there_is_space(
    bench: Bench, small_disk: Path
) -> None:
    bench.put(DAILY, sample().first(100))
    filler = small_disk / "filler"
    filler.write_bytes(bytes(250_000))
    error = bench.land().failed_days[DAY]
    assert isinstance(error, RetryableError)
    assert "cannot be written" in str(error)
    assert "Free space" in str(error)
    assert not objects(bench)
    assert not left_over(bench)
    assert not versions(bench)
    filler.unlink()
    assert bench.land().files[0].object_path.read_bytes() == sample().first(100).to_bytes()


# --- files that are not read for their names, and directories without files of a kind ---

ODD_NAME = f"daily/{SAMPLE_NAME.replace('.txt', ' (1).txt')}"


@pytest.mark.parametrize("over", ["folder", "http"])
def test_files_named_otherwise_are_told_of_with_what_is_expected_and_stop_nothing(
    bench: Bench, over: str, request: pytest.FixtureRequest
) -> None:
    if over == "http":
        request.getfixturevalue("site")
    for path in (
        DAILY,
        ODD_NAME,
        f"{DAILY}.gz",
        "daily/traj_summary_latest_daily.txt",
        "daily/traj_summary_yesterday.txt",
        "daily/notes.txt",
        "daily/thesis.pdf",
    ):
        bench.put(path, sample().first(2))  # fmt: skip
    landing = bench.land()
    assert [file.wanted.path for file in landing.files] == [DAILY]
    assert [(file.path, file.expected) for file in landing.unread] == [
        (ODD_NAME, SAMPLE_NAME), (f"{DAILY}.gz", f"{SAMPLE_NAME}, unpacked"),
    ]  # fmt: skip
    assert bench.ledger.unread() == landing.unread


def test_a_file_that_was_renamed_is_not_told_of_any_more(bench: Bench) -> None:
    odd = bench.put(ODD_NAME, sample().first(2))
    bench.put(daily(NEXT_DAY, 345), sample().first(2))
    assert len(bench.land(DAY).unread) == 1
    odd.rename(bench.site / DAILY)
    landing = bench.land(DAY)
    assert len(landing.files) == 1
    assert not landing.unread
    assert not bench.ledger.unread()


@pytest.mark.parametrize(
    ("history", "there", "message"),
    [
        ("daily", ["monthly/traj_summary_monthly_202203.txt"],
         "lists no daily files, but monthly ones. To read the days from those: --history monthly "
         "(or GMN_HISTORY=monthly)."),
        ("daily", ["traj_summary_yearly_2022.txt", "traj_summary_all.txt"],
         "lists no daily files, but yearly and all ones. To read the days from those: --history "
         "yearly (or GMN_HISTORY=yearly)."),
        ("daily", ["daily/traj_summary_latest_daily.txt"],
         "lists no daily files. Is GMN_SOURCE_URL the data directory"),
        ("daily", [SAMPLE_NAME],
         f"lists no daily files. {SAMPLE_NAME} looks like a summary file and is not read: expected "
         f"is {DAILY}. Rename or move them."),
        ("monthly", [DAILY], "lists no monthly files, but daily ones. Leave --history"),
        ("yearly", ["traj_summary_all.txt"], "lists no yearly files, but all ones."),
        ("all", ["traj_summary_yearly_2022.txt"], "lists no all files, but yearly ones."),
        ("daily", ["notes.txt"], "lists no daily files. Is GMN_SOURCE_URL the data directory"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("over", ["folder", "http"])
def test_a_directory_without_files_of_the_wanted_kind_says_what_it_has_instead(
    bench: Bench, over: str, history: str, there: list[str], message: str,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    if over == "http":
        request.getfixturevalue("site")
    bench.settings = bench.settings.model_copy(update={"history": history})
    for path in there:
        bench.put(path, sample().first(2))
    with pytest.raises(SourceRefused) as caught:
        bench.land()
    assert message in str(caught.value)


HISTORY = {
    FileKind.MONTHLY: ["monthly/traj_summary_monthly_202202.txt",
                       "monthly/traj_summary_monthly_202203.txt"],
    FileKind.YEARLY: ["traj_summary_yearly_2021.txt", "traj_summary_yearly_2022.txt"],
    FileKind.ALL: ["traj_summary_all.txt"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "day", "wanted"),
    [
        (FileKind.MONTHLY, date(2022, 3, 4), [1]),
        (FileKind.MONTHLY, date(2022, 2, 28), [0, 1]),
        (FileKind.MONTHLY, date(2022, 1, 31), [0]),
        (FileKind.MONTHLY, date(2022, 4, 1), []),
        (FileKind.YEARLY, date(2021, 12, 31), [0, 1]),
        (FileKind.YEARLY, date(2022, 12, 31), [1]),
        (FileKind.ALL, date(2018, 12, 9), [0]),
    ],
)
def test_the_files_of_a_day_include_the_one_that_its_bin_runs_into(
    kind: FileKind, day: date, wanted: list[int]
) -> None:
    listed = [ListingEntry(path, "", "") for paths in HISTORY.values() for path in paths]
    listed.append(ListingEntry("monthly/notes.txt", "", ""))
    found = wanted_files([day], listed, kind)
    assert [file.path for file in found] == [HISTORY[kind][number] for number in wanted]
