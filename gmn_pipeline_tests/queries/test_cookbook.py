"""Every query of docs/cookbook.md answers, and what it answers is plausible.

On an archive whose showers have known radiants, drifts and days (`support/archive`), and on
the network's own sample, with a second generation of each.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline.releases.snapshot import make_snapshot
from gmn_pipeline.settings import load_settings
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline_tests.support.perseids import KAPPA_CYGNIDS, Loaded, with_showers_but
from gmn_pipeline_tests.support.sample import DAILY, DAY, Bench, sample

PAGE = Path(__file__).parents[2] / "docs" / "cookbook.md"
OLD_CLIENT = Path(sys.prefix) / "duckdb-1.1"
SHOWER = "'PER'"


def recipes() -> dict[str, list[str]]:
    """Heading -> its queries, in the order of the page."""
    found: dict[str, list[str]] = {}
    heading = ""
    for head, query in re.findall(r"^## (.*?)$|```sql\n(.*?);\n```", PAGE.read_text("utf-8"),
                                  re.DOTALL | re.MULTILINE):  # fmt: skip
        if head:
            heading = head
        else:
            found.setdefault(heading, []).append(query)
    return found


def asked(
    loaded: Loaded, connection: duckdb.DuckDBPyConnection, heading: str
) -> list[pl.DataFrame]:
    return [
        connection.execute(query.replace(SHOWER, f"'{loaded.shower}'")).pl()
        for query in recipes()[heading]
    ]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The network's sample, and a later generation of it: a row gone, one other, one twice."""
    bench = Bench(tmp_path_factory.mktemp("real"))
    bench.put(DAILY, sample())
    assert not load_days([DAY], bench.settings).failed
    later = sample().stamped("2022-03-17 00:00:00").with_fields(3, vgeo_km_s="  33.33333")
    twin = (later.rows[7][0][:15] + "Twin1", *later.rows[7][1:])
    bench.put(DAILY, type(later)(later.generated, later.head, (*later.rows[1:], twin)))
    assert not load_days([DAY], bench.settings).failed
    warehouse = WarehouseConnection(bench.settings)
    with warehouse.open(read_only=True) as connection:
        ((number, shower), *_, (rare, _)) = connection.execute(
            "SELECT iau_shower_number, iau_shower_code FROM trajectories "
            "WHERE iau_shower_number <> -1 GROUP BY ALL ORDER BY count(*) DESC"
        ).fetchall()
    assert number != rare
    with_showers_but(rare, warehouse)
    make_snapshot(bench.settings)
    return Loaded(bench.settings.data_dir, shower, twins=(sample().rows[7][0], twin[0]))


def test_the_page_has_recipes_and_each_has_its_check() -> None:
    assert set(recipes()) == set(CHECKS)


@pytest.mark.parametrize("heading", recipes())
def test_a_recipe_answers_what_the_archive_was_made_with(archive: Loaded, heading: str) -> None:
    with duckdb.connect(archive.database, read_only=True) as connection:
        answers = asked(archive, connection, heading)
    assert all(answer.height for answer in answers)
    CHECKS[heading](answers, archive)


@pytest.mark.parametrize("heading", recipes())
def test_a_recipe_answers_on_the_networks_sample(real: Loaded, heading: str) -> None:
    with duckdb.connect(real.database, read_only=True) as connection:
        answers = asked(real, connection, heading)
    assert all(answer.height for answer in answers)
    if heading in FOR_ANY_DATA:
        CHECKS[heading](answers, real)


def test_the_recipes_answer_the_same_in_the_warehouse_itself(archive: Loaded) -> None:
    warehouse = WarehouseConnection(load_settings(data_dir=archive.folder))
    with (
        warehouse.open(read_only=True) as lake,
        duckdb.connect(archive.database, read_only=True) as file,
    ):
        for heading in recipes():
            for one, other in zip(
                asked(archive, lake, heading), asked(archive, file, heading), strict=True
            ):
                assert one.equals(other), heading


@pytest.mark.skipif(not OLD_CLIENT.is_dir(), reason="DuckDB 1.1 is not installed beside")
def test_the_recipes_work_in_duckdb_1_1(archive: Loaded) -> None:
    script = (
        "import duckdb, sys\n"
        "assert duckdb.__version__.startswith('1.1.')\n"
        "c = duckdb.connect(sys.argv[1], read_only=True)\n"
        "print(*(len(c.execute(query).fetchall()) for query in sys.argv[2:]))"
    )
    queries = [query for queries in recipes().values() for query in queries]
    done = subprocess.run(
        [sys.executable, "-c", script, archive.database, *queries], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(OLD_CLIENT)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert all(int(rows) > 0 for rows in done.stdout.split())
    assert len(done.stdout.split()) == len(queries)


def test_the_python_of_the_page_runs(archive: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(archive.database).parent)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    assert len(names["frame"]) > 1_000  # type: ignore[arg-type]


@pytest.mark.parametrize("page", ["analysts.md", "quality.md"])
def test_the_queries_of_other_pages_run(archive: Loaded, page: str) -> None:
    text = (PAGE.parent / page).read_text("utf-8")
    queries = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    assert queries
    with duckdb.connect(archive.database, read_only=True) as connection:
        for query in queries:
            for statement in connection.extract_statements(query):
                connection.execute(statement)


# What is plausible --------------------------------------------------------------------------------

Answers = list[pl.DataFrame]


def activity(answers: Answers, loaded: Loaded) -> None:
    (profile,) = answers
    peak = profile.sort("shower")["solar_longitude_from_deg"][-1]
    assert peak in (138, 139, 140, 141)  # made to peak at 140
    of_shower = "SELECT count(*) FROM trajectories WHERE iau_shower_code = 'PER'"
    assert profile["shower"].sum() == loaded.value(of_shower)
    assert (profile["ratio_error"] > 0).all()


def drift(answers: Answers, loaded: Loaded) -> None:
    (line,) = answers[0].to_dicts()
    # Made with 48.2 + 1.4 and 58.1 + 0.26 deg a degree from 140 deg on.
    assert line["ra_drift_deg_per_deg"] == pytest.approx(1.4, abs=0.15)
    assert line["dec_drift_deg_per_deg"] == pytest.approx(0.26, abs=0.05)
    at = 48.2 + 1.4 * (line["at_solar_longitude_deg"] - 140)
    assert line["ra_deg"] == pytest.approx(at, abs=0.5)
    assert line["dec_deg"] == pytest.approx(58.1, abs=0.5)
    assert 0 < line["ra_drift_error"] < 0.1
    assert 0 < line["dec_drift_error"] < 0.1


def sky(answers: Answers, loaded: Loaded) -> None:
    (fields,) = answers
    sporadic = "SELECT count(*) FROM trajectories WHERE iau_shower_number = -1"
    assert fields["trajectories"].sum() == loaded.value(sporadic)
    assert fields["sun_centred_longitude_from_deg"].is_between(0, 355).all()
    assert fields["latitude_from_deg"].is_between(-90, 90).all()
    near = pl.col("sun_centred_longitude_from_deg").is_between(170, 295)
    # Antihelion and apex: most of what cameras see at night comes from there.
    assert fields.filter(near)["trajectories"].sum() > 0.6 * fields["trajectories"].sum()


def heights(answers: Answers, loaded: Loaded) -> None:
    (by_speed,) = answers
    common = by_speed.filter(pl.col("trajectories") > 30)
    rising = common["begin_height_km"].diff().drop_nulls()
    assert (rising > -2).all()
    assert common["begin_height_km"][-1] > common["begin_height_km"][0] + 5
    order = (pl.col("begin_height_km") > pl.col("peak_height_km")) & (
        pl.col("peak_height_km") > pl.col("end_height_km")
    )
    assert common.select(order.all()).item()


def yields(answers: Answers, loaded: Loaded) -> None:
    (nights,) = answers
    assert nights["trajectories"].sum() == loaded.value("SELECT count(*) FROM trajectories")
    assert (nights["of_showers"] <= nights["trajectories"]).all()
    assert (nights["median_stations_of_one"] >= 2).all()
    most = loaded.value("SELECT count(*) FROM stations")
    assert nights["stations"].is_between(2, most).all()


def brightest(answers: Answers, loaded: Loaded) -> None:
    (meteors,) = answers
    of_night = meteors.group_by("bin_date").agg(pl.len(), pl.col("magnitude").min())
    assert (of_night["len"] == 3).all()
    best = loaded.value("SELECT min(peak_absolute_magnitude) FROM trajectories")
    assert of_night["magnitude"].min() == best


def pairs(answers: Answers, loaded: Loaded) -> None:
    (found,) = answers
    first = found.row(0, named=True)
    together = (
        "SELECT count(*) FROM trajectories WHERE list_has_all(participating_stations, "
        f"['{first['station']}', '{first['partner']}'])"
    )
    assert first["trajectories"] == loaded.value(together)
    assert (found["of_these_two_alone"] <= found["trajectories"]).all()
    assert found["trajectories"].is_sorted(descending=True)


def orbits(answers: Answers, loaded: Loaded) -> None:
    near, like_one, radiants = answers
    assert (near["iau_shower_code"] == "PER").all()
    assert near["d_sh"].is_sorted()
    assert near["d_sh"].max() < 0.1
    assert near["d_j"].max() < 0.1
    assert near["d_d"].max() < 0.05
    assert (like_one["iau_shower_code"] == "PER").mean() > 0.8
    assert radiants["distance_deg"].max() <= 3
    assert (radiants["iau_shower_code"] == "PER").mean() > 0.8


def hyperbolic(answers: Answers, loaded: Loaded) -> None:
    (shares,) = answers
    flagged = "SELECT count(*) FROM trajectories WHERE has_flag(quality_flags, 'hyperbolic')"
    assert shares["hyperbolic"].sum() == loaded.value(flagged)
    assert shares["share"].is_between(0, 0.25).all()
    assert shares["share_error"].is_between(0, 0.1).all()
    assert (shares["beyond_three_sigma"] <= shares["hyperbolic"]).all()


def flags(answers: Answers, loaded: Loaded) -> None:
    by_flag, sound = answers
    marked = by_flag.filter(pl.col("flag_name") == "hyperbolic")["trajectories"].item()
    assert marked == loaded.value("SELECT count(*) FROM trajectories WHERE eccentricity > 1")
    every = loaded.value("SELECT count(*) FROM trajectories")
    assert 0.5 * every < sound["sound"].item() <= every


def changes(answers: Answers, loaded: Loaded) -> None:
    summary, states, then = answers
    counts = dict(summary.iter_rows())
    assert counts["new"] == then["trajectories"].sum()
    assert states.height == counts["revised"] + counts["withdrawn"]
    moved = states.filter(pl.col("change") == "revised")
    assert moved["radiant_moved_by_deg"].is_between(0, 5).all()
    gone = states.filter(pl.col("change") == "withdrawn")
    assert gone["vgeo_changed_by_km_s"].is_null().all()
    if loaded.truth:
        assert counts["withdrawn"] == loaded.truth.total("withdrawn")
        assert counts["revised"] >= loaded.truth.total("resolved")
    else:
        assert (counts["revised"], counts["withdrawn"]) == (1, 1)


def twice(answers: Answers, loaded: Loaded) -> None:
    (found,) = answers
    pairs = {tuple(sorted(pair)) for pair in found.select(pl.nth(0, 1)).iter_rows()}
    assert tuple(sorted(loaded.twins)) in pairs
    assert len(pairs) == found.height < 5


def unknown(answers: Answers, loaded: Loaded) -> None:
    assert answers[0]["iau_shower_number"].to_list() == [KAPPA_CYGNIDS]


CHECKS: dict[str, Callable[[Answers, Loaded], None]] = {
    "When is a shower active?": activity,
    "How does a radiant drift?": drift,
    "Where on the sky do sporadic meteors come from?": sky,
    "How do heights go with speed?": heights,
    "How much did each night yield?": yields,
    "Which were the brightest meteors of each night?": brightest,
    "Which stations work together?": pairs,
    "Which orbits are near a given orbit?": orbits,
    "How many orbits are hyperbolic?": hyperbolic,
    "What is odd about the data?": flags,
    "What has changed since I last looked?": changes,
    "Which meteors are there twice?": twice,
    "Which showers does the IAU list not know?": unknown,
}
FOR_ANY_DATA = {
    heading for heading, check in CHECKS.items() if check not in (activity, drift, orbits, unknown)
}
"""Where the check asks for nothing that only the archive has."""
