"""Validated: the values are the file's, what cannot be real is rejected with its reason, and
every row of a file goes one way, whichever file its day is read from."""

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gmn_pipeline.errors import SummaryFormatError
from gmn_pipeline.readers.solar_longitude_bins import Bin, TimedBin, bins_between
from gmn_pipeline.readers.summary_file import blocks
from gmn_pipeline.schemas.fields import TRAJECTORY_FIELD, TRAJECTORY_FIELDS, Field, Kind, Null
from gmn_pipeline.validated.flags import Family
from gmn_pipeline.validated.trajectories import history_files, slices
from gmn_pipeline.validated.trajectories.quality import A_JUPITER_AU, QUALITY_FLAGS
from gmn_pipeline.validated.trajectories.shower_codes import iau_codes
from gmn_pipeline_tests.support.sample import (
    CASES,
    DAILY,
    DAY,
    HEAD_LINES,
    Bench,
    Summary,
    Validated,
    sample,
    sample_bytes,
    sample_path,
    when_fields,
)

FIRST_ROW = HEAD_LINES + 1
NUMBERS = [f for f in TRAJECTORY_FIELDS if f.kind is Kind.NUMBER]
PLAIN_NUMBERS = [f for f in NUMBERS if not f.sigma_of]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Validated:
    """The sample, validated."""
    return Bench(tmp_path_factory.mktemp("real")).check(sample_bytes())


def row(done: Validated, number: int) -> dict[str, Any]:
    """The accepted row that stood in the file's row `number`, counted from 0."""
    return done.accepted.row(by_predicate=pl.col("line_number") == FIRST_ROW + number, named=True)


# --- the values ---

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
        found = row(real, number)
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
    found = [row(done, number) for number in range(3)]
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
    found = row(bench.check(summary), 0)
    assert found["beginning_utc_time"] == datetime(2022, 3, 5, 6, 36, 46)
    assert (found["semi_major_axis_au"], found["orbital_period_years"]) == (-1200, 2287.8)


# --- rejection ---


def reasons_of(bench: Bench, cases: list[dict[str, str]]) -> list[list[str]]:
    """Why each case is rejected: a row with these texts; empty if it is accepted."""
    summary = sample().first(len(cases))
    for number, texts in enumerate(cases):
        summary = summary.with_fields(number, **texts)
    done = bench.check(summary)
    assert done.accepted.height + done.rejected.height == len(cases)
    return [done.reasons().get(FIRST_ROW + number, []) for number in range(len(cases))]


def test_no_number_but_an_uncertainty_may_be_none(bench: Bench) -> None:
    found = reasons_of(bench, [{f.name: "None"} for f in NUMBERS])
    assert found == [[] if f.sigma_of else [f"type: {f.name} is None"] for f in NUMBERS]


def test_a_number_that_every_row_has_may_not_be_nan(bench: Bench) -> None:
    found = reasons_of(bench, [{f.name: "nan"} for f in PLAIN_NUMBERS])
    for field, reasons in zip(PLAIN_NUMBERS, found, strict=True):
        missing = [f"range: {field.name} is missing"] if field.null is Null.NEVER else []
        assert reasons == missing


def test_no_number_may_be_infinite(bench: Bench) -> None:
    cases = [{f.name: sign + "inf"} for f in NUMBERS for sign in "+-"]
    for case, reasons in zip(cases, reasons_of(bench, cases), strict=True):
        assert [f"range: {name}" in reason for name in case for reason in reasons] == [True], case


def limits() -> Iterator[tuple[Field, str, str]]:
    """(field, its limit, just beyond it) of every column that has one."""
    for field in TRAJECTORY_FIELDS:
        step = 1 if field.kind is Kind.INTEGER else 0.001
        for limit, sign in ((field.minimum, -1), (field.maximum, 1)):
            if limit is not None:
                yield field, str(limit), str(limit + sign * step)
        for when, sign in ((field.earliest, -1), (field.latest, 1)):
            if when is not None:
                yield field, str(when), str(when + sign * timedelta(microseconds=1))


def test_a_value_at_a_hard_limit_is_accepted(bench: Bench) -> None:
    cases = [{field.name: limit} for field, limit, _ in limits()]
    assert len(cases) > 60
    assert reasons_of(bench, cases) == [[]] * len(cases)


def test_a_value_just_beyond_a_hard_limit_is_rejected_by_its_column(bench: Bench) -> None:
    cases = [{field.name: beyond} for field, _, beyond in limits()]
    for case, reasons in zip(cases, reasons_of(bench, cases), strict=True):
        [(name, _)] = case.items()
        assert len(reasons) == 1, case
        assert reasons[0].startswith(f"range: {name} is "), reasons


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"beginning_utc_time": " 0001-01-01 00:00:00"},
         ["range: beginning_utc_time is 0001-01-01 00:00:00.000000, "
          "not within 2014-01-01 to 2100-01-01"]),
        ({"beginning_utc_time": " 2022-02-30 00:00:00"},
         ["type: beginning_utc_time is '2022-02-30 00:00:00', not a timestamp"]),
        ({"begin_latitude_deg": " +91.0"},
         ["range: begin_latitude_deg is 91.0, not within [-90, 90] deg"]),
        ({"begin_in_fov": "  maybe"}, ["type: begin_in_fov is 'maybe', not a boolean"]),
        ({"participating_stations": " UK000H,x,UK003E"},
         ["range: participating_stations is UK000H,x,UK003E, not like ^[0-9A-Z_-]{4,10}$"]),
        ({"participating_stations": " "},
         ["range: participating_stations is , not like ^[0-9A-Z_-]{4,10}$"]),
        ({"trajectory_identifier": "2022"},
         ["range: trajectory_identifier is 2022, not like ^\\d{14}_[0-9A-Za-z]{5}$"]),
        ({"iau_shower_number": " None"}, ["range: iau_shower_number is missing"]),
        ({"vgeo_km_s": "-1", "begin_height_km": "nan", "mass_kg": "None"},
         ["range: begin_height_km is missing", "range: vgeo_km_s is -1.0, not within [0, inf) km/s",
          "type: mass_kg is None"]),
    ],
)  # fmt: skip
def test_what_cannot_be_is_rejected_with_every_reason(
    bench: Bench, texts: dict[str, str], expected: list[str]
) -> None:
    assert reasons_of(bench, [texts, {}]) == [expected, []]


def test_of_an_identifier_that_stands_twice_the_row_with_most_stations_stays(
    bench: Bench,
) -> None:
    cases = [("A", 2), ("B", 3), ("A", 4), ("B", 3), ("A", 4), ("C", 2)]
    summary = sample().first(len(cases))
    for number, (letter, stations) in enumerate(cases):
        codes = ",".join(f"UK000{code}" for code in range(stations))
        summary = summary.with_fields(
            number, trajectory_identifier=f"20220304220741_{letter * 5}",
            station_count=str(stations), participating_stations=codes,
        )  # fmt: skip
    done = bench.check(summary)
    assert [n - FIRST_ROW for n in done.accepted.get_column("line_number")] == [1, 2, 5]
    kept = {0: 2, 3: 1, 4: 2}
    for number, stays in kept.items():
        [reason] = done.reasons()[FIRST_ROW + number]
        assert reason.startswith("duplicate: 20220304220741_")
        assert f"stands also in line {FIRST_ROW + stays}" in reason


def test_a_rejected_row_carries_its_line_its_file_and_its_reasons(bench: Bench) -> None:
    summary = sample().first(4).with_fields(1, begin_latitude_deg="+91.0")
    summary = summary.with_fields(2, eccentricity="x")
    lines = summary.lines()
    lines[3] = b"\xffhalf a line"
    done = bench.check(summary.first(0).to_bytes("\n") + b"\n".join([*lines[1:], lines[0], b""]))
    [version] = bench.ledger.landed_versions(DAILY)
    assert done.counts == {("2022-03-04", 344): (1, 3)}
    for rejected in done.rejected.iter_rows(named=True):
        raw = lines[1:][rejected["line_number"] - FIRST_ROW]
        assert rejected["raw_line"] == raw.decode("ascii", "backslashreplace")
        assert rejected["source_file_sha256"] == version.sha256
        assert rejected["summary_generated_at_utc"] == version.generated_at_utc
        assert (rejected["bin_date"], rejected["bin_solar_longitude_deg"]) == (DAY, 344)
    assert {n - FIRST_ROW: r[0].split(":")[0] for n, r in done.reasons().items()} == {
        0: "range", 1: "type", 2: "structure",
    }  # fmt: skip


# --- quality flags ---


def test_no_real_row_breaks_an_identity_or_a_limit(real: Validated) -> None:
    notes = {flag.name for flag in QUALITY_FLAGS if flag.family is Family.NOTE}
    flags = real.accepted.get_column("quality_flags").explode().drop_nulls()
    assert set(flags) <= notes
    assert (flags == "hyperbolic").sum() == 32


def orbit(a: float, e: float, inclination_deg: float = 11.854912) -> dict[str, str]:
    """The texts of an orbit that fits together."""
    cosine = math.cos(math.radians(inclination_deg))
    tisserand = A_JUPITER_AU / a + 2 * cosine * math.sqrt(a / A_JUPITER_AU * (1 - e * e))
    shape = {
        "semi_major_axis_au": a, "eccentricity": e, "tisserand_jupiter": tisserand,
        "perihelion_distance_au": a * (1 - e), "aphelion_distance_au": a * (1 + e),
    }  # fmt: skip
    undefined = {"orbital_period_years": "nan", "mean_anomaly_deg": "nan"}
    return {name: f"{value:.6f}" for name, value in shape.items()} | undefined


ODD: dict[str, dict[str, str]] = {
    "perihelion_distance_inconsistent": {"perihelion_distance_au": "1.00"},
    "aphelion_distance_inconsistent": {"aphelion_distance_au": "1.91"},
    "orbital_period_inconsistent": {"orbital_period_years": "1.75"},
    "longitude_of_perihelion_inconsistent": {"longitude_of_perihelion_deg": "173.242"},
    "tisserand_inconsistent": {"tisserand_jupiter": "4.60"},
    "solar_longitude_inconsistent": {"solar_longitude_deg": "344.10"},
    "julian_date_inconsistent": {"beginning_julian_date": "2459643.422014"},
    "identifier_time_inconsistent": {"trajectory_identifier": "20220304220745_yrPTs"},
    "station_count_inconsistent": {"station_count": "4"},
    "station_repeated": {"station_count": "3", "participating_stations": " UK000H,UK000H,UK003C"},
    "sporadic_inconsistent": {"iau_shower_number": "-1", "iau_shower_code": "PER"},
    "shower_code_inconsistent": {"iau_shower_number": "7", "iau_shower_code": "GEM"},
    "outside_bin": when_fields(datetime(2022, 3, 6, 0, 0)) | {"solar_longitude_deg": "345.085"},
    "convergence_angle_small": {"convergence_angle_deg": "4.99"},
    "eccentricity_large": orbit(-1, 1.6),
    "radiant_error_large": {"rageo_sigma_deg": "20"},
    "vgeo_large": {"vgeo_km_s": "121"},
    "vgeo_error_large": {"vgeo_sigma_km_s": "0.81"},
    "begin_height_large": {"begin_height_km": "160.1"},
    "end_height_small": {"end_height_km": "19.9"},
    "single_station": {"station_count": "1", "participating_stations": " UK000H"},
    "mass_zero": {"mass_kg": "0.00e+00"},
    "hyperbolic": orbit(-4, 1.2),
    "value_undefined": {"rageo_deg": "nan"},
    "uncertainty_negative": {"ascending_node_sigma_deg": "-0.01"},
    "uncertainty_undefined": {"ascending_node_sigma_deg": "nan"},
    "uncertainty_not_computed": {"ascending_node_sigma_deg": "None"},
    "second_sixty": when_fields(datetime(2022, 3, 4, 22, 7))
    | {"beginning_utc_time": " 2022-03-04 22:06:60.000000"},
    "time_cut_to_microseconds": {"beginning_utc_time": sample().rows[0][2].strip() + "987"},
}
OF_FILES = ["identifier_made_here", "latitude_of_perihelion_missing", "bin_computed"]


def test_each_flag_is_raised_by_the_row_that_breaks_just_it(bench: Bench) -> None:
    assert [*ODD, *OF_FILES] == [flag.name for flag in QUALITY_FLAGS]
    one = replace(sample(), rows=sample().rows[:1] * len(ODD))
    for number, (flag, texts) in enumerate(ODD.items()):
        identifier = {"trajectory_identifier": f"20220304220741_{number:05d}"}
        one = one.with_fields(number, **identifier | texts)
        ODD[flag] = texts
    done = bench.check(one)
    assert done.rejected.height == 0
    implied = {"eccentricity_large": ["hyperbolic"]}
    for number, flag in enumerate(ODD):
        assert row(done, number)["quality_flags"] == [flag, *implied.get(flag, [])]


def flags_of(bench: Bench, cases: list[dict[str, str]]) -> list[list[str]]:
    """The flags of each case: a row with these texts, which must be accepted."""
    summary = replace(sample(), rows=sample().rows[:1] * len(cases))
    for number, texts in enumerate(cases):
        identifier = {"trajectory_identifier": f"20220304220741_{number:05d}"}
        summary = summary.with_fields(number, **identifier | texts)
    done = bench.check(summary)
    assert done.rejected.height == 0
    return [row(done, number)["quality_flags"] for number in range(len(cases))]


def test_a_station_that_stands_twice_is_flagged_in_the_real_case(tmp_path: Path) -> None:
    done = Bench(tmp_path, source_url=str(CASES / "one_station_twice")).validate()
    flags = done.accepted.sort("line_number").get_column("quality_flags").to_list()
    assert [flag for row_flags in flags for flag in row_flags if "station" in flag] == [
        "station_repeated"
    ]


@pytest.mark.parametrize(
    ("number", "code", "flags"),
    [
        ("-1", "...", []),
        ("-1", "PER", ["sporadic_inconsistent"]),
        ("7", "...", ["sporadic_inconsistent"]),
        ("7", "PER", []),
        ("7", "GEM", ["shower_code_inconsistent"]),
        ("7", "per", ["shower_code_inconsistent"]),
        ("4", "GEM", []),
        ("99999", "GEM", []),  # the list does not know the number: it says nothing against it
        ("99999", "XYZ", []),
    ],
)
def test_number_and_code_of_a_shower_have_to_belong_together(
    bench: Bench, number: str, code: str, flags: list[str]
) -> None:
    texts = {"iau_shower_number": number, "iau_shower_code": code}
    assert flags_of(bench, [texts]) == [flags]


def test_every_shower_of_the_list_that_comes_along_goes_with_its_code(bench: Bench) -> None:
    assert len(iau_codes()) > 900
    assert iau_codes()[4] == "GEM"
    cases = [{"iau_shower_number": str(n), "iau_shower_code": c} for n, c in iau_codes().items()]
    assert set(map(tuple, flags_of(bench, cases))) == {()}


@pytest.mark.parametrize(
    ("text", "when", "flags"),
    [
        ("2022-03-04 22:06:60", datetime(2022, 3, 4, 22, 7), ["second_sixty"]),
        ("2022-03-04 22:06:60.250000", datetime(2022, 3, 4, 22, 7, 0, 250_000), ["second_sixty"]),
        ("2022-03-04 23:59:60", datetime(2022, 3, 5), ["second_sixty"]),
        ("2022-03-04 22:06:59.999999", datetime(2022, 3, 4, 22, 6, 59, 999_999), []),
        ("2022-03-04 22:06:59.9999999", datetime(2022, 3, 4, 22, 6, 59, 999_999),
         ["time_cut_to_microseconds"]),
        ("2022-03-04 22:06:60.0000009", datetime(2022, 3, 4, 22, 7),
         ["second_sixty", "time_cut_to_microseconds"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["daily", "all"])
def test_second_sixty_and_decimals_too_many_are_read_and_told(
    bench: Bench, kind: str, text: str, when: datetime, flags: list[str]
) -> None:
    texts = when_fields(when) | {"beginning_utc_time": text}
    summary = sample().first(1).with_fields(0, **texts)
    bench.settings = bench.settings.model_copy(update={"history": kind})
    bench.put(DAILY if kind == "daily" else "traj_summary_all.txt", summary)
    done = bench.validate()
    assert done.accepted.get_column("beginning_utc_time").to_list() == [when]
    found = [f for f in done.accepted.item(0, "quality_flags") if f != "bin_computed"]
    assert [f for f in found if "sixty" in f or "cut" in f] == flags
    assert "julian_date_inconsistent" not in found


# --- files, chunks, and what is known already ---


def parquet(bench: Bench) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in bench.settings.validated_dir.iterdir()}


def test_validating_the_same_file_again_is_no_work(bench: Bench) -> None:
    first = bench.check(sample_bytes())
    written = parquet(bench)
    again = bench.validate()
    assert again.slices == first.slices
    assert parquet(bench) == written


def test_a_changed_definition_validates_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.check(sample_bytes())
    written = parquet(bench)
    monkeypatch.setattr(slices, "DEFINITION", "another")
    again = bench.validate()
    assert [s.definition for s in again.slices] == ["another"]
    assert len(parquet(bench)) == 2 * len(written)


def test_parquet_that_was_lost_is_written_again(bench: Bench) -> None:
    first = bench.check(sample_bytes())
    (bench.settings.validated_dir / first.slices[0].accepted_path).unlink()
    assert_frame_equal(bench.validate().accepted, first.accepted)


def put_days(bench: Bench, *days: tuple[date, int, Summary]) -> list[date]:
    for day, degree, summary in days:
        bench.put(f"daily/{Bin(day, degree).file_name}", summary)
    return [day for day, _, _ in days]


@pytest.mark.parametrize("chunk_rows", [1, 150_000])
def test_a_file_with_other_columns_fails_its_day_only(tmp_path: Path, chunk_rows: int) -> None:
    bench = Bench(tmp_path, chunk_rows=chunk_rows)
    other = sample().first(5).with_columns(lambda fields: (*fields, " new"))
    two = date(2019, 1, 1)
    days = put_days(
        bench, (DAY, 344, sample().first(5)), (date(2022, 3, 5), 345, other),
        (two, 280, sample().first(2)), (two, 281, other),
    )  # fmt: skip
    done = bench.validate(*days)
    assert done.failed_days.keys() == {date(2022, 3, 5), two}
    assert all(isinstance(e, SummaryFormatError) for e in done.failed_days.values())
    assert done.counts == {("2022-03-04", 344): (5, 0)}


def test_small_chunks_give_the_rows_of_one_chunk(tmp_path: Path) -> None:
    results = []
    for folder, chunk_rows in (("one", 150_000), ("many", 10)):
        (tmp_path / folder).mkdir()
        bench = Bench(tmp_path / folder, chunk_rows=chunk_rows)
        days = put_days(
            bench, (DAY, 344, sample().first(30).with_fields(7, begin_latitude_deg="91")),
            (date(2022, 3, 5), 345, sample().first(20)), (date(2022, 3, 6), 346, sample().first(3)),
        )  # fmt: skip
        results.append(bench.validate(*days))
    one, many = results
    assert (one.chunks, many.chunks) == (1, 3)
    assert one.counts == many.counts
    for name in ("accepted", "rejected"):
        order = ["bin_date", "line_number"]
        assert_frame_equal(getattr(one, name).sort(order), getattr(many, name).sort(order))


# --- history: months, years, all ---

FEBRUARY_END = datetime(2022, 3, 1)
BINS = bins_between(datetime(2022, 2, 26, 12), datetime(2022, 3, 4))
DAYS = [timed.bin.date for timed in BINS]
ROWS_A_BIN = 8


def bin_rows(timed: TimedBin) -> Summary:
    """Rows from the first second of a bin to its last."""
    second = timedelta(seconds=1)
    return sample().first(ROWS_A_BIN).spread(timed.begins_at + second, timed.ends_at - second)


def joined(summaries: list[Summary]) -> Summary:
    """Put end to end, the header once."""
    return replace(sample(), rows=tuple(r for summary in summaries for r in summary.rows))


ALL_ROWS = joined([bin_rows(timed) for timed in BINS])
_IN_FEBRUARY = sum(r[2].strip() < str(FEBRUARY_END) for r in ALL_ROWS.rows)
EDGE = next(n for n, timed in enumerate(BINS) if timed.ends_at > FEBRUARY_END)


def history(bench: Bench, kind: str, summary: Summary = ALL_ROWS) -> Bench:
    """The bench with `summary` as its monthly, yearly or all-file."""
    bench.settings = bench.settings.model_copy(update={"history": kind})
    if kind == "monthly":
        february, march = summary.rows[:_IN_FEBRUARY], summary.rows[_IN_FEBRUARY:]
        bench.put("monthly/traj_summary_monthly_202202.txt", replace(summary, rows=february))
        bench.put("monthly/traj_summary_monthly_202203.txt", replace(summary, rows=march))
    else:
        name = {"yearly": "traj_summary_yearly_2022.txt", "all": "traj_summary_all.txt"}[kind]
        bench.put(name, summary)
    return bench


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """History files are read in blocks of some ten rows."""
    monkeypatch.setattr(history_files, "blocks", partial(blocks, block_bytes=9_000))


def daily_accepted(bench: Bench) -> pl.DataFrame:
    put_days(bench, *((t.bin.date, t.bin.solar_longitude_deg, bin_rows(t)) for t in BINS))
    return content(bench.validate(*DAYS))


def content(done: Validated) -> pl.DataFrame:
    """Accepted rows, less where they stood."""
    return done.accepted.drop("source_file_sha256", "line_number").sort("trajectory_identifier")


def without_bin_computed(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of a history file, every one flagged so, as a daily file has them."""
    flags = pl.col("quality_flags")
    assert rows.select(flags.list.contains("bin_computed").all()).item()
    return rows.with_columns(flags.list.set_difference(["bin_computed"]))


@pytest.mark.parametrize("chunk_rows", [5, 20, 150_000])
@pytest.mark.parametrize("kind", ["monthly", "yearly", "all"])
@pytest.mark.usefixtures("small_blocks")
def test_a_history_file_splits_into_the_rows_of_the_daily_files(
    tmp_path: Path, kind: str, chunk_rows: int
) -> None:
    expected = daily_accepted(Bench(tmp_path))
    done = history(Bench(tmp_path, chunk_rows=chunk_rows), kind).validate(*DAYS)
    assert_frame_equal(without_bin_computed(content(done)), expected)
    assert not expected.select(pl.col("quality_flags").list.contains("bin_computed").any()).item()
    keys = [(s.source_file_sha256, s.bin_date, s.bin_solar_longitude_deg) for s in done.slices]
    assert len(set(keys)) == len(keys) == len(BINS) + (kind == "monthly")
    assert sum(s.rows_read for s in done.slices) == ROWS_A_BIN * len(BINS)


def covers(done: Validated) -> set[tuple[date, datetime | None, datetime | None]]:
    return {(s.bin_date, s.covers_from_utc, s.covers_until_utc) for s in done.slices}


def test_a_history_file_covers_the_computed_limits_of_its_bins_and_a_daily_one_all(
    bench: Bench,
) -> None:
    limits = {(t.bin.date, t.begins_at, t.ends_at) for t in BINS}
    assert covers(history(bench, "all").validate(*DAYS)) == limits
    assert covers(history(bench, "yearly").validate(*DAYS)) == limits
    bench.settings = bench.settings.model_copy(update={"history": "daily"})
    put_days(bench, *((t.bin.date, t.bin.solar_longitude_deg, bin_rows(t)) for t in BINS))
    assert covers(bench.validate(*DAYS)) == {(day, None, None) for day in DAYS}


def test_a_bin_on_the_edge_of_two_months_is_covered_by_both_up_to_midnight(bench: Bench) -> None:
    midnight = FEBRUARY_END
    edge = BINS[EDGE]
    assert {c for c in covers(history(bench, "monthly").validate(*DAYS)) if midnight in c} == {
        (edge.bin.date, edge.begins_at, midnight),
        (edge.bin.date, midnight, edge.ends_at),
    }


def test_only_the_wanted_days_of_a_history_file_are_taken(bench: Bench) -> None:
    wanted = BINS[2].bin
    done = history(bench, "all").validate(wanted.date)
    assert done.counts == {(str(wanted.date), wanted.solar_longitude_deg): (ROWS_A_BIN, 0)}


@pytest.mark.parametrize("texts", [{"eccentricity": "x"}, {"begin_latitude_deg": "91"},
                                   {"beginning_utc_time": "0001-01-01 00:00:00"},
                                   {"beginning_utc_time": "soon"},
                                   {"beginning_utc_time": "9999-12-31 23:59:59"},
                                   {"beginning_utc_time": "x", "eccentricity": "x"}])  # fmt: skip
@pytest.mark.parametrize("kind", ["monthly", "all"])
@pytest.mark.usefixtures("small_blocks")
def test_a_bad_row_of_a_history_file_is_rejected_in_the_bin_of_the_rows_around_it(
    bench: Bench, kind: str, texts: dict[str, str]
) -> None:
    bad = 4 * ROWS_A_BIN + 3
    for chunk_rows in (5, 150_000):
        bench.settings = bench.settings.model_copy(update={"chunk_rows": chunk_rows})
        done = history(bench, kind, ALL_ROWS.with_fields(bad, **texts)).validate(*DAYS)
        counts = {s.bin_date: s.rows_rejected for s in done.slices if s.rows_rejected}
        assert counts == {BINS[4].bin.date: 1}
        assert sum(s.rows_read for s in done.slices) == ROWS_A_BIN * len(BINS)


def test_a_bad_row_of_another_day_is_left_with_that_day(bench: Bench) -> None:
    summary = ALL_ROWS.with_fields(4 * ROWS_A_BIN + 3, eccentricity="x")
    for number, rejected in ((1, 0), (3, 0), (4, 1), (5, 0)):
        done = history(bench, "all", summary).validate(BINS[number].bin.date)
        assert [s.rows_rejected for s in done.slices] == [rejected]


@pytest.mark.usefixtures("small_blocks")
def test_a_row_that_comes_one_bin_late_is_still_in_time(bench: Bench) -> None:
    rows = list(ALL_ROWS.rows)
    rows.insert(3 * ROWS_A_BIN + 7, rows.pop(2 * ROWS_A_BIN + 7))
    bench.settings = bench.settings.model_copy(update={"chunk_rows": 5})
    done = history(bench, "all", replace(ALL_ROWS, rows=tuple(rows))).validate(*DAYS)
    assert not done.failed_days
    assert set(done.counts.values()) == {(ROWS_A_BIN, 0)}


@pytest.mark.usefixtures("small_blocks")
def test_a_row_too_late_for_its_bin_fails_its_day_and_no_other(bench: Bench) -> None:
    """The bin went out as the whole truth already: a second slice would replace the first."""
    late = bin_rows(BINS[0]).rows[3]
    bench.settings = bench.settings.model_copy(update={"chunk_rows": 5})
    done = history(bench, "all", replace(ALL_ROWS, rows=(*ALL_ROWS.rows, late))).validate(*DAYS)
    assert done.failed_days.keys() == {BINS[0].bin.date}
    assert done.accepted.height == ROWS_A_BIN * len(BINS)


def test_a_history_file_that_cannot_be_read_fails_the_days_it_carries(bench: Bench) -> None:
    other = ALL_ROWS.with_columns(lambda fields: fields[:-1])
    march = replace(other, rows=other.rows[_IN_FEBRUARY:])
    history(bench, "monthly").put("monthly/traj_summary_monthly_202203.txt", march)
    done = bench.validate(*DAYS)
    assert done.failed_days.keys() == set(DAYS[EDGE:])
    assert set(DAYS[:EDGE]) == {s.bin_date for s in done.slices} - {DAYS[EDGE]}
