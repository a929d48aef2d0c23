"""The canned queries give what the archive was made with, and take what their heads say."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from gmn_pipeline.queries.canned.catalogue import CannedQuery, all_queries
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.session import ReadSession, read_session
from gmn_pipeline.settings import load_settings
from gmn_pipeline_tests.support.asked import Asked, one, values_of
from gmn_pipeline_tests.support.perseids import Loaded

OLD_CLIENT = Path(sys.prefix) / "duckdb-1.1"
LIMITS = Limits(seconds=60, memory_mb=500, disk_mb=0, rows=1_000_000)
every_query = pytest.mark.parametrize("query", all_queries(), ids=lambda query: query.name)


@pytest.fixture(scope="module")
def session(archive: Loaded) -> Iterator[ReadSession]:
    """The one door for questions, of a process that others share."""
    with read_session(load_settings(data_dir=archive.folder), LIMITS) as opened:
        yield opened


# All of them --------------------------------------------------------------------------------------


@every_query
def test_a_query_says_the_same_in_the_warehouse_and_in_the_file(
    query: CannedQuery,
    session: ReadSession,
    file: duckdb.DuckDBPyConnection,
    example: dict[str, str],
) -> None:
    values = values_of(query, example)
    with session.run(query.sql, values) as answer:
        of_lake = pl.from_arrow(answer.reader().read_all())
    of_file = file.execute(query.sql, values).pl()
    assert isinstance(of_lake, pl.DataFrame)
    assert of_lake.columns == of_file.columns
    assert of_lake.rows() == of_file.rows()
    if query.name not in ("hyperbolic_candidates", "long_duration", "fireballs"):
        assert of_file.height, query.name


@pytest.mark.skipif(not OLD_CLIENT.is_dir(), reason="DuckDB 1.1 is not installed beside")
def test_the_queries_work_in_duckdb_1_1(archive: Loaded, example: dict[str, str]) -> None:
    script = (
        "import duckdb, sys, pickle\n"
        "assert duckdb.__version__.startswith('1.1.')\n"
        "c = duckdb.connect(sys.argv[1], read_only=True)\n"
        "asked = pickle.load(sys.stdin.buffer)\n"
        "print(*(len(c.execute(sql, values).fetchall()) for sql, values in asked))"
    )
    asked = [(query.sql, values_of(query, example)) for query in all_queries()]
    done = subprocess.run(
        [sys.executable, "-c", script, archive.database], capture_output=True,
        input=pickle.dumps(asked), env={**os.environ, "PYTHONPATH": str(OLD_CLIENT)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert len(done.stdout.split()) == len(asked)


def test_the_activity_of_a_shower_peaks_where_it_was_made_to(ask: Asked) -> None:
    profile = ask("shower_activity", shower="per")
    assert profile.sort("shower")["solar_longitude_from_deg"][-1] in (138, 139, 140, 141)
    whole = ask.value("count(*) FROM trajectories WHERE iau_shower_code = 'PER'")
    assert profile["shower"].sum() == whole
    finer = ask("shower_activity", step_deg=0.25)
    assert finer["shower"].sum() == whole
    assert finer.height > 2 * profile.height
    day = ask("shower_activity", since="2022-08-12", until="2022-08-12")["shower"].sum()
    assert day == ask.value(
        "count(*) FROM trajectories WHERE iau_shower_code = 'PER' "
        "AND beginning_utc_time::DATE = DATE '2022-08-12'"
    )
    assert ask("shower_activity", shower="XYZ").is_empty()


def test_a_radiant_drifts_as_it_was_made_to(ask: Asked) -> None:
    (line,) = ask("shower_radiant_drift").to_dicts()
    assert line["ra_drift_deg_per_deg"] == pytest.approx(1.4, abs=0.15)
    assert line["dec_drift_deg_per_deg"] == pytest.approx(0.26, abs=0.05)
    assert line["dec_deg"] == pytest.approx(58.1, abs=0.5)
    (early,) = ask("shower_radiant_drift", from_deg=0, to_deg=139).to_dicts()
    (late,) = ask("shower_radiant_drift", from_deg=139, to_deg=10).to_dicts()
    assert early["trajectories"] + late["trajectories"] == line["trajectories"]
    assert ask("shower_radiant_drift", shower="XYZ")["trajectories"].to_list() == [0]


def test_speeds_of_a_shower_add_up_around_its_own(ask: Asked) -> None:
    speeds = ask("shower_speeds", step_km_s=1)
    assert speeds["trajectories"].sum() == ask.value(
        "count(*) FROM trajectories WHERE iau_shower_code = 'PER'"
    )
    assert speeds["share"].sum() == pytest.approx(1, abs=0.01)
    assert speeds["share_up_to_here"][-1] == 1
    assert abs(speeds.sort("trajectories")["vgeo_from_km_s"][-1] - 59) <= 2


def test_showers_of_a_time_are_all_trajectories(ask: Asked) -> None:
    found = ask("showers")
    assert found["trajectories"].sum() == ask.value("count(*) FROM trajectories")
    perseids = found.filter(pl.col("iau_shower_code") == "PER").row(0, named=True)
    assert perseids["iau_shower_name"] == "Perseids"
    assert perseids["mean_ra_deg"] == pytest.approx(47, abs=5)
    sporadic = found.filter(pl.col("iau_shower_code").is_null()).row(0, named=True)
    assert (sporadic["iau_shower_name"], sporadic["mean_ra_deg"]) == ("sporadic", None)


def test_nights_of_a_station_are_its_trajectories(ask: Asked) -> None:
    nights = ask("station_nights")
    station = ask.example["station"]
    links = "count(*) FROM trajectory_stations WHERE station_code = ?"
    assert nights["of_the_station"].sum() == ask.value(links, station)
    assert (nights["of_the_station"] <= nights["of_the_network"]).all()
    assert (nights["with_one_partner"] <= nights["of_the_station"]).all()
    assert ask("station_nights", station=station.lower()).equals(nights)
    some = ask("station_nights", since="2022-08-05", until="2022-08-07")
    assert some.equals(
        nights.filter(pl.col("bin_date").is_between(date(2022, 8, 5), date(2022, 8, 7)))
    )


def test_partners_of_a_station_saw_what_it_saw(ask: Asked) -> None:
    partners = ask("station_partners")
    first = partners.row(0, named=True)
    assert ask.example["station"] not in partners["partner"].to_list()
    assert first["trajectories"] == ask.value(
        "count(*) FROM trajectories WHERE list_has_all(participating_stations, ?)",
        [ask.example["station"], first["partner"]],
    )
    assert partners["share_of_the_stations"].is_between(0, 1).all()
    back = ask("station_partners", station=first["partner"])
    again = back.filter(pl.col("partner") == ask.example["station"])
    assert again["trajectories"].to_list() == [first["trajectories"]]


def test_stations_are_counted_and_chosen_by_country(ask: Asked) -> None:
    stations = ask("stations")
    assert stations["trajectories"].sum() == ask.value("count(*) FROM trajectory_stations")
    assert stations["trajectories"].is_sorted(descending=True)
    country = stations["station_code"][0][:2]
    some = ask("stations", country=country.lower())
    assert some.height == sum(code.startswith(country) for code in stations["station_code"])


def test_residuals_of_stations_are_beside_those_of_the_network(ask: Asked) -> None:
    quality = ask("station_quality", at_least=1)
    assert quality.height == ask.value("count(DISTINCT station_code) FROM trajectory_stations")
    few = ask("station_quality", at_least=30)
    assert 0 < few.height < quality.height
    assert (few["trajectories"] >= 30).all()
    assert few["of_the_networks"].median() == pytest.approx(1, abs=0.3)


def test_nights_of_the_network_add_up(ask: Asked) -> None:
    nights = ask("nights")
    assert nights["trajectories"].sum() == ask.value("count(*) FROM trajectories")
    assert nights["fireballs"].sum() == ask.value(
        "count(*) FROM trajectories WHERE peak_absolute_magnitude <= -4"
    )
    some = ask("nights", since="2022-08-10", until="2022-08-12")
    assert some.equals(
        nights.filter(pl.col("bin_date").is_between(date(2022, 8, 10), date(2022, 8, 12)))
    )


def test_the_newest_come_first(ask: Asked) -> None:
    newest = ask("newest_trajectories", count=5)
    assert newest.height == 5
    assert newest["beginning_utc_time"][0] == ask.value("max(beginning_utc_time) FROM trajectories")
    assert newest["beginning_utc_time"].is_sorted(descending=True)
    perseids = ask("newest_trajectories", shower="PER", station=ask.example["station"])
    assert set(perseids["iau_shower_code"]) <= {"PER"}
    assert all(ask.example["station"] in codes for codes in perseids["participating_stations"])


def test_fireballs_are_as_bright_as_asked_for(ask: Asked) -> None:
    limit = ask.value("quantile_disc(peak_absolute_magnitude, 0.05) FROM trajectories")
    found = ask("fireballs", magnitude=limit)
    assert found.height == ask.value(
        "count(*) FROM trajectories WHERE peak_absolute_magnitude <= ?", limit
    )
    assert found["peak_absolute_magnitude"].is_sorted()
    first = found["beginning_utc_time"][0]
    at = ask("fireballs", magnitude=limit, since=first, until=first + timedelta(seconds=1))
    assert at["trajectory_identifier"][0] == found["trajectory_identifier"][0]


def test_what_was_that_finds_the_meteor_of_a_place_and_time(ask: Asked) -> None:
    found = ask("seen_from")
    assert found.row(0, named=True)["trajectory_identifier"] == ask.example["trajectory"]
    assert found["distance_km"][0] == pytest.approx(0, abs=0.1)
    assert (found["distance_km"] <= 500).all()
    late = datetime.fromisoformat(ask.example["time"]) + timedelta(minutes=11)
    later = ask("seen_from", time=late)
    assert ask.example["trajectory"] not in later["trajectory_identifier"].to_list()
    zoned = ask("seen_from", time=f"{ask.example['time']}+02:00", within_minutes=1)
    assert ask.example["trajectory"] not in zoned["trajectory_identifier"].to_list()


def test_long_meteors_are_long(ask: Asked) -> None:
    limit = ask.value("quantile_disc(duration_s, 0.9) FROM trajectories")
    found = ask("long_duration", at_least_s=limit)
    assert found.height == ask.value("count(*) FROM trajectories WHERE duration_s >= ?", limit)
    assert found["duration_s"].is_sorted(descending=True)
    deep = ask("long_duration", at_least_s=limit, ends_below_km=80)
    assert (deep["end_height_km"] <= 80).all()


def test_orbits_near_the_sun_are_near(ask: Asked) -> None:
    found = ask("low_perihelion", perihelion_au=0.3)
    assert found.height == ask.value(
        "count(*) FROM trajectories WHERE perihelion_distance_au <= 0.3"
    )
    assert found["perihelion_distance_au"].is_sorted()
    sporadic = ask("low_perihelion", perihelion_au=0.3, sporadic_only="true")
    assert (sporadic["iau_shower_code"] == "...").all()


def test_hyperbolic_candidates_are_above_one_by_their_error(ask: Asked) -> None:
    found = ask("hyperbolic_candidates", sigmas=0, convergence_deg=0)
    assert found.height == ask.value(
        "count(*) FROM trajectories WHERE eccentricity > 1 AND eccentricity_sigma > 0 "
        "AND without_flags(quality_flags, flags_of_family('identity'))"
    )
    assert found.height
    strict = ask("hyperbolic_candidates", sigmas=1, stations=3)
    assert strict.height < found.height
    assert (strict["sigmas_above"] >= 1).all()
    assert (strict["convergence_angle_deg"] >= 15).all()


def test_an_event_under_two_identifiers_is_found(ask: Asked, archive: Loaded) -> None:
    found = ask("duplicates")
    pairs = {tuple(sorted(pair)) for pair in found.select(pl.nth(0, 1)).iter_rows()}
    assert tuple(sorted(archive.twins)) in pairs
    assert len(pairs) == found.height < 5
    assert ask("duplicates", within_s=60, within_km=2000).height >= found.height


def test_orbits_near_the_parent_are_of_the_shower(ask: Asked) -> None:
    near = ask("near_orbit", below=0.1)
    assert near.height > 100
    assert (near["iau_shower_code"] == "PER").mean() > 0.95
    assert near["d_sh"].is_sorted()
    for criterion in ("d_d", "d_j"):
        some = ask("near_orbit", criterion=criterion, below=0.05)
        assert some.height
        assert (some[criterion] <= 0.05).all()
        assert some[criterion].is_sorted()
    assert ask("near_orbit", q_au=0.01, below=0.01).is_empty()


def test_orbits_near_a_meteors_are_not_itself(ask: Asked) -> None:
    near = ask("near_trajectory")
    assert ask.example["trajectory"] not in near["trajectory_identifier"].to_list()
    assert near["iau_shower_code"][0] == "PER"
    given = dict(zip(
        ("q_au", "e", "i_deg", "node_deg", "peri_deg"),
        one(ask.file, "SELECT perihelion_distance_au, eccentricity, inclination_deg, "
            "ascending_node_deg, argument_of_perihelion_deg FROM trajectories "
            "WHERE trajectory_identifier = ?", ask.example["trajectory"]), strict=True,
    ))  # fmt: skip
    same = ask("near_orbit", **given)
    assert same["trajectory_identifier"].to_list()[1:] == near["trajectory_identifier"].to_list()
    assert ask("near_trajectory", trajectory="none").is_empty()


def test_sporadic_radiants_are_all_counted(ask: Asked) -> None:
    fields = ask("sporadic_background")
    sporadic = ask.value("count(*) FROM trajectories WHERE iau_shower_number = -1")
    assert fields["trajectories"].sum() == sporadic
    assert fields["sun_centred_longitude_from_deg"].is_between(0, 355).all()
    near = pl.col("sun_centred_longitude_from_deg").is_between(170, 295)
    assert fields.filter(near)["trajectories"].sum() > 0.6 * sporadic
    # A field of 10 by 10 deg at the equator has nearly 100 square degrees.
    wide = ask("sporadic_background", step_deg=10)
    equator = wide.filter(pl.col("latitude_from_deg") == 0).row(0, named=True)
    assert equator["per_square_deg"] == pytest.approx(equator["trajectories"] / 99.5, rel=0.01)


def test_changes_since_a_time_lead_from_one_state_to_the_other(ask: Asked, archive: Loaded) -> None:
    # Between the two generations, whose loads took some time.
    between = ask.value("min(valid_until_utc) FROM trajectory_revisions") - timedelta(seconds=1e-6)
    changes = ask("changes_since", since=between)
    counts = dict(changes.group_by("change").len().iter_rows())
    assert archive.truth is not None
    assert counts["withdrawn"] == archive.truth.total("withdrawn")
    assert counts["revised"] >= archive.truth.total("resolved")
    assert counts["inserted"] >= archive.truth.total("added")
    former = set(states(ask, "trajectories_as_of(?)", between))
    now = set(states(ask, "trajectories"))
    gone = set(changes.filter(pl.col("change") != "inserted")["trajectory_identifier"])
    came = set(changes.filter(pl.col("change") != "withdrawn")["trajectory_identifier"])
    assert {key for key, _ in former - now} == gone
    assert {key for key, _ in now - former} == came
    assert ask("changes_since", since="2099-01-01").is_empty()
    whole = ask("changes_since", since="2000-01-01")
    assert set(whole["change"]) == {"inserted"}
    assert whole.height == len(now)


def states(ask: Asked, source: str, *values: object) -> list[tuple[str, int]]:
    sql = f"SELECT trajectory_identifier, revision FROM {source}"
    return ask.file.execute(sql, list(values)).fetchall()


def test_revisions_of_a_trajectory_follow_each_other(ask: Asked) -> None:
    found = ask("revisions")
    assert found["revision"].to_list() == [1, 2]
    assert found["is_current"].to_list() == [False, True]
    assert found["ended_by"].to_list() == ["revised", None]
    assert found["valid_until_utc"][0] == found["valid_from_utc"][1]
    speeds = found["vgeo_km_s"]
    assert found["vgeo_changed_by_km_s"].to_list() == [None, round(speeds[1] - speeds[0], 5)]
    assert 0 <= found["d_sh_to_the_state_before"][1] < 0.5


def test_faster_meteors_begin_higher(ask: Asked) -> None:
    heights = ask("heights_by_speed").filter(pl.col("trajectories") > 30)
    begin = heights["median_begin_height_km"]
    assert begin[-1] > begin[0] + 5
    perseids = ask("heights_by_speed", shower="PER")
    assert perseids["vinit_from_km_s"].min() >= 50


def test_a_value_is_bound_and_is_no_part_of_the_text(ask: Asked) -> None:
    hostile = "PER') OR ('1' = '1"
    assert ask("newest_trajectories", shower=hostile).is_empty()
