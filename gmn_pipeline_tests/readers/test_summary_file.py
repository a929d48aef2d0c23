"""The text of summary files: the head, whole or cut, rows in bulk, and lines that are none."""

import codecs
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from gmn_pipeline.errors import (
    FileIncomplete,
    SourceRefused,
    SummaryFormatError,
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
from gmn_pipeline.validated.trajectories.checks import check_rows
from gmn_pipeline_tests.support.gmn_site import (
    LOGIN_PAGE,
)
from gmn_pipeline_tests.support.sample import (
    FIRST_ROW,
    HEAD_LINES,
    read_rows,
    sample,
    sample_bytes,
    with_source,
)

LINE_ENDS = {"LF CR": "\n\r", "LF": "\n", "CR LF": "\r\n", "blank lines": "\n\n\r\n"}
every_line_end = pytest.mark.parametrize("line_end", LINE_ENDS.values(), ids=LINE_ENDS)


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
