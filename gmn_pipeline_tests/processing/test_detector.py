"""A model of one's own finds things in images, and another one has them read again."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from gmn_pipeline.processing.registry import processors
from gmn_pipeline_tests.support.objects import settings_of
from gmn_pipeline_tests.support.processing import (
    ProcessingBench,
    ff_file,
    night_sky,
    png,
    processing_bench,
)

THINGS = [[8, 4, 16, 8, 0.9, 0], [0, 0, 8, 8, 0.5, 1], [1, 1, 2, 2, 0.1, 0], [0, 0, 1, 1, 0.3, 7]]


def model(path: Path, *, split: bool = False, columns: int = 6) -> None:
    """One that finds the same things in every image of 32 by 32 pixels that is not black."""
    table = np.array(THINGS, dtype=np.float32)[:, :columns]
    whole = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 32, 32])
    # Scores times the brightest level, raised to a small power: all of it for what is not black.
    nodes = [helper.make_node("ReduceMax", ["images"], ["level"], keepdims=0),
             helper.make_node("Sign", ["level"], ["one"])]  # fmt: skip
    parts = {"boxes": table[:, :4], "scores": table[:, 4], "labels": table[:, 5:]} if split else {
        "found": table[None]
    }  # fmt: skip
    nodes += [helper.make_node("Mul", [f"{name}_0", "one"], [name]) for name in parts]
    held = [numpy_helper.from_array(part, f"{name}_0") for name, part in parts.items()]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, part.shape)
        for name, part in parts.items()
    ]
    graph = helper.make_graph(nodes, "finds", [whole], outputs, held)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, path)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessingBench]:
    monkeypatch.setenv("GMN_OBJECTS_DETECTOR_MODEL", str(tmp_path / "model.onnx"))
    monkeypatch.setenv("GMN_OBJECTS_DETECTOR_LABELS", "meteor, aeroplane")
    model(tmp_path / "model.onnx")
    processors.cache_clear()
    with processing_bench(settings_of(tmp_path)) as one:
        yield one
    processors.cache_clear()


def test_a_model_finds_things_and_a_new_one_reads_all_images_again(
    bench: ProcessingBench, tmp_path: Path
) -> None:
    bench.put("a.png", png(night_sky([(50, 50)])))
    bench.put("b.fits", ff_file(night_sky([])))
    assert bench.process().failures == {}
    rows = (
        "SELECT label, round(score, 2), left_px, top_px, right_px, bottom_px FROM image_objects "
        "JOIN catalogue USING (object_id) WHERE name = ? ORDER BY row_number"
    )
    # 320 by 240 pixels, of which the model saw 32 by 32; what it is not sure of is left out.
    assert bench.ask(rows, "a.png") == [
        ("meteor", 0.9, 80.0, 30.0, 160.0, 60.0), ("aeroplane", 0.5, 0.0, 0.0, 80.0, 60.0),
        ("label 7", 0.3, 0.0, 0.0, 10.0, 7.5),
    ]  # fmt: skip
    assert bench.ask(rows, "b.fits") == bench.ask(rows, "a.png")
    assert bench.said("a.png", "detector")["found"] == {"meteor": 1, "aeroplane": 1, "label 7": 1}
    shown = "SELECT target FROM edges WHERE source = 'object:' || ?::BIGINT AND kind = 'shows'"
    found = bench.ask(shown, bench.now("a.png").object_id)
    assert {key for (key,) in found} >= {"label:meteor", "label:source"}
    none = bench.ask(rows, "previews/a.png.jpg")
    assert none == []  # what it shows is said of the image itself
    before = processors()["detector"].version
    for made, again in itertools.pairwise([{}, {"split": True}, {"columns": 5}]):
        del made
        model(tmp_path / "model.onnx", **again)
        processors.cache_clear()
        bench.workshop.close()  # a process that is begun anew has the new model
        assert processors()["detector"].version != before
        waiting = {stored.name.name: names for stored, names in bench.processing.waiting(10)}
        assert {"a.png", "b.fits"} <= waiting.keys()
        assert set(map(tuple, waiting.values())) == {("detector",)}
        failures = set(bench.process().failures.values())
    assert len(failures) == 1
    assert "rows of left, top, right, bottom, score and label are wanted" in failures.pop()
    assert bench.ask("SELECT count(*) FROM image_objects") == [(6,)]  # of the one before
