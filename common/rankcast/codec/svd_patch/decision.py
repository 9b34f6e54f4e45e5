"""What only an encoder does: predictions and levels of a patch, by rate and distortion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.svd_patch.coefficients import choose_levels
from rankcast.codec.svd_patch.intra import predict
from rankcast.codec.svd_patch.motion import displaced, search, vector_bits
from rankcast.codec.svd_patch.search import intra_mode
from rankcast.codec.svd_patch.slice import (
    coded_context,
    intra_context,
    list_candidates,
    skip_context,
)
from rankcast.codec.svd_patch.tables import CODED_SIDE, LEVELS, STRIDE
from rankcast.codec.svd_patch.transform import forward
from rankcast.codec.svd_patch.work import (
    BEST,
    BIT_PRICE,
    D_CODED,
    D_INDEX,
    D_KIND,
    D_MODE,
    D_VECTOR_X,
    D_VECTOR_Y,
    EDGE_SAMPLES,
    HAS_GUIDE,
    INTER,
    INTRA,
    KEEP,
    KEPT_PREDICTION,
    LANES,
    LARGEST,
    LEVELS_KEPT,
    LEVELS_NOW,
    LINE,
    MIDDLE_REAL,
    NEAR,
    OTHER_PLANE,
    PREDICTED,
    PREDICTION,
    RESIDUAL_REAL,
    RESULT,
    ROWS,
    SAD_PRICE,
    SCALED,
    SKIPPED,
    STARTS,
    STEP_REAL,
    TRIAL,
    Work,
)
from rankcast.entropy.rangecoder import bit_cost
from rankcast.frame import Pixels
from rankcast.kernels import Integer, Real, fused_kernel, lean_kernel

_NOISE_ENERGY = 0.16
"""Squared steps a sample that no better prediction is looked for: quantisation leaves as much."""
_FINE_SEARCH = 0.3
"""Mean absolute difference in steps above which fractions of a sample are tried."""

# A coefficient of x steps costs about min(x^2, a + b |x|) squared steps: zeroed, or coded with its
# position, sign and level. Measured on the coder at 1 bit a sample.
COST_CONSTANT = np.float32(0.75)
COST_SLOPE = np.float32(0.13)
STILL_BITS = 5.0
"""What a patch must save at least before it is more than skipped."""
_LEAST_BITS = 2.0
"""The same for key frames, where what is not coded now stays for long."""


@fused_kernel
def kept_side(w: Work, size: Integer) -> Integer:
    """Rows and columns of a core that may be coded."""
    if size == 0:
        return w.numbers[KEEP]
    return min(w.numbers[KEEP] << size, CODED_SIDE)


@fused_kernel
def _transform(w: Work, y: Integer, x: Integer, size: Integer) -> Real:
    """Transform source minus prediction, in steps; return its energy in squared steps."""
    side = 8 << size
    inverse_step = np.float32(1.0 / w.prices[STEP_REAL])
    residual, lanes = w.real_tiles[RESIDUAL_REAL], w.real_lines[LANES]
    prediction = w.blocks[PREDICTION]
    lanes[:8] = np.float32(0)
    for i in range(side):
        for g in range(side >> 3):
            source = w.source[y + i, x + 8 * g : x + 8 * g + 8]
            b = prediction[i, 8 * g : 8 * g + 8]
            for j in range(8):
                value = (np.float32(source[j]) - np.float32(b[j])) * inverse_step
                residual[g, i, j] = value
                lanes[j] += value * value
    energy = np.float32(0)
    for j in range(8):
        energy += lanes[j]
    forward(
        residual, side, kept_side(w, size), w.left_t_real[size], w.right_real[size],
        w.real_tiles[MIDDLE_REAL], w.real_lines[SCALED],
    )  # fmt: skip
    return float(energy)


@lean_kernel
def _squared_error_8(source: Pixels, block: NDArray[np.int32], y: Integer, x: Integer) -> Real:
    """Squared error of a prediction of 8 x 8 samples, in eight sums."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = np.float32(0)
    for i in range(8):
        a, b = source[y + i, x : x + 8], block[i, :8]
        d0 = np.float32(a[0]) - np.float32(b[0])
        d1 = np.float32(a[1]) - np.float32(b[1])
        d2 = np.float32(a[2]) - np.float32(b[2])
        d3 = np.float32(a[3]) - np.float32(b[3])
        d4 = np.float32(a[4]) - np.float32(b[4])
        d5 = np.float32(a[5]) - np.float32(b[5])
        d6 = np.float32(a[6]) - np.float32(b[6])
        d7 = np.float32(a[7]) - np.float32(b[7])
        s0 += d0 * d0
        s1 += d1 * d1
        s2 += d2 * d2
        s3 += d3 * d3
        s4 += d4 * d4
        s5 += d5 * d5
        s6 += d6 * d6
        s7 += d7 * d7
    return float(((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7)))


@fused_kernel
def squared_error(w: Work, block_index: Integer, y: Integer, x: Integer, side: Integer) -> Real:
    """Squared error of a prediction, in squared steps."""
    lanes = w.real_lines[LANES]
    block = w.blocks[block_index]
    if side == 8:
        return _squared_error_8(w.source, block, y, x) / (w.prices[STEP_REAL] * w.prices[STEP_REAL])
    lanes[:side] = np.float32(0)
    for i in range(side):
        source = w.source[y + i, x : x + side]
        b = block[i, :side]
        for j in range(side):
            value = np.float32(source[j]) - np.float32(b[j])
            lanes[j] += value * value
    total = np.float32(0)
    for j in range(side):
        total += lanes[j]
    return float(total) / (w.prices[STEP_REAL] * w.prices[STEP_REAL])


@lean_kernel
def _saved(value: Real) -> Real:
    return max(value * value - COST_CONSTANT - COST_SLOPE * abs(value), np.float32(0))


@lean_kernel
def estimated_saving(
    scaled: NDArray[np.float32], coded_side: Integer, lanes: NDArray[np.float32]
) -> Real:
    """Squared steps that coding a core would save, estimated from each coefficient alone."""
    if coded_side == 8:
        # Eight sums in registers: a loop of so few turns would not fill them.
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = np.float32(0)
        for i in range(8):
            a = scaled[i * STRIDE : i * STRIDE + 8]
            s0 += _saved(a[0])
            s1 += _saved(a[1])
            s2 += _saved(a[2])
            s3 += _saved(a[3])
            s4 += _saved(a[4])
            s5 += _saved(a[5])
            s6 += _saved(a[6])
            s7 += _saved(a[7])
        return float(((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7)))
    lanes[:coded_side] = np.float32(0)
    for i in range(coded_side):
        row = scaled[i * STRIDE : i * STRIDE + coded_side]
        for j in range(coded_side):
            lanes[j] += _saved(row[j])
    total = np.float32(0)
    for j in range(coded_side):
        total += lanes[j]
    return float(total)


@fused_kernel
def _levels_cost(w: Work, energy: Real, group: Integer, size: Integer, context: Integer) -> Real:
    """Choose the levels; return the cost with the coded flag. Sets D_CODED."""
    price = w.prices[BIT_PRICE]
    levels, result = w.lines[LEVELS_NOW], w.real_lines[RESULT]
    least = price * (STILL_BITS if w.numbers[PREDICTED] != 0 else _LEAST_BITS)
    kept = kept_side(w, size)
    if estimated_saving(w.real_lines[SCALED], kept, w.real_lines[LANES]) < least:
        w.numbers[D_CODED] = 0
        return energy + price * bit_cost(w.coder, context, 0)
    coded = choose_levels(
        w.coder, w.real_lines[SCALED], kept, levels, w.lines[NEAR], group, size, price,
        result,
    )  # fmt: skip
    cost = energy + price * bit_cost(w.coder, context, 0)
    w.numbers[D_CODED] = 0
    if coded:
        # What lies outside the kept core is lost either way.
        with_levels = (
            max(energy - result[2], 0.0)
            + result[0]
            + price * (result[1] + bit_cost(w.coder, context, 1))
        )
        if with_levels < cost:
            w.numbers[D_CODED] = 1
            return with_levels
        levels[:LEVELS] = 0
    return cost


@lean_kernel
def _copy_levels(levels: NDArray[np.int32], out: NDArray[np.int32]) -> None:
    # A slice assigned to a slice would need an allocation: they might overlap.
    for i in range(LEVELS):
        out[i] = levels[i]


@fused_kernel
def _copy_block(w: Work, index: Integer, out_index: Integer, side: Integer) -> None:
    for i in range(side):
        row, out = w.blocks[index, i, :side], w.blocks[out_index, i, :side]
        for j in range(side):
            out[j] = row[j]


@fused_kernel
def decide_leaf(w: Work, uy: Integer, ux: Integer, size: Integer, planned_skip: bool) -> None:
    """Choose how to code one patch; leaves prediction, levels and decision in `w`."""
    p, coder = w.numbers, w.coder
    y, x, side = uy * 8, ux * 8, 8 << size
    price = w.prices[BIT_PRICE]
    best = 1e30
    intra_bits = 0.0
    if p[PREDICTED] != 0:
        count = list_candidates(w, uy, ux)
        if planned_skip:
            p[D_KIND] = SKIPPED
            for k in range(count):
                if w.vectors[k, 0] == 0 and w.vectors[k, 1] == 0:
                    p[D_INDEX] = k
            return
        best = _decide_inter(w, uy, ux, size, count)
        intra_bits = bit_cost(coder, skip_context(w, uy, ux, size), 0) + bit_cost(
            coder, intra_context(w, uy, ux, size), 1
        )
        # An intra patch costs its mode and most often more levels.
        if p[D_KIND] == SKIPPED or best < price * (intra_bits + 16.0) + _NOISE_ENERGY * side * side:
            return
    difference = intra_mode(w, uy, ux, size)
    if p[PREDICTED] != 0:
        inter_difference = _absolute_difference(w, PREDICTION, y, x, side)
        if difference > 1.2 * inter_difference:
            return
        _copy_levels(w.lines[LEVELS_NOW], w.lines[LEVELS_KEPT])
        w.lines[LEVELS_NOW, :LEVELS] = 0
        _copy_block(w, PREDICTION, KEPT_PREDICTION, side)
    inter_coded = p[D_CODED]
    predict(w.lines[EDGE_SAMPLES], p[D_MODE], side, w.lines[LINE], w.blocks[PREDICTION])
    energy = _transform(w, y, x, size)
    group = p[OTHER_PLANE] * 2
    cost = _levels_cost(w, energy, group, size, coded_context(w, uy, ux, size, group))
    cost += price * (intra_bits + 3.5)
    if cost < best:
        p[D_KIND] = INTRA
        return
    p[D_CODED] = inter_coded
    _copy_levels(w.lines[LEVELS_KEPT], w.lines[LEVELS_NOW])
    _copy_block(w, KEPT_PREDICTION, PREDICTION, side)


@fused_kernel
def _absolute_difference(
    w: Work, block_index: Integer, y: Integer, x: Integer, side: Integer
) -> Real:
    lanes = w.real_lines[LANES]
    block = w.blocks[block_index]
    lanes[:side] = np.float32(0)
    for i in range(side):
        source = w.source[y + i, x : x + side]
        b = block[i, :side]
        for j in range(side):
            lanes[j] += abs(np.float32(source[j]) - np.float32(b[j]))
    total = np.float32(0)
    for j in range(side):
        total += lanes[j]
    return float(total)


@fused_kernel
def _decide_inter(w: Work, uy: Integer, ux: Integer, size: Integer, count: Integer) -> Real:
    """Choose between skipping and displaced prediction; return the cost in squared steps."""
    p, coder = w.numbers, w.coder
    y, x, side = uy * 8, ux * 8, 8 << size
    price = w.prices[BIT_PRICE]
    flag = skip_context(w, uy, ux, size)
    skip_bits = bit_cost(coder, flag, 1)
    head_bits = bit_cost(coder, flag, 0) + bit_cost(coder, intra_context(w, uy, ux, size), 0)
    best_error = 1e30
    best_index = 0
    block, kept_block = PREDICTION, TRIAL
    for k in range(count):
        displaced(
            w.reference, y, x, side, w.vectors[k, 0], w.vectors[k, 1], p[LARGEST],
            w.tiles[ROWS], w.blocks[block],
        )  # fmt: skip
        error = squared_error(w, block, y, x, side) + price * k
        if error < best_error:
            best_error = error
            best_index = k
            block, kept_block = kept_block, block
    if kept_block == TRIAL:
        _copy_block(w, TRIAL, PREDICTION, side)
    skip_cost = best_error + price * skip_bits
    v, u = w.vectors[best_index, 0], w.vectors[best_index, 1]
    index = best_index
    side_bits = head_bits + 1.0 + best_index
    p[D_INDEX] = best_index
    p[D_KIND] = SKIPPED
    p[D_CODED] = 0
    if best_error < price * (head_bits + 4.0):
        return skip_cost
    group = p[OTHER_PLANE] * 2 + 1
    context = coded_context(w, uy, ux, size, group)
    energy = _transform(w, y, x, size)
    cost = _levels_cost(w, energy, group, size, context) + price * side_bits
    if p[HAS_GUIDE] == 0 and cost > price * (head_bits + 16.0) + _NOISE_ENERGY * side * side:
        for k in range(count):
            w.vectors[STARTS + k, 0] = w.vectors[k, 0]
            w.vectors[STARTS + k, 1] = w.vectors[k, 1]
        # The plan looked for whole displacements already: its find is a start.
        w.vectors[STARTS + count, 0] = w.vectors[BEST, 0]
        w.vectors[STARTS + count, 1] = w.vectors[BEST, 1]
        search(
            w.source, w.reference, y, x, side, w.vectors[STARTS:], count + 1,
            w.prices[SAD_PRICE], w.vectors[0], w.real_lines[LANES], w.vectors[BEST], 1, 0.0,
            _FINE_SEARCH * w.prices[STEP_REAL] * side * side,
        )  # fmt: skip
        new_v, new_u = w.vectors[BEST, 0], w.vectors[BEST, 1]
        if new_v != v or new_u != u:
            displaced(
                w.reference, y, x, side, new_v, new_u, p[LARGEST], w.tiles[ROWS],
                w.blocks[TRIAL],
            )  # fmt: skip
            error = squared_error(w, TRIAL, y, x, side)
            bits = (
                head_bits
                + vector_bits(new_v - w.vectors[0, 0])
                + vector_bits(new_u - w.vectors[0, 1])
            )
            new_index = -1
            for k in range(count):
                if w.vectors[k, 0] == new_v and w.vectors[k, 1] == new_u:
                    new_index = k
            if error + price * bits < best_error + price * side_bits:
                _copy_levels(w.lines[LEVELS_NOW], w.lines[LEVELS_KEPT])
                w.lines[LEVELS_NOW, :LEVELS] = 0
                coded = p[D_CODED]
                _copy_block(w, PREDICTION, KEPT_PREDICTION, side)
                _copy_block(w, TRIAL, PREDICTION, side)
                energy = _transform(w, y, x, size)
                new_cost = _levels_cost(w, energy, group, size, context) + price * bits
                if new_cost < cost:
                    cost = new_cost
                    v, u, index = new_v, new_u, new_index
                else:
                    p[D_CODED] = coded
                    _copy_levels(w.lines[LEVELS_KEPT], w.lines[LEVELS_NOW])
                    _copy_block(w, KEPT_PREDICTION, PREDICTION, side)
    if skip_cost <= cost:
        if p[D_CODED] != 0:
            w.lines[LEVELS_NOW, :LEVELS] = 0
        p[D_CODED] = 0
        return skip_cost
    p[D_KIND] = INTER
    p[D_INDEX] = index
    p[D_VECTOR_Y] = v
    p[D_VECTOR_X] = u
    return cost
