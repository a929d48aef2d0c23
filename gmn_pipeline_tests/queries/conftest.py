"""A warehouse that more than one file of tests asks."""

from collections.abc import Iterator

import duckdb
import pytest

from gmn_pipeline_tests.support.asked import Asked, one
from gmn_pipeline_tests.support.perseids import Loaded, load_perseids


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The Perseids of a year in two generations, with one event under two identifiers."""
    return load_perseids(tmp_path_factory.mktemp("perseids"))


@pytest.fixture(scope="module")
def file(archive: Loaded) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(archive.database, read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@pytest.fixture(scope="module")
def example(file: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Values of the parameters that have no default."""
    identifier, beginning, latitude, longitude = one(
        file,
        "SELECT trajectory_identifier, beginning_utc_time, begin_latitude_deg, begin_longitude_deg "
        "FROM trajectories WHERE iau_shower_code = 'PER' AND revision = 2 ORDER BY 1 LIMIT 1",
    )
    by_rows = "GROUP BY 1 ORDER BY count(*) DESC, 1"
    (station,) = one(file, f"SELECT station_code FROM trajectory_stations {by_rows}")
    (first_load,) = one(file, "SELECT min(first_loaded_at_utc) FROM trajectories")
    return {
        "trajectory": identifier, "station": station, "time": beginning.isoformat(),
        "latitude_deg": str(latitude), "longitude_deg": str(longitude),
        "since": first_load.isoformat(), "country": station[:2], "date": "2022-08-12",
    }  # fmt: skip


@pytest.fixture(scope="module")
def ask(file: duckdb.DuckDBPyConnection, example: dict[str, str]) -> Asked:
    return Asked(file, example)
