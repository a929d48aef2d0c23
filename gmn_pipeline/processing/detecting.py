"""What stands out of the background of an image: compact sources, and streaks.

What belongs here: the classical way, on an array. What does not: files (`images.py`).

The background is the median of blocks, its noise their median absolute deviation. Pixels above
both by a number of standard deviations that touch each other are one detection; it is a streak if
its second moments make it much longer than wide.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmn_pipeline.errors import ObjectRefused

Image = NDArray[np.float32]
Indices = NDArray[np.intp]

_BLOCK_PX = 32
_SIGMAS = 5.0
_SIGMA_OF_MAD = 1.4826
_LEAST_NOISE = 0.5
"""In levels: of images whose background was cut off to one value."""
_LEAST_AREA_PX = 3
_LONG, _LEAST_LENGTH_PX = 4.0, 12.0
_MOST_RUNS = 500_000
_END_TO_END = float(np.sqrt(12))
"""Of a line that is equally bright all along, its length in standard deviations."""


@dataclass(frozen=True)
class Detection:
    """Something that stands out; positions in pixels from 0, columns first."""

    kind: str
    x_px: float
    y_px: float
    begin_x_px: float
    begin_y_px: float
    end_x_px: float
    end_y_px: float
    length_px: float
    width_px: float
    area_px: int
    flux_adu: float
    peak_adu: float
    signal_to_noise: float


def detect(image: Image, most: int) -> tuple[list[Detection], int]:
    """The brightest of what stands out of an image (rows first), and how many that were in all.

    Raises ObjectRefused if all of it does: then it has no background to stand out of.
    """
    background, noise = _background(image)
    above = image - background
    rows, columns, labels = _labelled(above > _SIGMAS * noise)
    if not len(labels):
        return [], 0
    order = np.argsort(labels, kind="stable")
    rows, columns, labels = rows[order], columns[order], labels[order]
    begins = np.flatnonzero(np.r_[True, np.diff(labels) > 0])
    areas = np.diff(np.r_[begins, len(labels)])
    flux = np.add.reduceat(above[rows, columns].astype(np.float64), begins)
    large = np.flatnonzero(areas >= _LEAST_AREA_PX)
    chosen = large[np.argsort(-flux[large], kind="stable")][:most]
    found = []
    for n in chosen:
        part = slice(begins[n], begins[n] + areas[n])
        found.append(_measured(rows[part], columns[part], above, noise))
    return found, len(large)


def _background(image: Image) -> tuple[Image, Image]:
    """Level and standard deviation of the background at each pixel."""
    height, width = image.shape
    level, noise = np.empty_like(image), np.empty_like(image)
    for top in range(0, height, _BLOCK_PX):
        for left in range(0, width, _BLOCK_PX):
            part = np.s_[top : top + _BLOCK_PX, left : left + _BLOCK_PX]
            block = image[part]
            middle = np.median(block)
            level[part] = middle
            noise[part] = np.median(np.abs(block - middle)) * _SIGMA_OF_MAD
    # A block that something bright fills is as its neighbours are.
    typical = float(np.median(noise))
    np.clip(noise, max(_LEAST_NOISE, typical / 2), max(_LEAST_NOISE, 2 * typical), out=noise)
    usual = float(np.median(level))
    np.minimum(level, usual + 10 * max(typical, _LEAST_NOISE), out=level)
    return level, noise


def _labelled(mask: NDArray[np.bool_]) -> tuple[Indices, Indices, Indices]:
    """Rows, columns and labels of the pixels that are set; those that touch have one label."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), dtype=np.int8)
    padded[:, 1:-1] = mask
    steps = np.diff(padded, axis=1)
    run_rows, begins = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    if len(begins) > _MOST_RUNS:
        raise ObjectRefused("It has no background: too much of it stands out of the rest.")
    parents = _joined(run_rows.tolist(), begins.tolist(), ends.tolist())
    lengths = ends - begins
    rows = np.repeat(run_rows, lengths)
    firsts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    columns = np.arange(len(rows)) - firsts + np.repeat(begins, lengths)
    return rows, columns, np.repeat(parents, lengths)


def _joined(rows: list[int], begins: list[int], ends: list[int]) -> Indices:
    """The label of each run of pixels: the first of the runs that it touches, however far."""
    parents = list(range(len(rows)))

    def root(run: int) -> int:
        while parents[run] != run:
            parents[run] = parents[parents[run]]
            run = parents[run]
        return run

    above = 0
    for run, row in enumerate(rows):
        while above < run and (
            rows[above] < row - 1 or (rows[above] == row - 1 and ends[above] < begins[run])
        ):
            above += 1
        other = above
        while other < run and rows[other] == row - 1 and begins[other] <= ends[run]:
            if ends[other] >= begins[run]:  # corners count as touching
                low, high = sorted((root(other), root(run)))
                parents[high] = low
            other += 1
    return np.array([root(run) for run in range(len(parents))], dtype=np.intp)


def _measured(rows: Indices, columns: Indices, above: Image, noise: Image) -> Detection:
    levels = above[rows, columns].astype(np.float64)
    flux = float(levels.sum())
    x, y = float((columns * levels).sum() / flux), float((rows * levels).sum() / flux)
    # Moments of the outline: a streak is as long as it is, however its brightness goes.
    apart = np.stack([columns - columns.mean(), rows - rows.mean()])
    moments = apart @ apart.T / len(rows) + np.eye(2) / 12  # a pixel has a width
    variances, axes = np.linalg.eigh(moments)
    width, length = (_END_TO_END * float(variance**0.5) for variance in variances)
    along = axes[:, 1] @ apart
    ends = [
        (columns.mean() + axes[0, 1] * reach, rows.mean() + axes[1, 1] * reach)
        for reach in (along.min(), along.max())
    ]
    begin, end = sorted((float(a), float(b)) for a, b in ends)
    peak = int(levels.argmax())
    is_streak = length >= _LEAST_LENGTH_PX and length >= _LONG * width
    return Detection(
        "streak" if is_streak else "source", x, y, *begin, *end, length, width, len(rows), flux,
        float(levels[peak]), float(levels[peak] / noise[rows[peak], columns[peak]]),
    )  # fmt: skip
