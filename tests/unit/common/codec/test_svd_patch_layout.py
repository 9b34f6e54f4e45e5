"""Planes in bands of rows, which threads share, against those of the whole picture at once."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rankcast.codec.svd_patch.geometry import Geometry, Layout, geometry_of
from rankcast.codec.svd_patch.layout import Canvas, to_pixels, to_planes
from rankcast.frame import Pixels
from rankcast.numerics import (
    merge_bayer,
    merge_ycc420,
    merge_ycc444,
    split_bayer,
    split_ycc420,
    split_ycc444,
)

pytestmark = pytest.mark.timeout(300)

TAIL: dict[Layout, tuple[int, ...]] = {
    Layout.GREY: (),
    Layout.YCC420: (3,),
    Layout.YCC444: (3,),
    Layout.BAYER: (),
    Layout.CHANNELS: (2,),
}
# Even and odd sides; heights beside the borders of cells and of slices; bands without rows.
SIZES = [
    (2, 500_000), (17, 54_215), (127, 7259), (130, 7096), (193, 4776), (257, 3593), (513, 1797),
    (1283, 719),
]  # fmt: skip


def whole_planes(pixels: Pixels, geometry: Geometry) -> list[Pixels]:
    """Padded planes of the picture in one piece."""
    layout, flat = geometry.layout, pixels.reshape(*pixels.shape[:2], -1)
    parts: tuple[Pixels, ...]
    if layout is Layout.YCC420:
        parts = split_ycc420(pixels)
    elif layout is Layout.YCC444:
        parts = split_ycc444(pixels)
    elif layout is Layout.BAYER:
        parts = split_bayer(flat[:, :, 0])
    else:
        parts = tuple(flat[:, :, channel] for channel in range(flat.shape[2]))
    planes = []
    for part, plane in zip(parts, geometry.planes, strict=True):
        below, right = plane.padded[0] - plane.height, plane.padded[1] - plane.width
        planes.append(np.pad(part, ((0, below), (0, right)), "edge").astype(np.uint16))
    return planes


def whole_pixels(
    planes: list[NDArray[np.uint16]], geometry: Geometry, dtype: np.dtype[np.unsignedinteger]
) -> Pixels:
    """The picture of these planes in one piece."""
    parts = [
        plane[: size.height, : size.width]
        for plane, size in zip(planes, geometry.planes, strict=True)
    ]
    if geometry.layout is Layout.YCC420:
        return merge_ycc420((parts[0], parts[1], parts[2]), dtype)
    if geometry.layout is Layout.YCC444:
        return merge_ycc444((parts[0], parts[1], parts[2]), dtype)
    narrow = [part.astype(dtype) for part in parts]
    if geometry.layout is Layout.BAYER:
        return merge_bayer(narrow, (geometry.shape[0], geometry.shape[1])).reshape(geometry.shape)
    return np.stack(narrow, axis=2).reshape(geometry.shape)


def check(pixels: Pixels, layout: Layout) -> None:
    geometry = geometry_of(layout, pixels.shape, pixels.dtype.itemsize)
    assert geometry.slices > 1
    canvas, before = Canvas(geometry), pixels.copy()
    # What stands in the arrays from the picture before must not show.
    planes = [np.full(plane.padded, 7, np.uint16) for plane in geometry.planes]
    to_planes(pixels, geometry, planes, canvas, 2)
    assert np.array_equal(pixels, before)
    for plane, expected in zip(planes, whole_planes(pixels, geometry), strict=True):
        assert np.array_equal(plane, expected)
    shown = whole_pixels(planes, geometry, pixels.dtype)
    for fresh in (True, False):
        merged = to_pixels(planes, geometry, pixels.dtype, canvas, fresh=fresh, threads=2)
        assert merged.dtype == pixels.dtype
        assert np.array_equal(merged, shown)
    if layout not in (Layout.YCC420, Layout.YCC444):
        assert np.array_equal(shown, pixels)


def noise(shape: tuple[int, ...], dtype: type) -> Pixels:
    samples = np.random.default_rng(sum(shape)).integers(0, np.iinfo(dtype).max + 1, shape)
    pixels: Pixels = samples.astype(dtype)
    return pixels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_bands_give_the_planes_and_pixels_of_the_whole_picture(
    size: tuple[int, int], layout: Layout, dtype: type
) -> None:
    check(noise((*size, *TAIL[layout]), dtype), layout)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("layout", list(Layout))
def test_pixels_need_not_lie_side_by_side(layout: Layout, dtype: type) -> None:
    tail = TAIL[layout]
    wide = noise((259, 3600, *tail), dtype)
    check(wide[:, 3:3590], layout)
    check(wide[::-1], layout)
    check(noise((259, 7300, *tail), dtype)[:, ::2], layout)
    if tail:
        check(wide[:, :, ::-1], layout)
    elif layout in (Layout.GREY, Layout.BAYER):
        check(wide[..., None], layout)


@pytest.mark.parametrize("layout", [Layout.GREY, Layout.BAYER])
def test_four_bands_give_the_planes_and_pixels_of_the_whole_picture(layout: Layout) -> None:
    pixels = noise((386, 21_489), np.uint8)
    assert geometry_of(layout, pixels.shape, 1).slices == 4
    check(pixels, layout)
