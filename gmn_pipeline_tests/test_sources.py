"""The source: names of bins, the directory, and the text of a summary file."""

import codecs
import itertools
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from gmn_pipeline.config import load_settings
from gmn_pipeline.errors import (
    FileIncomplete,
    GmnError,
    SettingsError,
    SourceFileMissing,
    SourceRefused,
    SourceUnavailable,
    SummaryFormatError,
)
from gmn_pipeline.readers.solar_longitude_bins import (
    Bin,
    bin_of_name,
    bins_between,
    bins_of_times,
    months_of_name,
)
from gmn_pipeline.readers.summary_file import (
    Block,
    RejectedLine,
    check_columns,
    check_whole,
    parse,
    parse_together,
    read_head,
)
from gmn_pipeline.sources.gmn_directory import Fetched, HttpDirectory, Version, open_directory
from gmn_pipeline.validated.trajectories.checks import check_rows
from gmn_pipeline_tests.gmn_site import (
    LOGIN_PAGE,
    Fault,
    GmnSite,
    make_old,
    page,
    rewritten_meanwhile,
    stalls,
    status,
    truncated,
)
from gmn_pipeline_tests.sample import (
    DAILY,
    DAY,
    HEAD_LINES,
    SAMPLE_NAME,
    read_rows,
    sample,
    sample_bytes,
    with_source,
)

LINE_ENDS = {"LF CR": "\n\r", "LF": "\n", "CR LF": "\r\n", "blank lines": "\n\n\r\n"}
every_line_end = pytest.mark.parametrize("line_end", LINE_ENDS.values(), ids=LINE_ENDS)
FIRST_ROW = HEAD_LINES + 1


# --- bins ---


@pytest.mark.parametrize(
    ("name", "bin_"),
    [
        (SAMPLE_NAME, Bin(date(2022, 3, 4), 344)),
        ("traj_summary_20190320_solrange_359.0-000.0.txt", Bin(date(2019, 3, 20), 359)),
        ("traj_summary_20190321_solrange_000.0-001.0.txt", Bin(date(2019, 3, 21), 0)),
    ],
)
def test_a_file_name_is_a_bin_and_a_bin_a_file_name(name: str, bin_: Bin) -> None:
    assert bin_of_name(name) == bin_
    assert bin_.file_name == name


@pytest.mark.parametrize(
    "name",
    [
        "traj_summary_latest_daily.txt",
        "traj_summary_yesterday.txt",
        "traj_summary_all.txt",
        "traj_summary_20220304_solrange_344.0-346.0.txt",
        "traj_summary_20220304_solrange_360.0-361.0.txt",
        "traj_summary_20220304_solrange_344.5-345.5.txt",
        "traj_summary_20220230_solrange_344.0-345.0.txt",
        "traj_summary_2022034_solrange_344.0-345.0.txt",
        SAMPLE_NAME + ".gz",
        "../" + SAMPLE_NAME,
        "",
    ],
)
def test_an_alias_or_a_malformed_name_is_no_bin(name: str) -> None:
    assert bin_of_name(name) is None


@pytest.mark.parametrize(
    ("name", "interval"),
    [
        ("traj_summary_monthly_202202.txt", (datetime(2022, 2, 1), datetime(2022, 3, 1))),
        ("traj_summary_monthly_202212.txt", (datetime(2022, 12, 1), datetime(2023, 1, 1))),
        ("traj_summary_yearly_2022.txt", (datetime(2022, 1, 1), datetime(2023, 1, 1))),
        ("traj_summary_monthly_202213.txt", None),
        ("traj_summary_monthly_000001.txt", None),
        ("traj_summary_monthly_999912.txt", None),
        ("traj_summary_yearly_0000.txt", None),
        ("traj_summary_yearly_9999.txt", None),
        (SAMPLE_NAME, None),
    ],
)
def test_a_history_file_covers_the_interval_of_its_name(
    name: str, interval: tuple[datetime, datetime] | None
) -> None:
    assert months_of_name(name) == interval


def test_the_dates_known_to_have_two_files_or_none_are_computed() -> None:
    dates = [b.bin.date for b in bins_between(datetime(2018, 12, 10), datetime(2021, 3, 1))]
    for twice in ((2019, 1, 1), (2019, 11, 5), (2020, 1, 14), (2020, 12, 3), (2021, 1, 28)):
        assert dates.count(date(*twice)) == 2, twice
    for never in ((2019, 5, 3), (2019, 5, 31), (2019, 6, 23)):
        assert date(*never) not in dates, never


def test_bins_follow_each_other_without_a_gap_and_go_round() -> None:
    bins = bins_between(datetime(2021, 12, 31, 12), datetime(2023, 1, 2))
    assert bins[0].begins_at <= datetime(2021, 12, 31, 12) < bins[0].ends_at
    assert bins[-1].begins_at < datetime(2023, 1, 2) <= bins[-1].ends_at
    for one, two in itertools.pairwise(bins):
        assert two.begins_at == one.ends_at
        assert two.bin.solar_longitude_deg == (one.bin.solar_longitude_deg + 1) % 360
        assert timedelta(days=0.98) < one.ends_at - one.begins_at < timedelta(days=1.05)
        assert one.bin.date == one.begins_at.date()


def test_times_fall_into_the_bin_that_they_are_within_to_the_microsecond() -> None:
    bins = bins_between(datetime(2021, 12, 30), datetime(2022, 1, 3))
    just = timedelta(microseconds=1)
    times = [when for b in reversed(bins) for when in (b.ends_at - just, b.begins_at)]
    expected = [(b.bin.date, b.bin.solar_longitude_deg) for b in reversed(bins) for _ in range(2)]
    for nowhere in (None, datetime(1, 1, 1), datetime(9999, 12, 31)):
        times.insert(1, nowhere)
        expected.insert(1, (None, None))
    found = bins_of_times(pl.Series(times, dtype=pl.Datetime("us")))
    assert found.rows() == expected
    assert bins_of_times(pl.Series([None, None], dtype=pl.Datetime("us"))).rows() == [
        (None, None),
        (None, None),
    ]
    assert bins_of_times(pl.Series([], dtype=pl.Datetime("us"))).rows() == []


def test_the_rows_of_the_sample_fall_into_its_bin() -> None:
    [timed] = [b for b in bins_between(datetime(2022, 3, 4), datetime(2022, 3, 7))
               if b.bin == Bin(DAY, 344)]  # fmt: skip
    times = read_rows(sample_bytes())[0].get_column("beginning_utc_time").str.strip_chars()
    when = times.str.to_datetime("%Y-%m-%d %H:%M:%S%.f")
    assert when.is_between(timed.begins_at, timed.ends_at).all()


# --- the directory ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder laid out as the network's directory, with one old daily file and an alias."""
    (tmp_path / "daily").mkdir()
    for name in (SAMPLE_NAME, "traj_summary_yesterday.txt"):
        (tmp_path / "daily" / name).write_bytes(sample().first(3).to_bytes())
        make_old(tmp_path / "daily" / name)
    (tmp_path / "daily" / "notes.pdf").touch()
    return tmp_path


def http(site: GmnSite, **given: object) -> HttpDirectory:
    quick = {"source_url": site.url, "http_backoff_s": 0.0, "http_retries": 2}
    return HttpDirectory(load_settings().model_copy(update=quick | given))


def fetch(site: GmnSite, known: Version | None = None, **given: object) -> Fetched | None:
    with tempfile.TemporaryDirectory() as folder:
        return http(site, **given).fetch(DAILY, known, Path(folder) / "got")


@pytest.mark.parametrize("style", ["apache", "nginx"])
def test_a_listing_of_a_web_server_is_read(folder: Path, style: str) -> None:
    with GmnSite(folder, style) as site:  # type: ignore[arg-type]
        entries = http(site).list("daily")
        assert http(site).list("") == []
        assert http(site).list("monthly") == []
    assert [e.path for e in entries] == [DAILY, "daily/traj_summary_yesterday.txt"]
    assert all("2022" in e.modified and e.size for e in entries)


def test_a_folder_is_listed_and_fetched_as_a_web_server_is(folder: Path) -> None:
    directory = open_directory(load_settings(source_url=str(folder)))
    assert [e.path for e in directory.list("daily")] == [DAILY, "daily/traj_summary_yesterday.txt"]
    assert directory.list("monthly") == []
    got, more = folder / "got", folder / "more"
    fetched = directory.fetch(DAILY, None, got)
    assert fetched
    assert got.read_bytes() == sample().first(3).to_bytes()
    assert directory.fetch(DAILY, fetched.version, more) is None
    assert not more.exists()
    (folder / DAILY).write_bytes(b"other")
    assert directory.fetch(DAILY, fetched.version, more)
    with pytest.raises(SourceFileMissing):
        directory.fetch("daily/none.txt", None, folder / "none")


def test_a_listing_changes_its_state_with_the_file(folder: Path) -> None:
    with GmnSite(folder) as site:
        [before, other] = http(site).list("daily")
        (folder / DAILY).write_bytes(sample_bytes())
        assert [e.state == o.state for e, o in zip(http(site).list("daily"), [before, other],
                                                   strict=True)] == [False, True]  # fmt: skip


def test_a_place_that_is_neither_address_nor_folder_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="GMN_SOURCE_URL"):
        open_directory(load_settings(source_url=str(tmp_path / "none")))


def test_a_file_is_fetched_once_and_then_asked_for_by_its_version(folder: Path) -> None:
    with GmnSite(folder) as site:
        got = folder / "got"
        fetched = http(site).fetch(DAILY, None, got)
        assert fetched
        assert got.read_bytes() == (folder / DAILY).read_bytes()
        assert fetched.size_bytes == len(got.read_bytes())
        assert fetch(site, fetched.version) is None
        first, second = site.asked(DAILY)
        assert not {"If-None-Match", "If-Modified-Since"} & first.headers.keys()
        assert second.headers["If-None-Match"] == fetched.version.etag
        assert second.headers["If-Modified-Since"] == fetched.version.last_modified
        assert "gmn_pipeline" in first.headers["User-Agent"]
        assert first.headers["Accept-Encoding"] == "identity"
        assert not site.asked(DAILY, "HEAD"), "an old file needs no second look"


@pytest.mark.parametrize(
    "passing", [status(500), status(503, {"Retry-After": "0"}), status(429), stalls()]
)
def test_a_failure_in_passing_is_retried(folder: Path, passing: Fault) -> None:
    with GmnSite(folder) as site:
        site.faults = {DAILY: [passing, passing]}
        assert fetch(site, http_timeout_s=0.1)
        assert len(site.asked(DAILY)) == 3


def test_the_pause_that_the_source_asks_for_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", pauses.append)
    with GmnSite(folder) as site:
        site.faults = {DAILY: [status(503, {"Retry-After": "7"})]}
        assert fetch(site)
    assert pauses == [7]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (status(500), SourceUnavailable),
        (status(503), SourceUnavailable),
        (status(404), SourceFileMissing),
        (status(403), SourceRefused),
        (stalls(), SourceUnavailable),
        (stalls(sent=100), FileIncomplete),
        (truncated(100), FileIncomplete),
        (truncated(0), FileIncomplete),
    ],
)
def test_a_failure_that_lasts_says_what_it_is(
    folder: Path, fault: Fault, error: type[GmnError]
) -> None:
    with GmnSite(folder) as site:
        site.faults = {DAILY: itertools.repeat(fault)}
        with pytest.raises(error, match=SAMPLE_NAME):
            fetch(site, http_timeout_s=0.1, http_retries=1)


def test_a_source_that_is_down_is_unavailable(folder: Path) -> None:
    with GmnSite(folder) as site:
        pass
    with pytest.raises(SourceUnavailable):
        fetch(site)
    with pytest.raises(SourceUnavailable):
        http(site).list("daily")


def test_a_file_that_changes_while_it_is_read_is_incomplete(folder: Path) -> None:
    (folder / DAILY).touch()
    with GmnSite(folder) as site:
        site.faults = {DAILY: [rewritten_meanwhile(sample_bytes())]}
        with pytest.raises(FileIncomplete, match="changed while it was read"):
            fetch(site)
        assert site.asked(DAILY, "HEAD")
        fetched = fetch(site)
        assert fetched
        assert fetched.size_bytes == len(sample_bytes())


@pytest.mark.parametrize(
    "path", ["../secret.txt", "daily/../../secret.txt", "/etc/passwd", "//evil.example/x.txt",
             "http://evil.example/x.txt", "daily/%2e%2e/%2e%2e/secret.txt"]
)  # fmt: skip
def test_a_path_does_not_lead_out_of_the_directory(folder: Path, path: str) -> None:
    (folder.parent / "secret.txt").write_text("secret")
    with GmnSite(folder) as site:
        for directory in (http(site), open_directory(load_settings(source_url=str(folder)))):
            with pytest.raises((SourceRefused, SourceFileMissing)):
                directory.fetch(path, None, folder / "got")
        assert all(request.path.startswith("daily/") or "http" in request.path
                   for request in site.requests)  # fmt: skip


def test_a_login_page_is_no_empty_listing(folder: Path) -> None:
    with GmnSite(folder) as site:
        site.faults = {"daily/": [page(LOGIN_PAGE), page("<html>Maintenance</html>")]}
        for _ in range(2):
            with pytest.raises(SourceRefused, match="listing"):
                http(site).list("daily")


# --- the text of a summary file ---


def whole(data: bytes, folder: Path) -> None:
    path = folder / "file.txt"
    path.write_bytes(data)
    check_whole(path, "file.txt")


@pytest.mark.parametrize(
    ("stamp", "when"),
    [
        ("2022-03-16 17:49:26.628043", datetime(2022, 3, 16, 17, 49, 26, 628043)),
        ("2026-09-16 06:06:14.542816+00:00", datetime(2026, 9, 16, 6, 6, 14, 542816)),
        ("2026-09-16 06:06:14.542816+02:00", datetime(2026, 9, 16, 4, 6, 14, 542816)),
    ],
)
def test_both_forms_of_the_first_line_are_read(stamp: str, when: datetime) -> None:
    head = read_head(sample().stamped(stamp).to_bytes(), "file.txt")
    assert head.generated_at_utc == when
    assert head.lines == HEAD_LINES
    check_columns(head, "file.txt")


@pytest.mark.parametrize("stamp", ["yesterday", "2022-13-01 00:00:00", "2022-03-16 \xff17:49"])
def test_a_first_line_without_a_time_is_another_format(stamp: str) -> None:
    with pytest.raises(SummaryFormatError, match="line 1"):
        read_head(sample().stamped(stamp).to_bytes().replace(b"\xc3", b""), "file.txt")


@every_line_end
def test_any_line_end_gives_the_same_rows(line_end: str) -> None:
    rows, wrong = read_rows(sample().to_bytes(line_end))
    expected, _ = read_rows(sample_bytes())
    assert not wrong
    assert_frame_equal(rows.drop("line_number"), expected.drop("line_number"))
    if line_end.count("\n") == 1:
        assert_frame_equal(rows, expected)
    assert rows.get_column("line_number").is_unique().all()


@every_line_end
def test_a_byte_order_mark_in_front_of_a_file_changes_nothing(
    line_end: str, tmp_path: Path
) -> None:
    data = sample().first(3).to_bytes(line_end)
    marked = codecs.BOM_UTF8 + data
    whole(marked, tmp_path)
    head, plain = read_head(marked, "file.txt"), read_head(data, "file.txt")
    assert head == replace(plain, size_bytes=plain.size_bytes + 3)
    rows, wrong = read_rows(marked)
    assert not wrong
    assert_frame_equal(rows, read_rows(data)[0])


@pytest.mark.parametrize("data", [codecs.BOM_UTF8, codecs.BOM_UTF8 + b"# Summ"])
def test_a_file_cut_after_its_byte_order_mark_is_incomplete(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(FileIncomplete):
        whole(data, tmp_path)


def test_blanks_around_line_ends_do_no_harm(tmp_path: Path) -> None:
    data = sample().first(3).to_bytes("\n \n\r") + b"  \n\n\r\n"
    whole(data, tmp_path)
    rows, wrong = read_rows(data)
    assert (rows.height, wrong) == (3, [])


@pytest.mark.parametrize("data", [b"", b"\n\r\n\r", sample().first(0).to_bytes()])
def test_a_file_without_rows_is_incomplete(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(FileIncomplete):
        whole(data, tmp_path)


@pytest.mark.parametrize("data", [LOGIN_PAGE.encode(), b"\x1f\x8b\x08", b"# another file\n1;2\n"])
def test_what_is_no_summary_file_is_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="not a trajectory summary file"):
        whole(data, tmp_path)


def _line(row: int, change: Callable[[bytes], bytes], rows: int = 4) -> bytes:
    """A file of some rows, with one line changed."""
    lines = sample().first(rows).to_bytes("\n").split(b"\n")
    lines[HEAD_LINES + row] = change(lines[HEAD_LINES + row])
    return b"\n".join(lines)


WRONG_LINES: dict[str, tuple[Callable[[bytes], bytes], list[str]]] = {
    "a field too few": (lambda line: line.rsplit(b";", 1)[0],
                        ["structure: 85 fields where 86 are expected"]),
    "a field too many": (lambda line: line + b"; 1",
                         ["structure: 87 fields where 86 are expected"]),
    "letters in a number": (lambda line: line.replace(b" 82.", b" 8Z.").replace(b"+82.", b"+8Z."),
                            ["type: decgeo_deg is '+8Z.71863', not a number"]),
    "a fraction in an integer": (lambda line: line.replace(b";    -1;", b";  -1.5;"),
                                 ["type: iau_shower_number is '-1.5', not a integer"]),
    "two wrong numbers": (lambda line: line.replace(b"344.00", b"3x4.00", 2),
                          ["type: solar_longitude_deg is '3x4.006394', not a number",
                           "type: ascending_node_deg is '3x4.009170', not a number"]),
    "no UTF-8": (lambda line: line.replace(b"UK000H", b"\xff\xfe00H"),
                 ["structure: bytes that are not ASCII"]),
    "not ASCII in a number": (lambda line: line.replace(b"344.006394", "344.00639\u0664".encode()),
                              ["structure: bytes that are not ASCII"]),
    "a carriage return within": (lambda line: line.replace(b";  ...;", b";\r ...;"),
                                 ["structure: a carriage return within the line"]),
    "two rows on a line": (lambda line: line + b"\r" + line,
                           ["structure: 171 fields where 86 are expected",
                            "structure: a carriage return within the line"]),
    "ten megabytes": (lambda line: line + b"x" * 10_000_000,
                      ["structure: a line of 10000925 bytes"]),
    "three faults at once": (lambda line: b"\xff" + line.replace(b"; ", b";\r", 1) + b";",
                             ["structure: 87 fields where 86 are expected",
                              "structure: bytes that are not ASCII",
                              "structure: a carriage return within the line"]),
}  # fmt: skip


@pytest.mark.parametrize(("change", "reasons"), WRONG_LINES.values(), ids=WRONG_LINES)
def test_a_line_that_is_no_row_is_set_aside_as_it_stood_with_every_reason(
    change: Callable[[bytes], bytes], reasons: list[str]
) -> None:
    raw = change(sample().lines()[0])
    for row in (0, 2):
        rows, wrong = read_rows(_line(row, lambda _: raw))
        assert wrong == [RejectedLine(FIRST_ROW + row, raw, reasons)]
        sound = [FIRST_ROW + number for number in range(4) if number != row]
        assert rows.get_column("line_number").to_list() == sound


@pytest.mark.parametrize("text", ["None", " None ", " " * 20 + "None", "nan", "NaN", " inf",
                                  "+1.5e-03", "1.", ".5", "1e999"])  # fmt: skip
def test_a_spelling_of_a_number_is_read_alike_beside_a_wrong_line(text: str) -> None:
    data = sample().first(2).with_fields(0, rageo_sigma_deg=text).to_bytes()
    alone, _ = read_rows(data)
    beside, wrong = read_rows(data + b"junk\n")
    assert [line.raw_line for line in wrong] == [b"junk"]
    assert_frame_equal(alone, beside)


@settings(max_examples=60, deadline=None)
@given(st.text("+-.eE0159 \t\x0bnaNoinfx\u00a0\u0664", max_size=7))
def test_any_text_in_a_number_is_read_or_rejected_alone(text: str) -> None:
    data = sample().first(3).with_fields(1, vgeo_sigma_km_s=text, station_count=text).to_bytes()
    rows, wrong = read_rows(data)
    assert rows.height + len(wrong) == 3
    assert {line.line_number for line in wrong} <= {FIRST_ROW + 1}


def test_a_file_cut_anywhere_is_incomplete_or_loses_no_part_of_a_row(tmp_path: Path) -> None:
    """Only a cut between two rows cannot be seen; a fresh file is asked for twice for that."""
    path = tmp_path / "file.txt"
    for line_end in ("\n\r", "\n", "\r\n"):
        data = sample().first(2).to_bytes(line_end)
        expected, _ = read_rows(data)
        head, between = (len(sample().first(rows).to_bytes(line_end)) for rows in (0, 1))
        path.write_bytes(data)
        for cut in reversed([*range(0, head, 50), *range(head, len(data))]):
            os.truncate(path, cut)
            try:
                check_whole(path, "file.txt")
            except FileIncomplete:
                continue
            rows, wrong = read_rows(data[:cut])
            assert not wrong
            assert_frame_equal(rows, expected.head(rows.height))
            assert rows.height == 2 or between - 1 <= cut <= between + 1


@pytest.mark.parametrize("cut", range(4_000, len(sample_bytes()), 9_973))
def test_the_sample_cut_in_a_line_is_incomplete(cut: int, tmp_path: Path) -> None:
    with pytest.raises(FileIncomplete, match="in the middle of a line"):
        whole(sample_bytes()[:cut], tmp_path)


@settings(max_examples=25, deadline=None)
@given(st.integers(200, 30_000), st.sampled_from(list(LINE_ENDS.values())), st.booleans())
def test_blocks_of_any_size_give_the_rows_of_one_block(
    block_bytes: int, line_end: str, with_wrong_line: bool
) -> None:
    summary = sample().first(20)
    if with_wrong_line:
        summary = summary.with_fields(11, eccentricity="x")
    data = summary.to_bytes(line_end)
    whole_rows, whole_wrong = read_rows(data)
    rows, wrong = read_rows(data, block_bytes)
    assert_frame_equal(rows, whole_rows)
    assert wrong == whole_wrong


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from(list(LINE_ENDS.values())), st.integers(0, 9)),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_files_parsed_together_give_what_each_gives_alone(
    files: list[tuple[int, str, int]],
) -> None:
    odd = {7: b"junk\n", 8: b"\n", 9: sample().lines()[0]}
    together = []
    for rows, line_end, oddity in files:
        summary = sample().first(rows)
        head = len(summary.first(0).to_bytes(line_end))
        data = summary.to_bytes(line_end)[head:] + odd.get(oddity, b"")
        together.append(Block(data, 5 + oddity))
    alone = [parse(block) for block in together]
    parsed = parse_together(together)
    if all(line_end == "\n" and oddity < 7 for _, line_end, oddity in files):
        assert parsed is not None
    if parsed is not None:
        for number, other in enumerate(alone):
            rows = parsed.rows.filter(pl.col("block") == number).drop("block")
            assert_frame_equal(rows, other.rows)
            assert not other.rejected


_DAMAGE = '|x|None|nan| 1e5|1;2|\r|\n|\n\r|é|;|-1|True|0001-01-01 00:00:00|"|#|\\|\t|\0'
FIELD_TEXTS = st.sampled_from(_DAMAGE.split("|"))
INSERTED = st.tuples(st.floats(0, 1), FIELD_TEXTS | st.binary(max_size=4))


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 85), FIELD_TEXTS), max_size=4),
    st.lists(INSERTED, max_size=3),
    st.sampled_from(list(LINE_ENDS.values())),
)
def test_every_line_of_a_damaged_file_is_a_row_or_rejected(
    fields: list[tuple[int, int, str]], inserted: list[tuple[float, str | bytes]], line_end: str
) -> None:
    summary = sample().first(12)
    for row, column, text in fields:
        summary = summary.with_fields(row, **{read_rows_columns[column]: text})
    head = len(summary.first(0).to_bytes(line_end))
    data = summary.to_bytes(line_end)
    for where, what in inserted:
        at = head + int(where * (len(data) - head))
        data = data[:at] + (what.encode() if isinstance(what, str) else what) + data[at:]
    lines = dict(Block(data, 1).lines())
    rows, wrong = read_rows(data)
    read = [*rows.get_column("line_number"), *(line.line_number for line in wrong)]
    assert sorted(read) == sorted(n for n in lines if n > read_head(data, "file").lines)
    for number, identifier in rows.select("line_number", "trajectory_identifier").iter_rows():
        assert lines[number].startswith(identifier.encode())
    for line in wrong:
        assert line.raw_line == lines[line.line_number]
        assert line.reasons
    assert_all_go_one_way(rows)


read_rows_columns = read_rows(sample_bytes())[0].columns


def assert_all_go_one_way(rows: pl.DataFrame) -> None:
    checked = check_rows(with_source(rows))
    assert checked.accepted.height + checked.rejected.height == rows.height
    assert checked.rejected.get_column("reasons").list.len().min() != 0


def test_parsing_nothing_gives_no_rows() -> None:
    parsed = parse(Block(b"\r", 1))
    assert (parsed.rows.height, parsed.rejected) == (0, [])
