"""The functions that analysts call in SQL: right, and robust where angles wrap and at the poles."""

import math
import sqlite3
from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmn_pipeline.validated.flags import Family
from gmn_pipeline.validated.trajectories.quality import QUALITY_FLAGS
from gmn_pipeline.warehouse import ddl, views
from gmn_pipeline.warehouse.macros import MACROS

ORBIT = ("q", "e", "i", "node", "peri")
CRITERIA = ("d_southworth_hawkins", "d_drummond", "d_jopek")
# Elements as published: JPL for the asteroid, Jenniskens et al. 2016 (Icarus 266, 331) for the
# stream; and a sporadic orbit of our own making.
PHAETHON = (0.1398, 0.8898, 22.26, 265.22, 322.17)
GEMINIDS = (0.145, 0.889, 22.9, 261.7, 324.3)
OTHER = (0.95, 0.6, 120.0, 20.0, 150.0)


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        ddl.create_tables(connection, "memory")
        views.create_views(connection, "memory", with_comments_on_columns=True)
        yield connection


def value(database: duckdb.DuckDBPyConnection, sql: str, *values: object) -> Any:
    row = database.execute(f"SELECT {sql}", list(values)).fetchone()
    assert row is not None
    return row[0]


def number(database: duckdb.DuckDBPyConnection, sql: str, *values: object) -> float:
    answer = value(database, sql, *values)
    assert isinstance(answer, float)
    return answer


# D criteria ---------------------------------------------------------------------------------------


def criterion(database: duckdb.DuckDBPyConnection, name: str, pairs: np.ndarray) -> np.ndarray:
    """What SQL answers for pairs of orbits, ten columns."""
    frame = pl.DataFrame(pairs, schema=[f"{element}{n}" for n in (1, 2) for element in ORBIT])
    database.register("pairs", frame)
    sql = f"SELECT {name}({', '.join(frame.columns)}) AS d FROM pairs"
    return database.execute(sql).pl()["d"].to_numpy()


def random_pairs(count: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    orbit = [(0, 1.1), (0, 1.4), (0, 180), (0, 360), (0, 360)]
    return np.column_stack([random.uniform(low, high, count) for low, high in orbit * 2])


def unit_vectors(pairs: np.ndarray, which: int) -> tuple[np.ndarray, np.ndarray]:
    """Directions of the pole and of the perihelion of an orbit, from rotations."""
    i, node, peri = np.radians(pairs[:, 5 * which + 2 : 5 * which + 5]).T
    pole = np.stack([np.sin(node) * np.sin(i), -np.cos(node) * np.sin(i), np.cos(i)])
    perihelion = np.stack([
        np.cos(node) * np.cos(peri) - np.sin(node) * np.sin(peri) * np.cos(i),
        np.sin(node) * np.cos(peri) + np.cos(node) * np.sin(peri) * np.cos(i),
        np.sin(peri) * np.sin(i),
    ])  # fmt: skip
    return pole, perihelion


def angle(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.arctan2(np.linalg.norm(np.cross(one.T, other.T), axis=1), (one * other).sum(axis=0))


def expected(name: str, pairs: np.ndarray) -> np.ndarray:
    """The criteria from their geometry: vectors for poles and perihelia, and the papers' formula
    with its change of sign for the perihelia seen from the mutual node."""
    q1, e1, _, _, _, q2, e2, _, _, _ = pairs.T
    (pole1, perihelion1), (pole2, perihelion2) = (unit_vectors(pairs, n) for n in (0, 1))
    planes = angle(pole1, pole2)
    i1, node1, peri1, i2, node2, peri2 = np.radians(pairs[:, [2, 3, 4, 7, 8, 9]]).T
    sign = np.where(np.abs(node2 - node1) > np.pi, -1, 1)
    sine = np.cos((i2 + i1) / 2) * np.sin((node2 - node1) / 2) / np.cos(planes / 2)
    perihelia = peri2 - peri1 + sign * 2 * np.arcsin(np.clip(sine, -1, 1))
    mean_e = (e1 + e2) / 2
    relative_q, relative_e = (q1 - q2) / (q1 + q2), (e1 - e2) / (e1 + e2)
    turned = (mean_e * 2 * np.sin(perihelia / 2)) ** 2
    tilted = (2 * np.sin(planes / 2)) ** 2
    squared = {
        "d_southworth_hawkins": (q1 - q2) ** 2 + (e1 - e2) ** 2 + tilted + turned,
        "d_jopek": relative_q**2 + (e1 - e2) ** 2 + tilted + turned,
        "d_drummond": relative_q**2
        + relative_e**2
        + (planes / np.pi) ** 2
        + (mean_e * angle(perihelion1, perihelion2) / np.pi) ** 2,
    }
    return np.sqrt(squared[name])


@pytest.mark.parametrize("name", CRITERIA)
def test_a_d_criterion_is_that_of_its_paper(database: duckdb.DuckDBPyConnection, name: str) -> None:
    pairs = random_pairs(2_000, seed=1)
    assert np.allclose(criterion(database, name, pairs), expected(name, pairs), atol=1e-9)


def test_a_d_criterion_worked_by_hand(database: duckdb.DuckDBPyConnection) -> None:
    # Planes 60 deg apart at the same node: 2 sin(30 deg) = 1; the same perihelia; e the same.
    tilted = (1.0, 0.5, 10.0, 80.0, 0.0, 1.0, 0.5, 70.0, 80.0, 0.0)
    # Perihelia opposite in the same plane: 2 sin(90 deg) = 2, times e = 0.5.
    turned = (1.0, 0.5, 0.0, 80.0, 0.0, 1.0, 0.5, 0.0, 80.0, 180.0)
    # q of 1 and 0.5, e of 0.2 and 0.6: relative 1/3 and 1/2.
    other_size = (1.0, 0.2, 5.0, 80.0, 30.0, 0.5, 0.6, 5.0, 80.0, 30.0)
    pairs = np.array([tilted, turned, other_size])
    found = {name: criterion(database, name, pairs) for name in CRITERIA}
    assert found["d_southworth_hawkins"] == pytest.approx([1, 1, math.hypot(0.5, 0.4)])
    assert found["d_jopek"] == pytest.approx([1, 1, math.hypot(1 / 3, 0.4)])
    assert found["d_drummond"] == pytest.approx([1 / 3, 0.5, math.hypot(1 / 3, 0.5)])


@pytest.mark.parametrize("name", CRITERIA)
def test_a_d_criterion_knows_a_stream_and_its_parent_and_not_another_orbit(
    database: duckdb.DuckDBPyConnection, name: str
) -> None:
    near, far = criterion(database, name, np.array([PHAETHON + GEMINIDS, PHAETHON + OTHER]))
    assert near < 0.06
    assert far > 0.5


@pytest.mark.parametrize("name", CRITERIA)
def test_a_d_criterion_is_zero_for_the_same_orbit_and_the_same_both_ways(
    database: duckdb.DuckDBPyConnection, name: str
) -> None:
    pairs = random_pairs(500, seed=2)
    swapped = pairs[:, [5, 6, 7, 8, 9, 0, 1, 2, 3, 4]]
    same = np.hstack([pairs[:, :5], pairs[:, :5]])
    assert np.abs(criterion(database, name, same)).max() < 1e-12
    assert np.allclose(criterion(database, name, pairs), criterion(database, name, swapped))


@pytest.mark.parametrize("name", CRITERIA)
@pytest.mark.parametrize("turn", [-720, -360, 360, 720])
def test_whole_turns_of_angles_do_not_change_a_d_criterion(
    database: duckdb.DuckDBPyConnection, name: str, turn: float
) -> None:
    pairs = random_pairs(500, seed=3)
    for column in (3, 4, 8, 9):
        turned = pairs.copy()
        turned[:, column] += turn
        assert np.allclose(criterion(database, name, turned), criterion(database, name, pairs))


@pytest.mark.parametrize("name", CRITERIA)
def test_a_d_criterion_takes_extreme_orbits_and_does_not_make_up_what_is_null(
    database: duckdb.DuckDBPyConnection, name: str
) -> None:
    extreme = [0.0, 180.0]
    pairs = np.array([
        (1.0, 0.0, i1, node1, 0.0, 1.0, e2, i2, node2, 180.0)
        for i1 in (0.0, 90.0, 180.0) for i2 in (0.0, 90.0, 180.0)
        for node1 in extreme for node2 in extreme for e2 in (0.0, 1.0, 3.0)
    ])  # fmt: skip
    assert np.isfinite(criterion(database, name, pairs)).all()
    circles = "1, 0, 10, 20, 30"
    assert number(database, f"{name}({circles}, {circles})") == 0
    for missing in range(10):
        elements = ", ".join("NULL" if n == missing else str(n + 1) for n in range(10))
        assert value(database, f"{name}({elements})") is None


def angles(most: float) -> st.SearchStrategy[float]:
    """Also those where formulas have their traps."""
    return st.one_of(st.floats(0, most), st.sampled_from([0.0, 90.0, 180.0, most]))


ORBITS = st.tuples(
    st.floats(0.001, 1.1), st.floats(0.001, 1.5), angles(180), angles(360), angles(360)
)  # fmt: skip


@pytest.mark.parametrize("name", CRITERIA)
@settings(max_examples=60, deadline=None)
@given(one=ORBITS, other=ORBITS)
def test_a_d_criterion_of_any_two_orbits(
    database: duckdb.DuckDBPyConnection, name: str, one: tuple[float, ...], other: tuple[float, ...]
) -> None:
    pair, back, same = np.array([one + other, other + one, one + one])
    found, found_back, found_same = criterion(database, name, np.array([pair, back, same]))
    assert found >= 0
    assert found == pytest.approx(found_back, abs=1e-9)
    assert found_same == pytest.approx(0, abs=1e-9)
    (pole1, _), (pole2, _) = (unit_vectors(pair[None], n) for n in (0, 1))
    planes = float(angle(pole1, pole2)[0])
    # Where the planes coincide or are opposite, and where the nodes are just 180 deg apart, the
    # perihelia seen from the mutual node depend on rounding.
    apart = abs((one[3] - other[3]) % 360 - 180)
    if name == "d_drummond" or (1e-4 < planes < math.pi - 1e-4 and apart > 1e-6):
        assert found == pytest.approx(float(expected(name, pair[None])[0]), abs=1e-6)


# Angles -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        (10, 350, 20), (350, 10, -20), (0, 360, 0), (359.5, -0.5, 0), (180, 0, 180),
        (0, 180, -180), (90, 271, 179), (90, 269, -179), (725, 0, 5), (-725, 0, -5),
    ],
)  # fmt: skip
def test_a_difference_of_angles_goes_the_short_way_round(
    database: duckdb.DuckDBPyConnection, one: float, other: float, difference: float
) -> None:
    assert number(database, "angle_difference_deg(?, ?)", one, other) == difference
    assert number(database, "absolute_angle_difference_deg(?, ?)", one, other) == abs(difference)
    assert value(database, "angle_difference_deg(NULL, 1)") is None


def test_sun_centred_longitudes_stay_within_a_turn(database: duckdb.DuckDBPyConnection) -> None:
    ask = "sun_centred_longitude_deg(?, ?)"
    assert number(database, ask, 10.0, 350.0) == 20
    assert number(database, ask, 350.0, 10.0) == 340
    assert number(database, ask, 100.0, 100.0) == 0
    # What is nearly a whole turn must not be rounded up to one.
    assert 0 <= number(database, ask, 0.0, 1e-14) < 360
    assert value(database, "sun_centred_longitude_deg(NULL, 5)") is None


def test_a_mean_of_angles_wraps_and_is_null_where_there_is_none(
    database: duckdb.DuckDBPyConnection,
) -> None:
    def mean(angles: list[float]) -> object:
        return value(database, "circular_mean_deg(a) FROM (SELECT unnest(?::DOUBLE[]) AS a)",
                     angles)  # fmt: skip

    def spread(angles: list[float]) -> object:
        sql = "circular_standard_deviation_deg(a) FROM (SELECT unnest(?::DOUBLE[]) AS a)"
        return value(database, sql, angles)

    assert mean([350, 20]) == pytest.approx(5)
    assert mean([359, 0, 1]) == pytest.approx(0, abs=1e-9) or mean([359, 0, 1]) == pytest.approx(
        360
    )
    assert mean([200, 210, 220]) == pytest.approx(210)
    assert mean([0, 180]) is None
    assert mean([]) is None
    assert spread([77.3] * 5) == pytest.approx(0, abs=1e-6)
    # Of a narrow distribution it is the ordinary one.
    normal = np.random.default_rng(4).normal(0, 3, 2_000)
    assert spread(list(normal)) == pytest.approx(normal.std(), rel=0.01)


def test_a_distance_on_the_sky_is_right_everywhere(database: duckdb.DuckDBPyConnection) -> None:
    ask = "radiant_distance_deg(?, ?, ?, ?)"
    random = np.random.default_rng(5)
    for _ in range(100):
        longitude1, longitude2 = random.uniform(-360, 720, 2)
        latitude1, latitude2 = random.uniform(-90, 90, 2)
        one, other = (
            np.array([[math.cos(b) * math.cos(a)], [math.cos(b) * math.sin(a)], [math.sin(b)]])
            for a, b in np.radians([(longitude1, latitude1), (longitude2, latitude2)])
        )
        found = number(database, ask, longitude1, latitude1, longitude2, latitude2)
        assert found == pytest.approx(np.degrees(angle(one, other))[0], abs=1e-9)
    assert number(database, ask, 123.4, 56.7, 123.4, 56.7) == 0
    assert number(database, ask, 10, 90, 200, 90) == pytest.approx(0, abs=1e-9)
    assert number(database, ask, 0, -90, 77, 90) == pytest.approx(180)
    assert number(database, ask, 359.5, 0, 0.5, 0) == pytest.approx(1)
    # Nearer than what an arccosine could tell from nothing.
    assert number(database, ask, 10, 0, 10 + 1e-8, 0) == pytest.approx(1e-8, rel=1e-6)
    assert value(database, "radiant_distance_deg(1, 2, NULL, 4)") is None


# Quality flags ------------------------------------------------------------------------------------

SOME_ROWS = "(VALUES (['hyperbolic', 'mass_zero']), (['mass_zero']), ([]::VARCHAR[])) AS v(flags)"


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("has_flag(flags, 'mass_zero')", 2),
        ("NOT has_flag(flags, 'mass_zero')", 1),
        ("has_any_flag(flags, ['hyperbolic', 'single_station'])", 1),
        ("has_any_flag(flags, [])", 0),
        ("without_flags(flags, ['hyperbolic'])", 2),
        ("without_flags(flags, [])", 3),
        ("without_flags(flags, flags_of_family('limit'))", 1),
        ("has_any_flag(flags, flags_of_family('note'))", 1),
    ],
)
def test_rows_are_filtered_by_quality_flags(
    database: duckdb.DuckDBPyConnection, condition: str, count: int
) -> None:
    assert value(database, f"count(*) FROM {SOME_ROWS} WHERE {condition}") == count


@pytest.mark.parametrize("call", [
    "has_flag(quality_flags, 'hyperbolc')",
    "has_flag(quality_flags, NULL)",
    "has_any_flag(quality_flags, ['hyperbolic', 'hyperbolc'])",
    "has_any_flag(quality_flags, [NULL, 'hyperbolic'])",
    "has_any_flag(quality_flags, NULL)",
    "without_flags(quality_flags, ['hyperbolc'])",
    "without_flags(quality_flags, flags_of_family('limits'))",
])  # fmt: skip
@pytest.mark.parametrize("rows", [
    "trajectories", "trajectories WHERE false", "trajectories WHERE station_count > 9",
])  # fmt: skip
def test_a_misspelt_flag_is_an_error_though_no_row_is_there(
    database: duckdb.DuckDBPyConnection, call: str, rows: str
) -> None:
    with pytest.raises(duckdb.Error, match=r"unknown .*; see quality_flag_definitions"):
        value(database, f"count(*) FROM (SELECT * FROM {rows}) WHERE {call}")


def test_a_misspelt_flag_in_a_parameter_or_a_column_is_an_error_too(
    database: duckdb.DuckDBPyConnection,
) -> None:
    with pytest.raises(duckdb.Error, match="unknown quality flag: hyperbolc"):
        value(database, "count(*) FROM trajectories WHERE has_flag(quality_flags, ?)", "hyperbolc")
    by_flag = f"count(*) FROM {SOME_ROWS}, (VALUES (?)) AS n(name) WHERE has_flag(flags, name)"
    assert value(database, by_flag, "mass_zero") == 2
    with pytest.raises(duckdb.Error, match="unknown quality flag: mass_0"):
        value(database, by_flag, "mass_0")


def test_every_flag_can_be_asked_for_and_belongs_to_one_family(
    database: duckdb.DuckDBPyConnection,
) -> None:
    for flag in QUALITY_FLAGS:
        assert value(database, f"has_flag([?], '{flag.name}')", flag.name) is True
    lists = ", ".join(f"flags_of_family('{family}')" for family in Family)
    of_families = value(database, f"flatten([{lists}])")
    assert sorted(of_families) == sorted(flag.name for flag in QUALITY_FLAGS)


# Habits from SQLite -------------------------------------------------------------------------------


def test_habits_from_sqlite_give_what_sqlite_gives(database: duckdb.DuckDBPyConnection) -> None:
    with sqlite3.connect(":memory:") as sqlite:
        for time in ("2022-03-04 22:07:41.940752", "1969-12-31 23:59:59", "2000-01-01 12:00:00"):
            for ask in ("julianday(?)", "unixepoch(?)", "datetime(?)"):
                (there,) = sqlite.execute(f"SELECT {ask}", [time]).fetchone()
                # SQLite keeps milliseconds only.
                assert value(database, ask, time) == pytest.approx(there, abs=2e-8), ask
    assert value(database, "total(x) FROM (VALUES (1), (NULL), (2)) AS v(x)") == 3.0
    assert value(database, "total(x) FROM (VALUES (1)) AS v(x) WHERE x > 1") == 0.0


def test_no_macro_calls_another(database: duckdb.DuckDBPyConnection) -> None:
    """So that each works by its full name, where the file is attached and not in use."""
    for macro in MACROS:
        assert not [m.name for m in MACROS if f"{m.name}(" in macro.body]
