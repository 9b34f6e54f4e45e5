"""Pixels to padded planes and back, for every layout."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.svd_patch.geometry import Geometry, Layout
from rankcast.frame import Pixels
from rankcast.planes import (
    merge_bayer,
    merge_ycc420,
    merge_ycc444,
    split_bayer,
    split_ycc420,
    split_ycc444,
)


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


def to_planes(pixels: Pixels, geometry: Geometry, out: list[NDArray[np.uint16]]) -> None:
    """Split `pixels` into `out`, repeating the last row and column into the padding."""
    for plane, target, size in zip(
        _split(pixels, geometry.layout), out, geometry.planes, strict=True
    ):
        height, width = size.height, size.width
        target[:height, :width] = plane
        if width < target.shape[1]:
            target[:height, width:] = target[:height, width - 1 : width]
        if height < target.shape[0]:
            target[height:] = target[height - 1]


def to_pixels(
    planes: list[NDArray[np.uint16]], geometry: Geometry, dtype: np.dtype[np.unsignedinteger]
) -> Pixels:
    """Put planes together to a new array of pixels."""
    layout, shape = geometry.layout, geometry.shape
    parts = [
        plane[: size.height, : size.width]
        for plane, size in zip(planes, geometry.planes, strict=True)
    ]
    if layout is Layout.YCC444:
        return merge_ycc444((parts[0], parts[1], parts[2]), dtype)
    parts = [np.ascontiguousarray(part).astype(dtype) for part in parts]
    if layout is Layout.YCC420:
        return merge_ycc420((parts[0], parts[1], parts[2]))
    if layout is Layout.BAYER:
        return merge_bayer(parts, (shape[0], shape[1])).reshape(shape)
    if layout is Layout.CHANNELS:
        return np.stack(parts, axis=2)
    return parts[0].reshape(shape)
