"""Pixels to padded planes and back, for every layout."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.svd_patch.geometry import Geometry, Layout
from rankcast.frame import Pixels
from rankcast.planes import (
    i420_shape,
    merge_bayer,
    merge_ycc420,
    merge_ycc444,
    split_bayer,
    split_ycc420,
    split_ycc444,
)


class Canvas:
    """Memory for turning pixels into planes and back, kept from frame to frame.

    Fresh memory is handed out page by page by the system, at a quarter of the CPU time of a
    quiet 1080p frame.
    """

    def __init__(self, geometry: Geometry) -> None:
        self._i420: NDArray[np.uint8] | None = None
        self._bgr: NDArray[np.uint8] | None = None
        self._geometry = geometry

    def i420(self) -> NDArray[np.uint8] | None:
        """Planes of 8-bit 4:2:0, where the geometry is that."""
        geometry = self._geometry
        if self._i420 is None and geometry.layout is Layout.YCC420 and not geometry.deep:
            self._i420 = np.empty(i420_shape(*geometry.shape[:2]), np.uint8)
        return self._i420

    def bgr(self) -> NDArray[np.uint8] | None:
        """Pixels of the same."""
        i420 = self.i420()
        if self._bgr is None and i420 is not None:
            self._bgr = np.empty((i420.shape[0] // 3 * 2, i420.shape[1], 3), np.uint8)
        return self._bgr


def _split(pixels: Pixels, layout: Layout, canvas: Canvas) -> tuple[Pixels, ...]:
    if layout is Layout.YCC420:
        return split_ycc420(pixels, canvas.i420())
    if layout is Layout.YCC444:
        return split_ycc444(pixels)
    if layout is Layout.BAYER:
        return split_bayer(pixels.reshape(pixels.shape[:2]))
    if layout is Layout.CHANNELS:
        return tuple(pixels[:, :, channel] for channel in range(pixels.shape[2]))
    return (pixels.reshape(pixels.shape[:2]),)


def to_planes(
    pixels: Pixels, geometry: Geometry, out: list[NDArray[np.uint16]], canvas: Canvas
) -> None:
    """Split `pixels` into `out`, repeating the last row and column into the padding."""
    for plane, target, size in zip(
        _split(pixels, geometry.layout, canvas), out, geometry.planes, strict=True
    ):
        height, width = size.height, size.width
        target[:height, :width] = plane
        if width < target.shape[1]:
            target[:height, width:] = target[:height, width - 1 : width]
        if height < target.shape[0]:
            target[height:] = target[height - 1]


def to_pixels(
    planes: list[NDArray[np.uint16]],
    geometry: Geometry,
    dtype: np.dtype[np.unsignedinteger],
    canvas: Canvas,
    *,
    fresh: bool,
) -> Pixels:
    """Put planes together to pixels: a new array if `fresh`, else one to be read at once."""
    layout, shape = geometry.layout, geometry.shape
    parts = [
        plane[: size.height, : size.width]
        for plane, size in zip(planes, geometry.planes, strict=True)
    ]
    if layout is Layout.YCC444:
        return merge_ycc444((parts[0], parts[1], parts[2]), dtype)
    if layout is Layout.YCC420:
        ycc = parts[0], parts[1], parts[2]
        return merge_ycc420(ycc, dtype, canvas.i420(), None if fresh else canvas.bgr())
    parts = [np.ascontiguousarray(part).astype(dtype) for part in parts]
    if layout is Layout.BAYER:
        return merge_bayer(parts, (shape[0], shape[1])).reshape(shape)
    if layout is Layout.CHANNELS:
        return np.stack(parts, axis=2)
    return parts[0].reshape(shape)
