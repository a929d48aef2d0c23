"""What is given to ready questions, rightly and wrongly, and the command that takes it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from gmn_pipeline.cli.query import given
from gmn_pipeline.errors import QueryRefused
from gmn_pipeline.queries.canned.catalogue import (
    canned_query,
    names,
    parse,
)
from gmn_pipeline_tests.support.perseids import Loaded


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("near_orbit", {"q": "1"}, "has no parameter q. It takes q_au, e,"),
        ("near_orbit", {"q_au": "one"}, "q_au is to be a number, not 'one'"),
        ("near_orbit", {"q_au": "nan"}, "q_au is to be a number"),
        ("near_orbit", {"below": "0"}, "below is to be a number above 0"),
        ("near_orbit", {"criterion": "d"}, "criterion is to be one of d_sh, d_d, d_j"),
        ("station_nights", {}, "station_nights needs station"),
        ("nights", {"since": "yesterday"}, "since is to be a date such as"),
        ("changes_since", {"since": "25:00"}, "since is to be a time"),
        ("newest_trajectories", {"count": "1.5"}, "count is to be a whole number"),
        ("low_perihelion", {"sporadic_only": "maybe"}, "sporadic_only is to be true or false"),
    ],
)
def test_what_is_given_wrongly_is_told(name: str, parameters: dict[str, str], message: str) -> None:
    with pytest.raises(QueryRefused, match=re.escape(message)):
        canned_query(name).values(parameters)


@pytest.mark.parametrize("name", ["near_orbi", "../secret", "", "near_orbit.sql"])
def test_a_name_of_no_query_is_refused(name: str) -> None:
    with pytest.raises(QueryRefused, match="There is no query"):
        canned_query(name)


@pytest.mark.parametrize(
    "head",
    [
        "-- title: T\n",
        "-- title: T\n-- description: D.\n-- something: else\n",
        "-- title: T\n-- description: D.\n-- parameter: p | text | 1 | meaning\n",
        "-- title: T\n-- description: D.\n-- parameter: p | words | 1 | | meaning\n",
        "-- title: T\n-- description: D.\n-- parameter: p | choice | 1 | | meaning\n",
    ],
)
def test_a_head_that_is_none_is_an_error(head: str) -> None:
    with pytest.raises(ValueError, match=r"q\.sql"):
        parse("q", f"{head}SELECT 1")


def test_the_command_takes_parameters_in_both_ways_of_writing() -> None:
    assert given(["--shower", "PER", "--step-deg=0.5", "--e", "-1"]) == {
        "shower": "PER", "step_deg": "0.5", "e": "-1",
    }  # fmt: skip
    for wrong in (["PER"], ["--shower"], ["--a", "1", "--a", "2"], ["--"]):
        with pytest.raises(typer.BadParameter):
            given(wrong)


def test_the_command_asks_and_lists(archive: Loaded) -> None:
    gmn = Path(sys.executable).parent / "gmn"
    environment = {**os.environ, "GMN_DATA_DIR": str(archive.folder)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [gmn, "query", *arguments], capture_output=True, text=True, env=environment, check=False
        )

    rows = run("near_orbit", "--below", "0.05", "--criterion=d_d", "--format", "csv").stdout
    assert rows.startswith("trajectory_identifier,")
    assert ",PER," in rows
    listed = run().stdout
    assert all(name in listed for name in names())
    about = run("near_orbit", "--about").stdout
    assert "--criterion (d_sh or d_d or d_j, default d_sh)" in about
    wrong = run("near_orbit", "--nonsense", "1")
    assert wrong.returncode == 1
    assert "has no parameter nonsense" in wrong.stderr
