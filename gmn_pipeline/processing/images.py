"""Images: what their headers say, a preview, and what stands out of their background.

What belongs here: JPEG, PNG and other pictures by Pillow, FITS by our reader, RMS FF files among
them, FF files of CAMS. What does not: finding what stands out (`detecting.py`), what cameras wrote
beside a picture (`exif.py`).

An FF file holds, of each pixel over 256 frames, the greatest level, the frame of that, mean and
standard deviation (RMS, `Formats/FFfits.py`): what moves is in the first, less the third.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image as Pictures
from PIL import ImageOps

from gmn_pipeline.clock import utc_now
from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.processing.detecting import Image, detect
from gmn_pipeline.processing.exif import exif_of
from gmn_pipeline.processing.processor import Found, Made, Outcome, Rows, Task, is_preview
from gmn_pipeline.readers.ff_bin import MEDIA_TYPE as FF_BIN
from gmn_pipeline.readers.ff_bin import PLANES, read_header
from gmn_pipeline.readers.fits import Unit, units
from gmn_pipeline.readers.rms_names import rms_name
from gmn_pipeline.schemas.arrow import arrow_schema
from gmn_pipeline.schemas.object_tables import IMAGE_DETECTIONS

_FITS = "application/fits"
_PREVIEW_PX = 512
_PREVIEW_QUALITY = 85
_MOST_DETECTIONS = 500
_DARK, _BRIGHT = 1.0, 99.7  # percentiles that a preview shows as black and white
_MOST_CARDS, _LONGEST_CARD = 200, 200
_STRUCTURE = ("SIMPLE", "BITPIX", "NAXIS", "EXTEND", "XTENSION", "PCOUNT", "GCOUNT", "BSCALE",
              "BZERO", "COMMENT", "HISTORY", "")  # fmt: skip


class Images:
    """See above."""

    name = "images"
    version = 2
    content_types = (_FITS, FF_BIN, "image/jpeg", "image/png", "image/gif", "image/webp",
                     "image/tiff", "image/bmp")  # fmt: skip

    def process(self, task: Task) -> Outcome:
        """Facts, a preview and detections of an image; nothing of a FITS file without one."""
        kind = task.stored.description.content_type
        if is_preview(task.stored):
            return Outcome()
        if kind in (_FITS, FF_BIN):
            return _of_fits(task) if kind == _FITS else _of_ff_bin(task)
        Pictures.MAX_IMAGE_PIXELS = None  # looked at here, by our limit
        with Pictures.open(task.path) as picture:
            _check_size(picture.size, task)
            facts: dict[str, Any] = {
                "format": picture.format, "mode": picture.mode,
                "width_px": picture.width, "height_px": picture.height,
            }  # fmt: skip
            exif = exif_of(picture, utc_now())
            levels = np.asarray(picture.convert("L"), dtype=np.float32)
            upright = ImageOps.exif_transpose(picture) if "orientation" in exif.facts else picture
            preview = _preview(upright.convert("RGB"), task)
        if exif.facts:
            facts["exif"] = exif.facts
        if exif.refused:
            facts["exif_refused"] = exif.refused
        outcome = _outcome(task, facts, levels, preview)
        found = replace(
            outcome.found, observed_from_utc=exif.taken_at_utc, latitude_deg=exif.latitude_deg,
            longitude_deg=exif.longitude_deg,
        )  # fmt: skip
        return replace(outcome, found=found)


def open_picture(task: Task) -> Pictures.Image | None:
    """The image of an object as a picture of 8 bits, as it lies in the file: of FITS
    stretched as its preview is, of an FF file its greatest levels; None if it has none."""
    kind = task.stored.description.content_type
    if kind == _FITS:
        shown = _shown(units(task.path))
        if shown is None:
            return None
        _check_size(shown.shape, task)
        return _stretched(_plane(shown))
    if kind == FF_BIN:
        header = read_header(task.path)
        _check_size((header.height_px, header.width_px), task)
        return _stretched(header.plane(task.path, "maxpixel"))
    Pictures.MAX_IMAGE_PIXELS = None
    with Pictures.open(task.path) as picture:
        _check_size(picture.size, task)
        return picture.convert("RGB")


def _shown(all_units: Sequence[Unit]) -> Unit | None:
    """The unit that is looked at: of an FF file its greatest levels, else the first image."""
    images = [unit for unit in all_units if len(unit.shape) >= 2]
    return next((unit for unit in images if unit.name == "MAXPIXEL"), images[0] if images else None)


def _of_fits(task: Task) -> Outcome:
    all_units = units(task.path)
    by_name = {unit.name: unit for unit in all_units}
    cards = {
        keyword: card[:_LONGEST_CARD] if isinstance(card, str) else card
        for keyword, card in list(all_units[0].cards.items())[:_MOST_CARDS]
        if keyword.rstrip("0123456789") not in _STRUCTURE and _is_plain(card)
    }
    shown = _shown(all_units)
    if shown is None:
        return Outcome(found=Found(metadata={"header": cards}))
    height, width = shown.shape[-2:]
    _check_size(shown.shape, task)
    plane = _plane(shown)
    mean = by_name.get("AVEPIXEL")
    is_ff = mean is not None and mean.shape == shown.shape
    levels = plane - _plane(mean) if is_ff and mean is not None else plane
    facts: dict[str, Any] = {
        "format": "FF" if is_ff else "FITS", "width_px": width, "height_px": height,
        "units": len(all_units), "header": cards,
    }  # fmt: skip
    if is_ff:
        facts["planes"] = [name.lower() for name in by_name if name.lower() in PLANES]
    outcome = _outcome(task, facts, levels, _preview(_stretched(plane), task))
    return _with_time(outcome, task, cards) if is_ff else outcome


def _of_ff_bin(task: Task) -> Outcome:
    header = read_header(task.path)
    _check_size((header.height_px, header.width_px), task)
    brightest = header.plane(task.path, "maxpixel")
    mean = header.plane(task.path, "avepixel")
    header.plane(task.path, "stdpixel")  # the last one: a file that ends before it is not whole
    facts: dict[str, Any] = {
        "format": "FF", "width_px": header.width_px, "height_px": header.height_px,
        "planes": list(PLANES),
        "header": {
            "camera_number": header.camera_number, "first_frame": header.first_frame,
            "NFRAMES": header.frame_count, "FPS": header.frame_rate_hz or 0.0,
        },
    }  # fmt: skip
    outcome = _outcome(task, facts, brightest - mean, _preview(_stretched(brightest), task))
    return _with_time(outcome, task, facts["header"])


def _is_plain(card: object) -> bool:
    return not isinstance(card, float) or bool(np.isfinite(card))


def _plane(unit: Unit) -> Image:
    """The first plane; what has no value is as dark as the darkest."""
    image = unit.image()
    while image.ndim > 2:
        image = image[0]
    good = np.isfinite(image)
    if not good.all():
        image = np.where(good, image, image[good].min() if good.any() else 0).astype(np.float32)
    return image


def _check_size(shape: tuple[int, ...], task: Task) -> None:
    pixels = 1
    for length in shape:
        pixels *= length
    if pixels > task.max_pixels or not pixels:
        raise ObjectRefused(
            f"Its image has {pixels:,} pixels; those of 1 to {task.max_pixels:,} are looked at "
            "(GMN_OBJECTS_PROCESS_MEGAPIXELS)."
        )


def _stretched(image: Image) -> Pictures.Image:
    dark, bright = np.percentile(image, [_DARK, _BRIGHT])
    levels = np.clip((image - dark) / max(bright - dark, 1e-6), 0, 1) * 255
    return Pictures.fromarray(levels.astype(np.uint8))


def _preview(picture: Pictures.Image, task: Task) -> Path:
    picture.thumbnail((_PREVIEW_PX, _PREVIEW_PX))
    path = task.folder / "preview.jpg"
    picture.save(path, "JPEG", quality=_PREVIEW_QUALITY)
    return path


def _outcome(
    task: Task, facts: dict[str, Any], levels: NDArray[np.float32], preview: Path
) -> Outcome:
    found, count = detect(levels, _MOST_DETECTIONS)
    schema = arrow_schema(IMAGE_DETECTIONS.fields[3:])
    table = pa.Table.from_pylist([asdict(one) for one in found], schema)
    facts |= {
        "detections": count,
        "streaks": sum(one.kind == "streak" for one in found),
    }
    return Outcome(
        rows=[Rows(IMAGE_DETECTIONS.name, table)] if found else [],
        made=[Made(f"previews/{task.stored.name.name}.jpg", preview)],
        found=Found(metadata=facts),
    )


def _with_time(outcome: Outcome, task: Task, cards: dict[str, Any]) -> Outcome:
    """An FF file's name says when its first frame was taken, its header how many there are."""
    named = rms_name(task.stored.name.name)
    try:
        seconds = float(cards["NFRAMES"]) / float(cards["FPS"])
    except (KeyError, ValueError, ZeroDivisionError):
        return outcome
    if named is None or not 0 <= seconds < 86_400:
        return outcome
    found = Found(
        metadata=outcome.found.metadata,
        observed_from_utc=named.at_utc,
        observed_until_utc=named.at_utc + timedelta(seconds=seconds),
    )
    return Outcome(outcome.rows, outcome.made, found)
