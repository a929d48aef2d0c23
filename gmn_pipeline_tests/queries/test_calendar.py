"""The calendar says of each date what became of it: also of those of which nothing came."""

from datetime import date

import duckdb

from gmn_pipeline.queries.canned.catalogue import canned_query

FILES = [
    # date, solar longitude, outcome, revised, withdrawn, rejected
    ("2025-03-17", 357, "loaded", 0, 0, 0),
    ("2025-03-18", 358, "loaded", 0, 0, 2),
    ("2025-03-19", 359, "loaded", 0, 0, 0),
    ("2025-03-19", 359, "loaded", 3, 0, 0),
    ("2025-03-19", 359, "older_than_loaded", 0, 0, 9),
    # No bin begins on the 20th, and the circle begins anew.
    ("2025-03-21", 0, "loaded", 0, 1, 0),
    # That of the 22nd has not come.
    ("2025-03-23", 2, "loaded", 0, 0, 0),
    # Two bins begin on this date, none on the next one.
    ("2025-03-24", 3, "loaded", 0, 0, 0),
    ("2025-03-24", 4, "loaded", 0, 0, 0),
    ("2025-03-26", 5, "loaded", 0, 0, 0),
]


def states(**given: str) -> list[tuple[str, str, int]]:
    query = canned_query("calendar")
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE source_files (bin_date DATE, bin_solar_longitude_deg INTEGER, "
            "outcome VARCHAR, rows_revised INTEGER, rows_withdrawn INTEGER, rows_rejected INTEGER, "
            "rows_inserted INTEGER DEFAULT 1, loaded_at_utc TIMESTAMP DEFAULT '2025-04-01')"
        )
        connection.executemany(
            "INSERT INTO source_files (bin_date, bin_solar_longitude_deg, outcome, rows_revised, "
            "rows_withdrawn, rows_rejected) VALUES (?, ?, ?, ?, ?, ?)",
            FILES,
        )
        connection.execute("CREATE TABLE trajectories AS SELECT DATE '2025-03-17' AS bin_date")
        rows = connection.execute(query.sql, query.values(given)).fetchall()
    return [(when.isoformat()[5:], state, files) for when, state, _, files, *_ in rows]


def test_each_date_has_its_state() -> None:
    assert states() == [
        ("03-17", "loaded", 1),
        ("03-18", "with rejected rows", 1),
        ("03-19", "revised", 2),
        ("03-20", "no bin", 0),
        ("03-21", "revised", 1),
        ("03-22", "missing", 0),
        ("03-23", "loaded", 1),
        ("03-24", "loaded", 2),
        ("03-25", "no bin", 0),
        ("03-26", "loaded", 1),
    ]


def test_a_part_of_it_is_as_it_is_in_the_whole() -> None:
    some = states(since="2025-03-20", until=date(2025, 3, 22).isoformat())
    assert some == states()[3:6]
