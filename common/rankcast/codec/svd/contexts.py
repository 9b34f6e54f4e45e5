"""Kernels of the coded form of `svd`: quantiser, contexts, and the decoder that follows them.

A matrix of K columns of length L lies as (K, L). Every column is cut into blocks of BLOCK
cosine coefficients, the last one shorter. The context of a coefficient is a weighted sum of
magnitudes that are coded before it: the coefficients below it in its block, the same ones of
the block before, and of the two columns before.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.entropy.rans import (
    CLASSES,
    MAX_VALUE,
    RARE,
    SLOTS,
    STATE_LOW,
    SYMBOLS,
    WORDS_PER_VALUE,
    Bytes,
    Ints,
    Words,
    decode_rare,
    decode_symbol,
)
from rankcast.kernels import kernel
from rankcast.numerics import Real

BLOCK: Final = 64
BORDER: Final = (BLOCK + 1) * WORDS_PER_VALUE
"""Zeros behind the words of a matrix: more than the values of a block can read."""
DEAD_ZONE: Final = 0.42
"""What is added before rounding down: less than 1/2 costs little error and saves more bits;
0.42 was the best of 0.5, 0.42 and 0.35 on photographs and video at equal error."""

_SMALL = 4096
# So that sums of 14 magnitudes stay within int32.
_CAP = 1 << 26


def _class_table() -> NDArray[np.uint8]:
    """Class of every context below 4096: itself below 8, then four an octave."""
    table = np.zeros(_SMALL, np.uint8)
    for w in range(_SMALL):
        octave = w.bit_length() - 1
        table[w] = w if w < 8 else 8 + 4 * (octave - 3) + ((w >> (octave - 2)) & 3)
    return table


CLASS_OF: Final = _class_table()
_FIRST_LARGE = int(CLASS_OF[-1]) + 1


@kernel
def _class(w: np.int64, table: Bytes) -> np.int64:
    if w < _SMALL:
        return np.int64(table[w])
    # One an octave from here on.
    c = np.int64(_FIRST_LARGE)
    w >>= 13
    while w > 0 and c < CLASSES - 1:
        w >>= 1
        c += 1
    return c


@kernel
def quantise(y: Real, scales: NDArray[np.float64], values: NDArray[np.int32]) -> None:
    """Round y * scale with a dead zone.

    Parameters
    ----------
    y : ndarray, shape (K, L)
    scales : ndarray, shape (K,)
        Steps in a unit of y.
    values : ndarray, shape (K, L)
        Written.
    """
    for k in range(y.shape[0]):
        scale = scales[k]
        for j in range(y.shape[1]):
            x = y[k, j] * scale
            rounded = np.floor(min(abs(x) + DEAD_ZONE, float(MAX_VALUE)))
            values[k, j] = np.int32(rounded if x >= 0 else -rounded)


@kernel
def sample(y: Real, scales: NDArray[np.float32], stride: int, out: NDArray[np.float32]) -> None:
    """Magnitudes of every `stride`-th of y * scale, row after row, into `out`."""
    length = y.shape[1]
    for i in range(out.size):
        k = i * stride // length
        out[i] = abs(np.float32(y[k, i * stride - k * length]) * scales[k])


@kernel
def squared_noise(y: Real, scales: NDArray[np.float64], values: NDArray[np.int32]) -> float:
    """Sum of (y * scale - value)^2: what `quantise` lost, in squared steps."""
    total = 0.0
    for k in range(y.shape[0]):
        scale = scales[k]
        row = 0.0
        for j in range(y.shape[1]):
            d = y[k, j] * scale - values[k, j]
            row += d * d
        total += row
    return total


@kernel
def _sum_before(
    one: NDArray[np.int32], two: NDArray[np.int32], now: NDArray[np.int32], b: int,
    width: int, sums: NDArray[np.int32],
) -> None:  # fmt: skip
    """The part of the contexts of block `b` that does not depend on the block itself.

    `one`, `two` and `now` hold magnitudes of the last two columns and of this one, a row a
    block, with a border of one row above and below and of two coefficients on both sides.
    """
    for f in range(width):
        sums[f] = (
            2 * (one[b + 1, f + 2] + two[b + 1, f + 2] + now[b, f + 2])
            + one[b + 2, f + 2] + one[b + 1, f + 1] + one[b + 1, f + 3]
            + now[b, f + 1] + now[b, f + 3]
        )  # fmt: skip


@kernel
def classify(values: NDArray[np.int32], table: Bytes, classes: Bytes) -> None:
    """Class of every coefficient from its context.

    Parameters
    ----------
    values : ndarray, shape (K, L)
    table : CLASS_OF
    classes : ndarray, shape (K, L)
        Written.
    """
    columns, length = values.shape
    blocks = (length + BLOCK - 1) // BLOCK
    one = np.zeros((blocks + 2, BLOCK + 4), np.int32)
    two = np.zeros((blocks + 2, BLOCK + 4), np.int32)
    now = np.zeros((blocks + 2, BLOCK + 4), np.int32)
    sums = np.zeros(BLOCK, np.int32)
    for k in range(columns):
        for b in range(blocks):
            first = b * BLOCK
            width = min(BLOCK, length - first)
            for f in range(width):
                now[b + 1, f + 2] = min(abs(values[k, first + f]), _CAP)
            _sum_before(one, two, now, b, width, sums)
            for f in range(width):
                w = np.int64(sums[f]) + 2 * now[b + 1, f + 1] + now[b + 1, f]
                classes[k, first + f] = _class(w, table)
        one, two, now = now, one, two


@kernel
def decode(
    words: Words, size: int, states: Ints, shifts: Ints, lookup: Bytes, decoder: Ints,
    table: Bytes, values: NDArray[np.int32],
) -> bool:  # fmt: skip
    """Decode a matrix (K, L) into `values`; False if the words are not exactly one.

    Parameters
    ----------
    words : ndarray, shape (size + BORDER,)
        The last BORDER are zeros. Words and states below 2^31 may be anything: time and memory
        depend on the shape alone.
    lookup, decoder : ndarray, from `rankcast.entropy.rans.build_decoder`
    table : CLASS_OF
    values : ndarray, shape (K, L)
        Written.
    """
    columns, length = values.shape
    blocks = (length + BLOCK - 1) // BLOCK
    one = np.zeros((blocks + 2, BLOCK + 4), np.int32)
    two = np.zeros((blocks + 2, BLOCK + 4), np.int32)
    now = np.zeros((blocks + 2, BLOCK + 4), np.int32)
    sums = np.zeros(BLOCK, np.int32)
    state, other = states[0], states[1]
    position = np.int64(0)
    for k in range(columns):
        for b in range(blocks):
            first = b * BLOCK
            width = min(BLOCK, length - first)
            _sum_before(one, two, now, b, width, sums)
            last = np.int64(0)
            before = np.int64(0)
            for f in range(width):
                c = _class(np.int64(sums[f]) + 2 * last + before, table)
                symbol = np.int64(lookup[c, state & (SLOTS - 1)])
                entry = decoder[c, symbol]
                state, position = decode_symbol(state, position, entry, words)
                before = last
                last = (symbol + 1) >> 1
                value = last if symbol & 1 else -last
                if entry >= RARE:
                    escape = symbol == SYMBOLS - 1 or decoder[c, symbol + 1] & 0xFFFF == 0
                    value, state, position = decode_rare(
                        state, position, symbol, shifts[c], escape, words
                    )
                    last = abs(value)
                    if last > _CAP:
                        last = np.int64(_CAP)
                state, other = other, state
                values[k, first + f] = value
                now[b + 1, f + 2] = last
            # A block takes less than BORDER words, so that no index ever leaves them.
            if position > size:
                return False
        one, two, now = now, one, two
    return bool(position == size and state == STATE_LOW and other == STATE_LOW)
