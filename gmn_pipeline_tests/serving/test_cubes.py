"""Cubes: each count beside one that is made row by row, whatever is selected and zoomed."""

import json
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmn_pipeline.serving.cubes.query import Binned
from gmn_pipeline.serving.cubes.selection import brushes, zooms
from gmn_pipeline.serving.cubes.views import VIEWS
from gmn_pipeline.serving.problems import Problem
from gmn_pipeline.settings import Settings, load_settings
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline_tests.serving.conftest import Asking
from gmn_pipeline_tests.support.server import Server, serving

CUBE = "/gmn/cubes.arrow"
LISTS = {"station": "participating_stations", "flag": "quality_flags"}
TEXTS = {"shower": "iau_shower_code"}
AXES = {name: view.axes for name, view in VIEWS.items() if view.axes}


@dataclass(frozen=True)
class Told:
    """A cube as it came."""

    counts: dict[str, Counter[tuple[int, int]]]
    """By view (`all`: all rows): of pixel and bin."""
    views: dict[str, Any]
    active: Any
    rows: int


def cube(server: Server, **parameters: Any) -> Told:
    reply = server.get(f"{CUBE}?{urlencode(parameters, doseq=True)}")
    assert reply.status == 200, reply.body
    table = pa.ipc.open_stream(reply.body).read_all()
    told = json.loads(table.schema.metadata[b"gmn_cube"])
    names = ["all", *(view["name"] for view in told["views"])]
    counts: dict[str, Counter[tuple[int, int]]] = {name: Counter() for name in names}
    for row in table.to_pylist():
        counts[names[row["view"]]][row["pixel"], row["bin"]] += row["n"]
    assert sum(map(len, counts.values())) == table.num_rows  # each cell stands there once
    return Told(counts, {v["name"]: v for v in told["views"]}, told["active"], told["rows"])


@pytest.fixture(scope="module")
def rows(lake: Settings) -> list[dict[str, Any]]:
    """Every trajectory with the values of every axis, as the lake has them."""
    values = {f"{n}_{at}": axis.sql for n, axes in AXES.items() for at, axis in enumerate(axes)}
    named = ", ".join(f"{sql} AS {name}" for name, sql in values.items())
    with WarehouseConnection(lake).open(read_only=True) as connection:
        found = connection.execute(f"SELECT *, {named} FROM trajectories").to_arrow_table()
    return found.to_pylist()


def number(axis: Any, value: Any) -> float:
    return (
        datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp() if axis["is_time"] else value
    )


def bin_of(view: Any, row: dict[str, Any]) -> int:
    """Where a row is, by looking through the edges."""
    if not view["axes"]:
        value = row[TEXTS[view["name"]]]
        return view["labels"].index(value) if value in view["labels"] else view["bins"]
    found, step = 0, 1
    values = [row[f"{view['name']}_{at}"] for at in range(len(view["axes"]))]
    if None in values:
        return view["bins"] + 1
    for axis, value in zip(view["axes"], values, strict=True):
        low, high, bins = number(axis, axis["from"]), number(axis, axis["to"]), axis["bins"]
        if not (low <= value < high or (value == high and axis["is_closed"])):
            return view["bins"]
        edges = [low + at * (high - low) / bins for at in range(1, bins)]
        found += step * bisect_right(edges, value)
        step *= bins
    return found


def is_in(name: str, brush: str, row: dict[str, Any]) -> bool:
    """Whether a brush lets a row through, by what its text says."""
    if name in LISTS:
        return not set(brush.split(",")).isdisjoint(row[LISTS[name]] or [])
    if name in TEXTS:
        return row[TEXTS[name]] in brush.split(",")
    ends = brush.split(":") if name != "time" else [brush[:19], brush[20:]]
    for at, axis in enumerate(AXES[name]):
        value = row[f"{name}_{at}"]
        told = {"is_time": axis.is_time}
        low, high = (
            number(told, e if axis.is_time else float(e)) for e in ends[2 * at : 2 * at + 2]
        )
        if value is None:
            return False
        above, below = value >= low, value < high or (axis.is_closed and value == high == axis.high)
        if not (above or below if low > high else above and below):
            return False
    return True


def expected(
    told: Told, rows: list[dict[str, Any]], selected: dict[str, str]
) -> dict[str, Counter[tuple[int, int]]]:
    active = told.active["name"] if told.active else None
    counts: dict[str, Counter[tuple[int, int]]] = {n: Counter() for n in ("all", *told.views)}
    for row in rows:
        pixel = bin_of(told.active, row) if told.active else 0
        out = [n for n, brush in selected.items() if n != active and not is_in(n, brush, row)]
        for name in counts:
            if set(out) - {name}:
                continue
            if name == "all":
                counts[name][pixel, 0] += 1
            elif name in LISTS:
                view = told.views[name]
                for member in row[LISTS[name]] or [None]:
                    known = member in view["labels"]
                    at = view["labels"].index(member) if known else view["bins"]
                    counts[name][pixel, at if member is not None else view["bins"] + 1] += 1
            else:
                counts[name][pixel, bin_of(told.views[name], row)] += 1
    return counts


# What a brush and a zoom may be ------------------------------------------------------------------

_EDGES = {name: st.integers(0, 20) for name in AXES}


@st.composite
def spans(draw: st.DrawFn, name: str, *, may_go_round: bool) -> str:
    """Of a twentieth of the domain each: so edges of bins are met as well as others."""
    parts: list[str] = []
    for axis in AXES[name]:
        one, other = draw(st.lists(st.integers(0, 20), min_size=2, max_size=2, unique=True))
        if one > other and not (may_go_round and axis.is_circular):
            one, other = other, one
        if axis.is_time:
            day = datetime(2022, 3, 4)
            ends = [(day + timedelta(hours=3 * n)).isoformat() for n in (one, other)]
        else:
            step = (axis.high - axis.low) / 20
            ends = [repr(axis.low + step * n) for n in (one, other)]
        parts += ends
    return ":".join(parts)


@st.composite
def asked(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, str]]:
    """Parameters, and what is selected in which view."""
    some = draw(st.lists(st.sampled_from(list(VIEWS)), max_size=3, unique=True))
    labels = {"shower": "TSB,...", "station": "UK0001,UK0003", "flag": "hyperbolic"}
    selected = {name: labels.get(name) or draw(spans(name, may_go_round=True)) for name in some}
    zoomed = draw(st.lists(st.sampled_from(list(AXES)), max_size=2, unique=True))
    wanted = draw(st.lists(st.sampled_from(list(VIEWS)), min_size=1, max_size=4, unique=True))
    active = draw(st.sampled_from([None, *(n for n in VIEWS if n not in LISTS)]))
    parameters: dict[str, Any] = {
        "_view": wanted,
        "_brush": [f"{name}:{brush}" for name, brush in selected.items()],
        "_zoom": [f"{n}:{draw(spans(n, may_go_round=False))}" for n in zoomed],
        "_cells": draw(st.sampled_from([2, 36, 180])),
    }
    if active:
        parameters["_active"] = active
        if draw(st.booleans()):
            parameters["_pixels"] = draw(st.sampled_from([1, 20, 72]))
    return parameters, selected


@settings(max_examples=60, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(one=asked())
def test_every_count_is_that_of_the_rows(
    one: tuple[dict[str, Any], dict[str, str]], server: Server, rows: list[dict[str, Any]]
) -> None:
    parameters, selected = one
    told = cube(server, **parameters)
    assert told.rows == len(rows)
    assert told.counts == expected(told, rows, selected)
    if not selected:
        for name, counts in told.counts.items():
            assert name in LISTS or counts.total() == len(rows), name


def test_filters_are_those_of_tables(server: Server, ours: Asking) -> None:
    filters = {"vgeo_km_s__gte": "40", "participating_stations__arraycontains": "UK0001",
               "iau_shower_code__not": "TSB"}  # fmt: skip
    there = server.get("/gmn/trajectories.json", {**filters, "_size": 0}).json
    told = cube(server, **filters)
    assert 0 < told.rows == there["filtered_table_rows_count"] < 534
    assert told.counts["all"] == {(0, 0): told.rows}
    for name, counts in told.counts.items():
        assert name in LISTS or counts.total() == told.rows, name
    assert server.get(CUBE, {"vgeo_km_s__gte": "x"}).status == 400
    assert cube(server, iau_shower_code="none").counts["speed"] == {}


def test_a_brush_is_the_same_filter(server: Server) -> None:
    """What a page that brushes counts is what a download has that is asked for by columns."""
    for brush, filters in {
        "speed:30.5:45": {"vgeo_km_s__gte": 30.5, "vgeo_km_s__lt": 45},
        "inclination:90:180": {"inclination_deg__gte": 90, "inclination_deg__lte": 180},
        "shower:TSB": {"iau_shower_code__in": "TSB"},
        "station:UK0001,UK0003": {"participating_stations__arraycontainsany": "UK0001,UK0003"},
        "time:2022-03-04T22:00:00:2022-03-05": {
            "beginning_utc_time__gte": "2022-03-04T22:00:00",
            "beginning_utc_time__lt": "2022-03-05",
        },
        "solar_longitude:343.9:10": {"_where": "solar_longitude_deg >= 343.9 "
                                     "OR solar_longitude_deg < 10"},
        "radiant_sun_centred:180:300:-90:90": {
            "_where": "sun_centred_longitude_deg(lamgeo_deg, solar_longitude_deg) >= 180 AND "
            "sun_centred_longitude_deg(lamgeo_deg, solar_longitude_deg) < 300 AND "
            "betgeo_deg >= -90 AND betgeo_deg <= 90",
        },
    }.items():  # fmt: skip
        there = server.get("/gmn/trajectories.json", {**filters, "_size": 0}).json
        told = cube(server, _brush=brush, _view="magnitude")
        assert told.counts["all"].total() == there["filtered_table_rows_count"] > 0, brush


def test_an_answer_is_kept_compressed_and_told_by_its_state(server: Server) -> None:
    first = server.get(CUBE, headers={"Accept-Encoding": "zstd"})
    assert first.headers["Content-Encoding"] == "zstd"
    assert first.headers["GMN-Snapshot"] == str(server.snapshot)
    known = server.get(CUBE, headers={"If-None-Match": first.headers["ETag"]})
    assert (known.status, known.body) == (304, b"")
    pinned = server.get(CUBE, {"_as_of": server.snapshot})
    assert "max-age" in pinned.headers["Cache-Control"]
    assert pinned.body == first.body
    assert server.get(CUBE, {"_as_of": 10**9}).status == 410


def test_every_view_says_what_it_is(server: Server) -> None:
    told = {view["name"]: view for view in server.get("/gmn/cubes.json").json["views"]}
    assert list(told) == list(VIEWS)
    (speed,) = told["speed"]["axes"]
    assert (speed["title"], speed["unit"]) == ("geocentric speed", "km/s")
    assert (speed["from"], speed["to"], speed["bins"]) == (0.0, 80.0, 80)
    assert told["radiant_sun_centred"]["columns"] == [
        "lamgeo_deg", "solar_longitude_deg", "betgeo_deg",
    ]  # fmt: skip
    assert told["time"]["axes"][0]["from"] is None
    assert all(Binned(view).bins < 2**16 - 2 for view in VIEWS.values())


@pytest.mark.parametrize(
    "text",
    ["", "speed", "nothing:1:2", "speed:1", "speed:1:2:3", "speed:2:1", "speed:2:2", "speed:x:2",
     "speed:nan:2", "speed:1_0:20", "speed:1e300:2e300", "ground:1:2", "ground:1:2:4:3", "time:1:2",
     "time:2025-01-01", "time:2025-01-02:2025-01-01", "shower:", "shower:,", "shower:a\0b"],
)  # fmt: skip
def test_what_is_no_brush_is_refused(text: str) -> None:
    with pytest.raises(Problem) as refused:
        brushes([text])
    assert refused.value.status == 400


def test_what_is_no_zoom_is_refused(server: Server) -> None:
    for text in ("shower:PER", "solar_longitude:350:10"):
        with pytest.raises(Problem):
            zooms([text])
    with pytest.raises(Problem):
        brushes(["speed:1:2", "speed:2:3"])
    for wrong in (
        {"_active": "station"}, {"_view": "nothing"}, {"_pixels": 401, "_active": "speed"},
        {"_pixels": 73, "_active": "ground"}, {"_cells": 1}, {"_cells": 241},
    ):  # fmt: skip
        assert server.get(CUBE, wrong).status == 400, wrong


def test_an_empty_lake_has_nothing_in_any_bin(empty: Server) -> None:
    told = cube(empty, _active="speed", _brush="shower:PER")
    assert told.rows == 0
    assert all(not counts for counts in told.counts.values())
    assert told.views["shower"]["labels"] == ["PER"]
    assert told.views["time"]["bins"] == 1


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = load_settings(data_dir=tmp_path_factory.mktemp("empty"))
    with WarehouseConnection(settings).open():
        pass
    with serving(settings) as running:
        yield running


def test_null_and_what_lies_outside_are_counted_apart(server: Server, ours: Asking) -> None:
    told = cube(server, _view=["orbit", "convergence"], _zoom="convergence:10:20")
    bins, counts = told.views["orbit"]["bins"], told.counts["orbit"]
    a, e = "semi_major_axis_au", "eccentricity"
    ((null, outside),) = ours(
        f"SELECT count(*) FILTER ({a} IS NULL OR {e} IS NULL), count(*) FILTER (NOT "
        f"({a} >= 0 AND {a} < 9 AND {e} >= 0 AND {e} < 1.2)) FROM trajectories"
    )
    assert (counts[0, bins + 1], counts[0, bins]) == (null, outside)
    assert outside > 0
    assert not math.isclose(told.counts["convergence"][0, 90], 0)
