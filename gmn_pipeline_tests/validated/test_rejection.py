"""What cannot be is rejected, with every reason; what is at a limit is not."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from gmn_pipeline.schemas.fields import TRAJECTORY_FIELDS, Field, Kind, Null
from gmn_pipeline_tests.support.sample import DAILY, DAY, FIRST_ROW, Bench, sample

NUMBERS = [f for f in TRAJECTORY_FIELDS if f.kind is Kind.NUMBER]
PLAIN_NUMBERS = [f for f in NUMBERS if not f.sigma_of]


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
