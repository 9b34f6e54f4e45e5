"""Whether a picture shows another scene than the one that it would be predicted from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rankcast.opencv import cv2

_SAMPLING = 4
_LEVELS = 0.03
"""Mean difference, as a share of full scale, below which a picture is never a scene change."""
_SHARE = 0.8
"""Of the mean deviation of a picture from its mean: what a difference must exceed to be a cut."""
_CELLS, _LARGEST_CELL = 8, 8
"""Cells along the shorter side at least, and samples of a cell's side at most."""
_LEAST_SIDE = 8
"""Of a picture, in which a common displacement is looked for."""


def is_cut(source: NDArray[np.uint16], reference: NDArray[np.uint16], largest: int) -> bool:
    """Whether the reference predicts the picture worse than its own mean does.

    Asked of samples where they are, then of the means of cells less that of the picture, since
    light may change and texture moves by more than its own size; then of samples at a common
    displacement, since a belt may fill the picture. Each costs more than the one before, and
    the first answers nearly always. Taking a moving belt for a change of scenes cost up to 50 times
    the bytes, missing a change 3 to 5 %.

    Parameters
    ----------
    source, reference : ndarray, shape (m, n)
        The first plane of both pictures.
    largest : int
        Full scale of its samples.
    """
    now = np.ascontiguousarray(source[::_SAMPLING, ::_SAMPLING])
    before = np.ascontiguousarray(reference[::_SAMPLING, ::_SAMPLING])
    difference = cv2.norm(now, before, cv2.NORM_L1) / now.size
    if difference < _LEVELS * largest:
        return False
    if difference <= _SHARE * float(np.mean(np.abs(now - now.mean(dtype=np.float32)))):
        return False
    cell = min(max(min(now.shape) // _CELLS, 1), _LARGEST_CELL)
    if not _differ(_means(now, cell), _means(before, cell)):
        return False
    return not _moved(_means(source, _SAMPLING), _means(reference, _SAMPLING))


def _means(plane: NDArray[np.uint16], side: int) -> NDArray[np.float32]:
    """Means of cells, less that of the plane."""
    size = (max(plane.shape[1] // side, 1), max(plane.shape[0] // side, 1))
    cells = cv2.resize(plane.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(cells - cells.mean(), np.float32)


def _differ(now: NDArray[np.float32], before: NDArray[np.float32]) -> bool:
    return float(np.mean(np.abs(now - before))) > _SHARE * float(np.mean(np.abs(now)))


def _moved(now: NDArray[np.float32], before: NDArray[np.float32]) -> bool:
    """Whether one displacement makes most of a picture of the other (phase correlation)."""
    height, width = now.shape
    if min(height, width) < _LEAST_SIDE:
        return False
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    (right, down), _ = cv2.phaseCorrelate(before, now, window)
    x, y = round(right), round(down)
    if 2 * abs(x) >= width or 2 * abs(y) >= height:
        return False
    here = now[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)]
    there = before[max(-y, 0) : height + min(-y, 0), max(-x, 0) : width + min(-x, 0)]
    return not _differ(here, there)
