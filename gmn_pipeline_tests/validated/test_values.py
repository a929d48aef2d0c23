"""Validated values are those of the file's text, and what the network's own client reads."""

import math
from datetime import datetime
from types import ModuleType

import polars as pl
import pytest

from gmn_pipeline.schemas.fields import TRAJECTORY_FIELD, TRAJECTORY_FIELDS, Field, Kind
from gmn_pipeline_tests.support.sample import (
    Bench,
    Validated,
    sample,
    sample_path,
)

# Meteors of the sample that no camera saw begin (or end): the client says that one did.
UNSEEN = {
    "begin_in_fov": {"20220304233032_fQOsw", "20220304235340_b9A3d", "20220305040603_BljPP",
                     "20220305195159_9bNGV"},
    "end_in_fov": {"20220305014827_FyQAY", "20220305043215_WIbr3", "20220305104800_YPk2T",
                   "20220305190327_xLXc1"},
}  # fmt: skip


def plain(field: Field, text: str) -> object:
    """What a text of the file means, read in the simplest way."""
    text = text.strip()
    if field.kind is Kind.NUMBER:
        value = math.nan if text == "None" else float(text)
        return None if math.isnan(value) else value
    if field.kind is Kind.TIMESTAMP:
        return datetime.fromisoformat(text)
    converted: dict[Kind, object] = {
        Kind.INTEGER: text, Kind.BOOLEAN: text == "True", Kind.TEXT_LIST: text.split(","),
    }  # fmt: skip
    return int(text) if field.kind is Kind.INTEGER else converted.get(field.kind, text)


def test_every_value_of_the_sample_is_that_of_its_text(real: Validated) -> None:
    assert real.accepted.height == 534
    assert real.rejected.height == 0
    for number, fields in enumerate(sample().rows):
        expected = [plain(f, text) for f, text in zip(TRAJECTORY_FIELDS, fields, strict=True)]
        found = real.row(number)
        assert [found[f.name] for f in TRAJECTORY_FIELDS] == expected


old_pandas_calls = pytest.mark.filterwarnings("ignore:The inplace keyword")


@old_pandas_calls
def test_every_value_of_the_sample_is_what_the_client_of_the_network_reads(
    real: Validated, client: ModuleType
) -> None:
    theirs = client.read_data(sample_path().read_text(), output_camel_case=True).reset_index()
    assert list(theirs.columns) == [f.legacy_name for f in TRAJECTORY_FIELDS]
    in_order = real.accepted.sort("line_number")
    for field in TRAJECTORY_FIELDS:
        if field.kind is Kind.BOOLEAN:
            continue
        read = theirs[field.legacy_name]
        if field.name == "iau_shower_code":
            read = read.fillna("...")  # the client drops what a sporadic meteor is called
        values = [None if v != v else v for v in read.tolist()]
        assert in_order.get_column(field.name).to_list() == values, field.name


@old_pandas_calls
def test_the_clients_known_error_is_that_each_fov_flag_is_true(
    real: Validated, client: ModuleType
) -> None:
    theirs = client.read_data(sample_path().read_text(), output_camel_case=True)
    for name, position in (("begin_in_fov", 82), ("end_in_fov", 83)):
        assert theirs[TRAJECTORY_FIELD[name].legacy_name].all()
        raw = {fields[0]: fields[position].strip() for fields in sample().rows}
        assert {identifier for identifier, text in raw.items() if text == "False"} == UNSEEN[name]
        ours = real.accepted.select("trajectory_identifier", pl.col(name)).iter_rows()
        assert {identifier: str(flag) for identifier, flag in ours} == raw


def test_none_nan_and_sporadic_keep_their_three_meanings(bench: Bench) -> None:
    texts = {1: "   None", 2: "    nan"}
    summary = sample().first(3)
    for number, text in texts.items():
        summary = summary.with_fields(number, rageo_sigma_deg=text)
    done = bench.check(summary)
    found = [done.row(number) for number in range(3)]
    assert [r["rageo_sigma_deg"] for r in found] == [5.6718, None, None]
    assert [r["quality_flags"] for r in found] == [
        [], ["uncertainty_not_computed"], ["uncertainty_undefined"],
    ]  # fmt: skip
    assert [(r["iau_shower_number"], r["iau_shower_code"]) for r in found] == [(-1, "...")] * 3


def test_a_time_at_a_whole_second_and_large_numbers_are_read(bench: Bench) -> None:
    summary = sample().first(1).with_fields(
        0, beginning_utc_time=" 2022-03-05 06:36:46       ", semi_major_axis_au="-1.20e+03",
        orbital_period_years=" 2.2878e+03",
    )  # fmt: skip
    found = bench.check(summary).row(0)
    assert found["beginning_utc_time"] == datetime(2022, 3, 5, 6, 36, 46)
    assert (found["semi_major_axis_au"], found["orbital_period_years"]) == (-1200, 2287.8)
