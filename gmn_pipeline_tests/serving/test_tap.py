"""TAP over HTTP: queries that are answered at once, what the service says of itself, EPN-TAP."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from gmn_pipeline.queries.process import ask as ask_lake
from gmn_pipeline.serving.tap import epn_core, tap_schema
from gmn_pipeline.serving.tap.catalogue import CATALOGUE
from gmn_pipeline.serving.tap.formats import TAP_FORMATS
from gmn_pipeline.serving.tap.vosi import EXAMPLES
from gmn_pipeline.settings import Settings
from gmn_pipeline_tests.support.harm import SELECTS, STATEMENTS
from gmn_pipeline_tests.support.lake import fingerprints
from gmn_pipeline_tests.support.sample import Bench
from gmn_pipeline_tests.support.server import Server, serving
from gmn_pipeline_tests.support.tap import ask, failure, fields, infos, post, rows, words

# Answers -----------------------------------------------------------------------------------------


def test_an_answer_is_a_votable_that_names_its_state(server: Server) -> None:
    adql = "SELECT TOP 3 trajectory_identifier, vgeo_km_s AS v, participating_stations, " \
        "beginning_utc_time FROM gmn.trajectories ORDER BY vgeo_km_s DESC"  # fmt: skip
    reply = ask(server, adql)
    assert len(rows(reply)) == 3
    assert reply.headers["Content-Type"].startswith("application/x-votable+xml")
    assert reply.headers["GMN-Snapshot"] == str(server.snapshot)
    told = [(name, value) for name, value, _ in infos(reply)]
    assert ("QUERY_STATUS", "OK") in told
    assert ("warehouse_snapshot_id", str(server.snapshot)) in told
    assert fields(reply)["v"] == {
        "ID": "v", "name": "v", "datatype": "double", "unit": "km/s",
        "ucd": "phys.veloc;pos.geocentric",
    }  # fmt: skip
    assert fields(reply)["beginning_utc_time"]["xtype"] == "timestamp"


def test_it_is_asked_by_form_too_whatever_the_case_of_its_parameters(server: Server) -> None:
    query = "SELECT COUNT(*) AS n FROM trajectories"
    form = {"query": query, "Lang": "adql-2.0", "request": "doQuery", "whatever": "x"}
    assert rows(post(server, "/tap/sync", form)) == [(534,)]
    boundary = b"--x\r\nContent-Disposition: form-data; name=\"QUERY\"\r\n\r\n" + query.encode() + \
        b"\r\n--x--\r\n"  # fmt: skip
    reply = post(server, "/tap/sync", boundary, kind="multipart/form-data; boundary=x")
    assert rows(reply) == [(534,)]
    assert rows(server.get("/tap/sync", {"QUERY": query})) == [(534,)]  # TAP 1.1 wants LANG


@pytest.mark.parametrize(
    ("most", "found", "is_cut_off"), [(0, 0, True), (2, 2, True), (534, 534, False)]
)
def test_rows_are_cut_off_where_the_client_says_and_that_is_told(
    server: Server, most: int, found: int, is_cut_off: bool
) -> None:
    reply = ask(server, "SELECT trajectory_identifier FROM trajectories", MAXREC=most)
    assert len(rows(reply)) == found
    assert infos(reply)[-1][:2] == ("QUERY_STATUS", "OVERFLOW") if is_cut_off else (
        ("QUERY_STATUS", "OVERFLOW") not in [one[:2] for one in infos(reply)]
    )  # fmt: skip
    assert reply.body.index(b"</TABLE>") < reply.body.rindex(b"<INFO") if is_cut_off else True


@pytest.mark.parametrize("one", TAP_FORMATS, ids=lambda one: one.name)
def test_formats_are_had_by_their_names_and_media_types(server: Server, one: object) -> None:
    name, kind = one.name, one.media_type  # type: ignore[attr-defined]
    adql = "SELECT TOP 2 station_code, station_number FROM stations ORDER BY station_number"
    for asked in ({"RESPONSEFORMAT": name}, {"FORMAT": kind}, {"RESPONSEFORMAT": kind.upper()}):
        reply = ask(server, adql, **asked)
        assert reply.status == 200, reply.body
        assert reply.headers["Content-Type"] == kind
    text = reply.body.decode(errors="ignore")
    if name == "tsv":
        assert text.splitlines()[0] == "station_code\tstation_number"
        assert text.splitlines()[1].endswith("\t1")
    if name == "text":
        assert text.splitlines()[0] == "station_code station_number"
        assert text.splitlines()[2].endswith("             1")
    if name == "csv":
        assert text.splitlines()[0] == "station_code,station_number"


BAD = {
    "no query": ({"QUERY": None}, "QUERY is missing"),
    "no such language": ({"LANG": "PQL"}, "LANG is one of ADQL"),
    "no such request": ({"REQUEST": "getCapabilities"}, "REQUEST is doQuery"),
    "no such format": ({"RESPONSEFORMAT": "fits"}, "no format 'fits'"),
    "no number of rows": ({"MAXREC": "-1"}, "MAXREC is a whole number"),
    "an upload": ({"UPLOAD": "t,http://example.org/t.vot"}, "cannot be uploaded"),
    "no ADQL": ({"QUERY": "SELECT 1 +\nFROM stations"}, "no ADQL"),
    "no table": ({"QUERY": "SELECT * FROM nothing"}, "line 1, column 15, at: nothing"),
    "no column": ({"QUERY": "SELECT\n  nothing FROM stations"}, "line 2, column 3, at: nothing"),
    "a value that is none": (
        {"QUERY": "SELECT CAST(station_code AS INTEGER) FROM stations"}, "Could not convert",
    ),
    "working tables": ({"QUERY": "SELECT * FROM dead_letters"}, "no table"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_answered_is_told_in_a_votable(server: Server, what: str) -> None:
    given, said = BAD[what]
    parameters = {"QUERY": "SELECT 1 FROM stations", **given}
    reply = server.get("/tap/sync", {k: v for k, v in parameters.items() if v is not None})
    assert reply.status == 400
    assert said in failure(reply)


def test_other_errors_are_votables_too(server: Server) -> None:
    assert failure(server.get("/tap/nothing"))
    assert server.get("/tap/nothing").status == 404
    reply = server.get("/tap/capabilities", method="DELETE")
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert failure(reply)
    assert post(server, "/tap/sync", b"QUERY=" + b"x" * 1_100_000).status == 413
    assert post(server, "/tap/sync", b"QUERY=%ff%fe").status == 400
    assert post(server, "/tap/sync", b"x", kind="multipart/form-data").status == 400


def test_a_query_that_takes_too_long_ends_and_says_what_to_do(server: Server) -> None:
    endless = (
        "SELECT COUNT(*) FROM trajectories AS a, trajectories AS b, trajectories AS c, "
        "trajectories AS d WHERE a.vgeo_km_s + b.vgeo_km_s + c.vgeo_km_s + d.vgeo_km_s = 1"
    )
    reply = ask(server, endless)
    assert reply.status == 400
    assert "/tap/async" in failure(reply)


def test_a_query_cannot_write_or_look_elsewhere(server: Server, lake: Settings) -> None:
    before = fingerprints(lake)
    folder = lake.warehouse_dir
    for what, sql in (*STATEMENTS.items(), *SELECTS.items()):
        adql = sql.format(lake=folder, catalog=folder / "catalog.sqlite")
        reply = post(server, "/tap/sync", {"QUERY": adql, "LANG": "ADQL"})
        assert reply.status in (200, 400), (what, reply.body)
        assert b"root:" not in reply.body, what
        assert reply.status == 400 or len(rows(reply)) < 600, what
    assert fingerprints(lake) == before


def test_no_job_can_either(server: Server, lake: Settings) -> None:
    before = fingerprints(lake)
    for adql in ("DELETE FROM trajectories", "SELECT * FROM read_text('/etc/passwd')",
                 "SELECT * FROM dead_letters"):  # fmt: skip
        reply = post(server, "/tap/async", {"QUERY": adql, "PHASE": "RUN"})
        job = reply.headers["Location"].removeprefix(server.url)
        server.wait_for(lambda job=job: server.get(f"{job}/phase").body == b"ERROR")
        assert server.get(f"{job}/results/result").status == 404
        post(server, job, b"", method="DELETE")
    assert fingerprints(lake) == before


def test_no_xml_can_be_put_in_by_a_query(server: Server) -> None:
    evil = "]]></INFO><script>&\x01"
    for reply in (
        ask(server, f"SELECT '{evil}' AS x FROM stations", MAXREC=1),
        ask(server, f'SELECT 1 AS "{evil}" FROM stations', MAXREC=1),
        ask(server, f"SELECT {evil}"),
    ):
        ET.fromstring(reply.body)
        assert b"<script" not in reply.body


def test_an_answer_is_compressed_for_whom_takes_that(server: Server) -> None:
    plain = ask(server, "SELECT * FROM trajectories")
    asked = "/tap/sync?LANG=ADQL&QUERY=SELECT+*+FROM+trajectories"
    packed = server.get(asked, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert rows(packed) == rows(plain)


# What it says of itself --------------------------------------------------------------------------


def test_tables_tell_of_themselves(server: Server) -> None:
    found = rows(ask(server, "SELECT table_name, column_name FROM TAP_SCHEMA.columns"))
    assert set(found) == {
        (one.full_name, tap_schema.spelt(field.name))
        for one in CATALOGUE.relations
        for field in one.fields
    }
    assert rows(
        ask(server, "SELECT COUNT(*) AS n FROM tap_schema.tables AS t JOIN tap_schema.columns AS "
            "c ON t.table_name = c.table_name WHERE t.table_name = 'gmn_epn.epn_core'")
    ) == [(len(epn_core.RELATION.fields),)]  # fmt: skip


def test_keys_name_tables_and_columns_that_there_are() -> None:
    columns = {(one.full_name, field.name) for one in CATALOGUE.relations for field in one.fields}
    for key in tap_schema.KEYS:
        for begin, end in key.columns:
            assert (key.from_table, begin) in columns
            assert (key.target_table, end) in columns


RESERVED = words("""
    ABS ACOS ADD ALL ALTER AND ANY AREA AS ASC ASIN AT ATAN ATAN2 AVG BEGIN BETWEEN BIT BOTH BOX
    BY CASE CAST CATALOG CEILING CENTROID CHAR CHARACTER CHECK CIRCLE CLOSE COALESCE COLUMN COMMIT
    CONNECT CONTAINS CONTINUE CONVERT COORD1 COORD2 COORDSYS COS COUNT CREATE CROSS CURRENT CURSOR
    DATE DAY DEC DECIMAL DECLARE DEFAULT DEGREES DELETE DESC DISTANCE DISTINCT DOMAIN DOUBLE DROP
    ELSE END ESCAPE EXCEPT EXEC EXECUTE EXISTS EXP EXTRACT FALSE FETCH FIRST FLOAT FLOOR FOR
    FOREIGN FOUND FROM FULL GET GLOBAL GO GRANT GROUP HAVING HOUR IN INNER INPUT INSERT INT
    INTEGER INTERSECT INTERSECTS INTERVAL INTO IS JOIN KEY LANGUAGE LAST LEADING LEFT LEVEL LIKE
    LOCAL LOG LOG10 LOWER MATCH MAX MIN MINUTE MOD MODULE MONTH NAMES NATIONAL NATURAL NCHAR NEXT
    NO NOT NULL NULLIF NUMERIC OF OFFSET ON ONLY OPEN OPTION OR ORDER OUTER OUTPUT PI POINT
    POLYGON POSITION POWER PRECISION PREPARE PRIMARY PRIOR PUBLIC RADIANS RAND READ REAL REGION
    RELATIVE RESTRICT REVOKE RIGHT ROUND ROWS SCHEMA SCROLL SECOND SECTION SELECT SESSION SET SIN
    SIZE SMALLINT SOME SPACE SQL SQRT SUBSTRING SUM TABLE TAN TEMPORARY THEN TIME TIMESTAMP TO TOP
    TRAILING TRANSACTION TRANSLATE TRIM TRUE TRUNCATE UNION UNIQUE UNKNOWN UPDATE UPPER USAGE USER
    USING VALUE VALUES VARCHAR VARYING VIEW WHEN WHENEVER WHERE WITH WORK WRITE YEAR ZONE
""")


def test_words_of_the_language_are_quoted_where_they_name_columns() -> None:
    # DEC is one in SQL; EPN-TAP calls a column so all the same, and its clients write it bare.
    for one in CATALOGUE.relations:
        for field in one.fields:
            is_word = field.name.upper() in {*RESERVED} - {"DEC"}
            assert tap_schema.spelt(field.name).startswith('"') is is_word, field.name


@pytest.mark.parametrize("path", ["capabilities", "availability", "tables", "examples"])
def test_documents_are_xml(server: Server, path: str) -> None:
    reply = server.get(f"/tap/{path}")
    assert reply.status == 200
    ET.fromstring(reply.body)
    if path == "capabilities":
        assert f'<accessURL use="base">{server.url}/tap</accessURL>'.encode() in reply.body
        assert b"uploadMethod" not in reply.body


def test_without_a_lake_it_says_so_and_still_tells_what_there_would_be(tmp_path: Path) -> None:
    with serving(Bench(tmp_path).settings) as server:
        assert b"<vosi:available>false<" in server.get("/tap/availability").body
        assert server.get("/tap/tables").status == 200
        reply = ask(server, "SELECT 1 FROM stations")
        assert (reply.status, reply.headers["Retry-After"]) == (503, "2")
        assert "no warehouse yet" in failure(reply)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_can_be_asked(server: Server, number: int) -> None:
    assert ask(server, EXAMPLES[number][1]).status == 200


# EPN-TAP -----------------------------------------------------------------------------------------

EPN_COLUMNS = words("""
    granule_uid granule_gid obs_id dataproduct_type measurement_type processing_level target_name
    target_class time_min time_max time_sampling_step_min time_sampling_step_max time_exp_min
    time_exp_max spectral_range_min spectral_range_max spectral_sampling_step_min
    spectral_sampling_step_max spectral_resolution_min spectral_resolution_max c1min c1max c2min
    c2max c3min c3max s_region c1_resol_min c1_resol_max c2_resol_min c2_resol_max c3_resol_min
    c3_resol_max spatial_frame_type incidence_min incidence_max emergence_min emergence_max
    phase_min phase_max instrument_host_name instrument_name service_title creation_date
    modification_date release_date
""")
NEVER_NULL = words("""
    granule_uid granule_gid obs_id dataproduct_type processing_level target_class
    spatial_frame_type service_title creation_date modification_date release_date
""")


def test_it_has_the_columns_of_the_standard() -> None:
    assert tuple(column.name for column in epn_core.MANDATORY) == EPN_COLUMNS
    assert epn_core.RELATION.utype == "ivo://ivoa.net/std/epntap#table-2.0"
    assert epn_core.RELATION.full_name == "gmn_epn.epn_core"


@pytest.fixture(scope="module")
def granules(server: Server) -> list[dict[str, object]]:
    reply = ask(server, "SELECT * FROM gmn_epn.epn_core")
    names = list(fields(reply))
    assert tuple(names[: len(EPN_COLUMNS)]) == EPN_COLUMNS
    assert fields(reply)["s_region"]["xtype"] == "adql:REGION"
    return [dict(zip(names, row, strict=True)) for row in rows(reply)]


def test_each_trajectory_is_one_granule(granules: list[dict[str, object]], lake: Settings) -> None:
    assert len({one["granule_uid"] for one in granules}) == len(granules) == 534
    for one in granules:
        assert all(one[name] not in (None, "") for name in NEVER_NULL)
        assert one["dataproduct_type"] == "ci"
        assert one["target_class"] == "interplanetary_medium"
        assert one["processing_level"] == 5


def test_values_are_as_the_standard_wants_them(granules: list[dict[str, object]]) -> None:
    for one in granules:
        assert 0 <= one["c1min"] < 360  # type: ignore[operator]
        assert 0 <= one["c1max"] < 360  # type: ignore[operator]
        # From west to east, also over the prime meridian: a track is short.
        assert (one["c1max"] - one["c1min"]) % 360 < 20  # type: ignore[operator]
        for name in ("c2", "c3", "time_", "c1_resol_", "c2_resol_", "c3_resol_"):
            low, high = one[f"{name}min"], one[f"{name}max"]
            assert (low is None) == (high is None)
            assert low is None or low <= high  # type: ignore[operator]
        assert 2_456_000 < one["time_min"] <= one["time_max"] < 2_489_000  # type: ignore[operator]
        for name, value in one.items():
            if isinstance(value, str):
                assert "'" not in value, name
                assert '"' not in value, name
                assert value == value.strip(), name
                if name not in ("measurement_type", "instrument_host_name", "instrument_name",
                                "event_type"):  # fmt: skip
                    assert "#" not in value, name
        for kind in str(one["event_type"] or "").split("#"):
            assert kind in ("", "meteor_shower", "fireball")


def test_they_are_those_of_the_trajectory(
    granules: list[dict[str, object]], lake: Settings
) -> None:
    sql = "SELECT * FROM trajectories LEFT JOIN iau_showers USING (iau_shower_number)"
    (batch, *more) = ask_lake(lake, sql)
    known = {row["trajectory_identifier"]: row for one in (batch, *more) for row in one.to_pylist()}
    for one in granules:
        row = known[one["granule_uid"]]
        ends = [(row[f"{end}_longitude_deg"], row[f"{end}_latitude_deg"], row[f"{end}_height_km"])
                for end in ("begin", "end")]  # fmt: skip
        assert {one["c1min"], one["c1max"]} == {
            longitude + 360 if longitude < 0 else longitude for longitude, _, _ in ends
        }
        latitudes = sorted(planetocentric(latitude, height) for _, latitude, height in ends)
        assert [one["c2min"], one["c2max"]] == pytest.approx(latitudes, abs=1e-9)
        assert [one["c3min"], one["c3max"]] == sorted(height for _, _, height in ends)
        assert (one["ra"], one["dec"]) == (row["rageo_deg"], row["decgeo_deg"])
        assert one["time_min"] == row["beginning_julian_date"]
        is_sporadic = row["iau_shower_number"] == -1
        assert (one["alt_target_name"] or None) == (None if is_sporadic else row["iau_shower_code"])
        assert ("meteor_shower" in str(one["event_type"])) is not is_sporadic
        assert str(one["instrument_host_name"]).split("#") == row["participating_stations"]


def planetocentric(latitude: float, height_km: float) -> float:
    """Through coordinates in space, of the ellipsoid's own definition."""
    a, b = 6_378.137, 6_356.752314245179
    phi = math.radians(latitude)
    n = a**2 / math.sqrt(a**2 * math.cos(phi) ** 2 + b**2 * math.sin(phi) ** 2)
    x, z = (n + height_km) * math.cos(phi), (b**2 / a**2 * n + height_km) * math.sin(phi)
    return math.degrees(math.atan2(z, x))


TRACKS = {
    "eastward": ((10.0, 10.2), (10.0, 10.2)),
    "westward": ((10.2, 10.0), (10.0, 10.2)),
    "eastward over the prime meridian": ((-0.1, 0.2), (359.9, 0.2)),
    "westward over the prime meridian": ((0.2, -0.1), (359.9, 0.2)),
    "eastward over the date line": ((179.9, -179.8), (179.9, 180.2)),
    "westward over the date line": ((-179.8, 179.9), (179.9, 180.2)),
    "due north": ((5.0, 5.0), (5.0, 5.0)),
}
"""Longitudes of beginning and end -> c1min, c1max."""


@pytest.fixture(scope="module")
def one_meteor(lake: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with one row of each table that granules are made of."""
    with duckdb.connect() as connection:
        for name in ("trajectories", "iau_showers"):
            (batch,) = ask_lake(lake, f"SELECT * FROM {name} LIMIT 1")
            connection.register(f"one_{name}", batch)
            connection.execute(f"CREATE TABLE {name} AS FROM one_{name}")
        yield connection


@pytest.mark.parametrize("track", TRACKS)
def test_a_track_goes_from_its_western_end_to_its_eastern_one(
    one_meteor: duckdb.DuckDBPyConnection, track: str
) -> None:
    ends, wanted = TRACKS[track]
    one_meteor.execute(
        "UPDATE trajectories SET begin_longitude_deg = ?, end_longitude_deg = ?", list(ends)
    )
    sql = f"SELECT c1min, c1max FROM {epn_core.RELATION.source}"
    assert one_meteor.execute(sql).fetchone() == pytest.approx(wanted)


def test_portals_ask_as_the_standard_shows(server: Server) -> None:
    # Times as texts, as its examples have them.
    assert rows(ask(server, "SELECT COUNT(*) AS n FROM gmn_epn.epn_core WHERE time_min > "
                    "'2459000.5' AND time_max < '2460000.5'")) == [(534,)]  # fmt: skip
    body = "((c1min <= c1max AND c1min <= 200.0 AND c1max >= 100.0) OR (c1min > c1max AND " \
        "(c1min <= 200.0 OR c1max >= 100.0))) AND c2max >= -20.0 AND c2min <= 20.0 AND " \
        "spatial_frame_type = 'body'"  # fmt: skip
    assert ask(server, f"SELECT * FROM gmn_epn.epn_core WHERE {body}").status == 200
    kinds = "ivo_hashlist_has(dataproduct_type, 'ci') = 1 AND ivo_hashlist_has(target_class, " \
        "'INTERPLANETARY_MEDIUM') = 1"  # fmt: skip
    assert rows(ask(server, f"SELECT COUNT(*) AS n FROM epn_core WHERE {kinds}")) == [(534,)]
    service = "SELECT schema_name, table_name FROM tap_schema.tables WHERE utype = " \
        "'ivo://ivoa.net/std/epntap#table-2.0' OR schema_name = 'gmn_epn'"  # fmt: skip
    assert rows(ask(server, service)) == [("gmn_epn", "gmn_epn.epn_core")]
    former = "SELECT COUNT(gmn.epn_core.ra) AS n FROM gmn.epn_core"
    assert rows(ask(server, former)) == [(534,)]
