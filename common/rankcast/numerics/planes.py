"""Colour planes: BGR to luma and half-size chroma and back.

8 bit is BT.601 limited range, as OpenCV's I420. 16 bit is BT.601 full range in integers,
so that both ends compute the same samples on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rankcast.errors import UnsupportedImageError
from rankcast.frame import Pixels
from rankcast.kernels import Integer, kernel
from rankcast.opencv import cv2

Planes: TypeAlias = tuple[Pixels, Pixels, Pixels]

# ITU-R BT.601 luma weights times 2^15; they sum to exactly 2^15.
_R, _G, _B = 9798, 19235, 3735
# 1 / (2 (1 - 0.114)) and 1 / (2 (1 - 0.299)), times 2^15.
_CB, _CR = 18492, 23372
_SHIFT = 15
_HALF = 1 << (_SHIFT - 1)
_MIDDLE = 1 << 15
_MAX16 = 65535


def chroma_shape(height: int, width: int) -> tuple[int, int]:
    """Shape of a 4:2:0 chroma plane; odd sides round up."""
    return (height + 1) // 2, (width + 1) // 2


class Memory420:
    """Memory for 8-bit pictures of one size, for who keeps it from frame to frame."""

    def __init__(self, height: int, width: int) -> None:
        half = chroma_shape(height, width)
        self.i420 = np.empty(i420_shape(height, width), np.uint8)
        self.half = np.empty((*half, 3), np.uint8)
        """BGR means of 2 x 2 pixels."""
        self.parts = [np.empty(half, np.uint8) for _ in range(3)]


def split_ycc420(pixels: Pixels, memory: Memory420 | None = None) -> Planes:
    """Split a colour image into luma and two half-size chroma planes.

    Parameters
    ----------
    pixels : ndarray, shape (H, W, 3), uint8 or uint16
        BGR.
    memory : Memory420, optional
        Kept by the caller for 8-bit pixels: the planes are views of it.

    Returns
    -------
    tuple of ndarray
        Y of shape (H, W), Cb and Cr of shape (ceil(H / 2), ceil(W / 2)), same dtype: those of the
        mean of 2 x 2 pixels. Odd sides are extended by repeating the last row or column.

    Raises
    ------
    UnsupportedImageError
        If the image has not three channels.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise UnsupportedImageError(f"got shape {pixels.shape}, 4:2:0 wants three channels (BGR)")
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        bgr = cv2.copyMakeBorder(pixels, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    else:
        bgr = np.ascontiguousarray(pixels)
    chroma_height, chroma_width = chroma_shape(height, width)
    if pixels.dtype == np.uint8:
        memory = memory or Memory420(height, width)
        flat = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420, dst=memory.i420).reshape(-1)
        luma_samples, samples = 4 * chroma_height * chroma_width, chroma_height * chroma_width
        y = flat[:luma_samples].reshape(bgr.shape[:2])
        cb = flat[luma_samples : luma_samples + samples].reshape(chroma_height, chroma_width)
        cr = flat[luma_samples + samples :].reshape(chroma_height, chroma_width)
        # OpenCV takes the chroma of one pixel in four: single pixels of colour vanish, or count
        # for four. From the means photographs come out 0.1 to 0.5 dB better in fewer bytes.
        cv2.resize(
            bgr, (chroma_width, chroma_height), dst=memory.half, interpolation=cv2.INTER_AREA
        )
        b, g, r = cv2.split(memory.half, memory.parts)
        _chroma8(b, g, r, cb, cr)
        return y[:height, :width], cb, cr
    y16 = np.empty(bgr.shape[:2], np.uint16)
    cb16 = np.empty((chroma_height, chroma_width), np.uint16)
    cr16 = np.empty((chroma_height, chroma_width), np.uint16)
    _split16(bgr, y16, cb16, cr16)
    return y16[:height, :width], cb16, cr16


def i420_shape(height: int, width: int) -> tuple[int, int]:
    """Shape of OpenCV's I420: luma of even sides and both chroma planes, one below the other."""
    chroma_height, chroma_width = chroma_shape(height, width)
    return 3 * chroma_height, 2 * chroma_width


def merge_ycc420(
    planes: Planes,
    dtype: np.dtype[np.unsignedinteger] | None = None,
    memory: Memory420 | None = None,
    out: Pixels | None = None,
) -> Pixels:
    """Put luma and half-size chroma planes together again; the inverse of `split_ycc420`.

    Parameters
    ----------
    planes : tuple of ndarray
        Y of shape (H, W), Cb and Cr of shape (ceil(H / 2), ceil(W / 2)), uint8 or uint16.
    dtype : dtype, optional
        That of the pixels, if the planes hold 8-bit samples in 16 bits.
    memory : Memory420, optional
        Kept by the caller for 8-bit pixels.
    out : ndarray, shape (2 ceil(H / 2), 2 ceil(W / 2), 3), uint8, optional
        Kept by the caller for 8-bit pixels: the result is a view or a copy of it.

    Returns
    -------
    ndarray, shape (H, W, 3)
        BGR; each chroma sample serves its 2 x 2 pixels.
    """
    y, cb, cr = planes
    height, width = y.shape
    if (dtype or y.dtype) == np.uint8:
        even_height, even_width = 2 * cb.shape[0], 2 * cb.shape[1]
        i420 = np.empty(i420_shape(height, width), np.uint8) if memory is None else memory.i420
        flat = i420.reshape(-1)
        luma = flat[: even_height * even_width].reshape(even_height, even_width)
        luma[:height, :width] = y
        luma[height:, :width] = luma[height - 1, :width]
        luma[:, width:] = luma[:, width - 1 : width]
        # Assigned row by row of the plane, which may be a part of a wider one.
        flat[luma.size : luma.size + cb.size].reshape(cb.shape)[:] = cb
        flat[luma.size + cb.size :].reshape(cr.shape)[:] = cr
        bgr: NDArray[np.uint8] = cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420, dst=out)
        if (even_height, even_width) != (height, width):
            bgr = np.ascontiguousarray(bgr[:height, :width])
        return bgr
    bgr16 = np.empty((height, width, 3), np.uint16)
    _merge16(y, cb, cr, bgr16)
    return bgr16


@kernel
def _chroma8(b: Pixels, g: Pixels, r: Pixels, cb: Pixels, cr: Pixels) -> None:
    """BT.601 limited range with OpenCV's factors, times 2^20, plus 128 and a half."""
    middle, shift = np.int32((128 << 20) + (1 << 19)), np.int32(20)
    for i in range(cb.shape[0]):
        blue, green, red, cb_row, cr_row = b[i], g[i], r[i], cb[i], cr[i]
        for j in range(cb.shape[1]):
            x, y, z = np.int32(blue[j]), np.int32(green[j]), np.int32(red[j])
            of_blue = np.int32(460324) * x - np.int32(305135) * y - np.int32(155188) * z
            of_red = np.int32(460324) * z - np.int32(385875) * y - np.int32(74448) * x
            cb_row[j] = np.int32(of_blue + middle) >> shift
            cr_row[j] = np.int32(of_red + middle) >> shift


@kernel
def _clip16(value: Integer) -> Integer:
    if value < 0:
        return np.int64(0)
    return value if value < _MAX16 else np.int64(_MAX16)


@kernel
def _split16(
    bgr: Pixels,
    y: Pixels,
    cb: Pixels,
    cr: Pixels,
) -> None:
    for i in range(cb.shape[0]):
        for j in range(cb.shape[1]):
            blue = red = luma = np.int64(0)
            for di in range(2):
                for dj in range(2):
                    b = np.int64(bgr[2 * i + di, 2 * j + dj, 0])
                    g = np.int64(bgr[2 * i + di, 2 * j + dj, 1])
                    r = np.int64(bgr[2 * i + di, 2 * j + dj, 2])
                    value = (_R * r + _G * g + _B * b + _HALF) >> _SHIFT
                    y[2 * i + di, 2 * j + dj] = value
                    blue += b
                    red += r
                    luma += value
            # The sums are of four pixels: two more bits to shift out.
            half = np.int64(1) << (_SHIFT + 1)
            cb[i, j] = _clip16(((_CB * (blue - luma) + half) >> (_SHIFT + 2)) + _MIDDLE)
            cr[i, j] = _clip16(((_CR * (red - luma) + half) >> (_SHIFT + 2)) + _MIDDLE)


@kernel
def _merge16(
    y: Pixels,
    cb: Pixels,
    cr: Pixels,
    bgr: Pixels,
) -> None:
    # 2 (1 - 0.114), 2 (1 - 0.299) and the two parts of green, times 2^15.
    to_b, to_r, cb_to_g, cr_to_g = 58065, 45941, 11277, 23401
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            luma = np.int64(y[i, j])
            blue = np.int64(cb[i >> 1, j >> 1]) - _MIDDLE
            red = np.int64(cr[i >> 1, j >> 1]) - _MIDDLE
            b = luma + ((to_b * blue + _HALF) >> _SHIFT)
            g = luma - ((cb_to_g * blue + cr_to_g * red + _HALF) >> _SHIFT)
            r = luma + ((to_r * red + _HALF) >> _SHIFT)
            bgr[i, j, 0] = _clip16(b)
            bgr[i, j, 1] = _clip16(g)
            bgr[i, j, 2] = _clip16(r)


FINE_BITS = 2
"""Extra bits of 4:4:4 planes of 8-bit pictures: whole levels would cap luma at 54 dB."""


def split_ycc444(pixels: Pixels) -> Planes:
    """Split a colour image into full-range BT.601 luma and chroma of full size.

    Parameters
    ----------
    pixels : ndarray, shape (H, W, 3), uint8 or uint16
        BGR.

    Returns
    -------
    tuple of ndarray, shape (H, W), uint16
        In quarter levels for uint8 (0..1023), in levels for uint16.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise UnsupportedImageError(f"got shape {pixels.shape}, 4:4:4 wants three channels (BGR)")
    height, width = pixels.shape[:2]
    y, cb, cr = (np.empty((height, width), np.uint16) for _ in range(3))
    fine = FINE_BITS if pixels.dtype == np.uint8 else 0
    _split444(np.ascontiguousarray(pixels), y, cb, cr, fine)
    return y, cb, cr


def merge_ycc444(planes: Planes, dtype: np.dtype[Any]) -> Pixels:
    """Put luma and chroma of full size together again; the inverse of `split_ycc444`."""
    y, cb, cr = planes
    bgr: Pixels = np.empty((*y.shape, 3), dtype)
    _merge444(y, cb, cr, FINE_BITS if dtype == np.uint8 else 0, bgr)
    return bgr


def split_bayer(pixels: Pixels) -> tuple[Pixels, ...]:
    """Split a mosaic (H, W) into its four planes, by position in the 2 x 2 pattern."""
    return tuple(pixels[a::2, b::2] for a in range(2) for b in range(2))


def merge_bayer(planes: Sequence[Pixels], shape: tuple[int, int]) -> Pixels:
    """Put the four planes of a mosaic together again."""
    pixels: Pixels = np.empty(shape, planes[0].dtype)
    for index, plane in enumerate(planes):
        pixels[index // 2 :: 2, index % 2 :: 2] = plane
    return pixels


@kernel
def _split444(bgr: Pixels, y: Pixels, cb: Pixels, cr: Pixels, fine: Integer) -> None:
    largest = (256 << fine) - 1 if fine > 0 else _MAX16
    middle = (largest + 1) >> 1
    shift = _SHIFT - fine
    half = np.int64(1) << (shift - 1)
    for i in range(bgr.shape[0]):
        for j in range(bgr.shape[1]):
            b = np.int64(bgr[i, j, 0])
            g = np.int64(bgr[i, j, 1])
            r = np.int64(bgr[i, j, 2])
            luma = _R * r + _G * g + _B * b
            y[i, j] = (luma + half) >> shift
            # The differences carry 15 fractional bits, the factors 15 more.
            blue = (_CB * ((b << _SHIFT) - luma) + (half << _SHIFT)) >> (shift + _SHIFT)
            red = (_CR * ((r << _SHIFT) - luma) + (half << _SHIFT)) >> (shift + _SHIFT)
            cb[i, j] = min(max(blue + middle, 0), largest)
            cr[i, j] = min(max(red + middle, 0), largest)


@kernel
def _merge444(y: Pixels, cb: Pixels, cr: Pixels, fine: Integer, bgr: Pixels) -> None:
    largest = 255 if fine > 0 else _MAX16
    middle = np.int64(1) << (7 + fine) if fine > 0 else np.int64(_MIDDLE)
    # 2 (1 - 0.114), 2 (1 - 0.299) and the two parts of green, times 2^15.
    to_b, to_r, cb_to_g, cr_to_g = 58065, 45941, 11277, 23401
    half = np.int64(1) << (_SHIFT + fine - 1)
    shift = _SHIFT + fine
    for i in range(bgr.shape[0]):
        for j in range(bgr.shape[1]):
            luma = (np.int64(y[i, j]) << _SHIFT) + half
            blue = np.int64(cb[i, j]) - middle
            red = np.int64(cr[i, j]) - middle
            bgr[i, j, 0] = min(max((luma + to_b * blue) >> shift, 0), largest)
            bgr[i, j, 1] = min(max((luma - cb_to_g * blue - cr_to_g * red) >> shift, 0), largest)
            bgr[i, j, 2] = min(max((luma + to_r * red) >> shift, 0), largest)
