"""Prediction of a patch from the samples around it: planar, mean and 33 directions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.svd_patch.tables import ANGLES, DC, INVERSE_ANGLES, PLANAR
from rankcast.frame import Pixels
from rankcast.kernels import Integer, lean_kernel

CORNER = 64
"""Index of the corner sample in an edge: the left side runs down from it, the top side up."""
EDGE = 2 * CORNER + 1


@lean_kernel
def gather_edge(
    plane: Pixels,
    done: NDArray[np.int16],
    y: Integer,
    x: Integer,
    side: Integer,
    top_unit: Integer,
    bottom_unit: Integer,
    middle_grey: Integer,
    edge: NDArray[np.int32],
    raw: NDArray[np.int32],
) -> None:
    """Collect the 4 x side + 1 samples around a patch.

    Parameters
    ----------
    plane : ndarray
        The reconstruction so far.
    done : ndarray, shape (H / 8, W / 8, fields)
        Field 0 is not zero where the unit is already rebuilt.
    y, x, side : int
        The patch, in samples.
    top_unit, bottom_unit : int
        Rows of units of the slice: nothing above or below may be used.
    middle_grey : int
        Value where no neighbour is known.
    edge, raw : ndarray, shape (EDGE,)
        The result, smoothed for patches of 16 and 32 [1 2 1]; and scratch.
    """
    units_x = done.shape[1]
    uy, ux, n = y >> 3, x >> 3, side >> 3
    has_top = uy > top_unit
    has_left = ux > 0
    first = np.int32(middle_grey)
    if has_top:
        first = np.int32(plane[y - 1, x])
    if has_left:
        first = np.int32(plane[y, x - 1])
    for i in range(CORNER - 2 * side, CORNER + 2 * side + 1):
        raw[i] = first
    if has_top:
        last = first
        for u in range(2 * n):
            known = ux + u < units_x and (u < n or done[uy - 1, ux + u, 0] != 0)
            for i in range(8):
                if known:
                    last = np.int32(plane[y - 1, x + u * 8 + i])
                raw[CORNER + 1 + u * 8 + i] = last
    if has_left:
        last = first
        for u in range(2 * n):
            known = uy + u < bottom_unit and (u < n or done[uy + u, ux - 1, 0] != 0)
            for i in range(8):
                if known:
                    last = np.int32(plane[y + u * 8 + i, x - 1])
                raw[CORNER - 1 - u * 8 - i] = last
    if has_top and has_left:
        raw[CORNER] = np.int32(plane[y - 1, x - 1])
    elif has_top:
        raw[CORNER] = raw[CORNER + 1]
    elif has_left:
        raw[CORNER] = raw[CORNER - 1]
    low, high = CORNER - 2 * side, CORNER + 2 * side
    if side == 8:
        for i in range(low, high + 1):
            edge[i] = raw[i]
    else:
        edge[low] = raw[low]
        edge[high] = raw[high]
        for i in range(low + 1, high):
            edge[i] = (np.int64(raw[i - 1]) + 2 * np.int64(raw[i]) + np.int64(raw[i + 1]) + 2) >> 2


@lean_kernel
def predict(
    edge: NDArray[np.int32],
    mode: Integer,
    side: Integer,
    reference: NDArray[np.int32],
    out: NDArray[np.int32],
) -> None:
    """Fill ``out[:side, :side]`` from the edge by one of the 35 modes."""
    shift = np.int64(3)
    if side == 16:
        shift = np.int64(4)
    elif side == 32:
        shift = np.int64(5)
    if mode == PLANAR:
        right = np.int64(edge[CORNER + side + 1])
        bottom = np.int64(edge[CORNER - side - 1])
        for i in range(side):
            left = np.int64(edge[CORNER - 1 - i])
            for j in range(side):
                top = np.int64(edge[CORNER + 1 + j])
                out[i, j] = (
                    (side - 1 - j) * left + (j + 1) * right
                    + (side - 1 - i) * top + (i + 1) * bottom + side
                )  # fmt: skip
            for j in range(side):
                out[i, j] >>= shift + 1
    elif mode == DC:
        total = np.int64(side)
        for i in range(1, side + 1):
            total += np.int64(edge[CORNER + i]) + np.int64(edge[CORNER - i])
        value = total >> (shift + 1)
        for i in range(side):
            out[i, :side] = value
    else:
        _predict_angle(edge, mode, side, reference, out)


@lean_kernel
def _predict_angle(
    edge: NDArray[np.int32],
    mode: Integer,
    side: Integer,
    reference: NDArray[np.int32],
    out: NDArray[np.int32],
) -> None:
    # `direction` walks along the main side, -`direction` along the other one.
    vertical = mode >= 18
    direction = 1 if vertical else -1
    angle = ANGLES[mode]
    for i in range(2 * side + 1):
        reference[CORNER + i] = edge[CORNER + direction * i]
    if angle < 0:
        inverse = INVERSE_ANGLES[mode]
        for i in range(1, ((side * -angle) >> 5) + 1):
            source = (i * -inverse + 128) >> 8
            reference[CORNER - i] = edge[CORNER - direction * source]
    for i in range(side):
        offset = (i + 1) * angle
        base = CORNER + 1 + (offset >> 5)
        weight = np.int32(offset & 31)
        rest = np.int32(32) - weight
        near = reference[base : base + side]
        far = reference[base + 1 : base + 1 + side]
        row = out[i, :side]
        for j in range(side):
            row[j] = rest * near[j] + weight * far[j] + 16
        for j in range(side):
            row[j] >>= 5
    if not vertical:
        # Computed along the left side: turn it.
        for i in range(side):
            for j in range(i + 1, side):
                value = out[i, j]
                out[i, j] = out[j, i]
                out[j, i] = value
