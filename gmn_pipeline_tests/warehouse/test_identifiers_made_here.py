"""Identifiers made here for files of the former format: the network's own take over."""

from datetime import date
from pathlib import Path

import pytest

from gmn_pipeline.flows.trajectory_days import load_days
from gmn_pipeline_tests.support.sample import Bench, Summary, sample, when_fields
from gmn_pipeline_tests.support.warehouse import ask

FORMER_DAY = date(2021, 8, 12)
FORMER_NAME = "daily/traj_summary_20210812_solrange_140.0-141.0.txt"


def former_format() -> bytes:
    """Three rows of a real file of 2021, without identifiers."""
    folder = Path(__file__).parents[1] / "cases" / "former_format"
    return (folder / FORMER_NAME).read_bytes()


def same_events(bench: Bench, generated_at: str) -> Summary:
    """The events that are loaded, as a file of today's format has them."""
    events = ask(
        bench.settings,
        "SELECT beginning_utc_time, array_to_string(participating_stations, ','), station_count "
        "FROM trajectories ORDER BY trajectory_identifier",
    )
    made = sample().first(len(events)).stamped(generated_at)
    for number, (when, stations, count_) in enumerate(events):
        made = made.with_fields(
            number, **when_fields(when, number), participating_stations=f" {stations}",
            station_count=f"  {count_}", solar_longitude_deg="  140.500000",
        )  # fmt: skip
    return made


@pytest.mark.parametrize("generated_at", ["2023-01-01 00:00:00.0", "2020-01-01 00:00:00.0"])
def test_the_networks_identifier_takes_over_from_one_made_here(
    bench: Bench, tmp_path: Path, generated_at: str
) -> None:
    bench.put(FORMER_NAME, former_format())
    load_days([FORMER_DAY], bench.settings)
    today = same_events(bench, generated_at)
    networks = sorted(row[0] for row in today.rows)
    (tmp_path / "other").mkdir()
    other = Bench(tmp_path / "other")
    # Whichever comes first: a file of the former format may be the newer one.
    for one, files in ((bench, [today]), (other, [today, former_format()])):
        for content in files:
            one.put(FORMER_NAME, content)
            load_days([FORMER_DAY], one.settings)
    rows = "SELECT trajectory_identifier FROM trajectories ORDER BY 1"
    assert ask(other.settings, rows) == [(name,) for name in networks]
    if generated_at > "2021-08-22":
        assert ask(bench.settings, rows) == [(name,) for name in networks]
