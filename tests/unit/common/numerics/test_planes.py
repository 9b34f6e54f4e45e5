"""Colour planes, and the way of pixels to matrices and back."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rankcast.codec.svd.samples import (
    as_channels,
    farthest,
    load_plane,
    squared_distance,
    store_plane,
)
from rankcast.core import function
from rankcast.errors import UnsupportedImageError
from rankcast.numerics import (
    chroma_shape,
    merge_ycc420,
    merge_ycc444,
    split_ycc420,
    split_ycc444,
)


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


def extremes(shape: tuple[int, int], peak: int, seed: int) -> NDArray[np.int64]:
    """Samples of which many are at the ends and in the middle of their range."""
    rng = np.random.default_rng(seed)
    special = rng.choice([0, 1, peak // 2, peak // 2 + 1, peak - 1, peak], (*shape, 3))
    return np.where(rng.random((*shape, 3)) < 0.6, special, rng.integers(0, peak + 1, (*shape, 3)))


def luma_of(bgr: NDArray[np.int64]) -> NDArray[np.int64]:
    """Times 2^15."""
    return 3735 * bgr[..., 0] + 19235 * bgr[..., 1] + 9798 * bgr[..., 2]


SIZES = [(1, 1), (2, 5), (3, 8), (4, 17), (7, 31), (6, 64)]


@pytest.mark.parametrize("shape", SIZES)
def test_half_size_chroma_of_16_bits_is_that_of_the_formula(shape: tuple[int, int]) -> None:
    bgr = extremes(shape, 65535, shape[1])
    y, cb, cr = split_ycc420(bgr.astype(np.uint16))
    even = np.pad(bgr, ((0, shape[0] % 2), (0, shape[1] % 2), (0, 0)), mode="edge")
    luma = (luma_of(even) + 2**14) >> 15
    height, width = chroma_shape(*shape)
    means = np.concatenate((even, luma[..., None]), 2).reshape(height, 2, width, 2, 4)
    four = means.sum(axis=(1, 3))
    assert np.array_equal(y, luma[: shape[0], : shape[1]])
    for plane, channel, factor in ((cb, 0, 18492), (cr, 2, 23372)):
        want = ((factor * (four[..., channel] - four[..., 3]) + 2**16) >> 17) + 2**15
        assert np.array_equal(plane, np.clip(want, 0, 65535))


@pytest.mark.parametrize("shape", SIZES)
def test_16_bits_come_from_half_size_chroma_by_the_formula(shape: tuple[int, int]) -> None:
    y, cb, cr = extremes(shape, 65535, shape[0]).transpose(2, 0, 1)
    half = chroma_shape(*shape)
    cb, cr = cb[: half[0], : half[1]], cr[: half[0], : half[1]]
    planes = tuple(plane.astype(np.uint16) for plane in (y, cb, cr))
    blue, red = (
        np.kron(plane, np.ones((2, 2), np.int64))[: shape[0], : shape[1]] - 2**15
        for plane in (cb, cr)
    )
    want = np.stack(
        (
            y + ((58065 * blue + 2**14) >> 15),
            y - ((11277 * blue + 23401 * red + 2**14) >> 15),
            y + ((45941 * red + 2**14) >> 15),
        ),
        2,
    )
    assert np.array_equal(merge_ycc420(planes), np.clip(want, 0, 65535))


@pytest.mark.parametrize(("dtype", "fine"), [(np.uint8, 2), (np.uint16, 0)])
@pytest.mark.parametrize("shape", SIZES)
def test_full_size_chroma_is_that_of_the_formula(
    shape: tuple[int, int], dtype: type, fine: int
) -> None:
    peak = int(np.iinfo(dtype).max)
    most = (peak + 1 << fine) - 1
    bgr = extremes(shape, peak, shape[1])
    y, cb, cr = split_ycc444(bgr.astype(dtype))
    luma, shift = luma_of(bgr), 15 - fine
    assert np.array_equal(y, (luma + (1 << shift - 1)) >> shift)
    for plane, channel, factor in ((cb, 0, 18492), (cr, 2, 23372)):
        difference = factor * ((bgr[..., channel] << 15) - luma)
        want = ((difference + (1 << shift + 14)) >> shift + 15) + (most + 1) // 2
        assert np.array_equal(plane, np.clip(want, 0, most))
    planes = tuple(extremes(shape, most, seed)[..., 0].astype(np.uint16) for seed in range(3))
    level, blue, red = (plane.astype(np.int64) for plane in planes)
    level, blue, red = level << 15, blue - (most + 1) // 2, red - (most + 1) // 2
    sums = (58065 * blue, -11277 * blue - 23401 * red, 45941 * red)
    want = np.stack([(level + part + (1 << 14 + fine)) >> 15 + fine for part in sums], 2)
    assert np.array_equal(merge_ycc444(planes, np.dtype(dtype)), np.clip(want, 0, peak))


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


_MERGE_LIMITED = {
    np.uint8: function("rk_planes_merge_limited_420_u8"),
    np.uint16: function("rk_planes_merge_limited_420_u16"),
}


def merged_by_the_core(
    y: NDArray[np.uint8], cb: NDArray[np.uint8], cr: NDArray[np.uint8], dtype: type
) -> NDArray[np.uint8]:
    out = np.empty((*y.shape, 3), np.uint8)
    planes = [np.ascontiguousarray(plane, dtype) for plane in (y, cb, cr)]
    _MERGE_LIMITED[dtype](*planes, *y.shape, out)
    return out


_SCREEN_LIMITED = function("rk_screen_limited_420")


def shown_by_the_core(
    y: NDArray[np.uint8], cb: NDArray[np.uint8], cr: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """BGR of what a screen gets, from planes that are padded to units of 8 samples."""
    padded = [
        np.pad(plane, [(0, -side % 8) for side in plane.shape]).astype(np.uint16)
        for plane in (y, cb, cr)
    ]
    rgba = np.zeros((*y.shape, 4), np.uint8)
    strides = padded[0].shape[1], padded[1].shape[1]
    _SCREEN_LIMITED(*(plane.reshape(-1) for plane in padded), *y.shape, *strides, rgba.reshape(-1))
    assert (rgba[..., 3] == 255).all()
    return rgba[..., 2::-1]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_core_and_opencv_make_the_same_colour_of_every_luma_and_chroma(dtype: type) -> None:
    cb, cr = (plane.astype(np.uint8) for plane in np.mgrid[0:256, 0:256])
    for luma in range(0, 256, 4):
        y = np.tile(np.array([[luma, luma + 1], [luma + 2, luma + 3]], np.uint8), (256, 256))
        want = merge_ycc420((y, cb, cr))
        assert np.array_equal(merged_by_the_core(y, cb, cr, dtype), want)
        assert np.array_equal(shown_by_the_core(y, cb, cr), want)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1, 1), (3, 15), (2, 16), (5, 17), (33, 40)])
def test_the_core_and_opencv_merge_planes_of_all_sides_alike(
    shape: tuple[int, int], dtype: type
) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 256, shape, np.uint8)
    cb, cr = (rng.integers(0, 256, chroma_shape(*shape), np.uint8) for _ in range(2))
    want = merge_ycc420((y, cb, cr))
    assert np.array_equal(merged_by_the_core(y, cb, cr, dtype), want)
    assert np.array_equal(shown_by_the_core(y, cb, cr), want)
