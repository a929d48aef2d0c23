"""Ready questions about objects: what images show, which are alike, what is connected."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gmn_pipeline.errors import QueryRefused
from gmn_pipeline.queries.canned.catalogue import OBJECTS, all_queries, canned_query, parse
from gmn_pipeline.queries.limits import Limits
from gmn_pipeline.queries.session import ReadSession, confined
from gmn_pipeline.schemas.objects import Link, LinkKind
from gmn_pipeline.warehouse import lakes
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline_tests.support.objects import PERSON, settings_of
from gmn_pipeline_tests.support.processing import night_sky, png, processing_bench

LIMITS = Limits(seconds=60, memory_mb=500, disk_mb=0, rows=1_000_000)
FF = "FF_US0001_20220304_{}_123_0000000"
TRAJECTORY = Link(LinkKind.TRAJECTORY, "20220304210001_abcde")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadSession]:
    settings = settings_of(tmp_path_factory.mktemp("graph"))
    with WarehouseConnection(settings).writing():
        pass  # questions are asked beside trajectories
    with processing_bench(settings) as bench:
        stars = [(40, 40), (200, 60), (250, 200)]
        one, other = FF.format("210000"), FF.format("220000")
        bench.put(f"{one}.png", png(night_sky(stars, streak=True)))
        bench.put(f"{other}.png", png(night_sky([*stars, (60, 220)], streak=True)))
        bench.put("stars.png", png(night_sky(stars)))
        bench.put("dark.png", png(night_sky([]) // 2))
        bench.put(f"{one}.txt", "seen by eye")
        bench.process()
        stored = bench.now(f"{one}.txt")
        said = replace(stored.description, links=stored.description.links | {TRAJECTORY})
        bench.objects.landing.describe(stored, said, PERSON)
        bench.process()
    with WarehouseConnection(settings).standing() as standing, standing.reading():
        standing.attach()
        standing.attach_beside(WarehouseConnection(settings, lakes.OBJECTS))
        yield confined(standing, LIMITS, data_dir=settings.data_dir)


def ask(session: ReadSession, name: str, **texts: str) -> list[dict[str, Any]]:
    query = canned_query(name)
    with session.run(query.sql, query.values(texts)) as answer:
        return list(answer.reader().read_all().to_pylist())


def names(rows: list[dict[str, Any]], column: str = "object") -> list[str]:
    return [row[column].removeprefix("cams/ff/") for row in rows]


def test_images_are_found_by_all_that_they_show(session: ReadSession) -> None:
    one, other = f"{FF.format('210000')}.png", f"{FF.format('220000')}.png"
    assert names(ask(session, "images_that_show", shows="streak, source")) == [other, one]
    assert set(names(ask(session, "images_that_show", shows="source"))) == {one, other, "stars.png"}
    assert ask(session, "images_that_show", shows="streak,aeroplane") == []
    assert ask(session, "images_that_show", shows=" , ") == []
    assert names(ask(session, "images_that_show", station="us0001", count="1")) == [other]
    assert ask(session, "images_that_show", night="2022-03-05") == []


def test_the_image_most_like_one_is_the_one_that_shows_the_same(session: ReadSession) -> None:
    one, other = f"{FF.format('210000')}.png", f"{FF.format('220000')}.png"
    found = ask(session, "images_like", object=f"cams/ff/{one}")
    assert names(found) == [other, "stars.png"]
    assert (found[0]["stations_in_common"], found[0]["nights_in_common"]) == (
        ["US0001"], ["2022-03-04"],
    )  # fmt: skip
    assert 0 < found[0]["distance"] < found[1]["distance"]
    assert np.isfinite([row["distance"] for row in found]).all()
    assert names(ask(session, "images_like", object=f"cams/ff/{one}", same_station="yes")) == [
        other
    ]
    assert ask(session, "images_like", object="cams/ff/none.png") == []


def test_all_that_is_connected_comes_with_its_steps(session: ReadSession) -> None:
    one = FF.format("210000")
    found = ask(session, "connected_to", what=f"cams/ff/{one}.png", steps="3")
    steps = {row["what"].removeprefix("cams/ff/"): row["steps"] for row in found}
    assert (steps["US0001"], steps["2022-03-04"], steps[f"previews/{one}.png.jpg"]) == (1, 1, 1)
    assert (steps[f"{one}.txt"], steps[f"{FF.format('220000')}.png"]) == (2, 2)
    assert steps[TRAJECTORY.key] == 3
    assert f"{one}.png" not in steps
    assert "stars.png" not in steps  # it shows sources too, and that is no connection
    again = ask(session, "connected_to", what="trajectory:20220304210001_abcde", kind="object")
    assert names(again, "what") == [f"{one}.txt"]
    assert ask(session, "connected_to", what="nobody") == []


def test_the_graph_around_an_image_has_each_link_once(session: ReadSession) -> None:
    one, other = (f"{FF.format(time)}.png" for time in ("210000", "220000"))
    links = ask(session, "graph_around", what=f"cams/ff/{one}")
    first = {(row["link"], row["target_kind"], row["target"]) for row in links
             if row["source_steps"] == 0}  # fmt: skip
    assert first == {
        ("station", "station", "US0001"), ("night", "night", "2022-03-04"),
        ("made", "image", f"cams/ff/previews/{one}.jpg"),
    }  # fmt: skip
    assert ("US0001", f"cams/ff/{other}") in {(row["source"], row["target"]) for row in links}
    pairs = [frozenset((row["source"], row["target"])) for row in links]
    assert len(set(pairs)) == len(pairs)
    assert ask(session, "graph_around", what=f"cams/ff/{one}", count="1") == []
    assert ask(session, "graph_around", what="nobody") == []


def test_an_image_tells_what_it_shows_and_what_is_linked_its_images(session: ReadSession) -> None:
    one, other = (f"{FF.format(time)}.png" for time in ("210000", "220000"))
    shown = ask(session, "image_contents", object=f"cams/ff/{one}")
    assert [row["kind"] for row in shown] == ["streak", "source", "source", "source"]
    fluxes = [row["flux_adu"] for row in shown[1:]]
    assert fluxes == sorted(fluxes, reverse=True)
    (streak,) = ask(session, "image_contents", object=f"cams/ff/{one}", count="1")[:1]
    assert (round(streak["begin_x_px"], -1), round(streak["end_x_px"], -1)) == (100, 160)
    assert ask(session, "image_contents", object="cams/ff/none.png") == []
    found = ask(session, "images_of", what="station:US0001")
    assert names(found) == [other, one]
    assert [row["preview"] for row in found] == [
        f"cams/ff/previews/{name}.jpg" for name in (other, one)
    ]
    assert found[0]["shows"] == ["source", "streak"]
    assert ask(session, "images_of", what="trajectory:20220304210001_abcde") == []  # a text has it
    (like,) = ask(session, "images_like", object=f"cams/ff/{one}", count="1")
    assert like["preview"] == found[0]["preview"]
    assert ask(session, "images_that_show", count="1")[0]["preview"] == found[0]["preview"]


def test_questions_about_objects_are_not_asked_where_there_are_none(tmp_path: Path) -> None:
    about_objects = {one.name for one in all_queries(OBJECTS)} - {one.name for one in all_queries()}
    assert about_objects == {
        "connected_to", "graph_around", "image_contents", "images_like", "images_of",
        "images_that_show",
    }  # fmt: skip
    with pytest.raises(ValueError, match="no lake readingz"):
        parse("x", "-- title: a\n-- description: b\n-- needs: readingz\nSELECT 1")
    with pytest.raises(QueryRefused):
        canned_query("images_like").values({})
