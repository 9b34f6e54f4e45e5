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
    POSITION_CLASS,
    SCANS,
    STRIDE,
)
from rankcast.entropy.rangecoder import Bytes, Coder, bit_cost, code_bit, code_bits
from rankcast.jit import kernel

_UNARY = 4
"""Levels minus one below this are unary; from here on classes of doubling width."""
_MAX_CLASS = 26
_LAST_BINS = contexts.LEVEL_BINS - 1


@kernel
def _template(magnitudes: NDArray[np.int32], position: int) -> int:
    total = (
        np.int64(magnitudes[position + 1])
        + np.int64(magnitudes[position + 2])
        + np.int64(magnitudes[position + STRIDE])
        + np.int64(magnitudes[position + 2 * STRIDE])
        + np.int64(magnitudes[position + STRIDE + 1])
    )
    return MAGNITUDE_CLASS[min(total, 256)]


@kernel
def _significant_context(group: int, size: int, position_class: int, magnitude: int) -> int:
    return contexts.SIGNIFICANT + ((group * 3 + size) * 6 + position_class) * 16 + magnitude


@kernel
def _level_context(group: int, position_class: int, magnitude: int) -> int:
    return (
        contexts.LEVEL
        + ((group * 3 + LEVEL_POSITION_CLASS[position_class]) * 16 + magnitude)
        * contexts.LEVEL_BINS
    )


@kernel
def _code_level(coder: Coder, data: Bytes, context: int, value: int) -> int:
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


@kernel
def _level_cost(coder: Coder, context: int, value: int) -> float:
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


@kernel
def _code_last_axis(
    coder: Coder, data: Bytes, context: int, groups: int, value: int
) -> int:
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


@kernel
def _last_cost(coder: Coder, group: int, size: int, y: int, x: int) -> float:
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


@kernel
def code_core(
    coder: Coder,
    data: Bytes,
    levels: NDArray[np.int32],
    magnitudes: NDArray[np.int32],
    group: int,
    size: int,
    extent: NDArray[np.int64],
) -> None:
    """Write the levels of one patch, or read them into `levels`.

    Parameters
    ----------
    levels : ndarray, shape (LEVELS,)
        Signed levels at `STRIDE`; not all zero. A decoder fills it: all zero before.
    magnitudes : ndarray, shape (LEVELS + 2 * STRIDE + 2,)
        Scratch, all zero before and after.
    group, size : int
        Statistics to use, and 0, 1, 2 for sides 8, 16, 32.
    extent : ndarray, shape (2,)
        Gets the numbers of rows and columns that hold all non-zero levels.
    """
    decoding = coder[7] != 0
    larger = 1 if size > 0 else 0
    scan = SCANS[larger]
    last = np.int64(255 if larger else 63)
    if not decoding:
        while levels[scan[last]] == 0:
            last -= 1
    position = np.int64(scan[last])
    groups = 6 if size == 0 else 8
    base = contexts.LAST + (group * 3 + size) * 9 * 8
    y = _code_last_axis(coder, data, base, groups, position // STRIDE)
    x = _code_last_axis(
        coder, data, base + (1 + LAST_GROUP[y]) * 8, groups, position % STRIDE
    )
    if decoding:
        # Both are below the side by construction of the groups, so the scan has the position.
        position = y * STRIDE + x
        last = 0
        while scan[last] != position:
            last += 1
    rows = columns = np.int64(0)
    for n in range(last, -1, -1):
        position = np.int64(scan[n])
        y = position // STRIDE
        x = position - y * STRIDE
        position_class = POSITION_CLASS[larger, y + x]
        magnitude = _template(magnitudes, position)
        level = np.int64(levels[position])
        size_of = abs(level)
        if n != last:
            context = _significant_context(group, size, position_class, magnitude)
            if code_bit(coder, data, context, int(size_of != 0)) == 0:
                continue
        context = _level_context(group, position_class, magnitude)
        size_of = 1 + _code_level(coder, data, context, size_of - 1)
        negative = code_bits(coder, data, 1, int(level < 0))
        magnitudes[position] = size_of
        if decoding:
            levels[position] = -size_of if negative else size_of
        rows = max(rows, y + 1)
        columns = max(columns, x + 1)
    for i in range(rows):
        for j in range(columns):
            magnitudes[i * STRIDE + j] = 0
    extent[0] = rows
    extent[1] = columns


@kernel
def choose_levels(
    coder: Coder,
    scaled: NDArray[np.float32],
    kept: int,
    levels: NDArray[np.int32],
    magnitudes: NDArray[np.int32],
    group: int,
    size: int,
    bit_price: float,
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
    count = 256 if larger else 64
    # A level of one is never worth its bits below this.
    floor = np.float32(0.52)
    last = np.int64(-1)
    above = np.float32(0)
    path = np.float32(0)
    path_bits = np.float32(0)
    started = False
    for n in range(count - 1, -1, -1):
        position = np.int64(scan[n])
        y = position // STRIDE
        x = position - y * STRIDE
        if y >= kept or x >= kept:
            continue
        value = scaled[position]
        size_of = abs(value)
        if not started and size_of < floor:
            above += size_of * size_of
            continue
        position_class = POSITION_CLASS[larger, y + x]
        nearest = np.int64(size_of + np.float32(0.5))
        zero_loss = size_of * size_of
        if started:
            magnitude = _template(magnitudes, position)
            context = _significant_context(group, size, position_class, magnitude)
            zero_cost = bit_cost(coder, context, 0)
            if nearest == 0:
                above += zero_loss
                path += zero_loss + price * zero_cost
                path_bits += zero_cost
                continue
            one_cost = bit_cost(coder, context, 1) + np.float32(1)
            level_context = _level_context(group, position_class, magnitude)
            chosen = nearest
            bits = one_cost + _level_cost(coder, level_context, nearest - 1)
            loss = (size_of - nearest) * (size_of - nearest)
            best = loss + price * bits
            if nearest > 1:
                lower_bits = one_cost + _level_cost(coder, level_context, nearest - 2)
                lower_loss = (size_of - nearest + 1) * (size_of - nearest + 1)
                if lower_loss + price * lower_bits < best:
                    best = lower_loss + price * lower_bits
                    bits = lower_bits
                    chosen = nearest - 1
            if nearest <= 2 and zero_loss + price * zero_cost < best:
                best = zero_loss + price * zero_cost
                bits = zero_cost
                chosen = np.int64(0)
            go_on = path + best
            go_on_bits = path_bits + bits
        else:
            chosen = np.int64(0)
            go_on = np.float32(1e30)
            go_on_bits = np.float32(0)
        if nearest > 0:
            # End the patch here: everything above becomes zero.
            level_context = _level_context(group, position_class, 0)
            end_level = nearest
            end_bits = np.float32(1) + _level_cost(coder, level_context, nearest - 1)
            end_cost = (size_of - nearest) * (size_of - nearest) + price * end_bits
            if nearest > 1:
                lower_bits = np.float32(1) + _level_cost(coder, level_context, nearest - 2)
                lower = (size_of - nearest + 1) * (size_of - nearest + 1) + price * lower_bits
                if lower < end_cost:
                    end_cost = lower
                    end_bits = lower_bits
                    end_level = nearest - 1
            end_bits += _last_cost(coder, group, size, y, x)
            end_cost = (
                above + end_cost + price * _last_cost(coder, group, size, y, x)
            )
            if end_cost < go_on:
                if started:
                    for m in range(n + 1, last + 1):
                        levels[scan[m]] = 0
                        magnitudes[scan[m]] = 0
                started = True
                last = n
                chosen = end_level
                go_on = end_cost
                go_on_bits = end_bits
        above += zero_loss
        path = go_on
        path_bits = go_on_bits
        if chosen != 0:
            magnitudes[position] = chosen
            levels[position] = -chosen if value < 0 else chosen
    result[2] = above
    if not started:
        result[0] = above
        result[1] = np.float32(0)
        return False
    for n in range(last + 1):
        magnitudes[scan[n]] = 0
    result[0] = path - price * path_bits
    result[1] = path_bits
    return True
