"""Prediction of a patch from the reference frame: copies, displaced copies and their search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.svd_patch.tables import MAX_VECTOR, TAPS
from rankcast.frame import Pixels
from rankcast.kernels import Integer, Real, lean_kernel


@lean_kernel
def _inside(value: Integer, size: Integer) -> Integer:
    if value < 0:
        return 0
    return value if value < size else size - 1


@lean_kernel
def displaced(
    plane: Pixels,
    y: Integer,
    x: Integer,
    side: Integer,
    vector_y: Integer,
    vector_x: Integer,
    largest: Integer,
    rows: NDArray[np.int32],
    out: NDArray[np.int32],
) -> None:
    """Fill ``out[:side, :side]`` with the patch at (y, x) displaced by quarter samples.

    Samples outside the plane repeat its border, so any vector is safe. ``rows`` is scratch of
    shape (4, >= side + 7, 8), tiles of eight columns; `largest` is the full scale. Exact in
    int32 up to 16 bits: 65535 x 112 x 112 < 2^30, where 112 is the largest sum of absolute taps.
    """
    height, width = plane.shape[0], plane.shape[1]
    fraction_y, fraction_x = vector_y & 3, vector_x & 3
    y0, x0 = y + (vector_y >> 2), x + (vector_x >> 2)
    inside = y0 >= 3 and x0 >= 3 and y0 + side + 4 <= height and x0 + side + 4 <= width
    if fraction_y == 0 and fraction_x == 0:
        for i in range(side):
            if inside:
                near = plane[y0 + i, x0 : x0 + side]
                copied = out[i, :side]
                for j in range(side):
                    copied[j] = near[j]
            else:
                source = plane[_inside(y0 + i, height)]
                for j in range(side):
                    out[i, j] = source[_inside(x0 + j, width)]
        return
    if inside and fraction_y == 0:
        # (64 s + 2048) >> 12 is (s + 32) >> 6: one direction needs one pass.
        taps = TAPS[fraction_x]
        for i in range(side):
            source = plane[y0 + i]
            for g in range(side >> 3):
                first = x0 + 8 * g - 3
                result = out[i, 8 * g : 8 * g + 8]
                _filter_row(source[first : first + 15], taps, result)
                _round(result, np.int32(32), 6, largest)
        return
    if inside and fraction_x == 0:
        taps = TAPS[fraction_y]
        for g in range(side >> 3):
            for i in range(side):
                result = out[i, 8 * g : 8 * g + 8]
                first = x0 + 8 * g
                s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = np.int32(0)
                for t in range(8):
                    weight = np.int32(taps[t])
                    a = plane[y0 - 3 + i + t, first : first + 8]
                    s0 = np.int32(s0 + weight * np.int32(a[0]))
                    s1 = np.int32(s1 + weight * np.int32(a[1]))
                    s2 = np.int32(s2 + weight * np.int32(a[2]))
                    s3 = np.int32(s3 + weight * np.int32(a[3]))
                    s4 = np.int32(s4 + weight * np.int32(a[4]))
                    s5 = np.int32(s5 + weight * np.int32(a[5]))
                    s6 = np.int32(s6 + weight * np.int32(a[6]))
                    s7 = np.int32(s7 + weight * np.int32(a[7]))
                result[0] = s0
                result[1] = s1
                result[2] = s2
                result[3] = s3
                result[4] = s4
                result[5] = s5
                result[6] = s6
                result[7] = s7
                _round(result, np.int32(32), 6, largest)
        return
    taps = TAPS[fraction_x]
    for i in range(side + 7):
        source = plane[y0 - 3 + i] if inside else plane[_inside(y0 - 3 + i, height)]
        for g in range(side >> 3):
            if inside:
                a = source[x0 + 8 * g - 3 : x0 + 8 * g + 12]
                _filter_row(a, taps, rows[g, i])
            else:
                for j in range(8):
                    total = np.int64(0)
                    for t in range(8):
                        column = _inside(x0 + 8 * g + j - 3 + t, width)
                        total += taps[t] * np.int64(source[column])
                    rows[g, i, j] = total
    taps = TAPS[fraction_y]
    for g in range(side >> 3):
        for i in range(side):
            s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = np.int32(0)
            for t in range(8):
                weight = np.int32(taps[t])
                row = i + t
                s0 = np.int32(s0 + weight * rows[g, row, 0])
                s1 = np.int32(s1 + weight * rows[g, row, 1])
                s2 = np.int32(s2 + weight * rows[g, row, 2])
                s3 = np.int32(s3 + weight * rows[g, row, 3])
                s4 = np.int32(s4 + weight * rows[g, row, 4])
                s5 = np.int32(s5 + weight * rows[g, row, 5])
                s6 = np.int32(s6 + weight * rows[g, row, 6])
                s7 = np.int32(s7 + weight * rows[g, row, 7])
            result = out[i, 8 * g : 8 * g + 8]
            result[0] = s0
            result[1] = s1
            result[2] = s2
            result[3] = s3
            result[4] = s4
            result[5] = s5
            result[6] = s6
            result[7] = s7
            _round(result, np.int32(2048), 12, largest)


@lean_kernel
def _round(sums: NDArray[np.int32], half: Integer, shift: Integer, largest: Integer) -> None:
    """Shift eight sums with rounding and clip them to the full scale."""
    zero, most = np.int32(0), np.int32(largest)
    for j in range(8):
        value = np.int32(np.int32(sums[j] + half) >> np.int32(shift))
        if value < zero:
            value = zero
        if value > most:
            value = most
        sums[j] = value


@lean_kernel
def _filter_row(a: Pixels, taps: NDArray[np.int64], out: NDArray[np.int32]) -> None:
    """Eight sums of eight weighted neighbours."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = np.int32(0)
    for t in range(8):
        weight = np.int32(taps[t])
        b = a[t : t + 8]
        s0 = np.int32(s0 + weight * np.int32(b[0]))
        s1 = np.int32(s1 + weight * np.int32(b[1]))
        s2 = np.int32(s2 + weight * np.int32(b[2]))
        s3 = np.int32(s3 + weight * np.int32(b[3]))
        s4 = np.int32(s4 + weight * np.int32(b[4]))
        s5 = np.int32(s5 + weight * np.int32(b[5]))
        s6 = np.int32(s6 + weight * np.int32(b[6]))
        s7 = np.int32(s7 + weight * np.int32(b[7]))
    out[0] = s0
    out[1] = s1
    out[2] = s2
    out[3] = s3
    out[4] = s4
    out[5] = s5
    out[6] = s6
    out[7] = s7


@lean_kernel
def absolute_difference(
    source: Pixels,
    reference: Pixels,
    y: Integer,
    x: Integer,
    side: Integer,
    y_from: Integer,
    x_from: Integer,
) -> Integer:
    """Sum of absolute differences at a whole displacement; far outside counts as very much."""
    height, width = reference.shape[0], reference.shape[1]
    if y_from < 0 or x_from < 0 or y_from + side > height or x_from + side > width:
        return 1 << 40
    total = np.int64(0)
    for i in range(side):
        # Views whose indices start at zero, and 32 bits all the way: else nothing vectorises.
        a = source[y + i, x : x + side]
        b = reference[y_from + i, x_from : x_from + side]
        row = np.int32(0)
        for j in range(side):
            difference = np.int32(np.int32(a[j]) - np.int32(b[j]))
            row = np.int32(row + np.int32(abs(difference)))
        total += np.int64(row)
    return total


@lean_kernel
def _mixed_difference(
    source: Pixels,
    reference: Pixels,
    y: Integer,
    x: Integer,
    side: Integer,
    v: Integer,
    u: Integer,
    lanes: NDArray[np.float32],
) -> Real:
    """Sum of absolute differences at quarter samples by linear mixing: near enough to choose."""
    y0, x0 = y + (v >> 2), x + (u >> 2)
    height, width = reference.shape[0], reference.shape[1]
    if y0 < 0 or x0 < 0 or y0 + side >= height or x0 + side >= width:
        return 1e12
    down, right = np.float32(v & 3) * np.float32(0.25), np.float32(u & 3) * np.float32(0.25)
    w11 = down * right
    w10 = down - w11
    w01 = right - w11
    w00 = np.float32(1) - down - w01
    lanes[:side] = np.float32(0)
    for i in range(side):
        a = source[y + i, x : x + side]
        r0 = reference[y0 + i, x0 : x0 + side]
        r1 = reference[y0 + i, x0 + 1 : x0 + 1 + side]
        r2 = reference[y0 + i + 1, x0 : x0 + side]
        r3 = reference[y0 + i + 1, x0 + 1 : x0 + 1 + side]
        for j in range(side):
            mixed = (
                w00 * np.float32(r0[j]) + w01 * np.float32(r1[j])
                + w10 * np.float32(r2[j]) + w11 * np.float32(r3[j])
            )  # fmt: skip
            lanes[j] += abs(np.float32(a[j]) - mixed)
    total = np.float32(0)
    for j in range(side):
        total += lanes[j]
    return float(total)


@lean_kernel
def search(
    source: Pixels,
    reference: Pixels,
    y: Integer,
    x: Integer,
    side: Integer,
    starts: NDArray[np.int64],
    start_count: Integer,
    bit_cost: Real,
    vector_cost_at: NDArray[np.int64],
    lanes: NDArray[np.float32],
    best: NDArray[np.int64],
    reach: Integer,
    good: Real,
    enough: Real,
) -> Real:
    """Find a displacement: from the best of `starts`, by diamonds, then half and quarter samples.

    Parameters
    ----------
    starts : ndarray, shape (>= start_count, 2)
        Candidates, (y, x) in quarter samples.
    bit_cost : float
        Grey levels that one bit of the vector is worth.
    vector_cost_at : ndarray, shape (2,)
        Vectors cost bits by their distance from this one.
    best : ndarray, shape (2,)
        The result.
    reach : int
        First step of the search in samples.
    good : float
        Cost of a start that ends the search.
    enough : float
        Cost below which half and quarter samples are not tried.

    Returns
    -------
    float
        Sum of absolute differences plus the cost of the vector.
    """
    centre_y, centre_x = vector_cost_at[0], vector_cost_at[1]
    best_cost = 1e30
    for k in range(start_count):
        # Rounding down must not leave what can be coded.
        v = max(starts[k, 0] >> 2, -(MAX_VECTOR >> 2))
        u = max(starts[k, 1] >> 2, -(MAX_VECTOR >> 2))
        cost = absolute_difference(source, reference, y, x, side, y + v, x + u) + bit_cost * (
            vector_bits(4 * v - centre_y) + vector_bits(4 * u - centre_x)
        )
        if cost < best_cost:
            best_cost = cost
            best[0], best[1] = 4 * v, 4 * u
    if best_cost > 1e29:
        best[0] = best[1] = 0
    if best_cost < good:
        return best_cost
    # Large steps first: parts on a belt move many samples between two frames.
    reach = np.int64(reach)
    rounds = 0
    while reach >= 1 and rounds < 24:
        rounds += 1
        v0, u0 = best[0] >> 2, best[1] >> 2
        moved = False
        for k in range(4):
            v, u = v0, u0
            if k == 0:
                v -= reach
            elif k == 1:
                v += reach
            elif k == 2:
                u -= reach
            else:
                u += reach
            if abs(v) > MAX_VECTOR >> 2 or abs(u) > MAX_VECTOR >> 2:
                continue
            cost = absolute_difference(source, reference, y, x, side, y + v, x + u) + bit_cost * (
                vector_bits(4 * v - centre_y) + vector_bits(4 * u - centre_x)
            )
            if cost < best_cost:
                best_cost = cost
                best[0], best[1] = 4 * v, 4 * u
                moved = True
        if not moved:
            reach >>= 1
    # Where the whole displacement fits already, fractions only follow the noise.
    if best_cost < enough:
        return best_cost
    for fraction in (2, 1):
        v0, u0 = best[0], best[1]
        for k in range(4):
            v, u = v0, u0
            if k == 0:
                v -= fraction
            elif k == 1:
                v += fraction
            elif k == 2:
                u -= fraction
            else:
                u += fraction
            if abs(v) > MAX_VECTOR or abs(u) > MAX_VECTOR:
                continue
            total = _mixed_difference(source, reference, y, x, side, v, u, lanes)
            cost = total + bit_cost * (vector_bits(v - centre_y) + vector_bits(u - centre_x))
            if cost < best_cost:
                best_cost = cost
                best[0], best[1] = v, u
    return best_cost


@lean_kernel
def vector_bits(difference: Integer) -> Real:
    """Rough length of one component of a coded vector."""
    size = abs(difference)
    bits = 1.0
    while size > 0:
        bits += 2.0
        size >>= 1
    return bits
