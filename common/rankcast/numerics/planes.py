"""Colour planes: BGR to luma and half-size chroma and back.

8 bit is BT.601 limited range, as OpenCV's I420. 16 bit and 4:4:4 are BT.601 full range in integers,
so that both ends compute the same samples on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rankcast.core import function
from rankcast.errors import UnsupportedImageError
from rankcast.frame import Pixels

Planes: TypeAlias = tuple[Pixels, Pixels, Pixels]

_limited_chroma = function("rk_planes_limited_chroma")
_split_420 = function("rk_planes_split_420")
_merge_420 = function("rk_planes_merge_420")
_merge_limited_420 = function("rk_planes_merge_limited_420_u16")
_SPLIT_444: Final = {
    np.dtype(np.uint8): function("rk_planes_split_444_u8"),
    np.dtype(np.uint16): function("rk_planes_split_444_u16"),
}
_MERGE_444: Final = {
    np.dtype(np.uint8): function("rk_planes_merge_444_u8"),
    np.dtype(np.uint16): function("rk_planes_merge_444_u16"),
}


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
    from rankcast.opencv import cv2  # here, because pictures of other layouts never need it

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
        _limited_chroma(memory.half, samples, cb, cr)
        return y[:height, :width], cb, cr
    y16 = np.empty(bgr.shape[:2], np.uint16)
    cb16 = np.empty((chroma_height, chroma_width), np.uint16)
    cr16 = np.empty((chroma_height, chroma_width), np.uint16)
    _split_420(bgr, *bgr.shape[:2], y16, cb16, cr16)
    return y16[:height, :width], cb16, cr16


def i420_shape(height: int, width: int) -> tuple[int, int]:
    """Shape of OpenCV's I420: luma of even sides and both chroma planes, one below the other."""
    chroma_height, chroma_width = chroma_shape(height, width)
    return 3 * chroma_height, 2 * chroma_width


def merge_ycc420(
    planes: Planes,
    dtype: np.dtype[np.unsignedinteger] | None = None,
    out: Pixels | None = None,
) -> Pixels:
    """Put luma and half-size chroma planes together again; the inverse of `split_ycc420`.

    Parameters
    ----------
    planes : tuple of ndarray
        Y of shape (H, W), Cb and Cr of shape (ceil(H / 2), ceil(W / 2)), uint8 or uint16.
    dtype : dtype, optional
        That of the pixels, if the planes hold 8-bit samples in 16 bits.
    out : ndarray, shape (H, W, 3), uint8, contiguous, optional
        Takes the pixels of planes that hold 8-bit samples in 16 bits.

    Returns
    -------
    ndarray, shape (H, W, 3)
        BGR; each chroma sample serves its 2 x 2 pixels.
    """
    y, cb, cr = planes
    height, width = y.shape
    if y.dtype == np.uint16 and dtype == np.uint8:
        bgr8 = np.empty((height, width, 3), np.uint8) if out is None else out
        _merge_limited_420(*map(np.ascontiguousarray, planes), height, width, bgr8)
        return bgr8
    if y.dtype == np.uint8:
        from rankcast.opencv import cv2  # as above

        even_height, even_width = 2 * cb.shape[0], 2 * cb.shape[1]
        i420 = np.empty(i420_shape(height, width), np.uint8)
        flat = i420.reshape(-1)
        luma = flat[: even_height * even_width].reshape(even_height, even_width)
        luma[:height, :width] = y
        luma[height:, :width] = luma[height - 1, :width]
        luma[:, width:] = luma[:, width - 1 : width]
        # Assigned row by row of the plane, which may be a part of a wider one.
        flat[luma.size : luma.size + cb.size].reshape(cb.shape)[:] = cb
        flat[luma.size + cb.size :].reshape(cr.shape)[:] = cr
        bgr: NDArray[np.uint8] = cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420)
        if (even_height, even_width) != (height, width):
            bgr = np.ascontiguousarray(bgr[:height, :width])
        return bgr
    bgr16 = np.empty((height, width, 3), np.uint16)
    _merge_420(*map(np.ascontiguousarray, planes), height, width, bgr16)
    return bgr16


def split_ycc444(pixels: Pixels) -> Planes:
    """Split a colour image into full-range BT.601 luma and chroma of full size.

    Parameters
    ----------
    pixels : ndarray, shape (H, W, 3), uint8 or uint16
        BGR.

    Returns
    -------
    tuple of ndarray, shape (H, W), uint16
        In quarter levels for uint8 (0..1023), in levels for uint16: whole levels of 8 bits would
        cap luma at 54 dB.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise UnsupportedImageError(f"got shape {pixels.shape}, 4:4:4 wants three channels (BGR)")
    y, cb, cr = (np.empty(pixels.shape[:2], np.uint16) for _ in range(3))
    _SPLIT_444[pixels.dtype](np.ascontiguousarray(pixels), y.size, y, cb, cr)
    return y, cb, cr


def merge_ycc444(planes: Planes, dtype: np.dtype[Any]) -> Pixels:
    """Put luma and chroma of full size together again; the inverse of `split_ycc444`."""
    y = planes[0]
    bgr: Pixels = np.empty((*y.shape, 3), dtype)
    _MERGE_444[dtype](*map(np.ascontiguousarray, planes), y.size, bgr)
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
