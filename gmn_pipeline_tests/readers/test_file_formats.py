"""Formats of summary files: the former one is read as the current one, an unknown one is refused
with the columns that make the difference."""

import re
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from gmn_pipeline.errors import SummaryFormatError
from gmn_pipeline.readers.solar_longitude_bins import Bin
from gmn_pipeline.readers.summary_file import check_columns, read_head
from gmn_pipeline.readers.summary_file_formats import CURRENT, FORMER, made_identifiers
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS
from gmn_pipeline_tests.support.sample import CASES, DAY, FIRST_ROW, Bench, Row, Summary, sample

NEXT_DAY = date(2022, 3, 5)
OF_2021 = date(2021, 8, 12)
MARKS = ["identifier_made_here", "latitude_of_perihelion_missing"]
NAMES = [f.name for f in TRAJECTORY_FIELDS]
B, B_SIGMA = "latitude_of_perihelion_deg", "latitude_of_perihelion_sigma_deg"
_KEPT = [NAMES.index(f.name) for f in FORMER.fields]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def in_former_format(summary: Summary) -> Summary:
    """The file without the columns that the former format did not have."""
    changed = summary.with_columns(lambda fields: tuple(fields[at] for at in _KEPT))
    # The first field of the head carries the comment mark.
    head = (("#" + fields[0].lstrip("#"), *fields[1:]) for fields in changed.head)
    return replace(changed, head=tuple(head))


# --- the former format ---


def test_the_former_format_has_all_columns_but_three() -> None:
    assert len(FORMER.fields) == 83
    assert {f.name for f in CURRENT.fields} - {f.name for f in FORMER.fields} == {
        "trajectory_identifier", B, B_SIGMA,
    }  # fmt: skip


def test_a_real_file_of_the_former_format_is_taken_and_says_so(tmp_path: Path) -> None:
    done = Bench(tmp_path, source_url=str(CASES / "former_format")).validate(OF_2021)
    assert not done.failed_days
    assert done.counts == {("2021-08-12", 140): (3, 0)}
    rows = done.accepted.sort("line_number")
    # Written down, so that they stay what they are.
    assert rows.get_column("trajectory_identifier").to_list() == [
        "20210812191900_RQQLk", "20210812192016_euMwt", "20210812192016_aq1yb",
    ]  # fmt: skip
    assert rows.select(B, B_SIGMA).null_count().row(0) == (3, 3)
    assert rows.item(0, "beginning_utc_time") == datetime(2021, 8, 12, 19, 19, 0, 688589)
    assert rows.item(0, "participating_stations").to_list() == ["HR001H", "HR001Z", "SI0002"]
    for flags in rows.get_column("quality_flags"):
        assert set(MARKS) <= set(flags)


def test_every_other_value_is_that_of_the_current_format(bench: Bench) -> None:
    current = bench.check(sample())
    former = bench.check(in_former_format(sample()))
    assert former.counts == current.counts
    differ = ["trajectory_identifier", B, B_SIGMA, "quality_flags", "source_file_sha256"]
    order = "line_number"
    assert_frame_equal(
        former.accepted.sort(order).drop(differ), current.accepted.sort(order).drop(differ)
    )
    flags = former.accepted.sort(order).get_column("quality_flags")
    expected = current.accepted.sort(order).get_column("quality_flags")
    assert [[f for f in row if f not in MARKS] for row in flags] == expected.to_list()
    assert former.accepted.get_column("trajectory_identifier").is_unique().all()


def test_files_of_both_formats_are_validated_side_by_side(bench: Bench) -> None:
    bench.put(f"daily/{Bin(DAY, 344).file_name}", in_former_format(sample().first(3)))
    bench.put(f"daily/{Bin(NEXT_DAY, 345).file_name}", sample().first(2))
    done = bench.validate(DAY, NEXT_DAY)
    assert done.chunks == 1
    assert done.counts == {("2022-03-04", 344): (3, 0), ("2022-03-05", 345): (2, 0)}
    made = pl.col("quality_flags").list.contains("identifier_made_here")
    assert done.accepted.filter(made).get_column("bin_date").to_list() == [DAY] * 3
    assert done.accepted.filter(~made).get_column(B).null_count() == 0


def test_a_month_of_the_former_format_is_split_over_its_days(bench: Bench) -> None:
    bench.settings = bench.settings.model_copy(update={"history": "monthly"})
    bench.put("monthly/traj_summary_monthly_202203.txt", in_former_format(sample().first(5)))
    done = bench.validate(DAY)
    assert done.counts == {("2022-03-04", 344): (5, 0)}
    assert {*MARKS, "bin_computed"} <= set(done.accepted.item(0, "quality_flags"))


def test_a_bad_line_of_the_former_format_is_set_aside_with_its_reason(bench: Bench) -> None:
    summary = in_former_format(sample().first(4))
    rows = list(summary.rows)
    rows[1] = (*rows[1], " more")
    rows[2] = (*rows[2][:10], "x", *rows[2][11:])
    rows[3] = (rows[3][0], " soon", *rows[3][2:])
    done = bench.check(replace(summary, rows=tuple(rows)))
    reasons = {number - FIRST_ROW: why for number, why in done.reasons().items()}
    assert reasons == {
        1: ["structure: 84 fields where 83 are expected"],
        2: [f"type: {FORMER.fields[10].name} is 'x', not a number"],
        3: ["type: beginning_utc_time is 'soon', not a timestamp"],
    }


# --- identifiers made here ---


def made(time: str, stations: str) -> str:
    return made_identifiers(pl.Series([time]), pl.Series([stations])).item()


@given(
    st.datetimes(datetime(2014, 1, 1), datetime(2099, 12, 31)),
    st.permutations(["UK000H", "HR0002", "SI0002"]),
    st.text(" ", max_size=3),
)
def test_an_identifier_is_the_same_however_its_row_is_padded_and_its_stations_are_listed(
    when: datetime, stations: list[str], blanks: str
) -> None:
    time = when.isoformat(" ")
    identifier = made(time, "HR0002,SI0002,UK000H")
    assert made(blanks + time + blanks, blanks + ("," + blanks).join(stations)) == identifier
    assert re.fullmatch(f"{when:%Y%m%d%H%M%S}" + r"_[0-9A-Za-z]{5}", identifier)


def test_another_event_has_another_identifier() -> None:
    events = [
        ("2022-03-05 06:36:46.000001", "UK000H,UK003C"),
        ("2022-03-05 06:36:46.000002", "UK000H,UK003C"),
        ("2022-03-05 06:36:46.000001", "UK000H,UK003D"),
        ("2022-03-05 06:36:46.000001", "UK000H"),
    ]
    assert len({made(*event) for event in events}) == len(events)
    assert made("2022-03-05 06:36:46", "UK000H") == made("2022-03-05 06:36:46.000000", "UK000H")


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_texts_make_an_identifier_of_the_form(time: str, stations: str) -> None:
    assert re.fullmatch(r"\d{14}_[0-9A-Za-z]{5}", made(time, stations))


# --- formats that are not known ---


def refused(summary: Summary) -> str:
    with pytest.raises(SummaryFormatError) as caught:
        check_columns(read_head(summary.to_bytes(), "file.txt"), "file.txt")
    assert "Nothing of the file was loaded." in str(caught.value)
    return caught.value.message.removeprefix("file.txt, lines 2-3: the ")


def without(*positions: int) -> Summary:
    return sample().with_columns(
        lambda fields: tuple(text for at, text in enumerate(fields) if at not in positions)
    )


def _swapped(fields: Row) -> Row:
    """e and its uncertainty before a and its own."""
    return (*fields[:23], *fields[25:27], *fields[23:25], *fields[27:])


CURRENT_COMPARED = "columns are those of no known format. Compared with the current format "


@pytest.mark.parametrize(
    ("summary", "message"),
    [
        (sample().with_columns(lambda f: (*f[:7], " new", *f[7:])),
         f"87 {CURRENT_COMPARED}(86 columns): new: 'new / new' (column 8)."),
        (sample().with_columns(lambda f: (*f, " new")),
         f"87 {CURRENT_COMPARED}(86 columns): new: 'new / new' (column 87)."),
        (without(5), f"85 {CURRENT_COMPARED}(86 columns): missing: 'Sol lon / deg'."),
        (without(35, 36), f"84 {CURRENT_COMPARED}(86 columns): missing: 'b / deg' and its '+/-'."),
        (without(24), f"85 {CURRENT_COMPARED}(86 columns): missing: the '+/-' of 'a / AU'."),
        (without(85), f"85 {CURRENT_COMPARED}(86 columns): missing: 'Participating / stations'."),
        (sample().with_columns(_swapped),
         f"86 {CURRENT_COMPARED}(86 columns): moved: 'e' (column 24) and its '+/-'."),
        (sample().with_columns(lambda f: (*f[:5], *f[6:35], f[80], *f[35:80], *f[81:])),
         f"85 {CURRENT_COMPARED}(86 columns): missing: 'Sol lon / deg'; moved: 'Qc / deg' "
         "(column 35)."),
        (in_former_format(sample()).with_columns(lambda f: (*f[:4], *f[5:])),
         "82 columns are those of no known format. Compared with the format of 2021 (83 columns): "
         "missing: 'Sol lon / deg'."),
    ],
)  # fmt: skip
def test_an_unknown_format_names_only_the_columns_that_make_the_difference(
    summary: Summary, message: str
) -> None:
    assert refused(summary) == message


@pytest.mark.parametrize("line", [0, 1])
def test_a_new_column_in_one_line_of_the_head_is_noticed(line: int) -> None:
    head = list(sample().head)
    head[line] = (*head[line], " new")
    message = refused(Summary(sample().generated, tuple(head), sample().rows))
    assert message.endswith("new: 'new' (column 87).")


def test_a_header_of_other_things_altogether_is_told_in_short() -> None:
    message = refused(sample().with_columns(lambda f: tuple(f"#x{n}" for n in range(86))))
    assert "missing: 'Beginning / Julian date'" in message
    assert re.search(r"and \d+ more; new: ", message)
    assert len(message) < 1_000
