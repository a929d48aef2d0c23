"""The IAU list of meteor showers: read in each of its forms, and never taken for what it is not."""

from contextlib import suppress
from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmn_pipeline.errors import SourceRefused
from gmn_pipeline.readers.iau_showers import find_date, parse
from gmn_pipeline.readers.iau_showers_rows import LOADED
from gmn_pipeline.schemas.dataset import Table
from gmn_pipeline.schemas.derive import polars_within_limits
from gmn_pipeline.schemas.fields import Field
from gmn_pipeline.schemas.showers import SHOWER_FIELDS, SOLUTION_FIELDS
from gmn_pipeline.sources.iau_showers import bundled
from gmn_pipeline_tests.support.iau_list import (
    CAP,
    COLUMNS,
    HEADER_2007,
    HEADER_2022,
    HEADER_NOW,
    json_list,
    many,
    row,
    solution,
    text_list,
)

# What the list of 2007 has no columns for.
_SINCE_2007 = (
    "solar_longitude_begin_deg", "solar_longitude_end_deg", "lamgeo_deg",
    "sun_centred_longitude_deg", "betgeo_deg", "theta_deg", "phi_deg", "flags",
)  # fmt: skip
_CAP_VALUES = {
    "iau_shower_number": 1, "iau_shower_code": "CAP", "solution_number": 3, "list_row": 4,
    "status_flag": 1, "status": "established", "submitted": "1973-mm-dd", "activity": "annual",
    "solar_longitude_begin_deg": 123.7, "solar_longitude_end_deg": 138.7,
    "solar_longitude_deg": 127.7, "rageo_deg": 307.68, "decgeo_deg": -9.92,
    "rageo_drift_deg_d": 0.8, "decgeo_drift_deg_d": 0.5, "vgeo_km_s": 22.8, "lamgeo_deg": 307.53,
    "sun_centred_longitude_deg": 179.83, "betgeo_deg": 8.75, "theta_deg": 89.84,
    "phi_deg": 261.25, "flags": "R", "semi_major_axis_au": 2.53, "perihelion_distance_au": 0.59,
    "eccentricity": 0.77, "argument_of_perihelion_deg": 269.0, "ascending_node_deg": 127.66,
    "inclination_deg": 7.0, "member_count": 21, "group_number": None, "group_member": None,
    "parent_body": "169P/NEAT (= 2002 EX12)", "remarks": None, "observation_technique": None,
    "lookup_table": None, "reference": "Cook, 1973",
    "reference_url": "http://adsabs.harvard.edu/abs/1973NASSP.319..183C",
    "source": "IAU MDC streamfulldata of 2026-08-14, here", "edition_date": date(2026, 8, 14),
}  # fmt: skip


@pytest.mark.parametrize("header", [HEADER_2007, HEADER_2022, HEADER_NOW])
def test_the_columns_of_a_text_are_those_of_its_header(header: str) -> None:
    found = parse(text_list([CAP], header), "here")
    absent = dict.fromkeys(_SINCE_2007) if header == HEADER_2007 else {}
    assert found.solutions.to_dicts() == [_CAP_VALUES | absent]
    assert not found.problems
    assert found.edition_date == date(2026, 8, 14)


def test_the_json_says_what_the_text_says() -> None:
    other = [solution(7, "PER", "Perseids"), solution(7, "PER", "Perseids", AdNo="001", Vg="59")]
    text, as_json = (parse(made([CAP, *other]), "here") for made in (text_list, json_list))
    assert as_json.showers.equals(text.showers)
    assert as_json.solutions.drop("list_row").equals(text.solutions.drop("list_row"))
    assert not as_json.problems


def test_a_header_in_another_order_is_followed() -> None:
    columns = COLUMNS[HEADER_NOW][::-1]
    lines = f":  {'  '.join(columns)}\n{row(CAP, columns)}\n"
    (found,) = parse(lines.encode(), "here").solutions.to_dicts()
    assert found | {"source": 0, "edition_date": 0} == (
        _CAP_VALUES | {"source": 0, "edition_date": 0}
    )


def test_a_column_that_is_new_upstream_is_named_and_shifts_nothing() -> None:
    columns = [*COLUMNS[HEADER_NOW][:4], "ZHR", *COLUMNS[HEADER_NOW][4:]]
    lines = f":  {'  '.join(columns)}\n{row(CAP | {'ZHR': '5'}, columns)}\n"
    found = parse(lines.encode(), "here")
    assert found.problems == ("here has columns that are not known here: ZHR.",)
    assert found.solutions["vgeo_km_s"].to_list() == [22.8]


def test_a_header_that_does_not_fit_the_rows_gives_way_to_the_columns_that_are_known() -> None:
    text = text_list([CAP]).replace(b"SubDate  Designation", b"Date of Submission  Prov. Des.")
    found = parse(text, "here")
    assert found.solutions.to_dicts() == [_CAP_VALUES]


def test_a_line_that_cannot_be_read_is_named_with_its_number_and_stops_nothing_else() -> None:
    lines = text_list([*many(3), solution(4, "TOO LONG"), *many(5)[4:]]).splitlines()
    lines[9] = lines[9][:60]  # the second row, cut off
    found = parse(b"\n".join(lines), "here")
    assert found.showers["iau_shower_number"].to_list() == [1, 3, 5]
    assert found.problems[0].startswith("here, line 10 is left out: ")
    assert found.problems[1] == "here, line 12 is left out: its code is 'TOO LONG'."


def test_a_value_that_cannot_be_read_is_named_and_null() -> None:
    found = parse(text_list([CAP | {"Vg": "fast", "De": "-99"}]), "here")
    assert found.solutions.select("vgeo_km_s", "decgeo_deg", "rageo_deg").rows() == [
        (None, None, 307.68)
    ]
    assert found.problems == (
        "here, line 9: decgeo_deg is '-99'; left null.",
        "here, line 9: vgeo_km_s is 'fast'; left null.",
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [("(2.53)", 2.53), ("Inf.", None), ("   ", None), ("-6.4", -6.4), ("2.5e1", 25.0)],
)
def test_numbers_are_read_as_the_list_spells_them(text: str, value: float | None) -> None:
    found = parse(text_list([CAP | {"a": text}]), "here")
    assert found.solutions["semi_major_axis_au"].to_list() == [value]
    assert not found.problems


def test_a_mean_angle_beyond_the_circle_is_the_same_angle_within() -> None:
    found = parse(text_list([CAP | {"node": "362.2", "peri": "-15.5"}]), "here")
    assert found.solutions.select("ascending_node_deg", "argument_of_perihelion_deg").rows() == [
        (2.2, 344.5)
    ]


def test_a_text_whose_values_are_in_the_wrong_columns_is_refused() -> None:
    shifted = [one | {"Ra": "annual", "De": "GEM", "Vg": "Geminids"} for one in many(3)]
    with pytest.raises(SourceRefused, match="3 rows of 4 cannot be read, the first: here, line 9"):
        parse(text_list([*shifted, CAP]), "here")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "a page, not"),
        (b"\n  <HTML><body>moved", "a page, not"),
        (b"", "no shower"),
        (b"Service temporarily unavailable", "cannot be read"),
        (json_list(many(3))[:-40], "cut off or not JSON"),
        (b'{"data": {"1": "CAP"}}', "no list 'data'"),
        (json_list(many(3)).replace(b'"count": 3', b'"count": 900'), "900 showers, and has 3"),
        (b'{"data": [1, 2, {"IAUNo": 1}]}', "cannot be read"),
        (text_list([]), "no shower"),
    ],
)
def test_what_is_not_the_list_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(SourceRefused, match=words):
        parse(content, "here")


def test_the_showers_of_a_json_that_are_bad_are_named_and_left_out() -> None:
    content = json_list(many(4)).replace(b'"IAUNo": 2,', b'"IAUNo": null,')
    found = parse(content, "here")
    assert found.showers["iau_shower_number"].to_list() == [1, 3, 4]
    assert found.problems == ("here, data[1].solution[0] is left out: its IAU number is ''.",)


def test_a_shower_of_the_json_without_a_solution_is_a_shower() -> None:
    content = (
        b'{"data": [{"IAUNo": 5, "Code": "SDA", "Name": null, "ProvName": "M2023-H1", "s": 2}]}'
    )
    found = parse(content, "here")
    (shower,) = found.showers.to_dicts()
    assert (shower["iau_shower_name"], shower["status"]) == ("M2023-H1", "to be established")
    assert found.solutions.is_empty()


def test_a_shower_is_what_its_first_solution_that_is_not_removed_says() -> None:
    rows = [
        solution(8, "ORI", "Orionids", s="-2", activity="1950"),
        solution(8, "ORI", "Orionids", AdNo="001", s=" 1", Origin=""),
        solution(8, "ORI", "Orionids", AdNo="002", s=" 1", Origin="1P/Halley"),
        solution(9, "XXX", "", Designation="M2024-A1", s="-4"),
    ]
    orionids, removed = parse(text_list(rows), "here").showers.to_dicts()
    assert (orionids["status"], orionids["activity"], orionids["parent_body"]) == (
        "established", "annual", "1P/Halley",
    )  # fmt: skip
    assert (removed["iau_shower_name"], removed["status"]) == ("M2024-A1", "removed")


def test_a_row_twice_is_left_out_once_and_one_with_other_values_stays() -> None:
    rows = [solution(1, "CAP"), solution(1, "CAP"), solution(1, "CAP", Vg="22.4")]
    found = parse(text_list(rows), "here")
    assert found.solutions["vgeo_km_s"].to_list() == [30.1, 22.4]
    assert [problem.split(":")[0] for problem in found.problems] == [
        "here, line 10 says what a row before it says; left out.",
        "here, line 11",
    ]


def test_a_number_with_two_codes_and_a_code_with_two_numbers_are_named() -> None:
    rows = [solution(1, "CAP", s="-2"), solution(1, "PAC", AdNo="001"), solution(2, "PAC")]
    found = parse(text_list(rows), "here")
    assert found.showers["iau_shower_code"].to_list() == ["PAC", "PAC"]
    assert len(found.solutions) == 3
    assert found.problems == (
        "here, line 9: shower 1 has the code CAP there and PAC in here, line 10, which counts.",
        "The code PAC stands for the showers 1, 2.",
    )


@pytest.mark.parametrize(
    ("text", "day"),
    [
        (" Feb 28, 10:00:00 UTC, 2022  Modified by", date(2022, 2, 28)),
        (" September 27, 20:00:00 UTC, 2022", date(2022, 9, 27)),
        ("Oct 09 2026 20:00 UTC", date(2026, 10, 9)),
        ("version 2026-08-14", date(2026, 8, 14)),
        ("2026.08.14", date(2026, 8, 14)),
        ("Feb 31, 2022", None),
        ("version 2.1", None),
        ("as of April 2023", None),
    ],
)
def test_the_date_of_an_edition_is_read_as_it_is_written(text: str, day: date | None) -> None:
    assert find_date(text) == day


def test_a_list_that_does_not_date_itself_is_dated_by_the_server() -> None:
    text = text_list([CAP], updated=None)
    assert parse(text, "here").edition_date is None
    assert parse(text, "here").edition == "IAU MDC streamfulldata undated, here"
    dated = parse(text, "here", "Fri, 14 Aug 2026 20:00:00 GMT")
    assert dated.edition_date == date(2026, 8, 14)


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes_are_a_list_or_are_refused(content: bytes) -> None:
    sound = text_list(many(110))  # more rows than there can be bad ones in so few bytes
    assert len(parse(sound + content, "here").showers) >= 110
    for whole in (content, b'{"data": [' + content + b"]}"):
        with suppress(SourceRefused):
            assert len(parse(whole, "here").showers) > 0


@pytest.mark.parametrize("huge", ["9" * 400, "1e999", "-1e999", "3000000000", "1.5", "²"])
def test_a_number_that_no_integer_holds_is_named_and_null(huge: str) -> None:
    found = parse(text_list([CAP | {"N": huge}]), "here")
    assert found.solutions["member_count"].to_list() == [None]
    assert len(found.problems) == 1


def test_a_json_nested_without_end_is_refused() -> None:
    with pytest.raises(SourceRefused, match="not JSON"):
        parse(b"[" * 100_000, "here")


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(CAP)), st.text(max_size=12)), max_size=4))
def test_whatever_stands_in_a_field_the_other_rows_are_read(
    changes: list[tuple[str, str]],
) -> None:
    odd = CAP | dict(changes)
    rows = [row(one, COLUMNS[HEADER_NOW]) for one in (*many(9), odd)]
    text = f":  {HEADER_NOW}\n" + "\n".join(rows)
    found = parse(text.encode("utf-8", "replace"), "here")
    assert set(range(2, 10)) <= set(found.showers["iau_shower_number"])


def within_limits(fields: tuple[Field, ...], rows: pl.DataFrame) -> bool:
    table = Table("rows", "", tuple(f for f in fields if f.name != LOADED))
    return bool(rows.select(polars_within_limits(table)).to_series().all())


def test_the_copy_that_comes_along_is_whole_and_each_row_names_its_edition() -> None:
    copy = bundled()
    assert len(copy.showers) == copy.showers["iau_shower_number"].n_unique() == 972
    assert within_limits(SHOWER_FIELDS, copy.showers)
    assert within_limits(SOLUTION_FIELDS, copy.solutions)
    by_edition = dict(copy.solutions.group_by("edition_date").len().rows())
    assert by_edition == {date(2023, 4, 18): 1782, date(2026, 10, 9): 594}
    assert (copy.showers["status"] == "established").sum() == 113
    numbers = set(copy.showers["iau_shower_number"])
    assert set(copy.solutions["iau_shower_number"]) == numbers
    perseids = copy.solutions.filter(pl.col("iau_shower_code") == "PER")
    assert perseids["vgeo_km_s"].is_between(58, 63).all()
    assert perseids["inclination_deg"].drop_nulls().is_between(112, 117).all()
