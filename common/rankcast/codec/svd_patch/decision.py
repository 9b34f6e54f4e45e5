"""What only an encoder does: the shape of the tree, predictions and levels, by cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.svd_patch.coefficients import choose_levels
from rankcast.codec.svd_patch.intra import gather_edge, predict
from rankcast.codec.svd_patch.motion import absolute_difference, displaced, search, vector_bits
from rankcast.codec.svd_patch.slice import (
    BOTTOM,
    D_CODED,
    D_INDEX,
    D_KIND,
    D_MODE,
    D_VECTOR_X,
    D_VECTOR_Y,
    GUIDE_SHIFT,
    HAS_GUIDE,
    INTER,
    INTRA,
    KEEP,
    KIND,
    LARGEST,
    MIDDLE_GREY,
    MODE,
    OTHER_PLANE,
    PREDICTED,
    SKIPPED,
    TOP,
    Work,
    coded_context,
    intra_context,
    list_candidates,
    predict_inter,
    skip_context,
)
from rankcast.codec.svd_patch.tables import CODED_SIDE, FIRST_ANGLE, LAST_ANGLE, STRIDE
from rankcast.codec.svd_patch.transform import forward
from rankcast.entropy.rangecoder import bit_cost
from rankcast.jit import kernel

BIT_PRICE, STEP_REAL, SAD_PRICE = range(3)
PRICES = 3

SKIP_PLANNED = 4
"""Added to the planned size of a patch that nothing has changed in."""

# Cost in squared steps of a coefficient by its size in 1/16 step, for comparing trees only:
# about five bits for a level of one with its position and sign, 1.7 more per doubling.
_x = (np.arange(1024) + 0.5) / 16
COEFFICIENT_COST: NDArray[np.float32] = np.minimum(
    _x * _x, 0.15 * (5.0 + 1.7 * np.log2(np.maximum(_x, 1.0))) + 0.08
).astype(np.float32)


@kernel
def core_cost(w: Work, side: int, size: int, skip_mean: bool) -> float:
    """Estimated cost in squared steps of the residual in ``w.real_residual[:side, :side]``."""
    coded_side = min(side, CODED_SIDE)
    forward(
        w.real_residual, side, coded_side, w.left_t_real[size], w.right_real[size],
        w.real_middle, w.scaled,
    )  # fmt: skip
    scale = np.float32(16.0 / w.prices[STEP_REAL])
    total = np.float32(0)
    for i in range(coded_side):
        for j in range(coded_side):
            index = min(int(abs(w.scaled[i * STRIDE + j]) * scale), 1023)
            total += COEFFICIENT_COST[index]
    if skip_mean:
        total -= COEFFICIENT_COST[min(int(abs(w.scaled[0]) * scale), 1023)]
    return total


@kernel
def _cell_block(w: Work, y: int, x: int, side: int) -> None:
    """Copy the residual of a part of the cell out of ``w.rows`` into ``w.real_residual``."""
    for i in range(side):
        for j in range(side):
            w.real_residual[i, j] = np.float32(w.rows[y + i, x + j])


@kernel
def plan_cell(w: Work, uy: int, ux: int) -> None:
    """Choose the sizes of the patches of one 32 x 32 cell; see `Work.plan`."""
    p = w.parameters
    units_y = min(4, w.info.shape[0] - uy)
    units_x = min(4, w.info.shape[1] - ux)
    predicted = p[PREDICTED] != 0
    if predicted:
        still = True
        for i in range(units_y):
            for j in range(units_x):
                if w.still[uy + i, ux + j] == 0:
                    still = False
        if still:
            for i in range(units_y):
                for j in range(units_x):
                    w.plan[uy + i, ux + j] = SKIP_PLANNED + 2
            return
    y, x = uy * 8, ux * 8
    price = w.prices[BIT_PRICE]
    for i in range(8 * units_y):
        for j in range(8 * units_x):
            w.rows[i, j] = np.int32(w.source[y + i, x + j])
    if predicted:
        for a in range(0, units_y, 2):
            for b in range(0, units_x, 2):
                _subtract_displaced(
                    w, uy, ux, a, b, min(2, units_y - a), min(2, units_x - b)
                )
    head = price * (7.0 if not predicted else 4.0)
    whole = 0.0
    for a in range(0, units_y, 2):
        for b in range(0, units_x, 2):
            parts = 0.0
            for c in range(a, min(a + 2, units_y)):
                for d in range(b, min(b + 2, units_x)):
                    _cell_block(w, 8 * c, 8 * d, 8)
                    parts += core_cost(w, 8, 0, not predicted) + head
                    w.plan[uy + c, ux + d] = 0
            if a + 2 <= units_y and b + 2 <= units_x:
                _cell_block(w, 8 * a, 8 * b, 16)
                single = core_cost(w, 16, 1, not predicted) + head
                if single <= parts:
                    parts = single
                    for c in range(a, a + 2):
                        for d in range(b, b + 2):
                            w.plan[uy + c, ux + d] = 1
            whole += parts
    if units_y == 4 and units_x == 4:
        _cell_block(w, 0, 0, 32)
        # The 32 x 32 core codes 16 x 16 values: what it drops is loss.
        single = core_cost(w, 32, 2, not predicted) + head + _dropped(w)
        if single <= whole:
            for c in range(4):
                for d in range(4):
                    w.plan[uy + c, ux + d] = 2


@kernel
def _dropped(w: Work) -> float:
    """Energy of a 32 x 32 residual outside the coded core, in squared steps."""
    total = 0.0
    for i in range(32):
        row = np.float32(0)
        for j in range(32):
            row += w.real_residual[i, j] * w.real_residual[i, j]
        total += row
    for i in range(CODED_SIDE):
        row = np.float32(0)
        for j in range(CODED_SIDE):
            row += w.scaled[i * STRIDE + j] * w.scaled[i * STRIDE + j]
        total -= row
    return max(total, 0.0) / (w.prices[STEP_REAL] * w.prices[STEP_REAL])


@kernel
def _subtract_displaced(
    w: Work, uy: int, ux: int, a: int, b: int, units_y: int, units_x: int
) -> None:
    """Subtract the best whole-sample displaced reference from a part of the cell."""
    y, x = (uy + a) * 8, (ux + b) * 8
    best_v = best_u = np.int64(0)
    if units_y == 2 and units_x == 2:
        zero = absolute_difference(w.source, w.reference, y, x, 16, y, x)
        count = 0
        if w.parameters[HAS_GUIDE] != 0:
            shift = w.parameters[GUIDE_SHIFT]
            gy = min((uy + a) << shift, w.guide.shape[0] - 1)
            gx = min((ux + b) << shift, w.guide.shape[1] - 1)
            best_v = (np.int64(w.guide[gy, gx, 2]) >> shift) >> 2
            best_u = (np.int64(w.guide[gy, gx, 3]) >> shift) >> 2
            moved = absolute_difference(
                w.source, w.reference, y, x, 16, y + best_v, x + best_u
            )
            if moved >= zero:
                best_v = best_u = np.int64(0)
        elif zero > 256 * w.prices[STEP_REAL] * 0.25:
            w.starts[0, 0] = w.starts[0, 1] = 0
            count = 1
            if ux + b > 0:
                w.starts[count, 0] = w.info[uy + a, ux + b - 1, 2] if b == 0 else w.best[0]
                w.starts[count, 1] = w.info[uy + a, ux + b - 1, 3] if b == 0 else w.best[1]
                count += 1
            w.candidates[0, 0] = w.candidates[0, 1] = 0
            _search_whole(w, y, x, 16, count)
            best_v, best_u = w.best[0] >> 2, w.best[1] >> 2
        else:
            w.best[0] = w.best[1] = 0
    height, width = w.reference.shape[0], w.reference.shape[1]
    for i in range(8 * units_y):
        for j in range(8 * units_x):
            sy = min(max(y + i + best_v, 0), height - 1)
            sx = min(max(x + j + best_u, 0), width - 1)
            w.rows[8 * a + i, 8 * b + j] -= np.int32(w.reference[sy, sx])


@kernel
def _search_whole(w: Work, y: int, x: int, side: int, count: int) -> None:
    search(
        w.source, w.reference, y, x, side, w.starts, count, w.prices[SAD_PRICE],
        w.candidates[0], w.parameters[LARGEST], w.trial, w.trial, w.best, False,
    )  # fmt: skip


@kernel
def _squared_error(w: Work, block: NDArray[np.int32], y: int, x: int, side: int) -> float:
    """Squared error of a prediction, in squared steps."""
    total = 0.0
    for i in range(side):
        source = w.source[y + i]
        b = block[i]
        row = np.int64(0)
        for j in range(side):
            difference = np.int64(source[x + j]) - np.int64(b[j])
            row += difference * difference
        total += float(row)
    return total / (w.prices[STEP_REAL] * w.prices[STEP_REAL])


@kernel
def _transform(w: Work, y: int, x: int, size: int) -> float:
    """Transform source minus prediction into `w.scaled`; return its energy in squared steps."""
    side = 8 << size
    inverse_step = np.float32(1.0 / w.prices[STEP_REAL])
    energy = 0.0
    for i in range(side):
        source = w.source[y + i]
        b = w.prediction[i]
        out = w.real_residual[i]
        row = np.float32(0)
        for j in range(side):
            value = np.float32(np.int32(source[x + j]) - b[j]) * inverse_step
            out[j] = value
            row += value * value
        energy += row
    keep = min(w.parameters[KEEP] << size, CODED_SIDE) if size > 0 else w.parameters[KEEP]
    forward(
        w.real_residual, side, keep, w.left_t_real[size], w.right_real[size], w.real_middle,
        w.scaled,
    )  # fmt: skip
    return energy


@kernel
def _kept(w: Work, size: int) -> int:
    return min(w.parameters[KEEP] << size, CODED_SIDE) if size > 0 else w.parameters[KEEP]


@kernel
def _clear_levels(levels: NDArray[np.int32]) -> None:
    levels[:] = 0


@kernel
def _intra_mode(w: Work, uy: int, ux: int, size: int) -> float:
    """Choose an intra mode by absolute differences; leaves the prediction in `w.prediction`."""
    p = w.parameters
    side = 8 << size
    y, x = uy * 8, ux * 8
    gather_edge(w.rebuilt, w.info, y, x, side, p[TOP], p[BOTTOM], p[MIDDLE_GREY], w.edge, w.raw_edge)
    bit = w.prices[SAD_PRICE]
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
    # Planar and mean, every fourth direction, then around the best of them.
    for stage in range(4):
        first, last, stride = 0, 1, 1
        if stage == 1:
            first, last, stride = FIRST_ANGLE, LAST_ANGLE, 4
        elif stage == 2:
            first, last, stride = best_mode - 2, best_mode + 2, 4
        elif stage == 3:
            first, last, stride = best_mode - 1, best_mode + 1, 2
        if stage >= 2 and best_mode < FIRST_ANGLE:
            break
        for mode in range(first, last + 1, stride):
            if stage >= 2 and (mode < FIRST_ANGLE or mode > LAST_ANGLE):
                continue
            cost = _mode_cost(w, y, x, side, mode)
            if mode == near_a or mode == near_b or mode == near_c:
                cost += bit * 1.5
            else:
                cost += bit * 5.5
            if cost < best:
                best = cost
                best_mode = mode
    for mode in (near_a, near_b, near_c):
        if mode >= 0 and mode != best_mode:
            cost = _mode_cost(w, y, x, side, mode) + bit * 1.5
            if cost < best:
                best = cost
                best_mode = mode
    predict(w.edge, best_mode, side, w.line, w.prediction)
    w.decision[D_MODE] = best_mode
    return best


@kernel
def _mode_cost(w: Work, y: int, x: int, side: int, mode: int) -> float:
    predict(w.edge, mode, side, w.line, w.trial)
    total = np.int64(0)
    for i in range(side):
        source = w.source[y + i]
        b = w.trial[i]
        row = np.int32(0)
        for j in range(side):
            row += np.int32(abs(np.int32(source[x + j]) - b[j]))
        total += np.int64(row)
    return float(total)


@kernel
def decide_leaf(w: Work, uy: int, ux: int, size: int, planned_skip: bool) -> None:
    """Choose how to code one patch; leaves prediction, levels and decision in `w`."""
    p, decision, coder = w.parameters, w.decision, w.coder
    y, x, side = uy * 8, ux * 8, 8 << size
    price = w.prices[BIT_PRICE]
    best = 1e30
    if p[PREDICTED] != 0:
        count = list_candidates(w, uy, ux)
        zero = 0
        for k in range(count):
            if w.candidates[k, 0] == 0 and w.candidates[k, 1] == 0:
                zero = k
        if planned_skip:
            decision[D_KIND] = SKIPPED
            decision[D_INDEX] = zero
            return
        best = _decide_inter(w, uy, ux, size, count)
        if decision[D_KIND] == SKIPPED and best < 2 * price + 0.04 * side * side:
            return
        # An intra patch costs its prediction: worth a look only if much is left to code.
        flag = intra_context(w, uy, ux, size)
        intra_bits = bit_cost(coder, skip_context(w, uy, ux, size), 0) + bit_cost(coder, flag, 1)
        if best < price * (intra_bits + 12.0):
            return
        for i in range(len(w.levels)):
            w.spare_levels[i] = w.levels[i]
            w.levels[i] = 0
        # `trial` is scratch of the mode search, so the inter prediction waits in `rows`.
        for i in range(side):
            for j in range(side):
                w.rows[i, j] = w.prediction[i, j]
    else:
        intra_bits = 0.0
    _intra_mode(w, uy, ux, size)
    energy = _transform(w, y, x, size)
    context = coded_context(w, uy, ux, size, p[OTHER_PLANE] * 2)
    coded = choose_levels(
        coder, w.scaled, _kept(w, size), w.levels, w.magnitudes, p[OTHER_PLANE] * 2, size,
        price, w.result,
    )  # fmt: skip
    none = energy + price * bit_cost(coder, context, 0)
    cost = none
    if coded:
        cost = energy - w.result[2] + w.result[0] + price * (
            w.result[1] + bit_cost(coder, context, 1)
        )
        if none <= cost:
            cost = none
            coded = False
            _clear_levels(w.levels)
    cost += price * (intra_bits + 3.5)
    if cost < best:
        decision[D_KIND] = INTRA
        decision[D_CODED] = int(coded)
        return
    for i in range(len(w.levels)):
        w.levels[i] = w.spare_levels[i]
    for i in range(side):
        for j in range(side):
            w.prediction[i, j] = w.rows[i, j]


@kernel
def _decide_inter(w: Work, uy: int, ux: int, size: int, count: int) -> float:
    """Choose between skipping and displaced prediction; return the cost in squared steps."""
    p, decision, coder = w.parameters, w.decision, w.coder
    y, x, side = uy * 8, ux * 8, 8 << size
    price = w.prices[BIT_PRICE]
    flag = skip_context(w, uy, ux, size)
    skip_bits = bit_cost(coder, flag, 1)
    code_bits = bit_cost(coder, flag, 0) + bit_cost(coder, intra_context(w, uy, ux, size), 0)
    best_error = 1e30
    best_index = 0
    for k in range(count):
        displaced(
            w.reference, y, x, side, w.candidates[k, 0], w.candidates[k, 1], p[LARGEST],
            w.rows, w.trial,
        )  # fmt: skip
        error = _squared_error(w, w.trial, y, x, side) + price * k
        if error < best_error:
            best_error = error
            best_index = k
    skip_cost = best_error + price * skip_bits
    v, u = w.candidates[best_index, 0], w.candidates[best_index, 1]
    index = best_index
    vector_price = 1.0 + best_index
    decision[D_INDEX] = best_index
    decision[D_KIND] = SKIPPED
    decision[D_CODED] = 0
    if best_error < 0.02 * side * side:
        return skip_cost
    if p[HAS_GUIDE] == 0:
        for k in range(count):
            w.starts[k, 0] = w.candidates[k, 0]
            w.starts[k, 1] = w.candidates[k, 1]
        search(
            w.source, w.reference, y, x, side, w.starts, count, w.prices[SAD_PRICE],
            w.candidates[0], p[LARGEST], w.rows, w.trial, w.best, True,
        )  # fmt: skip
        if w.best[0] != v or w.best[1] != u:
            displaced(
                w.reference, y, x, side, w.best[0], w.best[1], p[LARGEST], w.rows, w.trial
            )
            bits = (
                vector_bits(w.best[0] - w.candidates[0, 0])
                + vector_bits(w.best[1] - w.candidates[0, 1])
            )
            error = _squared_error(w, w.trial, y, x, side) + price * bits
            if error < best_error:
                best_error = error
                v, u = w.best[0], w.best[1]
                vector_price = bits
                index = -1
                for k in range(count):
                    if w.candidates[k, 0] == v and w.candidates[k, 1] == u:
                        index = k
    predict_inter(w, y, x, size, v, u)
    energy = _transform(w, y, x, size)
    group = p[OTHER_PLANE] * 2 + 1
    context = coded_context(w, uy, ux, size, group)
    coded = choose_levels(
        coder, w.scaled, _kept(w, size), w.levels, w.magnitudes, group, size, price, w.result
    )
    none = energy + price * (code_bits + vector_price + bit_cost(coder, context, 0))
    cost = none
    if coded:
        cost = energy - w.result[2] + w.result[0] + price * (
            code_bits + vector_price + w.result[1] + bit_cost(coder, context, 1)
        )
    if skip_cost <= cost and skip_cost <= none:
        if coded:
            _clear_levels(w.levels)
        return skip_cost
    if none <= cost and coded:
        _clear_levels(w.levels)
        coded = False
        cost = none
    decision[D_KIND] = INTER
    decision[D_CODED] = int(coded)
    decision[D_INDEX] = index
    decision[D_VECTOR_Y] = v
    decision[D_VECTOR_X] = u
    return cost
