"""Choice of an intra mode: absolute differences in float32 lanes, for encoders only.

Nothing here needs to be exact to the bit: the chosen mode is predicted again by `intra`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.svd_patch.intra import CORNER, gather_edge
from rankcast.codec.svd_patch.tables import (
    ANGLES,
    DC,
    FIRST_ANGLE,
    HORIZONTAL,
    INVERSE_ANGLES,
    LAST_ANGLE,
    PLANAR,
    VERTICAL,
)
from rankcast.codec.svd_patch.work import (
    BOTTOM,
    D_MODE,
    EDGE_SAMPLES,
    GUIDE_SHIFT,
    HAS_GUIDE,
    INTRA,
    KIND,
    LANES,
    MIDDLE_GREY,
    MODE,
    OTHER_PLANE,
    RAW_EDGE,
    REFERENCE_LEFT,
    REFERENCE_TOP,
    SAD_PRICE,
    SOURCE_REAL,
    SOURCE_TURNED,
    STEP_REAL,
    TOP,
    TOP_REAL,
    Work,
)
from rankcast.kernels import Integer, Real, fused_kernel, lean_kernel

_GOOD_MODE = 0.15
"""Mean absolute difference in steps below which no other intra mode is looked for."""
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


@fused_kernel
def _mode_difference(w: Work, side: Integer, mode: Integer, stride: Integer) -> Real:
    if mode < FIRST_ANGLE:
        return smooth_difference(
            w.lines[EDGE_SAMPLES], mode, side, w.real_blocks[SOURCE_REAL],
            w.real_lines[TOP_REAL], w.real_lines[LANES], stride,
        )  # fmt: skip
    index, along, other = SOURCE_REAL, REFERENCE_TOP, REFERENCE_LEFT
    if mode < 18:
        index, along, other = SOURCE_TURNED, REFERENCE_LEFT, REFERENCE_TOP
    return angle_difference(
        mode, side, w.real_blocks[index], w.real_lines[along], w.real_lines[other],
        w.real_lines[LANES], stride,
    )  # fmt: skip


@fused_kernel
def intra_mode(w: Work, uy: Integer, ux: Integer, size: Integer) -> Real:
    """Choose an intra mode by absolute differences; its cost. Sets D_MODE."""
    p = w.numbers
    side = 8 << size
    y, x = uy * 8, ux * 8
    gather_edge(
        w.rebuilt, w.info, y, x, side, p[TOP], p[BOTTOM], p[MIDDLE_GREY],
        w.lines[EDGE_SAMPLES], w.lines[RAW_EDGE],
    )  # fmt: skip
    straight, turned = w.real_blocks[SOURCE_REAL], w.real_blocks[SOURCE_TURNED]
    for i in range(side):
        source = w.source[y + i, x : x + side]
        row = straight[i, :side]
        for j in range(side):
            row[j] = np.float32(source[j])
    for i in range(side):
        for j in range(side):
            turned[i, j] = straight[j, i]
    lay_out_sides(
        w.lines[EDGE_SAMPLES], side, w.real_lines[REFERENCE_TOP], w.real_lines[REFERENCE_LEFT]
    )
    bit = w.prices[SAD_PRICE]
    good = _GOOD_MODE * w.prices[STEP_REAL] * side * side
    rows = 2 if side == 8 else 4
    near_a = near_b = near_c = -1
    if ux > 0 and w.info[uy, ux - 1, KIND] == INTRA:
        near_a = int(w.info[uy, ux - 1, MODE])
    if uy > p[TOP] and w.info[uy - 1, ux, KIND] == INTRA:
        near_b = int(w.info[uy - 1, ux, MODE])
    if p[HAS_GUIDE] != 0:
        gy = min(uy << p[GUIDE_SHIFT], w.guide.shape[0] - 1)
        gx = min(ux << p[GUIDE_SHIFT], w.guide.shape[1] - 1)
        if w.guide[gy, gx, KIND] == INTRA:
            near_c = int(w.guide[gy, gx, MODE])
    best = 1e30
    best_mode = 0
    # Planar, mean and the neighbours' modes; a coarse fan of directions; then closer ones.
    for stage in range(4):
        first, last, stride = 0, 4, 1
        if stage == 1:
            if p[OTHER_PLANE] != 0:
                first, last, stride = HORIZONTAL, VERTICAL, VERTICAL - HORIZONTAL
            else:
                first, last, stride = FIRST_ANGLE, LAST_ANGLE, 4
        elif stage == 2:
            first, last, stride = best_mode - 2, best_mode + 2, 4
        elif stage == 3:
            first, last, stride = best_mode - 1, best_mode + 1, 2
        if best < good or (stage >= 2 and (best_mode < FIRST_ANGLE or p[OTHER_PLANE] != 0)):
            break
        for step in range(first, last + 1, stride):
            mode = step
            if stage == 0 and step >= 2:
                mode = near_a if step == 2 else near_b if step == 3 else near_c
                if mode < 2 or (step > 2 and mode == near_a) or (step > 3 and mode == near_b):
                    continue
            if stage > 0:
                if mode < FIRST_ANGLE or mode > LAST_ANGLE:
                    continue
                if mode in (near_a, near_b, near_c):
                    continue
            cost = _mode_difference(w, side, mode, rows)
            if mode in (near_a, near_b, near_c):
                cost += bit * 1.5
            else:
                cost += bit * 5.5
            if cost < best:
                best = cost
                best_mode = mode
    p[D_MODE] = best_mode
    return best
