"""How a cell is cut into patches, and which of them nothing has changed in; for encoders only."""

from __future__ import annotations

import numpy as np

from rankcast.codec.svd_patch.decision import COST_CONSTANT, COST_SLOPE
from rankcast.codec.svd_patch.motion import absolute_difference, search
from rankcast.codec.svd_patch.still import residual_gain
from rankcast.codec.svd_patch.tables import MAX_VECTOR
from rankcast.codec.svd_patch.work import (
    BEST,
    BIT_PRICE,
    BOTTOM,
    GUIDE_SHIFT,
    HAS_GUIDE,
    LANES,
    PREDICTED,
    RESIDUAL_REAL,
    SAD_PRICE,
    SCALED,
    SOURCE_REAL,
    STARTS,
    STEP_REAL,
    TOP,
    VECTOR_X,
    VECTOR_Y,
    Work,
)
from rankcast.kernels import Integer, Real, fused_kernel

SKIP_PLANNED = 4
"""Added to the planned size of a patch that nothing has changed in."""

_KEY_HEAD_BITS = 7.0
_PREDICTED_HEAD_BITS = 4.0


@fused_kernel
def _residual_cost(
    w: Work, y: Integer, x: Integer, side: Integer, size: Integer, skip_mean: bool
) -> Real:
    """Estimated cost of a part of the cell whose residual lies in SOURCE_REAL."""
    cell, residual = w.real_blocks[SOURCE_REAL], w.real_tiles[RESIDUAL_REAL]
    lanes = w.real_lines[LANES]
    # Any sample near the mean keeps float32 exact enough; the mean itself is predicted from
    # the neighbours and must not count.
    offset = cell[y, x] if skip_mean else np.float32(0)
    lanes[:8] = np.float32(0)
    for i in range(side):
        source = cell[y + i, x : x + side]
        for g in range(side >> 3):
            for j in range(8):
                value = source[8 * g + j] - offset
                residual[g, i, j] = value
                lanes[j] += value * value
    energy = np.float32(0)
    for j in range(8):
        energy += lanes[j]
    gain = residual_gain(w, side, size)
    if skip_mean:
        mean = w.real_lines[SCALED, 0]
        saved = mean * mean - COST_CONSTANT - COST_SLOPE * abs(mean)
        return float(energy - mean * mean) - gain + float(max(saved, np.float32(0)))
    return float(energy) - gain


_FLAT = 0.03
"""Squared steps a sample below which a part of 16 is one patch at once."""


@fused_kernel
def _spread(w: Work, y: Integer, x: Integer, skip_mean: bool) -> Real:
    """Squared steps of a 16 x 16 part of the cell in SOURCE_REAL, or of what its mean leaves."""
    cell, lanes = w.real_blocks[SOURCE_REAL], w.real_lines[LANES]
    offset = cell[y, x] if skip_mean else np.float32(0)
    lanes[:32] = np.float32(0)
    sums, squares = lanes[:16], lanes[16:32]
    for i in range(16):
        row = cell[y + i, x : x + 16]
        for j in range(16):
            value = row[j] - offset
            sums[j] += value
            squares[j] += value * value
    total = energy = np.float32(0)
    for j in range(16):
        total += sums[j]
        energy += squares[j]
    return float(energy) - float(total) * float(total) / 256 if skip_mean else float(energy)


@fused_kernel
def plan_cell(w: Work, uy: Integer, ux: Integer) -> None:
    """Choose the sizes of the patches of one 32 x 32 cell; see `Work.plan`."""
    # Beyond its own last row another slice plans.
    units_y = min(4, w.numbers[BOTTOM] - uy)
    units_x = min(4, w.info.shape[1] - ux)
    predicted = w.numbers[PREDICTED] != 0
    still_units = 0
    if predicted:
        for i in range(units_y):
            for j in range(units_x):
                if w.still[uy + i, ux + j] != 0:
                    still_units += 1
        if still_units == units_y * units_x:
            for i in range(units_y):
                for j in range(units_x):
                    w.plan[uy + i, ux + j] = SKIP_PLANNED + 2
            # Parts of a cell at the border need a plan of their own.
            if units_y < 4 or units_x < 4:
                _plan_border(w, uy, ux, units_y, units_x)
            return
        whole_cell = units_y == 4 and units_x == 4
        if whole_cell and still_units < 8 and _moved_whole(w, uy, ux):
            for i in range(4):
                for j in range(4):
                    w.plan[uy + i, ux + j] = 2
            return
    y, x = uy * 8, ux * 8
    price = w.prices[BIT_PRICE]
    inverse_step = np.float32(1.0 / w.prices[STEP_REAL])
    cell = w.real_blocks[SOURCE_REAL]
    for i in range(8 * units_y):
        row = w.source[y + i, x : x + 8 * units_x]
        out = cell[i, : 8 * units_x]
        for j in range(8 * units_x):
            out[j] = np.float32(row[j]) * inverse_step
    head = price * (_PREDICTED_HEAD_BITS if predicted else _KEY_HEAD_BITS)
    whole = 0.0
    merged = 0 if units_y == 4 and units_x == 4 else -4
    # One patch has one displacement: parts that moved differently stay apart.
    first_y = first_x = np.int64(0)
    as_one = True
    for a in range(0, units_y, 2):
        for b in range(0, units_x, 2):
            high, wide = min(2, units_y - a), min(2, units_x - b)
            still: Integer = 0
            if predicted:
                for c in range(a, a + high):
                    for d in range(b, b + wide):
                        still += np.int64(w.still[uy + c, ux + d])
                moved_y, moved_x = _subtract(w, uy, ux, a, b, high, wide, still == high * wide)
                if a == 0 and b == 0:
                    first_y, first_x = moved_y, moved_x
                as_one = as_one and moved_y == first_y and moved_x == first_x
            if still == 4:
                for c in range(a, a + 2):
                    for d in range(b, b + 2):
                        w.plan[uy + c, ux + d] = SKIP_PLANNED + 1
                whole += price
                continue
            if high == 2 and wide == 2 and still == 0:
                spread = _spread(w, 8 * a, 8 * b, not predicted)
                if spread < 256 * _FLAT:
                    # Hardly a level either way: one patch, without trials.
                    whole += head + spread
                    merged += 1
                    for c in range(a, a + 2):
                        for d in range(b, b + 2):
                            w.plan[uy + c, ux + d] = 1
                    continue
            parts = 0.0
            for c in range(a, a + high):
                for d in range(b, b + wide):
                    if predicted and w.still[uy + c, ux + d] != 0:
                        w.plan[uy + c, ux + d] = SKIP_PLANNED
                        parts += price
                    else:
                        w.plan[uy + c, ux + d] = 0
                        parts += head + _residual_cost(w, 8 * c, 8 * d, 8, 0, not predicted)
            if high == 2 and wide == 2 and still < 3:
                single = head + _residual_cost(w, 8 * a, 8 * b, 16, 1, not predicted)
                if single <= parts:
                    parts = single
                    merged += 1
                    for c in range(a, a + 2):
                        for d in range(b, b + 2):
                            w.plan[uy + c, ux + d] = 1
            whole += parts
    # A whole cell is one patch only where it is smooth: most of its quarters are.
    if as_one and merged >= 3 and still_units < 8 and whole < _WHOLE_LIMIT:
        single = head + _residual_cost(w, 0, 0, 32, 2, not predicted)
        if single <= whole:
            for c in range(4):
                for d in range(4):
                    w.plan[uy + c, ux + d] = 2


_WHOLE_LIMIT = 250.0


@fused_kernel
def _moved_whole(w: Work, uy: Integer, ux: Integer) -> bool:
    """Whether one displacement that neighbours suggest explains all of a cell but its noise."""
    y, x = uy * 8, ux * 8
    best = w.vectors[BEST]
    starts = w.vectors[STARTS:]
    starts[0, 0] = starts[0, 1] = np.int64(0)
    count = 1
    if w.numbers[HAS_GUIDE] != 0:
        shift = w.numbers[GUIDE_SHIFT]
        gy = min(uy << shift, w.guide.shape[0] - 1)
        gx = min(ux << shift, w.guide.shape[1] - 1)
        starts[1, 0] = np.int64(w.guide[gy, gx, VECTOR_Y]) >> shift
        starts[1, 1] = np.int64(w.guide[gy, gx, VECTOR_X]) >> shift
        count = 2
    else:
        starts[1, 0], starts[1, 1] = best[0], best[1]
        count = 2
        if ux > 0:
            starts[2, 0] = w.info[uy, ux - 1, VECTOR_Y]
            starts[2, 1] = w.info[uy, ux - 1, VECTOR_X]
            count = 3
        if uy > w.numbers[TOP]:
            starts[count, 0] = w.info[uy - 1, ux, VECTOR_Y]
            starts[count, 1] = w.info[uy - 1, ux, VECTOR_X]
            count += 1
    limit = 256 * _NOISE_DIFFERENCE * w.prices[STEP_REAL]
    best_total = 1e30
    found_y = found_x = np.int64(0)
    for k in range(count):
        # Rounding down must not leave what can be coded.
        v = max(starts[k, 0] >> 2, -(MAX_VECTOR >> 2))
        u = max(starts[k, 1] >> 2, -(MAX_VECTOR >> 2))
        known = False
        for m in range(k):
            if starts[m, 0] >> 2 == v and starts[m, 1] >> 2 == u:
                known = True
        if known:
            continue
        total = 0.0
        for quarter in range(4):
            a, b = 16 * (quarter >> 1), 16 * (quarter & 1)
            part = absolute_difference(
                w.source, w.reference, y + a, x + b, 16, y + a + v, x + b + u
            )
            if part > limit:
                total = 1e30
                break
            total += part
        if total < best_total:
            best_total = total
            found_y, found_x = 4 * v, 4 * u
    if best_total > 1e29:
        return False
    best[0], best[1] = found_y, found_x
    return True


_NOISE_DIFFERENCE = 0.3
"""Mean absolute difference in steps below which most of a residual falls into the dead zone."""


@fused_kernel
def _plan_border(w: Work, uy: Integer, ux: Integer, units_y: Integer, units_x: Integer) -> None:
    for i in range(units_y):
        for j in range(units_x):
            fits = (i & ~1) + 2 <= units_y and (j & ~1) + 2 <= units_x
            w.plan[uy + i, ux + j] = SKIP_PLANNED + (1 if fits else 0)


@fused_kernel
def _subtract(
    w: Work,
    uy: Integer,
    ux: Integer,
    a: Integer,
    b: Integer,
    units_y: Integer,
    units_x: Integer,
    still: bool,
) -> tuple[Integer, Integer]:
    """Subtract the reference, displaced by whole samples where that helps, from a part.

    Returns the displacement, down and right.
    """
    y, x = (uy + a) * 8, (ux + b) * 8
    v = u = np.int64(0)
    best = w.vectors[BEST]
    if not still and units_y == 2 and units_x == 2:
        zero = absolute_difference(w.source, w.reference, y, x, 16, y, x)
        if w.numbers[HAS_GUIDE] != 0:
            shift = w.numbers[GUIDE_SHIFT]
            gy = min((uy + a) << shift, w.guide.shape[0] - 1)
            gx = min((ux + b) << shift, w.guide.shape[1] - 1)
            v = (np.int64(w.guide[gy, gx, VECTOR_Y]) >> shift) >> 2
            u = (np.int64(w.guide[gy, gx, VECTOR_X]) >> shift) >> 2
            if absolute_difference(w.source, w.reference, y, x, 16, y + v, x + u) >= zero:
                v = u = np.int64(0)
        elif zero > 256 * 0.25 * w.prices[STEP_REAL]:
            starts = w.vectors[STARTS:]
            starts[0, 0] = starts[0, 1] = 0
            # The neighbour's displacement, or that of the part before.
            starts[1, 0], starts[1, 1] = best[0], best[1]
            if b == 0 and ux > 0:
                starts[1, 0] = w.info[uy + a, ux - 1, VECTOR_Y]
                starts[1, 1] = w.info[uy + a, ux - 1, VECTOR_X]
            w.vectors[0, 0] = w.vectors[0, 1] = 0
            near = absolute_difference(
                w.source, w.reference, y, x, 16, y + (starts[1, 0] >> 2), x + (starts[1, 1] >> 2)
            )
            # Beside a part that moved, the same movement is at most a little off.
            reach = 8 if near >= zero else 2
            search(
                w.source, w.reference, y, x, 16, starts, 2, w.prices[SAD_PRICE], w.vectors[0],
                w.real_lines[LANES], best, reach, 256 * _NOISE_DIFFERENCE * w.prices[STEP_REAL],
                1e30,
            )  # fmt: skip
            v, u = best[0] >> 2, best[1] >> 2
        else:
            best[0] = best[1] = 0
    height, width = w.reference.shape[0], w.reference.shape[1]
    inverse_step = np.float32(1.0 / w.prices[STEP_REAL])
    cell = w.real_blocks[SOURCE_REAL]
    for i in range(8 * units_y):
        reference = w.reference[min(max(y + i + v, 0), height - 1)]
        row = cell[8 * a + i]
        if x + u >= 0 and x + u + 8 * units_x <= width:
            part = row[8 * b : 8 * (b + units_x)]
            moved = reference[x + u : x + u + 8 * units_x]
            for j in range(8 * units_x):
                part[j] -= np.float32(moved[j]) * inverse_step
        else:
            for j in range(8 * units_x):
                column = min(max(x + j + u, 0), width - 1)
                row[8 * b + j] -= np.float32(reference[column]) * inverse_step
    return v, u
