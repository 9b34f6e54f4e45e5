"""The sums over all samples that headers state, against numpy and the pixels a viewer sees."""

from __future__ import annotations

import numpy as np
import pytest

from rankcast.codec.svd_patch.fidelity import squares
from rankcast.codec.svd_patch.geometry import Layout, geometry_of
from rankcast.codec.svd_patch.layout import Canvas, to_pixels

TAIL = {Layout.YCC420: (3,), Layout.YCC444: (3,), Layout.CHANNELS: (5,)}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (37, 16), (64, 31), (41, 70), (962, 1003)])
def test_squares_are_those_of_the_pixels_that_the_planes_give(
    size: tuple[int, int], layout: Layout, dtype: type
) -> None:
    if layout is Layout.BAYER and min(size) < 2:
        pytest.skip("a mosaic has two rows at least")
    rng = np.random.default_rng(sum(size))
    shape = (*size, *TAIL.get(layout, ()))
    pixels = rng.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)
    geometry = geometry_of(layout, shape, pixels.dtype.itemsize)
    canvas = Canvas(geometry)
    planes = [
        rng.integers(0, geometry.largest + 1, plane.padded).astype(np.uint16)
        for plane in geometry.planes
    ]
    shown = to_pixels(planes, geometry, pixels.dtype, canvas, fresh=True)
    wide = pixels.astype(np.int64)
    wanted = int(((wide - shown) ** 2).sum()), int((wide**2).sum())
    assert squares(pixels, planes, geometry, canvas, 2) == wanted
