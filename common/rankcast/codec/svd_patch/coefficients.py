"""Coding of one core: last position, significance, levels and signs; and the choice of levels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.svd_patch import contexts
from rankcast.codec.svd_patch.tables import (
    LAST_EXTRA,
    LAST_FIRST,
    LAST_GROUP,
    LEVEL_POSITION_CLASS,
    MAGNITUDE_CLASS,
    SCAN_CLASS,
    SCAN_X,
    SCAN_Y,
    SCANS,
    STRIDE,
)
from rankcast.entropy.rangecoder import Bytes, Coder, bit_cost, code_bit, code_bits
from rankcast.kernels import Integer, Real, lean_kernel

_UNARY = 4
"""Levels minus one below this are unary; from here on classes of doubling width."""
_MAX_CLASS = 26
_LAST_BINS = contexts.LEVEL_BINS - 1
_END_SEARCH = 2
"""Levels above a position up to which ending the patch there is weighed."""


_BEFORE = 2 * STRIDE + 2
"""Where the first position lies in `near`: room for what is left of and above it."""


@lean_kernel
def _magnitude(near: NDArray[np.int32], position: Integer) -> Integer:
    """Class of the summed levels at the five places to the right of and below a position."""
    total: Integer = min(int(near[_BEFORE + position]), 256)
    return MAGNITUDE_CLASS[total]


@lean_kernel
def _tell_near(near: NDArray[np.int32], position: Integer, level: Integer) -> None:
    """Add a level to the sums of those that have it in their template: most levels are zero."""
    at = _BEFORE + position
    near[at - 1] += level
    near[at - 2] += level
    near[at - STRIDE] += level
    near[at - 2 * STRIDE] += level
    near[at - STRIDE - 1] += level


@lean_kernel
def _clear_near(near: NDArray[np.int32], rows: Integer) -> None:
    """Forget the levels of the first `rows` rows."""
    near[: _BEFORE + rows * STRIDE] = 0


@lean_kernel
def _significant_context(
    group: Integer, size: Integer, position_class: Integer, magnitude: Integer
) -> Integer:
    return contexts.SIGNIFICANT + ((group * 3 + size) * 6 + position_class) * 16 + magnitude


@lean_kernel
def _level_context(group: Integer, position_class: Integer, magnitude: Integer) -> Integer:
    return (
        contexts.LEVEL
        + ((group * 3 + LEVEL_POSITION_CLASS[position_class]) * 16 + magnitude)
        * contexts.LEVEL_BINS
    )


@lean_kernel
def _code_level(coder: Coder, data: Bytes, context: Integer, value: Integer) -> Integer:
    """Code a level minus one: unary, then classes of doubling width with plain bits."""
    decoding = coder[7] != 0
    target = value
    if not decoding and value >= _UNARY:
        target = _UNARY
        rest = value - _UNARY
        while rest >= np.int64(1) << (target - _UNARY + 1):
            rest -= np.int64(1) << (target - _UNARY + 1)
            target += 1
    index = 0
    while index < _MAX_CLASS:
        if code_bit(coder, data, context + min(index, _LAST_BINS), int(index < target)) == 0:
            break
        index += 1
    if index < _UNARY:
        return index
    first = np.int64(_UNARY) + (np.int64(1) << (index - _UNARY + 1)) - 2
    return first + code_bits(coder, data, index - _UNARY + 1, value - first)


@lean_kernel
def _level_cost(coder: Coder, context: Integer, value: Integer) -> Real:
    target = value
    cost = np.float32(0)
    if value >= _UNARY:
        target = _UNARY
        rest = value - _UNARY
        while rest >= np.int64(1) << (target - _UNARY + 1):
            rest -= np.int64(1) << (target - _UNARY + 1)
            target += 1
        cost += np.float32(target - _UNARY + 1)
    for index in range(target):
        cost += bit_cost(coder, context + min(index, _LAST_BINS), 1)
    if target < _MAX_CLASS:
        cost += bit_cost(coder, context + min(target, _LAST_BINS), 0)
    return cost


@lean_kernel
def _code_last_axis(
    coder: Coder, data: Bytes, context: Integer, groups: Integer, value: Integer
) -> Integer:
    target = LAST_GROUP[value]
    group = 0
    while group < groups - 1:
        if code_bit(coder, data, context + group, int(group < target)) == 0:
            break
        group += 1
    first = LAST_FIRST[group]
    extra = LAST_EXTRA[group]
    if extra == 0:
        return first
    return first + code_bits(coder, data, extra, value - first)


@lean_kernel
def _last_cost(coder: Coder, group: Integer, size: Integer, y: Integer, x: Integer) -> Real:
    groups = 6 if size == 0 else 8
    base = contexts.LAST + (group * 3 + size) * 9 * 8
    cost = np.float32(LAST_EXTRA[LAST_GROUP[y]] + LAST_EXTRA[LAST_GROUP[x]])
    for axis in range(2):
        target = LAST_GROUP[y] if axis == 0 else LAST_GROUP[x]
        context = base if axis == 0 else base + (1 + LAST_GROUP[y]) * 8
        for index in range(target):
            cost += bit_cost(coder, context + index, 1)
        if target < groups - 1:
            cost += bit_cost(coder, context + target, 0)
    return cost


@lean_kernel
def code_core(
    coder: Coder,
    data: Bytes,
    levels: NDArray[np.int32],
    near: NDArray[np.int32],
    group: Integer,
    size: Integer,
    extent: NDArray[np.int64],
) -> None:
    """Write the levels of one patch, or read them into `levels`.

    Parameters
    ----------
    levels : ndarray, shape (LEVELS,)
        Signed levels at `STRIDE`; not all zero. A decoder fills it: all zero before.
    near : ndarray, shape (LEVELS + 2 * STRIDE + 2,)
        Scratch, all zero before and after.
    group, size : int
        Statistics to use, and 0, 1, 2 for sides 8, 16, 32.
    extent : ndarray, shape (2,)
        Gets the numbers of rows and columns that hold all non-zero levels.
    """
    decoding = coder[7] != 0
    larger = 1 if size > 0 else 0
    scan = SCANS[larger]
    last: Integer = np.int64(255 if larger else 63)
    if not decoding:
        while levels[scan[last]] == 0:
            last -= 1
    position = np.int64(scan[last])
    groups = 6 if size == 0 else 8
    base = contexts.LAST + (group * 3 + size) * 9 * 8
    y = _code_last_axis(coder, data, base, groups, position // STRIDE)
    x = _code_last_axis(coder, data, base + (1 + LAST_GROUP[y]) * 8, groups, position % STRIDE)
    if decoding:
        # Both are below the side by construction of the groups, so the scan has the position.
        position = y * STRIDE + x
        last = 0
        while scan[last] != position:
            last += 1
    rows = columns = np.int64(0)
    for n in range(last, -1, -1):
        position = np.int64(scan[n])
        position_class = SCAN_CLASS[larger, n]
        magnitude = _magnitude(near, position)
        level = np.int64(levels[position])
        size_of = abs(level)
        if n != last:
            context = _significant_context(group, size, position_class, magnitude)
            if code_bit(coder, data, context, int(size_of != 0)) == 0:
                continue
        context = _level_context(group, position_class, magnitude)
        size_of = 1 + _code_level(coder, data, context, size_of - 1)
        negative = code_bits(coder, data, 1, int(level < 0))
        _tell_near(near, position, size_of)
        if decoding:
            levels[position] = -size_of if negative else size_of
        rows = max(rows, SCAN_Y[larger, n] + 1)
        columns = max(columns, SCAN_X[larger, n] + 1)
    _clear_near(near, rows)
    extent[0] = rows
    extent[1] = columns


@lean_kernel
def choose_levels(
    coder: Coder,
    scaled: NDArray[np.float32],
    kept: Integer,
    levels: NDArray[np.int32],
    near: NDArray[np.int32],
    group: Integer,
    size: Integer,
    bit_price: Real,
    result: NDArray[np.float32],
) -> bool:
    """Choose the levels of one patch by rate and distortion, highest frequency first.

    Every coefficient takes the cheaper of its two nearest levels (or zero) at the price of the
    models as they stand; at every non-zero one the patch may also end there. One path is
    kept, not a full trellis.

    Parameters
    ----------
    scaled : ndarray, shape (LEVELS,)
        Coefficients over the step.
    kept : int
        Rows and columns that may be non-zero.
    levels : ndarray, shape (LEVELS,)
        All zero before; gets the signed levels.
    bit_price : float
        Squared steps that one bit is worth.
    result : ndarray, shape (3,)
        Distortion in squared steps, cost in bits without the coded flag, and the
        distortion if nothing is coded.

    Returns
    -------
    bool
        Whether any level is not zero.
    """
    larger = 1 if size > 0 else 0
    scan = SCANS[larger]
    price = np.float32(bit_price)
    count, side = (256, 16) if larger else (64, 8)
    # The highest level of one pays for its position too: never worth its bits below this.
    floor = np.float32(0.7)
    above = np.float32(0)
    whole = kept >= (16 if larger else 8)
    n = count - 1
    while n >= 0:
        position = np.int64(scan[n])
        if whole or (SCAN_Y[larger, n] < kept and SCAN_X[larger, n] < kept):
            value = scaled[position]
            if value > floor or value < -floor:
                break
            above += value * value
        n -= 1
    started = False
    last = np.int64(-1)
    path = np.float32(1e30)
    path_bits = np.float32(0)
    non_zero = 0
    while n >= 0:
        if not whole and (SCAN_Y[larger, n] >= kept or SCAN_X[larger, n] >= kept):
            n -= 1
            continue
        position = np.int64(scan[n])
        position_class = SCAN_CLASS[larger, n]
        value = scaled[position]
        size_of = abs(value)
        nearest = np.int64(size_of + np.float32(0.5))
        zero_loss = value * value
        if started:
            magnitude = _magnitude(near, position)
            context = _significant_context(group, size, position_class, magnitude)
            bits = bit_cost(coder, context, 0)
        if nearest == 0:
            # Most of them: zero, and no place to end.
            if started:
                path += zero_loss + price * bits
                path_bits += bits
            above += zero_loss
            n -= 1
            continue
        lowest: Integer = max(int(nearest) - 1, 1)
        chosen: Integer = np.int64(0)
        if started:
            best = zero_loss + price * bits
            sign_bits = bit_cost(coder, context, 1) + np.float32(1)
            level_context = _level_context(group, position_class, magnitude)
            for level in range(lowest, nearest + 1):
                level_bits = sign_bits + _level_cost(coder, level_context, level - 1)
                off = size_of - np.float32(level)
                cost = off * off + price * level_bits
                if cost < best:
                    best = cost
                    bits = level_bits
                    chosen = level
            path += best
            path_bits += bits
        # Ending here zeroes everything above: worth a look while that is little.
        if non_zero <= _END_SEARCH:
            level_context = _level_context(group, position_class, 0)
            last_bits = np.float32(1) + _last_cost(
                coder, group, size, SCAN_Y[larger, n], SCAN_X[larger, n]
            )
            for level in range(lowest, nearest + 1):
                level_bits = last_bits + _level_cost(coder, level_context, level - 1)
                off = size_of - np.float32(level)
                cost = above + off * off + price * level_bits
                if cost < path:
                    if non_zero > 0:
                        for m in range(n + 1, last + 1):
                            levels[scan[m]] = 0
                        _clear_near(near, side)
                    started = True
                    non_zero = 0
                    last = np.int64(n)
                    path = cost
                    path_bits = level_bits
                    chosen = level
        above += zero_loss
        if chosen != 0:
            non_zero += 1
            _tell_near(near, position, chosen)
            levels[position] = -chosen if value < 0 else chosen
        n -= 1
    result[0] = above
    result[1] = np.float32(0)
    result[2] = above
    if not started:
        return False
    _clear_near(near, side)
    result[0] = path - price * path_bits
    result[1] = path_bits
    return True
