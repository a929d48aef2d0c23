"""The canned queries that the portal's pages of showers, stations, countries and nights ask."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmn_pipeline.queries.canned.catalogue import canned_query
from gmn_pipeline.warehouse import ddl, views
from gmn_pipeline_tests.support.asked import Asked
from gmn_pipeline_tests.support.cameras import camera


@pytest.fixture(scope="module")
def rows(ask: Asked) -> pl.DataFrame:
    return ask.file.execute("FROM trajectories").pl()


@pytest.fixture(scope="module")
def perseids(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("iau_shower_code") == "PER")


@pytest.fixture(scope="module")
def made_up() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the functions, for trajectories that a test makes up."""
    with duckdb.connect() as connection:
        ddl.create_tables(connection, "memory")
        views.create_views(connection, "memory", with_comments_on_columns=True)
        yield connection


def answer(database: duckdb.DuckDBPyConnection, name: str, trajectories: pl.DataFrame,
           **given: object) -> pl.DataFrame:  # fmt: skip
    """What a query says of trajectories that stand in for the table."""
    database.register("made", trajectories)
    database.execute("CREATE OR REPLACE TEMP TABLE trajectories AS FROM made")
    query = canned_query(name)
    texts = {key: str(value) for key, value in given.items()}
    return database.execute(query.sql, query.values(texts)).pl()


# Showers ------------------------------------------------------------------------------------------


def test_the_years_of_a_shower_add_up_to_its_activity(ask: Asked) -> None:
    years = ask("shower_years")
    whole = ask("shower_activity")
    assert set(years["year"]) == {2022}
    shared = ["solar_longitude_from_deg", "shower", "sporadic", "ratio", "ratio_error"]
    assert years.select(shared).rows() == whole.select(shared).rows()
    assert not years["stands_out"].any()  # one year has nothing to stand out from
    assert ask("shower_years", shower="XYZ").is_empty()


def returns(showers: dict[int, int], peak_deg: float) -> pl.DataFrame:
    """A shower about a solar longitude: so many each year, and 400 sporadic ones."""
    rng = np.random.default_rng(1)
    rows = []
    for year, count in showers.items():
        # 2000-01-01 12:00 was at 280.37 deg.
        turns = year - 2000 + ((peak_deg - 280.37) % 360) / 360
        for n, off_deg in enumerate(rng.uniform(-1.5, 1.5, count + 400)):
            days = 365.25636 * (turns + off_deg / 360)
            rows.append({
                "beginning_utc_time": datetime(2000, 1, 1, 12) + timedelta(days),
                "solar_longitude_deg": (peak_deg + off_deg) % 360,
                "iau_shower_code": "XXX" if n < count else "...",
                "iau_shower_number": 7 if n < count else -1,
            })  # fmt: skip
    return pl.DataFrame(rows)


@pytest.mark.parametrize("peak_deg", [140.0, 280.2, 281.0, 0.1, 262.0])
def test_a_year_that_stands_out_is_marked_and_no_shower_is_cut(
    made_up: duckdb.DuckDBPyConnection, peak_deg: float
) -> None:
    counts = {2019: 60, 2020: 60, 2021: 60, 2022: 400, 2023: 60, 2024: 70}
    found = answer(made_up, "shower_years", returns(counts, peak_deg), shower="xxx", step_deg=1.5)
    first = (peak_deg - 280.37) % 360 / 360 * 365.25636
    sums = found.group_by("year").agg(pl.col("shower").sum()).sort("year")
    # At the end of the year a middle may fall on either side of it: the returns stay whole.
    assert sums["shower"].to_list() == list(counts.values())
    assert abs(sums["year"][0] - 2019) <= (0 if 2 < first < 363 else 1)
    marked = found.filter(pl.col("stands_out"))
    assert set(marked["year"] - sums["year"][0]) == {3}
    one_step = marked.row(0, named=True)
    others = found.filter(
        (pl.col("solar_longitude_from_deg") == one_step["solar_longitude_from_deg"])
        & (pl.col("year") != one_step["year"])
    )
    on, off = one_step["shower"], others["shower"].sum()
    alpha = one_step["sporadic"] / others["sporadic"].sum()
    sigmas = math.sqrt(2) * math.sqrt(
        on * math.log((1 + alpha) / alpha * on / (on + off))
        + off * math.log((1 + alpha) * off / (on + off))
    )
    assert one_step["significance_sigmas"] == pytest.approx(sigmas, abs=0.06)
    assert one_step["other_years_ratio"] == pytest.approx(off / others["sporadic"].sum(), abs=1e-4)
    strict = answer(made_up, "shower_years", returns(counts, peak_deg), shower="XXX", times=20)
    assert not strict["stands_out"].any()


def test_the_radiant_of_each_step_is_a_mean_of_its_own(ask: Asked, perseids: pl.DataFrame) -> None:
    found = ask("shower_radiants", step_deg=2)
    assert found["trajectories"].sum() == perseids.height
    assert found["from_the_middle_deg"].is_sorted()
    best = found.sort("trajectories").row(-1, named=True)
    first = best["solar_longitude_from_deg"]
    members = perseids.filter(
        (pl.col("solar_longitude_deg") >= first) & (pl.col("solar_longitude_deg") < first + 2)
    )
    assert best["trajectories"] == members.height
    for name, column in (("ra", "rageo"), ("dec", "decgeo")):
        values = members[f"{column}_deg"].to_numpy()  # none is near 0 deg
        assert best[f"{name}_deg"] == pytest.approx(values.mean(), abs=2e-3)
        error = values.std(ddof=1) / math.sqrt(len(values))
        assert best[f"{name}_error_deg"] == pytest.approx(error, abs=2e-3)


def test_radiants_of_a_shower_about_zero_are_in_order(made_up: duckdb.DuckDBPyConnection) -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(-4, 4, 2000)
    found = answer(made_up, "shower_radiants", pl.DataFrame({
        "solar_longitude_deg": x % 360, "rageo_deg": (1.0 + x) % 360, "decgeo_deg": -0.5 * x,
        "vgeo_km_s": 30.0 + 0 * x, "iau_shower_code": ["XXX"] * 2000,
    }, ).with_columns(quality_flags=pl.lit([], pl.List(pl.String))), shower="XXX")  # fmt: skip
    assert found["solar_longitude_from_deg"].to_list() == [356, 357, 358, 359, 0, 1, 2, 3]
    middles = np.arange(-3.5, 4)
    assert found["ra_deg"].to_numpy() == pytest.approx((1 + middles) % 360, abs=0.1)
    assert found["dec_deg"].to_numpy() == pytest.approx(-0.5 * middles, abs=0.1)


def test_the_fit_is_held_against_each_solution_of_the_list(ask: Asked) -> None:
    (drift,) = ask("shower_radiant_drift").to_dicts()
    found = ask("shower_solutions")
    assert found.height == ask.value(
        "count(*) FROM iau_shower_solutions WHERE iau_shower_code = 'PER' AND status_flag >= 0"
    )
    assert found.height > 3
    whole = ask.value("median(vgeo_km_s) FROM trajectories WHERE iau_shower_code = 'PER'")
    for row in found.filter(pl.col("rageo_deg").is_not_null()).to_dicts():
        x = row["solar_longitude_deg"] - drift["at_solar_longitude_deg"]
        ra = drift["ra_deg"] + drift["ra_drift_deg_per_deg"] * x
        dec = drift["dec_deg"] + drift["dec_drift_deg_per_deg"] * x
        off = ask.value("radiant_distance_deg(?, ?, ?, ?)", ra, dec,
                        row["rageo_deg"], row["decgeo_deg"])  # fmt: skip
        assert row["radiant_is_off_by_deg"] == pytest.approx(off, abs=0.05)
        if row["vgeo_km_s"] is not None:
            faster = row["speed_here_is_higher_by_km_s"]
            assert faster == pytest.approx(whole - row["vgeo_km_s"], abs=0.006)


def test_the_mean_orbit_is_in_the_middle_of_the_orbits(ask: Asked, perseids: pl.DataFrame) -> None:
    members = perseids.filter(pl.col("convergence_angle_deg") >= 10)
    (mean,) = ask("shower_orbit").to_dicts()
    assert mean["trajectories"] == members.height
    for name in ("perihelion_distance_au", "eccentricity", "inclination_deg"):
        assert mean[name] == pytest.approx(members[name].median(), abs=0.006)
    node = np.radians(members["ascending_node_deg"].to_numpy())
    circular = math.degrees(math.atan2(np.sin(node).mean(), np.cos(node).mean())) % 360
    assert mean["ascending_node_deg"] == pytest.approx(circular, abs=0.006)
    assert 0 < mean["inclination_sigma_deg"] < 5
    some = ask("shower_orbits", count=20)
    assert some.height == 20
    assert set(some["trajectory_identifier"]) <= set(members["trajectory_identifier"])
    assert some.equals(ask("shower_orbits", count=50).head(20))  # the same lot each time


def test_best_nights_and_magnitudes_are_counts(
    ask: Asked, rows: pl.DataFrame, perseids: pl.DataFrame
) -> None:
    nights = ask("shower_nights", count=3)
    counts = perseids.group_by("bin_date").len().sort("len", descending=True)
    assert nights["shower"].to_list() == counts["len"][:3].to_list()
    (best,) = perseids.filter(pl.col("bin_date") == nights["bin_date"][0]).select(
        pl.col("peak_absolute_magnitude").min()
    )
    assert nights["brightest_magnitude"][0] == best[0]
    magnitudes = ask("shower_magnitudes", step_mag=1)
    assert magnitudes["shower"].sum() == perseids.height
    assert magnitudes["sporadic"].sum() == (rows["iau_shower_number"] == -1).sum()
    for share in ("share_of_the_shower", "share_of_the_sporadic"):
        assert magnitudes[share].sum() == pytest.approx(1, abs=1e-3)
    faint = magnitudes.filter(pl.col("magnitude_from") == 0)["shower"][0]
    assert faint == perseids["peak_absolute_magnitude"].is_between(0, 1, closed="left").sum()
    assert ask("shower_magnitudes", shower="XYZ").is_empty()


# Stations and countries ---------------------------------------------------------------------------


def test_places_of_simulated_cameras_are_found_as_well_as_the_query_says(
    made_up: duckdb.DuckDBPyConnection,
) -> None:
    rng = np.random.default_rng(1)
    cameras = [camera(rng, int(rng.choice([20, 100, 500]))) for _ in range(300)]
    tracks = pl.concat([
        pl.DataFrame({
            "participating_stations": [[f"XX{n:04}", "YY0001"]] * len(one.latitudes_deg),
            "begin_latitude_deg": one.latitudes_deg, "end_latitude_deg": one.latitudes_deg,
            "begin_longitude_deg": (one.longitudes_deg + 180.1) % 360 - 180,
            "end_longitude_deg": (one.longitudes_deg + 179.9) % 360 - 180,
        }) for n, one in enumerate(cameras)
    ])  # fmt: skip
    wrong = rng.random(tracks.height) < 0.01
    odd = pl.lit(pl.Series(wrong))
    tracks = tracks.with_columns(
        pl.when(odd).then(-pl.col(name)).otherwise(pl.col(name)).alias(name)
        for name in ("begin_latitude_deg", "end_latitude_deg")
    )
    found = answer(made_up, "station_places", tracks, country="XX")
    assert found["station_code"].to_list() == [f"XX{n:04}" for n in range(300)]
    off = np.array([
        one.is_off_by_km(row["latitude_deg"], row["longitude_deg"])
        for one, row in zip(cameras, found.to_dicts(), strict=True)
    ])  # fmt: skip
    assert np.median(off) == pytest.approx(100, abs=15)
    assert (off < found["nine_tenths_within_km"].to_numpy()).mean() >= 0.95
    assert (off < 2 * found["half_within_km"].to_numpy()).mean() >= 0.97
    alone = answer(made_up, "station_places", tracks, station="xx0007")
    assert alone.rows() == found.filter(pl.col("station_code") == "XX0007").rows()


def test_places_of_stations_are_medians_of_their_tracks(ask: Asked, rows: pl.DataFrame) -> None:
    station = ask.example["station"]
    (place,) = ask("station_places", station=station).to_dicts()
    seen = rows.filter(pl.col("participating_stations").list.contains(station))
    assert place["trajectories"] == seen.height
    middle = (seen["begin_latitude_deg"] + seen["end_latitude_deg"]) / 2
    assert place["latitude_deg"] == pytest.approx(middle.median(), abs=0.006)
    assert 0 < place["half_within_km"] < place["nine_tenths_within_km"]
    everywhere = ask("station_places", at_least=1)
    assert everywhere.height == ask.value("count(DISTINCT station_code) FROM trajectory_stations")
    country = ask("station_places", country=station[:2].lower())
    assert all(code.startswith(station[:2]) for code in country["station_code"])
    assert place in country.to_dicts()


def test_residuals_of_one_station_are_those_among_all(ask: Asked, rows: pl.DataFrame) -> None:
    station = ask.example["station"]
    among = ask("station_quality").filter(pl.col("station_code") == station)
    assert ask("station_quality", station=station.lower()).equals(among)
    assert ask("station_quality", station="ZZ0000").is_empty()
    shares = ask("station_residuals")
    assert shares["of_the_network"].sum() == rows["median_fit_error_arcsec"].count()
    seen = rows.filter(pl.col("participating_stations").list.contains(station))
    assert shares["of_the_station"].sum() == seen.height
    at = shares.filter(pl.col("fit_error_from_arcsec") == 40)["of_the_station"][0]
    assert at == seen["median_fit_error_arcsec"].is_between(40, 50, closed="left").sum()
    few = ask("station_residuals", most_arcsec=50)
    assert few["fit_error_from_arcsec"].max() == 50
    assert few["of_the_network"].sum() == shares["of_the_network"].sum()


def test_countries_are_counted_by_the_codes_of_stations(ask: Asked, rows: pl.DataFrame) -> None:
    links = rows.select(
        "trajectory_identifier", "bin_date", pl.col("participating_stations").alias("code")
    ).explode("code")
    links = links.with_columns(pl.col("code").str.head(2).alias("country"))
    plain = links.group_by("country").agg(
        pl.col("code").n_unique(), pl.col("trajectory_identifier").n_unique(),
        pl.col("bin_date").n_unique(),
    )  # fmt: skip
    found = ask("countries")
    told = found.select("country", "stations", "trajectories", "dates")
    assert sorted(told.rows()) == sorted(plain.rows())
    country = ask.example["country"]
    nights = ask("country_nights", country=country.lower())
    ours = links.filter(pl.col("country") == country)
    by_night = ours.group_by("bin_date").agg(
        pl.col("trajectory_identifier").n_unique(), pl.col("code").n_unique()
    )
    assert nights.select("bin_date", "of_the_country", "stations").rows() == sorted(by_night.rows())
    assert nights["of_the_network"].sum() >= nights["of_the_country"].sum()
    assert ask("country_nights", country="").is_empty()
    newest = ask("newest_trajectories", country=country, count=5)
    assert newest.height == 5
    assert all(
        any(code.startswith(country) for code in codes)
        for codes in newest["participating_stations"]
    )


# Nights -------------------------------------------------------------------------------------------


def test_the_showers_of_a_night_are_all_of_it(ask: Asked, rows: pl.DataFrame) -> None:
    found = ask("night_showers")
    tonight = rows.filter(pl.col("bin_date") == pl.lit(ask.example["date"]).str.to_date())
    counts = dict(tonight.group_by("iau_shower_number").len().iter_rows())
    assert dict(found.select("iau_shower_number", "trajectories").iter_rows()) == counts
    assert found["share"].sum() == pytest.approx(1, abs=1e-3)
    assert found["other_years_share"].null_count() == found.height  # there is one year
    assert ask("night_showers", date="1999-01-01").is_empty()


# Orbits that are near -----------------------------------------------------------------------------

ELEMENTS = ("perihelion_distance_au", "eccentricity", "inclination_deg", "ascending_node_deg",
            "argument_of_perihelion_deg")  # fmt: skip
FUNCTIONS = {"d_sh": "d_southworth_hawkins", "d_d": "d_drummond", "d_j": "d_jopek"}


def orbits_about(seed: int, orbit: tuple[float, ...], below: float) -> pl.DataFrame:
    """Orbits at and about the limit in each element alone, about it in all, and anywhere."""
    rng = np.random.default_rng(seed)
    q, e, i, node, peri = orbit
    turn = math.degrees(2 * math.asin(min(below / 2, 1)))
    exact = [
        (max(q + sign * scale * off, 0), max(e + sign * own * off, 0), i + sign * tilt * off,
         node, peri)
        for off in (1 - 1e-12, 1, 1 + 1e-12, 0.999, 1.001) for sign in (-1, 1)
        for scale, own, tilt in (
            (below, 0, 0), (0, below, 0), (0, 0, turn), (0, 0, 180 * below),
            (2 * q * below / (1 - sign * below) if below < 1 else 0, 0, 0),
            (0, 2 * e * below / (1 - sign * below) if below < 1 else 0, 0),
        )
    ]  # fmt: skip
    about = np.array(orbit) + rng.normal(0, below, (200, 5)) * (1, 1, 60, 60, 60)
    anywhere = rng.uniform(0, (1.02, 1.5, 180, 360, 360), (100, 5))
    values = np.concatenate([exact, about, anywhere])
    values[:, :2] = np.abs(values[:, :2])
    values[::7, 2] += 200  # no inclination, and asked all the same
    identifiers = [f"{n:04}" for n in range(len(values))]
    return pl.DataFrame(values, schema=list(ELEMENTS)).with_columns(
        trajectory_identifier=pl.Series(identifiers),
        beginning_utc_time=pl.lit(datetime(2022, 1, 1, tzinfo=UTC).replace(tzinfo=None)),
        iau_shower_code=pl.lit("..."),
    )


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 2**31), st.sampled_from(sorted(FUNCTIONS)), st.floats(0.01, 1.5),
    st.tuples(st.floats(0, 1.02), st.floats(0, 1.5), st.floats(-20, 200), st.floats(0, 360),
              st.floats(0, 360)),
)  # fmt: skip
def test_what_is_left_out_before_is_never_near(
    made_up: duckdb.DuckDBPyConnection, seed: int, criterion: str, below: float,
    orbit: tuple[float, ...],
) -> None:  # fmt: skip
    orbits = orbits_about(seed, orbit, below)
    names = ("q_au", "e", "i_deg", "node_deg", "peri_deg")
    found = answer(made_up, "near_orbit", orbits, criterion=criterion, below=below,
                   **dict(zip(names, orbit, strict=True)))  # fmt: skip
    plain = f"{FUNCTIONS[criterion]}({', '.join(ELEMENTS)}, ?, ?, ?, ?, ?)"
    near = made_up.execute(
        f"SELECT trajectory_identifier FROM trajectories WHERE {plain} <= ? ORDER BY {plain}, 1",
        [*orbit, below, *orbit],
    ).fetchall()
    assert found["trajectory_identifier"].to_list() == [identifier for (identifier,) in near]
    given = answer(made_up, "near_trajectory", orbits, trajectory="0000", criterion=criterion,
                   below=below)  # fmt: skip
    (first,) = orbits.select(ELEMENTS).head(1).rows()
    like = answer(made_up, "near_orbit", orbits, criterion=criterion, below=below,
                  **dict(zip(names, first, strict=True)))  # fmt: skip
    assert given.head(3).equals(
        answer(made_up, "near_trajectory", orbits, trajectory="0000", criterion=criterion,
               below=below, count=3)
    )  # fmt: skip
    others = [name for name in like["trajectory_identifier"] if name != "0000"]
    assert given["trajectory_identifier"].to_list() == others
