"""Choice of an intra mode: absolute differences in float32 lanes, for encoders only.

Nothing here needs to be exact to the bit: the chosen mode is predicted again by `intra`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.svd_patch.intra import CORNER
from rankcast.codec.svd_patch.tables import ANGLES, DC, INVERSE_ANGLES, PLANAR
from rankcast.jit import Integer, Real, lean_kernel

_RAMP: NDArray[np.float32] = np.arange(33, dtype=np.float32)


@lean_kernel
def lay_out_sides(
    edge: NDArray[np.int32], side: Integer, top: NDArray[np.float32], left: NDArray[np.float32]
) -> None:
    """Put both sides of an edge outwards from the corner, for all directional modes."""
    for i in range(2 * side + 1):
        top[CORNER + i] = np.float32(edge[CORNER + i])
        left[CORNER + i] = np.float32(edge[CORNER - i])


@lean_kernel
def angle_difference(
    mode: Integer,
    side: Integer,
    block: NDArray[np.float32],
    reference: NDArray[np.float32],
    other: NDArray[np.float32],
    lanes: NDArray[np.float32],
    stride: Integer,
) -> Real:
    """Sum of absolute differences of a directional mode.

    Every `stride`-th row counts. `block` is the source, transposed for modes below 18, and
    `reference` the side that the mode runs along, `other` the other one, both outwards from the
    corner: then the same code serves both.
    """
    angle = ANGLES[mode]
    if angle < 0:
        inverse = INVERSE_ANGLES[mode]
        for i in range(1, ((side * -angle) >> 5) + 1):
            reference[CORNER - i] = other[CORNER + ((i * -inverse + 128) >> 8)]
    lanes[:side] = np.float32(0)
    for i in range(stride - 1, side, stride):
        offset = (i + 1) * angle
        base = CORNER + 1 + (offset >> 5)
        weight = np.float32(offset & 31) * np.float32(1 / 32)
        rest = np.float32(1) - weight
        row = block[i]
        near = reference[base : base + side]
        far = reference[base + 1 : base + 1 + side]
        for j in range(side):
            lanes[j] += abs(row[j] - rest * near[j] - weight * far[j])
    total = np.float32(0)
    for j in range(side):
        total += lanes[j]
    return total * np.float32(stride)


@lean_kernel
def smooth_difference(
    edge: NDArray[np.int32],
    mode: Integer,
    side: Integer,
    block: NDArray[np.float32],
    top: NDArray[np.float32],
    lanes: NDArray[np.float32],
    stride: Integer,
) -> Real:
    """Sum of absolute differences of the planar or the mean mode; as `angle_difference`."""
    lanes[:side] = np.float32(0)
    if mode == DC:
        mean = np.float32(0)
        for i in range(1, side + 1):
            mean += np.float32(edge[CORNER + i]) + np.float32(edge[CORNER - i])
        mean /= np.float32(2 * side)
        for i in range(stride - 1, side, stride):
            row = block[i]
            for j in range(side):
                lanes[j] += abs(row[j] - mean)
    elif mode == PLANAR:
        scale = np.float32(1 / (2 * side))
        right = np.float32(edge[CORNER + side + 1]) * scale
        bottom = np.float32(edge[CORNER - side - 1]) * scale
        for j in range(side):
            top[j] = np.float32(edge[CORNER + 1 + j]) * scale
        for i in range(stride - 1, side, stride):
            left = np.float32(edge[CORNER - 1 - i]) * scale
            first = np.float32(side) * left + np.float32(i + 1) * bottom
            slope = right - left
            weight = np.float32(side - 1 - i)
            row = block[i]
            # (side - 1 - j) left + (j + 1) right, written as a ramp.
            for j in range(side):
                value = first + weight * top[j] + _RAMP[j + 1] * slope
                lanes[j] += abs(row[j] - value)
    total = np.float32(0)
    for j in range(side):
        total += lanes[j]
    return total * np.float32(stride)
