"""How far the pixels that planes give are from those that were coded."""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast import pool
from rankcast.codec.svd_patch.geometry import Geometry, Layout
from rankcast.codec.svd_patch.layout import Band, Canvas, to_pixels
from rankcast.core import function
from rankcast.frame import Pixels
from rankcast.opencv import cv2

_LIMITED_SQUARES: Final = function("rk_planes_limited_420_squares")
_SQUARED_ERROR: Final = function("rk_svd_patch_squared_error")
_ENERGY: Final = function("rk_svd_patch_energy")


def squares(
    pixels: Pixels,
    planes: list[NDArray[np.uint16]],
    geometry: Geometry,
    canvas: Canvas,
    threads: int | None,
) -> tuple[int, int]:
    """Return two sums over all samples: of the squared errors, and of the squares.

    Parameters
    ----------
    pixels : ndarray
        What was coded.
    planes : list of ndarray
        Padded planes, as an encoder has rebuilt them.
    """
    if geometry.layout is Layout.YCC420 and not geometry.deep:
        # Pixels are compared as they are made: writing them out takes longer than the rest.
        tasks = [partial(_limited, pixels, planes, band) for band in canvas.bands]
    else:
        rebuilt = to_pixels(planes, geometry, pixels.dtype, canvas, fresh=False, threads=threads)
        rows = [band.rows for band in canvas.bands]
        tasks = [partial(_of_pixels, pixels[part], rebuilt[part]) for part in rows]
    errors, energies = zip(*pool.run(tasks, threads), strict=True)
    return sum(errors), sum(energies)


def _limited(pixels: Pixels, planes: list[NDArray[np.uint16]], band: Band) -> tuple[int, int]:
    part = np.ascontiguousarray(pixels[band.rows])
    y, cb, cr = (plane[rows] for plane, rows in zip(planes, band.plane_rows, strict=True))
    sums = np.zeros(2, np.int64)
    _LIMITED_SQUARES(part, *part.shape[:2], y, cb, cr, y.shape[1], cb.shape[1], sums)
    return int(sums[0]), int(sums[1])


def _of_pixels(pixels: Pixels, rebuilt: Pixels) -> tuple[int, int]:
    if pixels.dtype == np.uint8:
        a, b = (part.reshape(part.shape[0], -1) for part in (pixels, rebuilt))
        # The norm is a float: a root that was squared again, so it may lie just below.
        return round(cv2.norm(a, b, cv2.NORM_L2SQR)), round(cv2.norm(a, cv2.NORM_L2SQR))
    a, b = np.ascontiguousarray(pixels), np.ascontiguousarray(rebuilt)
    return _SQUARED_ERROR(a, b, a.size), _ENERGY(a, a.size)
