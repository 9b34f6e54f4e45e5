"""Where nothing has changed since the reference; for encoders only."""

from __future__ import annotations

import numpy as np

from rankcast.codec.svd_patch.decision import COST_CONSTANT, STILL_BITS, estimated_saving
from rankcast.codec.svd_patch.tables import CODED_SIDE
from rankcast.codec.svd_patch.transform import forward
from rankcast.codec.svd_patch.work import (
    BIT_PRICE,
    LANES,
    MIDDLE_REAL,
    RESIDUAL_REAL,
    SCALED,
    STEP_REAL,
    Work,
)
from rankcast.kernels import Integer, Real, fused_kernel


@fused_kernel
def residual_gain(w: Work, side: Integer, size: Integer) -> Real:
    """Squared steps that coding the residual would save, estimated."""
    residual = w.real_tiles[RESIDUAL_REAL]
    scaled, lanes = w.real_lines[SCALED], w.real_lines[LANES]
    coded_side = min(side, CODED_SIDE)
    forward(
        residual, side, coded_side, w.left_t_real[size], w.right_real[size],
        w.real_tiles[MIDDLE_REAL], scaled,
    )  # fmt: skip
    return estimated_saving(scaled, coded_side, lanes)


_QUANTISED = 0.083
"""Squared steps a sample, 1 / 12, that uniform quantisation leaves anyway."""


@fused_kernel
def find_still(w: Work, uy: Integer, units_x: Integer) -> None:
    """Mark the units of one row that are as good as in the reference."""
    inverse_step = np.float32(1.0 / w.prices[STEP_REAL])
    scale = inverse_step * inverse_step
    sums, squares = w.real_lines[LANES], w.real_lines[LANES, 16:24]
    limit = w.prices[BIT_PRICE] * STILL_BITS
    for ux in range(units_x):
        x = ux * 8
        squares[:] = np.float32(0)
        for half in range(2):
            s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = np.float32(0)
            q0 = q1 = q2 = q3 = q4 = q5 = q6 = q7 = np.float32(0)
            for i in range(uy * 8 + 4 * half, uy * 8 + 4 * half + 4):
                a, b = w.source[i, x : x + 8], w.reference[i, x : x + 8]
                d0 = np.float32(a[0]) - np.float32(b[0])
                d1 = np.float32(a[1]) - np.float32(b[1])
                d2 = np.float32(a[2]) - np.float32(b[2])
                d3 = np.float32(a[3]) - np.float32(b[3])
                d4 = np.float32(a[4]) - np.float32(b[4])
                d5 = np.float32(a[5]) - np.float32(b[5])
                d6 = np.float32(a[6]) - np.float32(b[6])
                d7 = np.float32(a[7]) - np.float32(b[7])
                s0 += d0
                s1 += d1
                s2 += d2
                s3 += d3
                s4 += d4
                s5 += d5
                s6 += d6
                s7 += d7
                q0 += d0 * d0
                q1 += d1 * d1
                q2 += d2 * d2
                q3 += d3 * d3
                q4 += d4 * d4
                q5 += d5 * d5
                q6 += d6 * d6
                q7 += d7 * d7
            out = sums[8 * half : 8 * half + 8]
            out[0] = s0
            out[1] = s1
            out[2] = s2
            out[3] = s3
            out[4] = s4
            out[5] = s5
            out[6] = s6
            out[7] = s7
            squares[0] += q0
            squares[1] += q1
            squares[2] += q2
            squares[3] += q3
            squares[4] += q4
            squares[5] += q5
            squares[6] += q6
            squares[7] += q7
        energy = np.float32(0)
        for j in range(8):
            energy += squares[j]
        energy *= scale
        if energy < COST_CONSTANT + limit:
            w.still[uy, ux] = 1
            continue
        if energy > 64 * 0.5:
            w.still[uy, ux] = 0
            continue
        if energy < 64 * _QUANTISED:
            upper = lower = right = np.float32(0)
            for j in range(8):
                upper += sums[j]
                lower += sums[8 + j]
            for j in range(4, 8):
                right += sums[j] + sums[8 + j]
            # Sums over the patch and the differences of its halves: no trend in noise.
            whole = upper + lower
            trend = max(abs(whole), abs(lower - upper), abs(whole - 2 * right))
            if trend * inverse_step < np.float32(8 * 0.9):
                w.still[uy, ux] = 1
                continue
        residual = w.real_tiles[RESIDUAL_REAL]
        for i in range(8):
            source = w.source[uy * 8 + i, x : x + 8]
            reference = w.reference[uy * 8 + i, x : x + 8]
            row = residual[0, i]
            for j in range(8):
                row[j] = (np.float32(source[j]) - np.float32(reference[j])) * inverse_step
        w.still[uy, ux] = residual_gain(w, 8, 0) < limit
