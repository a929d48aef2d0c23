"""ADQL gives what it says, and what is not ADQL is refused at its place."""

import math
from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gmn_pipeline.errors import GmnError, QueryFailed, QueryRefused
from gmn_pipeline.schemas.fields import Field, Kind
from gmn_pipeline.serving.tap.adql.places import with_place
from gmn_pipeline.serving.tap.adql.translate import translated
from gmn_pipeline.serving.tap.adql.units import UnknownUnit, factor
from gmn_pipeline.serving.tap.relations import Catalogue, Relation
from gmn_pipeline_tests.support.harm import SELECTS, STATEMENTS

METEORS = Relation(
    "gmn", "meteors", "a few",
    (
        Field("id", "number", Kind.INTEGER), Field("ra", "", unit="deg"),
        Field("dec", "", unit="deg"), Field("speed", "", unit="km/s"),
        Field("code", "shower", Kind.TEXT), Field("stations", "codes", Kind.TEXT),
        Field("size", "a word of SQL", Kind.INTEGER),
    ),
    "(SELECT * REPLACE (array_to_string(stations, '#') AS stations) FROM main.meteors)",
)  # fmt: skip
SHOWERS = Relation(
    "gmn", "showers", "names", (Field("code", "", Kind.TEXT), Field("name", "", Kind.TEXT)),
    "main.showers",
)  # fmt: skip
WORDS = Relation(
    "tap_schema", "words", "", (Field("word", "", Kind.TEXT),), "(SELECT $word AS word)",
    parameters={"word": "meteor"},
)  # fmt: skip
CATALOGUE = Catalogue((METEORS, SHOWERS, WORDS))


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE meteors AS SELECT * FROM (VALUES "
            "(1, 10.0, 20.0, 59.0, 'PER', ['UK1', 'NL2'], 5), "
            "(2, 359.5, -1.0, 31.0, 'GEM', ['US3'], 6), "
            "(3, 0.5, 1.0, 70.0, NULL, ['UK1'], 7), "
            "(4, NULL, NULL, NULL, 'PER', [], 8)) AS v(id, ra, dec, speed, code, stations, size)"
        )
        connection.execute(
            "CREATE TABLE showers AS SELECT * FROM (VALUES ('PER', 'Perseids'), "
            "('GEM', 'Geminids'), ('NTA', 'N. Taurids')) AS v(code, name)"
        )
        yield connection


def rows(database: duckdb.DuckDBPyConnection, adql: str, most: int = 100) -> list[tuple]:
    one = translated(adql, CATALOGUE, most)
    return database.execute(one.sql, one.parameters or None).fetchall()


ANSWERS = {
    "SELECT TOP 2 id FROM gmn.meteors ORDER BY id DESC": [(4,), (3,)],
    "SELECT id FROM Gmn.METEORS AS M WHERE m.Speed > 50 ORDER BY ID": [(1,), (3,)],
    'SELECT "id" FROM "gmn"."meteors" WHERE "size" = 6': [(2,)],
    "SELECT gmn.meteors.id FROM gmn.meteors WHERE gmn.meteors.id = 1": [(1,)],
    "SELECT id FROM meteors ORDER BY id OFFSET 3": [(4,)],
    "SELECT DISTINCT TOP 1 code FROM meteors WHERE code IS NOT NULL ORDER BY code": [("GEM",)],
    "SELECT ALL id FROM meteors WHERE id BETWEEN 2 AND 3 AND NOT id = 2": [(3,)],
    "SELECT COUNT(*), COUNT(code), COUNT(DISTINCT code) FROM meteors": [(4, 3, 2)],
    "SELECT code, MAX(speed) AS m FROM meteors GROUP BY code HAVING COUNT(*) > 1": [("PER", 59.0)],
    "SELECT m.id, s.name FROM meteors AS m JOIN showers AS s ON m.code = s.code WHERE m.id < 3 "
    "ORDER BY m.id": [(1, "Perseids"), (2, "Geminids")],
    "SELECT id, name FROM meteors NATURAL JOIN showers WHERE id = 1": [(1, "Perseids")],
    "SELECT name FROM showers LEFT OUTER JOIN meteors USING (code) WHERE id IS NULL": [
        ("N. Taurids",)
    ],
    "SELECT id FROM (meteors JOIN showers USING (code)) WHERE name LIKE 'Gem%'": [(2,)],
    "SELECT q.n FROM (SELECT COUNT(*) AS n FROM meteors) AS q": [(4,)],
    "SELECT id FROM meteors WHERE code IN (SELECT code FROM showers WHERE name ILIKE 'per%') "
    "ORDER BY 1": [(1,), (4,)],
    "SELECT id FROM meteors AS m WHERE EXISTS (SELECT 1 FROM showers AS s WHERE s.code = m.code "
    "AND s.name = 'Geminids')": [(2,)],
    "WITH fast AS (SELECT id FROM meteors WHERE speed > 50) SELECT COUNT(*) FROM fast": [(2,)],
    "WITH meteors AS (SELECT id FROM meteors WHERE id < 3) SELECT COUNT(*) FROM meteors": [(2,)],
    "WITH meteors AS (SELECT 1 AS x) SELECT COUNT(*) FROM gmn.meteors": [(4,)],
    "SELECT id FROM meteors WHERE id < 3 EXCEPT SELECT id FROM meteors WHERE id = 1": [(2,)],
    "SELECT id FROM meteors INTERSECT SELECT 3 FROM meteors": [(3,)],
    "SELECT TOP 1 1 AS n FROM meteors UNION ALL SELECT TOP 2 2 FROM meteors ORDER BY n": [
        (1,), (2,), (2,)
    ],
    "SELECT word FROM tap_schema.words": [("meteor",)],
    "SELECT CASE WHEN id > 1 THEN 'b' ELSE 'a' END AS x FROM meteors WHERE id = 1": [("a",)],
    "SELECT COALESCE(code, '-') FROM meteors WHERE id = 3": [("-",)],
    "SELECT CAST(speed AS INTEGER), CAST(id AS CHAR(5)), CAST('2' AS DOUBLE PRECISION) "
    "FROM meteors WHERE id = 1": [(59, "1", 2.0)],
    "SELECT LOG(EXP(2)), LOG10(1000), SQRT(16), POWER(2, 3), MOD(7, 4), ABS(-3) FROM meteors "
    "WHERE id = 1": [(2.0, 3.0, 4.0, 8.0, 3, 3)],
    "SELECT ROUND(2.346, 2), TRUNCATE(2.99), TRUNCATE(2.99, 1), CEILING(1.2), FLOOR(1.8) "
    "FROM meteors WHERE id = 1": [(2.35, 2.0, 2.9, 2.0, 1.0)],
    "SELECT UPPER('a') || LOWER('B') FROM meteors WHERE id = 1": [("Ab",)],
    "SELECT 1 + 2 * 3 - -4 / 2 FROM meteors WHERE id = 1": [(9.0,)],
    "SELECT 'it''s', '--', 'x /* y' FROM meteors WHERE id = 1 -- that is all": [
        ("it's", "--", "x /* y")
    ],
    "SELECT IN_UNIT(speed, 'm/s'), IN_UNIT(ra, 'arcmin') FROM meteors WHERE id = 1": [
        (59_000.0, 600.0)
    ],
    "SELECT IN_UNIT(v, 'm/s') FROM (SELECT speed AS v FROM meteors WHERE id = 1) AS q": [
        (59_000.0,)
    ],
    "SELECT id FROM meteors WHERE 1 = ivo_hashlist_has(stations, 'uk1') ORDER BY id": [
        (1,), (3,)
    ],
    "SELECT ivo_hashlist_has('a#b', 'a#b'), ivo_nocasematch('Perseids', 'per%'), "
    "ivo_hasword('N. Taurids', 'taurids'), ivo_hasword('Taurids', 'taurid'), "
    "ivo_hasword('a+b c', 'a+b') FROM meteors WHERE id = 1": [(0, 1, 1, 0, 1)],
    "SELECT ivo_string_agg(DISTINCT code, '+') FROM meteors WHERE code = 'PER'": [("PER",)],
    "SELECT ivo_string_agg(code, '+') FROM showers WHERE code < 'H'": [("GEM",)],
    # Shapes.
    "SELECT id FROM meteors WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 0, 0, 2)) "
    "ORDER BY id": [(2,), (3,)],
    "SELECT id FROM meteors WHERE CONTAINS(POINT(ra, dec), CIRCLE(POINT(10, 20), 1)) = 1": [(1,)],
    "SELECT id FROM meteors WHERE CONTAINS(POINT(ra, dec), CIRCLE(0, 0, 2)) = 0": [(1,)],
    "SELECT id FROM meteors WHERE 1 = INTERSECTS(CIRCLE(ra, dec, 1), CIRCLE(10, 22, 1.01))": [
        (1,)
    ],
    "SELECT id FROM meteors WHERE 1 = CONTAINS(CIRCLE(ra, dec, 1), CIRCLE(10, 21, 1.99))": [],
    "SELECT id FROM meteors WHERE 1 = CONTAINS(POINT(ra, dec), BOX(0, 0, 2, 2)) ORDER BY 1": [
        (2,), (3,)
    ],
    "SELECT id FROM meteors WHERE 1 = CONTAINS(POINT(ra, dec), "
    "POLYGON('ICRS', 350, -10, 10, -10, 10, 10, 350, 10)) ORDER BY id": [(2,), (3,)],
    "SELECT DISTANCE(0, 0, 90, 0), DISTANCE(POINT(0, 89), POINT(180, 89)), "
    "COORD1(POINT(3, 4)), COORD2(CENTROID(CIRCLE(3, 4, 5))), COORDSYS(POINT('ICRS', 1, 2)) "
    "FROM meteors WHERE id = 1": [(pytest.approx(90), pytest.approx(2), 3, 4, "")],
    "SELECT AREA(CIRCLE(0, 0, 180)) FROM meteors WHERE id = 1": [
        (pytest.approx(4 * math.pi * (180 / math.pi) ** 2),)
    ],
    "SELECT DISTANCE(POINT(ra, dec), POINT(1, 2)) FROM meteors WHERE id = 4": [(None,)],
}  # fmt: skip


@pytest.mark.parametrize("adql", ANSWERS)
def test_a_query_gives_what_it_asks_for(database: duckdb.DuckDBPyConnection, adql: str) -> None:
    assert rows(database, adql) == ANSWERS[adql]


REFUSED = {
    "SELECT id FRM meteors": "line 1, column 15, at: meteors",
    "SELECT id\nFROM meteors\nWHERE = 3": "line 3",
    "SELECT (id FROM meteors": "Expecting )",
    "SELECT id FROM meteors WHERE code = 'a": "has no end",
    "SELECT id FROM": "Expected table name",
    "SELECT id FROM meteor": "no table 'meteor' (did you mean gmn.meteors?) (line 1, column 16",
    "SELECT id FROM other.meteors": "no table 'other.meteors'",
    "SELECT id FROM a.gmn.meteors": "by its schema and its name",
    "SELECT SIN(1, 2) FROM meteors": "SIN has 1 arguments (line 1, column 8",
    "SELECT read_text('x') FROM meteors": "no function read_text",
    "SELECT id,\n  GETENV('x') FROM meteors": "no function GETENV in ADQL here (line 2, column 3",
    "SELECT id FROM read_csv('x')": "no functions in their place",
    "SELECT id FROM 'file.csv'": "",
    'SELECT id FROM "file.csv"': "no table",
    "SELECT POINT(1, 2) FROM meteors": "no value by itself",
    "SELECT CONTAINS(1, 2) FROM meteors": "has two shapes",
    "SELECT CONTAINS(CIRCLE(1, 2, 3), BOX(1, 2, 3, 4)) FROM meteors": "a circle in a circle",
    "SELECT CONTAINS(POINT(1, 2), POLYGON(1, 2, 3, 4)) FROM meteors": "not so many",
    "SELECT CONTAINS(POINT(1, 2), POLYGON(1, 2, ra, 4, 5, 6)) FROM meteors": "are numbers",
    "SELECT CONTAINS(POINT(1, 2), POLYGON(0, 2, 180, 4, 5, 6)) FROM meteors": "180 degrees",
    "SELECT CONTAINS(POINT(1, 2), POLYGON(0, 2, 0, 4, 0, 6)) FROM meteors": "one meridian",
    "SELECT CONTAINS(POINT(1, 2), POLYGON(0, 2, 0, 94, 5, 6)) FROM meteors": "-90 to 90",
    "SELECT IN_UNIT(speed, 'deg') FROM meteors": "km/s, which is not made into deg",
    "SELECT IN_UNIT(speed, 'furlong') FROM meteors": "'furlong' is not known",
    "SELECT IN_UNIT(code, 'deg') FROM meteors": "No unit is known of code",
    "SELECT IN_UNIT(1, 'deg') FROM meteors": "a column, and a unit in quotes",
    "SELECT CAST(id AS BLOB) FROM meteors": "CAST is to",
    "SELECT ABS(DISTINCT id) FROM meteors": "DISTINCT is not for ABS",
    "SELECT COUNT(DISTINCT id, code) FROM meteors": "COUNT has other arguments",
    "SELECT SUM(id) OVER () FROM meteors": "no WINDOW",
    "SELECT * EXCLUDE (id) FROM meteors": "* stands alone",
    "SELECT id FROM meteors TABLESAMPLE 10": "TABLE SAMPLE",
    "SELECT id FROM meteors ASOF JOIN showers ON true": "no ASOF JOIN",
    "SELECT [1, 2] FROM meteors": "ADQL here has no",
    "SELECT ? FROM meteors": "no PLACEHOLDER",
    "SELECT :word FROM meteors": "no PLACEHOLDER",
    "SELECT TOP 1.5 id FROM meteors": "a whole number",
    "SELECT TOP 99999999999999999999 id FROM meteors": "a whole number",
    "WITH RECURSIVE x AS (SELECT 1) SELECT * FROM x": "not recursive",
    "WITH x AS (SELECT 1 FROM y), y AS (SELECT 1) SELECT * FROM x": "no table 'y'",
    "WITH x AS (SELECT 1 FROM x) SELECT * FROM x": "no table 'x'",
    "SELECT 1 FROM (WITH x AS (SELECT 1) SELECT * FROM x) AS q, x": "no table 'x'",
    "SELECT id FROM meteors; SELECT 1": "2 statements",
    "DELETE FROM meteors": "not a SELECT",
    "": "no statement",
    "SELECT id INTO x FROM meteors": "no INTO",
    "SELECT id FROM meteors, " + ", ".join(f"meteors AS m{n}" for n in range(60)): "50 tables",
    "SELECT " + "(" * 200 + "1" + ")" * 200: "nested too deeply",
    "SELECT '" + "x" * 60_000 + "'": "may have 50,000 characters",
}


@pytest.mark.parametrize("adql", REFUSED, ids=lambda adql: adql[:60])
def test_what_is_no_adql_is_refused_at_its_place(adql: str) -> None:
    with pytest.raises((QueryFailed, QueryRefused)) as refused:
        translated(adql, CATALOGUE, 100)
    assert REFUSED[adql] in str(refused.value)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("adql", [*STATEMENTS.values(), *SELECTS.values()], ids=lambda a: a[:40])
def test_harm_is_no_adql_or_says_nothing_but_values(
    database: duckdb.DuckDBPyConnection, adql: str
) -> None:
    try:
        one = translated(adql, CATALOGUE, 100)
    except GmnError:
        return
    asked = database.execute("SELECT json_serialize_sql(?::VARCHAR)", [one.sql]).fetchone()
    assert asked is not None
    for word in ("TABLE_FUNCTION", "read_", "current_setting", "getenv", "duckdb_"):
        assert word not in asked[0], one.sql


def nested(call: str, times: int) -> str:
    """A function within itself, its own value as its first argument."""
    value = "1"
    for _ in range(times):
        value = call.replace("X", value)
    return value


CORNERS = ", ".join(f"{n * 3}, {n % 2 * 9}" for n in range(100))
CHAIN = ", ".join(f"a{n} AS (SELECT x.* FROM a{n - 1} AS x, a{n - 1} AS y)" for n in range(1, 24))
GROWING = {
    "distances": f"SELECT {nested('DISTANCE(X, 1, 2, 3)', 20)}",
    "polygons": f"SELECT {nested(f'CONTAINS(POINT(X, 1), POLYGON({CORNERS}))', 10)}",
    "many": f"SELECT {', '.join(['DISTANCE(ra, dec, 1, 2)'] * 1_500)} FROM meteors",
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("adql", GROWING.values(), ids=GROWING)
def test_a_short_query_does_not_become_a_long_one(adql: str) -> None:
    with pytest.raises(QueryRefused, match="too large"):
        translated(adql, CATALOGUE, 100)


@pytest.mark.timeout(60)
def test_names_that_stand_for_others_are_looked_up_once() -> None:
    chain = f"WITH a0 AS (SELECT * FROM meteors), {CHAIN} SELECT * FROM a23"
    assert translated(chain, CATALOGUE, 100).known["speed"].unit == "km/s"


def test_a_column_that_there_is_not_is_told_at_its_place() -> None:
    message = 'Binder: Referenced column "vgeo" not found in FROM clause! (Line 1, at: "vgeo")'
    told = with_place("SELECT id,\n   Vgeo FROM meteors", message)
    assert told.endswith("FROM clause! (line 2, column 4, at: Vgeo FROM meteors)")
    message = 'Values list "t" does not have a column named "foo"'
    assert "line 1, column 10" in with_place("SELECT t.foo FROM t", message)
    assert with_place("SELECT 1", "Out of range") == "Out of range"


def test_one_row_more_is_asked_for_than_is_wanted(database: duckdb.DuckDBPyConnection) -> None:
    assert len(rows(database, "SELECT id FROM meteors", most=2)) == 3
    assert len(rows(database, "SELECT TOP 1 id FROM meteors", most=2)) == 1
    union = "SELECT id FROM meteors UNION ALL SELECT id FROM meteors"
    assert len(rows(database, union, most=5)) == 6


def test_columns_are_known_by_what_they_come_from() -> None:
    adql = "SELECT Speed AS v, m.ra, q.*, COUNT(*) FROM meteors AS m, (SELECT dec AS d FROM " \
        "meteors) AS q"  # fmt: skip
    one = translated(adql, CATALOGUE, 10)
    assert {name: field.unit for name, field in one.known.items()} == {
        "v": "km/s", "ra": "deg", "d": "deg",
    }  # fmt: skip
    common = translated("WITH w AS (SELECT speed AS x FROM meteors) SELECT x FROM w", CATALOGUE, 1)
    assert common.known["x"].unit == "km/s"
    joined = translated("SELECT * FROM (meteors JOIN showers USING (code))", CATALOGUE, 1)
    assert set(joined.known) == {f.name for f in (*METEORS.fields, *SHOWERS.fields)}


# Shapes ------------------------------------------------------------------------------------------

LONGITUDE = st.floats(0, 360)
LATITUDE = st.floats(-90, 90)
PLACE = st.tuples(LONGITUDE, LATITUDE)


def vector(longitude: float, latitude: float) -> tuple[float, float, float]:
    a, d = math.radians(longitude), math.radians(latitude)
    return math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d)


def dot(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def cross(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[float, float, float]:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def number(value: float) -> str:
    return f"{value:.12f}"


@settings(deadline=None, max_examples=60)
@given(PLACE, PLACE)
def test_distances_are_those_on_the_sphere(
    database: duckdb.DuckDBPyConnection, one: tuple[float, float], other: tuple[float, float]
) -> None:
    a, b = vector(*one), vector(*other)
    right = math.degrees(math.atan2(math.hypot(*cross(a, b)), dot(a, b)))
    places = ", ".join(map(number, (*one, *other)))
    ((found,),) = rows(database, f"SELECT DISTANCE({places}) FROM meteors WHERE id = 1")
    # Near the antipodes half a chord is near 1, and its arc sine is less exact.
    assert found == pytest.approx(right, abs=2e-6)


@settings(deadline=None, max_examples=60)
@given(PLACE, PLACE, PLACE, PLACE)
def test_a_triangle_holds_what_is_on_the_inner_side_of_its_sides(
    database: duckdb.DuckDBPyConnection,
    a: tuple[float, float], b: tuple[float, float], c: tuple[float, float],
    point: tuple[float, float],
) -> None:  # fmt: skip
    corners, p = [vector(*a), vector(*b), vector(*c)], vector(*point)
    sides = [cross(corners[i], corners[(i + 1) % 3]) for i in range(3)]
    # Nothing on the edge, no side of 180 degrees, no triangle that is none.
    assume(all(abs(dot(side, p)) > 1e-6 and math.hypot(*side) > 1e-4 for side in sides))
    turns = [abs((y[0] - x[0] + 180) % 360 - 180) for x, y in ((a, b), (b, c), (c, a))]
    assume(all(1e-3 < turn < 179.9 for turn in turns))
    assume(abs(dot(corners[0], sides[1])) > 1e-4)
    signs = {dot(side, p) > 0 for side in sides}
    inner = {dot(sides[i], corners[(i + 2) % 3]) > 0 for i in range(3)}
    right = signs == inner
    shape = ", ".join(map(number, (*a, *b, *c)))
    place = ", ".join(map(number, point))
    adql = f"SELECT CONTAINS(POINT({place}), POLYGON({shape})) FROM meteors WHERE id = 1"
    assert rows(database, adql) == [(int(right),)], adql


def test_a_polygon_round_a_pole_holds_the_pole(database: duckdb.DuckDBPyConnection) -> None:
    for latitude, inside in ((70, 1), (-70, 0)):
        cap = "POLYGON(0, 60, 90, 60, 180, 60, 270, 60)"
        adql = f"SELECT CONTAINS(POINT(45, {latitude}), {cap}) FROM meteors WHERE id = 1"
        assert rows(database, adql) == [(inside,)]
        adql = adql.replace(", 60", ", -60")
        assert rows(database, adql) == [(1 - inside,)]


# Units -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("have", "want", "times"),
    [("km/s", "m/s", 1_000.0), ("deg", "rad", math.pi / 180), ("AU", "km", 149_597_870.7),
     ("deg/d", "arcsec/h", 150.0), ("km.s**-1", "km/s", 1.0), ("m2", "cm2", 10_000.0),
     ("mag", "deg", None), ("km/s", "km", None)],
)  # fmt: skip
def test_units_are_made_into_each_other(have: str, want: str, times: float | None) -> None:
    assert factor(have, want) == (times if times is None else pytest.approx(times))


@pytest.mark.parametrize("unit", ["", "furlong", "km//s", "km;s", "(km)"])
def test_a_unit_that_is_not_known_is_told(unit: str) -> None:
    with pytest.raises(UnknownUnit):
        factor("km", unit)
