"""Colour planes, and the way of pixels to matrices and back."""

from __future__ import annotations

import numpy as np
import pytest

from rankcast.codec.svd.samples import (
    as_channels,
    farthest,
    load_plane,
    squared_distance,
    store_plane,
)
from rankcast.errors import UnsupportedImageError
from rankcast.numerics import chroma_shape, merge_ycc420, split_ycc420


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 3), (33, 17), (48, 64)])
def test_planes_have_the_documented_shapes_and_come_together_again(
    shape: tuple[int, int], dtype: type
) -> None:
    pixels = (
        np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (*shape, 3)).astype(dtype)
    )
    y, cb, cr = split_ycc420(pixels)
    assert y.shape == shape
    assert cb.shape == cr.shape == chroma_shape(*shape)
    merged = merge_ycc420((y, cb, cr))
    assert merged.shape == pixels.shape
    assert merged.dtype == dtype


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_greys_survive_half_size_chroma(dtype: type) -> None:
    peak = np.iinfo(dtype).max
    ramp = np.linspace(0, peak, 64 * 48).astype(dtype).reshape(48, 64)
    pixels = np.repeat(ramp[..., None], 3, axis=2)
    merged = merge_ycc420(split_ycc420(pixels)).astype(np.int64)
    # Limited range has 219 levels of luma for 255 of grey; full range 16 bit rounds once.
    assert np.abs(merged - pixels).max() <= (2 if dtype is np.uint8 else 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_chroma_is_that_of_the_mean_of_four_pixels_wherever_the_colour_is(
    place: tuple[int, int], dtype: type
) -> None:
    peak = np.iinfo(dtype).max
    pixels = np.full((6, 8, 3), peak // 4, dtype)
    pixels[2 + place[0], 4 + place[1], 2] = peak
    mean = np.broadcast_to(pixels[2:4, 4:6].mean(axis=(0, 1)), (2, 2, 3)).astype(dtype)
    _, cb, cr = split_ycc420(pixels)
    _, cb_mean, cr_mean = split_ycc420(np.ascontiguousarray(mean))
    assert abs(int(cb[1, 2]) - int(cb_mean[0, 0])) <= 1
    assert abs(int(cr[1, 2]) - int(cr_mean[0, 0])) <= 1
    assert cr[1, 2] > cr[0, 0]


def test_half_size_chroma_wants_three_channels() -> None:
    for shape in [(4, 4), (4, 4, 1), (4, 4, 4)]:
        with pytest.raises(UnsupportedImageError, match="three channels"):
            split_ycc420(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(("dtype", "real"), [(np.uint8, np.float32), (np.uint16, np.float64)])
def test_a_channel_is_loaded_with_its_exact_sum_of_squares(dtype: type, real: type) -> None:
    pixels = (
        np.random.default_rng(1).integers(0, np.iinfo(dtype).max + 1, (300, 7, 3)).astype(dtype)
    )
    out = np.empty((300, 7), real)
    squares = load_plane(as_channels(pixels), 1, out)
    assert np.array_equal(out, pixels[..., 1])
    assert squares == int(np.sum(pixels[..., 1].astype(np.int64) ** 2))


def test_storing_rounds_half_to_even_and_clips() -> None:
    a = np.array([[-3.0, -0.4, 0.5, 1.5, 2.5, 254.5, 255.5, 1e9]])
    pixels = np.empty((1, 8, 1), np.uint8)
    store_plane(a, pixels, 0)
    assert pixels[0, :, 0].tolist() == [0, 0, 0, 2, 2, 254, 255, 255]


def test_distances_are_those_of_numpy() -> None:
    rng = np.random.default_rng(2)
    one, two = (rng.integers(0, 65536, (270, 9, 2)).astype(np.uint16) for _ in range(2))
    want = int(np.sum((one.astype(np.int64) - two.astype(np.int64)) ** 2))
    assert squared_distance(as_channels(one), as_channels(two)) == want
    near = two[..., 1].astype(np.float64)
    most = np.abs(one[..., 1].astype(np.float64) - near).max()
    assert farthest(as_channels(one), 1, near) == most
