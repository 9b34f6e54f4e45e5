"""Entropy coding of the code w: adaptive contexts over the range coder, and the choice of levels.

Everything here is in integers, so that both ends read the same symbols whatever their processors
make of the network's floats.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.entropy.rangecoder import (
    DECODING,
    END,
    OVERRUN,
    POSITION,
    REGISTERS,
    Bytes,
    Coder,
    bit_cost,
    code_bit,
    code_bits,
    finish_encoder,
    new_coder,
    start_decoder,
    start_encoder,
)
from rankcast.errors import PayloadError
from rankcast.jit import Integer, Real, kernel, lean_kernel

PLANES: Final = 3
BAND_EDGES: Final = (1, 6, 15, 28, 64)
"""Ends of the bands of a plane, in channels by rising frequency: diagonals of an 8 x 8 DCT."""
MAX_CHANNELS: Final = 192

_BANDS = len(BAND_EDGES)
_BLOCK = REGISTERS
"""[coded blocks among left, up, upper left, upper right 5]"""
_BAND = _BLOCK + 5
"""[plane 3][band 5][left + up coded 3][the band before coded 2]"""
_CHANNEL = _BAND + PLANES * _BANDS * 6
"""[channel], each with three groups:

[around 6][inside 5] significance, [around + inside 6][bin 12] level, [left 3][up 3] sign."""
_LEVEL = 30
_BINS = 12
_SIGN = _LEVEL + 6 * _BINS
_STRIDE = _SIGN + 9
_UNARY = 8
"""Levels minus one below this are unary; from here on classes of doubling width."""
_MAX_CLASS = 24
_ALMOST_NONE = np.float32(0.5)

_PRIOR_COUNT = 24
"""Bits that a model counts as having seen when it starts from a learned probability: it adapts at
about 1/25 a bit then."""
_PROBABILITY = 0xFFFF


def channel_table(luma: int, chroma: int) -> NDArray[np.int64]:
    """Say which plane and band each channel belongs to.

    Parameters
    ----------
    luma, chroma : int
        Channels of Y, and of each of Cb and Cr, by rising frequency; 1 to 64.

    Returns
    -------
    ndarray, shape (luma + 2 chroma, 3), int64
        Plane, band, and the channel of the first plane at the same frequency (-1: none).
    """
    rows = []
    for plane, count in enumerate((luma, chroma, chroma)):
        for index in range(count):
            band = next(n for n, edge in enumerate(BAND_EDGES) if index < edge)
            same = index if plane and index < luma else -1
            rows.append((plane, band, same))
    return np.array(rows, np.int64)


def context_count(channels: int) -> int:
    """Adaptive models that a code of `channels` channels takes."""
    return _CHANNEL - REGISTERS + channels * _STRIDE


def coder_from(priors: NDArray[np.uint16]) -> Coder:
    """Make a coder whose models start from learned probabilities of a 1, in 1/65536."""
    coder = new_coder(len(priors))
    start = priors.astype(np.int64).clip(64, _PROBABILITY - 64)
    coder[REGISTERS:] = start | (start << 16) | (_PRIOR_COUNT << 32)
    return coder


def learned_priors(coders: list[Coder]) -> NDArray[np.uint16]:
    """Mean of the slow estimates that coders ended with: the priors of a model file."""
    slow = np.mean([(coder[REGISTERS:] >> 16) & _PROBABILITY for coder in coders], axis=0)
    priors: NDArray[np.uint16] = np.rint(slow).astype(np.uint16)
    return priors


def encode_code(
    coder: Coder, values: NDArray[np.float32], table: NDArray[np.int64], bit_price: float
) -> tuple[bytes, NDArray[np.int32]]:
    """Choose the levels of a code by rate and distortion, and write them.

    Parameters
    ----------
    coder : ndarray
        Models to start from; they adapt in place.
    values : ndarray, shape (rows, columns, channels), float32
        Output of the encoder network over the step.
    table : ndarray
        From `channel_table`.
    bit_price : float
        Squared steps that one bit is worth; 0 rounds to the nearest level.

    Returns
    -------
    bytes
    ndarray, shape (rows, columns, channels), int32
        The levels.
    """
    bounded = np.nan_to_num(values).clip(-1e5, 1e5).astype(np.float32)
    fresh = coder.copy()
    capacity = values.size + 64
    while True:
        levels = np.zeros(values.shape, np.int32)
        data = np.empty(capacity, np.uint8)
        size = _encode(coder, data, bounded, levels, table, float(bit_price))
        if coder[OVERRUN] == 0:
            return data[:size].tobytes(), levels
        # A byte a level is far above what pictures take; noise at the finest steps takes more.
        coder[:] = fresh
        capacity *= 4


def decode_code(
    coder: Coder, body: memoryview, shape: tuple[int, int, int], table: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Read the levels of a code; the inverse of `encode_code`.

    Raises
    ------
    PayloadError
        If the body ends before its last level or goes on after it.
    """
    levels = np.zeros(shape, np.int32)
    data = np.frombuffer(body, np.uint8).copy()  # kernels are compiled for writable arrays
    if not _decode(coder, data, levels, table):
        raise PayloadError(f"got {len(body)} bytes of code, which do not hold {shape} levels")
    return levels


def compile_kernels() -> None:
    """Run both kernels once: they need neither a model nor torch."""
    table = channel_table(2, 1)
    priors = np.full(context_count(len(table)), 1 << 15, np.uint16)
    values = np.random.default_rng(1).normal(0, 3, (2, 2, len(table))).astype(np.float32)
    body, _ = encode_code(coder_from(priors), values, table, 0.1)
    decode_code(coder_from(priors), memoryview(body), (2, 2, len(table)), table)


@lean_kernel
def _size_class(total: Integer) -> Integer:
    """0, 1, 2, 3 to 4, 5 to 8, more."""
    if total <= 2:
        return total
    if total <= 4:
        return 3
    return 4 if total <= 8 else 5


@lean_kernel
def _around(levels: NDArray[np.int32], r: Integer, c: Integer, channel: Integer) -> Integer:
    total = np.int64(0)
    if c > 0:
        total += 2 * abs(np.int64(levels[r, c - 1, channel]))
    if r > 0:
        total += 2 * abs(np.int64(levels[r - 1, c, channel]))
        if c > 0:
            total += abs(np.int64(levels[r - 1, c - 1, channel]))
        if c + 1 < levels.shape[1]:
            total += abs(np.int64(levels[r - 1, c + 1, channel]))
    return total


@lean_kernel
def _inside(
    levels: NDArray[np.int32], table: NDArray[np.int64], r: Integer, c: Integer, channel: Integer
) -> Integer:
    total = np.int64(0)
    plane = table[channel, 0]
    if channel > 0 and table[channel - 1, 0] == plane:
        total += 2 * abs(np.int64(levels[r, c, channel - 1]))
        if channel > 1 and table[channel - 2, 0] == plane:
            total += abs(np.int64(levels[r, c, channel - 2]))
    same = table[channel, 2]
    if same >= 0:
        total += abs(np.int64(levels[r, c, same]))
    return total


@lean_kernel
def _sign_context(levels: NDArray[np.int32], r: Integer, c: Integer, channel: Integer) -> Integer:
    left = up = np.int64(1)
    if c > 0:
        value = levels[r, c - 1, channel]
        left += int(value > 0) - int(value < 0)
    if r > 0:
        value = levels[r - 1, c, channel]
        up += int(value > 0) - int(value < 0)
    return _CHANNEL + channel * _STRIDE + _SIGN + left * 3 + up


@lean_kernel
def _class_of(value: Integer) -> Integer:
    """Unary length of a level minus one."""
    target = np.int64(value)
    if value >= _UNARY:
        target = np.int64(_UNARY)
        rest = value - _UNARY
        while rest >= np.int64(1) << (target - _UNARY + 1):
            rest -= np.int64(1) << (target - _UNARY + 1)
            target += 1
    return target


@lean_kernel
def _code_size(coder: Coder, data: Bytes, context: Integer, value: Integer) -> Integer:
    """Code a level minus one: unary, then classes of doubling width with plain bits."""
    target = np.int64(0) if coder[DECODING] != 0 else _class_of(value)
    index = np.int64(0)
    while index < _MAX_CLASS:
        if code_bit(coder, data, context + min(index, _BINS - 1), int(index < target)) == 0:
            break
        index += 1
    if index < _UNARY:
        return index
    first = np.int64(_UNARY) + (np.int64(1) << (index - _UNARY + 1)) - 2
    return first + code_bits(coder, data, index - _UNARY + 1, value - first)


@lean_kernel
def _size_cost(coder: Coder, context: Integer, value: Integer) -> Real:
    target = _class_of(value)
    cost = np.float32(max(0, target - _UNARY + 1))
    for index in range(target):
        cost += bit_cost(coder, context + min(index, _BINS - 1), 1)
    return cost + bit_cost(coder, context + min(target, _BINS - 1), 0)


@lean_kernel
def _block_coded(levels: NDArray[np.int32], r: Integer, c: Integer) -> Integer:
    for channel in range(levels.shape[2]):
        if levels[r, c, channel] != 0:
            return 1
    return 0


@lean_kernel
def _block_context(levels: NDArray[np.int32], r: Integer, c: Integer) -> Integer:
    total = np.int64(0)
    if c > 0:
        total += _block_coded(levels, r, c - 1)
    if r > 0:
        total += _block_coded(levels, r - 1, c)
        if c > 0:
            total += _block_coded(levels, r - 1, c - 1)
        if c + 1 < levels.shape[1]:
            total += _block_coded(levels, r - 1, c + 1)
    return _BLOCK + total


@lean_kernel
def _band_coded(
    levels: NDArray[np.int32], r: Integer, c: Integer, start: Integer, end: Integer
) -> Integer:
    for channel in range(start, end):
        if levels[r, c, channel] != 0:
            return 1
    return 0


@lean_kernel
def _band_context(
    levels: NDArray[np.int32],
    table: NDArray[np.int64],
    r: Integer,
    c: Integer,
    start: Integer,
    end: Integer,
    before: Integer,
) -> Integer:
    near = np.int64(0)
    if c > 0:
        near += _band_coded(levels, r, c - 1, start, end)
    if r > 0:
        near += _band_coded(levels, r - 1, c, start, end)
    return _BAND + ((table[start, 0] * _BANDS + table[start, 1]) * 3 + near) * 2 + before


@lean_kernel
def _band_end(table: NDArray[np.int64], start: Integer) -> Integer:
    end = start + 1
    while (
        end < table.shape[0]
        and table[end, 0] == table[start, 0]
        and table[end, 1] == table[start, 1]
    ):
        end += 1
    return end


@lean_kernel
def _code_block(
    coder: Coder,
    data: Bytes,
    levels: NDArray[np.int32],
    table: NDArray[np.int64],
    r: Integer,
    c: Integer,
) -> None:
    """Write the levels of one position, or read them."""
    channels = table.shape[0]
    decoding = coder[DECODING] != 0
    coded = 0 if decoding else _block_coded(levels, r, c)
    if code_bit(coder, data, _block_context(levels, r, c), coded) == 0:
        return
    start = 0
    before = np.int64(1)
    while start < channels:
        end = _band_end(table, start)
        context = _band_context(levels, table, r, c, start, end, before)
        before = np.int64(0) if decoding else np.int64(_band_coded(levels, r, c, start, end))
        before = np.int64(code_bit(coder, data, context, before))
        if before != 0:
            for channel in range(start, end):
                level = np.int64(levels[r, c, channel])
                base = _CHANNEL + channel * _STRIDE
                around = _around(levels, r, c, channel)
                inside = _inside(levels, table, r, c, channel)
                context = base + _size_class(around) * 5 + min(_size_class(inside), 4)
                if code_bit(coder, data, context, int(level != 0)) == 0:
                    continue
                context = base + _LEVEL + _size_class((around + inside) >> 1) * _BINS
                size = 1 + _code_size(coder, data, context, abs(level) - 1)
                negative = code_bit(
                    coder, data, _sign_context(levels, r, c, channel), int(level < 0)
                )
                if decoding:
                    levels[r, c, channel] = -size if negative else size
        start = end


@lean_kernel
def _choose_block(
    coder: Coder,
    values: NDArray[np.float32],
    levels: NDArray[np.int32],
    table: NDArray[np.int64],
    r: Integer,
    c: Integer,
    price: Real,
) -> None:
    """Choose the levels of one position: each takes the cheapest of its nearest two and zero.

    Then each band, and the whole position, is compared with zeros alone.
    """
    channels = table.shape[0]
    all_zero = np.float32(0)
    chosen_cost = np.float32(0)
    any_coded = False
    start = 0
    before = np.int64(1)
    while start < channels:
        end = _band_end(table, start)
        context = _band_context(levels, table, r, c, start, end, before)
        zero_loss = np.float32(0)
        largest = np.float32(0)
        for channel in range(start, end):
            value = abs(values[r, c, channel])
            zero_loss += value * value
            largest = max(largest, value)
        all_zero += zero_loss
        zero_cost = zero_loss + price * bit_cost(coder, context, 0)
        before = np.int64(0)
        if largest > _ALMOST_NONE:
            cost = price * bit_cost(coder, context, 1)
            for channel in range(start, end):
                value = values[r, c, channel]
                size = abs(value)
                base = _CHANNEL + channel * _STRIDE
                around = _around(levels, r, c, channel)
                inside = _inside(levels, table, r, c, channel)
                flag = base + _size_class(around) * 5 + min(_size_class(inside), 4)
                best = size * size + price * bit_cost(coder, flag, 0)
                nearest = np.int64(size + np.float32(0.5))
                chosen = np.int64(0)
                if nearest > 0:
                    sign = _sign_context(levels, r, c, channel)
                    rest = bit_cost(coder, flag, 1) + bit_cost(coder, sign, int(value < 0))
                    context = base + _LEVEL + _size_class((around + inside) >> 1) * _BINS
                    lowest: Integer = max(int(nearest) - 1, 1)
                    for level in range(lowest, nearest + 1):
                        off = size - np.float32(level)
                        bits = rest + _size_cost(coder, context, level - 1)
                        trial = off * off + price * bits
                        if trial < best:
                            best = trial
                            chosen = np.int64(level)
                cost += best
                if chosen > 0:
                    before = np.int64(1)
                    levels[r, c, channel] = -chosen if value < 0 else chosen
            if before != 0 and cost < zero_cost:
                zero_cost = cost
                any_coded = True
            else:
                before = np.int64(0)
                for channel in range(start, end):
                    levels[r, c, channel] = 0
        chosen_cost += zero_cost
        start = end
    if any_coded:
        block = _block_context(levels, r, c)
        if all_zero + price * bit_cost(coder, block, 0) <= chosen_cost + price * bit_cost(
            coder, block, 1
        ):
            for channel in range(channels):
                levels[r, c, channel] = 0


@kernel
def _encode(
    coder: Coder,
    data: Bytes,
    values: NDArray[np.float32],
    levels: NDArray[np.int32],
    table: NDArray[np.int64],
    bit_price: Real,
) -> Integer:
    start_encoder(coder, data.size)
    price = np.float32(bit_price)
    for r in range(levels.shape[0]):
        for c in range(levels.shape[1]):
            _choose_block(coder, values, levels, table, r, c, price)
            _code_block(coder, data, levels, table, r, c)
    return finish_encoder(coder, data)


@kernel
def _decode(
    coder: Coder, data: Bytes, levels: NDArray[np.int32], table: NDArray[np.int64]
) -> Integer:
    start_decoder(coder, data, 0, data.size)
    for r in range(levels.shape[0]):
        for c in range(levels.shape[1]):
            _code_block(coder, data, levels, table, r, c)
        if coder[OVERRUN] != 0:
            return False
    return coder[POSITION] >= coder[END]
