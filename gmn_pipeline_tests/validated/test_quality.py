"""What is merely odd is accepted, and carries the flag that says so."""

import math
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from gmn_pipeline.validated.flags import Family
from gmn_pipeline.validated.trajectories.quality import A_JUPITER_AU, QUALITY_FLAGS
from gmn_pipeline.validated.trajectories.shower_codes import iau_codes
from gmn_pipeline_tests.support.sample import CASES, DAILY, Bench, Validated, sample, when_fields


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
        assert done.row(number)["quality_flags"] == [flag, *implied.get(flag, [])]


def flags_of(bench: Bench, cases: list[dict[str, str]]) -> list[list[str]]:
    """The flags of each case: a row with these texts, which must be accepted."""
    summary = replace(sample(), rows=sample().rows[:1] * len(cases))
    for number, texts in enumerate(cases):
        identifier = {"trajectory_identifier": f"20220304220741_{number:05d}"}
        summary = summary.with_fields(number, **identifier | texts)
    done = bench.check(summary)
    assert done.rejected.height == 0
    return [done.row(number)["quality_flags"] for number in range(len(cases))]


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
