"""Frame: what it refuses, and that its pixels are nobody's to change."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from rankcast.errors import UnsupportedImageError
from rankcast.frame import Coding, Frame, channels_of, check_pixels, full_scale


@pytest.mark.parametrize("shape", [(1, 1), (3, 4), (3, 4, 1), (3, 4, 64), (1, 1, 2)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_images_of_every_kind_are_taken(shape: tuple[int, ...], dtype: type) -> None:
    frame = Frame(np.zeros(shape, dtype))
    assert channels_of(frame.pixels.shape) == (shape[2] if len(shape) == 3 else 1)
    assert full_scale(frame.pixels.dtype) == (255 if dtype is np.uint8 else 65_535)
    assert frame.bits == 8 * np.dtype(dtype).itemsize


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        ([[1, 2]], "got list"),
        (np.zeros((3, 4), np.float32), "got dtype float32"),
        (np.zeros((3, 4), np.int16), "got dtype int16"),
        (np.zeros((3, 4), bool), "got dtype bool"),
        (
            np.zeros((3, 4), np.dtype(np.uint16).newbyteorder()),
            r"want native byte order: array\.astype\(np\.uint16\)",
        ),
        (np.zeros((), np.uint8), "got shape"),
        (np.zeros(3, np.uint8), "got shape"),
        (np.zeros((3, 4, 3, 1), np.uint8), "got shape"),
        (np.zeros((0, 4), np.uint8), "no side of 0"),
        (np.zeros((3, 4, 0), np.uint8), "no side of 0"),
        (np.zeros((3, 4, 65), np.uint8), "got 65 channels, want at most 64"),
    ],
)
def test_what_is_no_image_is_refused(pixels: Any, reason: str) -> None:
    for make in (check_pixels, Frame):
        with pytest.raises(UnsupportedImageError, match=reason):
            make(pixels)


@pytest.mark.parametrize(
    ("dtype", "bits", "taken"),
    [
        (np.uint8, 8, True),
        (np.uint8, 9, False),
        (np.uint16, 12, True),
        (np.uint16, 16, True),
        (np.uint16, 17, False),
        (np.uint16, -1, False),
    ],
)
def test_significant_bits_fit_the_dtype(dtype: type, bits: int, taken: bool) -> None:
    pixels = np.zeros((2, 2), dtype)
    if taken:
        assert Frame(pixels, significant_bits=bits).bits == bits
    else:
        with pytest.raises(UnsupportedImageError, match="significant bits"):
            Frame(pixels, significant_bits=bits)


def test_an_unknown_mosaic_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnsupportedImageError, match="want one of RGGB, BGGR, GRBG, GBRG"):
        Frame(np.zeros((2, 2), np.uint8), cfa="XTRANS")


def test_pixels_are_read_only_but_the_callers_array_is_not() -> None:
    pixels = np.zeros((2, 2), np.uint8)
    frame = Frame(pixels)
    with pytest.raises(ValueError, match="read-only"):
        frame.pixels[0, 0] = 1
    pixels[0, 0] = 1
    assert frame.pixels[0, 0] == 1, "a view, not a copy"
    with pytest.raises(dataclasses.FrozenInstanceError):
        frame.sequence = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("psnr_db", "lossy"), [(None, True), (40.0, True), (float("inf"), False), (0.0, True)]
)
def test_only_an_infinite_psnr_is_lossless(psnr_db: float | None, lossy: bool) -> None:
    assert Coding("svd", 10, psnr_db=psnr_db).lossy is lossy
