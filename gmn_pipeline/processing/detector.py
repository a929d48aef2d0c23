"""A detector of one's own for images: a model in ONNX that finds things and says what they are.

What belongs here: images into a model, and what it gives into rows. What does not: the detector
that comes along (`detecting.py`). The extra `[objects]` installs onnxruntime.

The model takes one image as float32 of shape (1, 1 or 3, height, width), levels from 0 to 1, and
gives either one table of (left, top, right, bottom, score, label) with a row for each thing, as
YOLO's exports with suppression do, or three outputs called boxes, scores and labels, as
torchvision's do; boxes are in pixels of what it was given. It is used as soon as
`GMN_OBJECTS_DETECTOR_MODEL` names its file, which is in the environment of all processes.

Its version is made of the model's bytes, its labels and its size: another model reads all images
again, and what the former one found goes.
"""

import hashlib
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image as Pictures

from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.processing.images import Images, open_picture
from gmn_pipeline.processing.processor import Found, Outcome, Rows, Task, is_preview
from gmn_pipeline.schemas.arrow import arrow_schema
from gmn_pipeline.schemas.object_tables import IMAGE_OBJECTS
from gmn_pipeline.settings.processing import ProcessingSettings

_MOST_FOUND = 1_000
_COLUMNS = 6  # left, top, right, bottom, score, label
_BY_THE_ENVIRONMENT: dict[str, Any] = {}
_CODE = 1
"""Moved on when this module gives something else for the same model."""


class Detector:
    """See above."""

    name = "detector"

    def __init__(self) -> None:
        self._settings = ProcessingSettings(**_BY_THE_ENVIRONMENT)
        path = self._settings.objects_detector_model
        self._labels = [
            label.strip() for label in self._settings.objects_detector_labels.split(",")
            if label.strip()
        ]  # fmt: skip
        self._model = b""
        if path is None:
            self.content_types: tuple[str, ...] = ()
            self.version = 0
            return
        if not find_spec("onnxruntime"):
            raise ModuleNotFoundError("onnxruntime is not installed: gmn-pipeline[objects]")
        self._model = Path(path).read_bytes()
        self.content_types = Images.content_types
        said = f"{_CODE} {self._labels} {self._settings.objects_detector_input_px} "
        self.model_sha256 = hashlib.sha256(self._model).hexdigest()
        # So many bits as a version has in every database.
        self.version = int(hashlib.sha256(said.encode() + self._model).hexdigest()[:7], 16)

    @cached_property
    def _session(self) -> Any:
        """The model, ready. It is made in the process that works on an object."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(
            self._model, options, providers=["CPUExecutionProvider"]
        )

    def process(self, task: Task) -> Outcome:
        """Rows of `image_objects`, and how many of each label."""
        picture = None if is_preview(task.stored) else open_picture(task)
        if picture is None:  # a FITS file without an image
            return Outcome()
        found = self._found(picture)
        counts: dict[str, int] = {}
        for row in found:
            counts[row["label"]] = counts.get(row["label"], 0) + 1
        table = pa.Table.from_pylist(found, arrow_schema(IMAGE_OBJECTS.fields[3:]))
        facts: dict[str, Any] = {"model_sha256": self.model_sha256, "found": counts}
        return Outcome(
            rows=[Rows(IMAGE_OBJECTS.name, table)] if found else [], found=Found(metadata=facts)
        )

    def _found(self, picture: Pictures.Image) -> list[dict[str, Any]]:
        wanted = self._session.get_inputs()[0]
        channels, height, width = self._shape(wanted)
        small = picture.convert("L" if channels == 1 else "RGB").resize((width, height))
        levels = np.asarray(small, dtype=np.float32) / 255
        levels = levels[None] if channels == 1 else levels.transpose(2, 0, 1)
        outputs = self._session.run(None, {wanted.name: levels[None]})
        names = [one.name.lower() for one in self._session.get_outputs()]
        things = _things(names, outputs)
        scale = np.array([picture.width / width, picture.height / height] * 2)
        least = self._settings.objects_detector_least_score
        good = [one for one in things if np.isfinite(one).all() and one[4] >= least]
        good.sort(key=lambda one: -one[4])
        return [self._row(one, scale) for one in good[:_MOST_FOUND]]

    def _shape(self, wanted: Any) -> tuple[int, int, int]:
        """Channels, height and width that the model takes; where it takes any, by the settings."""
        if len(wanted.shape) != 4:
            raise ObjectRefused(
                f"The detector takes {wanted.shape}; (1, channels, height, width) is used here "
                "(GMN_OBJECTS_DETECTOR_MODEL)."
            )
        size = self._settings.objects_detector_input_px
        channels, height, width = (
            side if isinstance(side, int) and side > 0 else other
            for side, other in zip(wanted.shape[1:], (3, size, size), strict=True)
        )
        return channels, height, width

    def _row(self, thing: np.ndarray[Any, Any], scale: np.ndarray[Any, Any]) -> dict[str, Any]:
        left, top, right, bottom = (thing[:4] * scale).tolist()
        number = int(thing[5])
        is_named = 0 <= number < len(self._labels)
        return {
            "label": self._labels[number] if is_named else f"label {number}",
            "score": float(thing[4]), "left_px": left, "top_px": top, "right_px": right,
            "bottom_px": bottom, "model_sha256": self.model_sha256,
        }  # fmt: skip


def _things(names: list[str], outputs: list[Any]) -> np.ndarray[Any, Any]:
    """Rows of left, top, right, bottom, score, label, of either form of a model's answer."""
    if len(outputs) == 1:
        table = np.asarray(outputs[0], dtype=np.float64)
        table = table.reshape(-1, table.shape[-1]) if table.ndim else table
    else:
        by_name = {
            what: next((o for n, o in zip(names, outputs, strict=True) if what in n), None)
            for what in ("box", "score", "label")
        }
        if any(one is None for one in by_name.values()):
            raise ObjectRefused(
                f"The detector gives {', '.join(names)}; boxes, scores and labels are wanted."
            )
        boxes, scores, labels = (np.asarray(one, dtype=np.float64) for one in by_name.values())
        table = np.column_stack([boxes.reshape(-1, 4), scores.reshape(-1), labels.reshape(-1)])
    if table.ndim != 2 or (table.size and table.shape[1] != _COLUMNS):
        raise ObjectRefused(
            f"The detector gives a table of {table.shape}; rows of left, top, right, bottom, score "
            "and label are wanted."
        )
    return table
