"""Pixels to padded planes and back, for every layout, in bands of rows that threads share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast import pool
from rankcast.codec.svd_patch.geometry import Geometry, Layout
from rankcast.codec.svd_patch.tables import UNIT
from rankcast.core import function
from rankcast.frame import Pixels
from rankcast.numerics import (
    Memory420,
    merge_bayer,
    merge_ycc420,
    merge_ycc444,
    split_bayer,
    split_ycc420,
    split_ycc444,
)

_SPLIT_LIMITED: Final = function("rk_planes_split_limited_420")


@dataclass(frozen=True, slots=True)
class Band:
    """Rows of the picture, and those of every plane that hold them."""

    rows: slice
    plane_rows: tuple[slice, ...]


def bands_of(geometry: Geometry) -> list[Band]:
    """As many bands of rows as there are slices, of equal size whatever the slices do."""
    # Both rows of a mosaic's pattern lie in the same row of its planes.
    scale = 2 if geometry.layout is Layout.BAYER else 1
    cuts = [plane.slices(geometry.borders) for plane in geometry.planes]
    bands = []
    for index in range(geometry.slices):
        plane_rows = tuple(
            slice(UNIT * slices[index][0], min(UNIT * slices[index][1], plane.height))
            for plane, slices in zip(geometry.planes, cuts, strict=True)
        )
        first = plane_rows[0]
        rows = slice(scale * first.start, min(scale * first.stop, geometry.shape[0]))
        if rows.start < rows.stop:
            bands.append(Band(rows, plane_rows))
    return bands


class Canvas:
    """Memory for turning pixels into planes and back, kept from frame to frame.

    Fresh memory is handed out page by page by the system, at a quarter of the CPU time of a
    quiet 1080p frame.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.bands = bands_of(geometry)
        self._memory: list[Memory420 | None] = [None] * len(self.bands)
        self._pixels: Pixels | None = None
        self._geometry = geometry

    def memory(self, index: int) -> Memory420 | None:
        """For a band of an 8-bit 4:2:0 picture; None for every other geometry."""
        geometry, kept = self._geometry, self._memory[index]
        if kept is None and geometry.layout is Layout.YCC420 and not geometry.deep:
            rows = self.bands[index].rows
            kept = Memory420(rows.stop - rows.start, geometry.shape[1])
            self._memory[index] = kept
        return kept

    def pixels(self, dtype: np.dtype[np.unsignedinteger]) -> Pixels:
        """Pixels of the whole picture."""
        if self._pixels is None:
            self._pixels = np.empty(self._geometry.shape, dtype)
        return self._pixels


def _split(pixels: Pixels, layout: Layout) -> tuple[Pixels, ...]:
    if layout is Layout.YCC420:
        return split_ycc420(pixels)
    if layout is Layout.YCC444:
        return split_ycc444(pixels)
    if layout is Layout.BAYER:
        return split_bayer(pixels.reshape(pixels.shape[:2]))
    if layout is Layout.CHANNELS:
        return tuple(pixels[:, :, channel] for channel in range(pixels.shape[2]))
    return (pixels.reshape(pixels.shape[:2]),)


def _split_limited(pixels: Pixels, out: list[NDArray[np.uint16]], band: Band) -> None:
    """Split 8-bit colour straight into the planes: the way through others took twice the time."""
    bgr = np.ascontiguousarray(pixels[band.rows])
    y, cb, cr = (plane[rows] for plane, rows in zip(out, band.plane_rows, strict=True))
    _SPLIT_LIMITED(bgr, *bgr.shape[:2], y, cb, cr, y.shape[1], cb.shape[1])


def to_planes(
    pixels: Pixels,
    geometry: Geometry,
    out: list[NDArray[np.uint16]],
    canvas: Canvas,
    threads: int | None = None,
) -> None:
    """Split `pixels` into `out`, repeating the last row and column into the padding."""

    def task(band: Band) -> Callable[[], None]:
        def split_band() -> None:
            if geometry.layout is Layout.YCC420 and not geometry.deep:
                _split_limited(pixels, out, band)
            else:
                parts = _split(pixels[band.rows], geometry.layout)
                for part, target, rows in zip(parts, out, band.plane_rows, strict=True):
                    target[rows, : part.shape[1]] = part
            for target, rows, size in zip(out, band.plane_rows, geometry.planes, strict=True):
                height, width = size.height, size.width
                if width < target.shape[1]:
                    target[rows, width:] = target[rows, width - 1 : width]
                if rows.start < rows.stop == height < target.shape[0]:
                    target[height:] = target[height - 1]

        return split_band

    pool.run([task(band) for band in canvas.bands], threads)


def to_pixels(
    planes: list[NDArray[np.uint16]],
    geometry: Geometry,
    dtype: np.dtype[np.unsignedinteger],
    canvas: Canvas,
    *,
    fresh: bool,
    threads: int | None = None,
) -> Pixels:
    """Put planes together to pixels: a new array if `fresh`, else one to be read at once."""
    out = np.empty(geometry.shape, dtype) if fresh else canvas.pixels(dtype)

    def task(index: int) -> Callable[[], None]:
        def merge_band() -> None:
            band = canvas.bands[index]
            parts = [
                plane[rows, : size.width]
                for plane, rows, size in zip(planes, band.plane_rows, geometry.planes, strict=True)
            ]
            target = out[band.rows]
            merged = _merge(parts, geometry.layout, dtype, target)
            if not np.may_share_memory(merged, target):
                target[:] = merged.reshape(target.shape)

        return merge_band

    pool.run([task(index) for index in range(len(canvas.bands))], threads)
    return out


def _merge(
    parts: list[NDArray[np.uint16]],
    layout: Layout,
    dtype: np.dtype[np.unsignedinteger],
    out: Pixels,
) -> Pixels:
    """Pixels of a band: in `out`, or in memory of their own."""
    if layout is Layout.YCC444:
        return merge_ycc444((parts[0], parts[1], parts[2]), dtype)
    if layout is Layout.YCC420:
        return merge_ycc420((parts[0], parts[1], parts[2]), dtype, out)
    if layout is Layout.BAYER:
        narrow = [np.ascontiguousarray(part).astype(dtype) for part in parts]
        return merge_bayer(narrow, (out.shape[0], out.shape[1]))
    for channel, part in enumerate(parts):
        out.reshape(*out.shape[:2], -1)[:, :, channel] = part
    return out
