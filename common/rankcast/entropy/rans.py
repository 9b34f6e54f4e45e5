"""Range asymmetric numeral systems (rANS): small integers with contexts, to words and back.

Duda 2013, arXiv:1311.2540, in the interleaved form of Giesen 2014, arXiv:1402.3392: two states
of 31 bits, 12-bit probabilities, renormalised by words of 16 bits. Every value belongs to a
class (its context); every class has one static table of three parameters and a shift, so
that both ends derive the same tables with integers alone.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rankcast.kernels import inline_kernel, kernel

Ints: TypeAlias = NDArray[np.int64]
Bytes: TypeAlias = NDArray[np.uint8]
Words: TypeAlias = NDArray[np.uint16]

CLASSES: Final = 64
SYMBOLS: Final = 64
"""Symbol 0 is the value 0, then +1, -1, +2, -2 and so on; the last one in use is the escape."""
PARAMETERS: Final = 4
"""Of a class: frequency of 0, share of +-1 among the rest, decay of what is left, shift."""
MAX_SHIFT: Final = 24
MAX_VALUE: Final = 2**30
"""Magnitudes above it are not coded; 2^30 steps are more than any quantiser here makes."""
WORDS_PER_VALUE: Final = 7
"""A value takes at most one word for its symbol, four for an escape, two for the shift."""

RARE: Final = 1 << 32
SLOTS: Final = 1 << 12
STATE_LOW: Final = 1 << 15
"""Where an encoder starts and a decoder must end."""
STATE_LIMIT: Final = 1 << 31

_MOST = np.int64(MAX_VALUE)
_BITS = 12
_TOTAL = 1 << _BITS
_LOW = STATE_LOW
_HIGH_BITS = 31
_LARGEST = (SYMBOLS - 2) // 2
# Raw bits go through the state in parts of at most as many bits as a probability has.
_PART = np.int64(_BITS)


@kernel
def build_tables(parameters: Ints, used: Bytes, frequency: Ints, start: Ints) -> None:
    """Frequencies of the symbols of every class in use.

    Parameters
    ----------
    parameters : ndarray, shape (CLASSES, PARAMETERS), checked by `parameters_allowed`
    used : ndarray, shape (CLASSES,)
    frequency, start : ndarray, shape (CLASSES, SYMBOLS)
        Written: frequency out of 4096, 0 for symbols that do not occur, and their running sum.
    """
    for c in range(CLASSES):
        for symbol in range(SYMBOLS):
            frequency[c, symbol] = 0
            start[c, symbol] = 0
        if not used[c]:
            continue
        zero = parameters[c, 0]
        frequency[c, 0] = zero
        left = _TOTAL - zero
        pair = (left * parameters[c, 1]) >> 8
        symbol = 1
        while pair >= 2 and symbol < 2 * _LARGEST:
            frequency[c, symbol] = pair >> 1
            frequency[c, symbol + 1] = pair >> 1
            left -= (pair >> 1) * 2
            symbol += 2
            pair = (left * (256 - parameters[c, 2])) >> 8
        # Both shares round down, so that something is always left for the escape.
        frequency[c, symbol] = left
        running = np.int64(0)
        for symbol in range(SYMBOLS):
            start[c, symbol] = running
            running += frequency[c, symbol]


def parameters_allowed(parameters: Ints, used: Bytes) -> bool:
    """Whether `build_tables` makes valid tables of `parameters` (CLASSES, PARAMETERS)."""
    rows = parameters[used != 0]
    return bool(
        np.all((rows[:, 0] >= 1) & (rows[:, 0] < _TOTAL))
        and np.all((rows[:, 1] >= 0) & (rows[:, 1] <= 255))
        and np.all((rows[:, 2] >= 1) & (rows[:, 2] <= 255))
        and np.all((rows[:, 3] >= 0) & (rows[:, 3] <= MAX_SHIFT))
    )


@inline_kernel
def shifted(value: np.int64, shift: np.int64) -> np.int64:
    """The part of `value` that is a symbol: rounded to a multiple of 2^shift, symmetric to 0."""
    return (value + ((np.int64(1) << shift) >> 1)) >> shift


@kernel
def count(values: NDArray[np.int32], classes: Bytes, shifts: Ints, counts: Ints) -> None:
    """Statistics of every class that `fit` needs.

    Parameters
    ----------
    values, classes : ndarray, shape (N,)
    shifts : ndarray, shape (CLASSES,)
    counts : ndarray, shape (CLASSES, 4)
        Added to: number of values 0, of +-1 and of larger ones, and the sum of all magnitudes.
    """
    for i in range(values.size):
        c = np.int64(classes[i])
        magnitude = abs(shifted(np.int64(values[i]), shifts[c]))
        counts[c, magnitude if magnitude < 2 else 2] += 1
        counts[c, 3] += magnitude


def choose_shifts(counts: Ints) -> Ints:
    """Shifts that bring the mean magnitude of every class to 4..8; `counts` is without shifts."""
    mean = counts[:, 3] // np.maximum(counts[:, :3].sum(axis=1), 1)
    shifts = [max(0, int(value).bit_length() - 3) for value in mean]
    return np.minimum(np.array(shifts, np.int64), MAX_SHIFT)


def fit(counts: Ints, shifts: Ints) -> Ints:
    """Parameters of the classes by maximum likelihood, (CLASSES, PARAMETERS).

    A share for 0, one for +-1, and a geometric law for what is larger.
    """
    zeros, ones, more, total = (counts[:, column] for column in range(4))
    number = zeros + ones + more
    parameters = np.zeros((CLASSES, PARAMETERS), np.int64)
    nonzero = np.maximum(ones + more, 1)
    parameters[:, 0] = np.clip((_TOTAL * zeros) // np.maximum(number, 1), 1, _TOTAL - 1)
    parameters[:, 1] = np.clip((256 * ones) // nonzero, 0, 255)
    # Mean of a geometric law over 2, 3, ...: 2 + decay / (1 - decay).
    excess = total - ones - 2 * more
    parameters[:, 2] = np.clip((256 * excess) // np.maximum(excess + more, 1), 1, 255)
    parameters[:, 3] = shifts
    return parameters


@kernel
def build_coder(frequency: Ints, start: Ints, coder: Ints, escapes: Ints) -> None:
    """Tables of `encode` from those of `build_tables`.

    Division by a frequency f becomes a product and a shift (Granlund and Montgomery 1994),
    exact for dividends below 2^31: floor(x / f) = x * ceil(2^(31 + e) / f) >> (31 + e) with
    2^e >= f. The product stays below 2^63.

    Parameters
    ----------
    coder : ndarray, shape (CLASSES, SYMBOLS, 4)
        Written: frequency, start, reciprocal and shift side by side, one cache line for two.
    escapes : ndarray, shape (CLASSES,)
        Written: the last symbol in use.
    """
    for c in range(CLASSES):
        for symbol in range(SYMBOLS):
            f = frequency[c, symbol]
            if f > 0:
                e = np.int64(0)
                while (np.int64(1) << e) < f:
                    e += 1
                coder[c, symbol, 0] = f
                coder[c, symbol, 1] = start[c, symbol]
                coder[c, symbol, 2] = ((np.int64(1) << (_HIGH_BITS + e)) + f - 1) // f
                coder[c, symbol, 3] = _HIGH_BITS + e
                escapes[c] = symbol


@kernel
def encode(
    values: NDArray[np.int32],
    classes: Bytes,
    shifts: Ints,
    coder: Ints,
    escapes: Ints,
    words: Words,
    states: Ints,
) -> int:
    """Code `values` backwards into the end of `words`.

    Parameters
    ----------
    values, classes : ndarray, shape (N,)
        Magnitudes at most MAX_VALUE.
    coder, escapes : ndarray, from `build_coder`
    words : ndarray of at least WORDS_PER_VALUE * N
    states : ndarray, shape (2,)
        Written: where the decoder starts.

    Returns
    -------
    int
        Index of the first word written.
    """
    position = words.size
    # Parts of raw bits of one value, in the order of the decoder.
    bits = np.zeros(WORDS_PER_VALUE, np.int64)
    lengths = np.zeros(WORDS_PER_VALUE, np.int64)
    state = np.int64(_LOW)
    other = np.int64(_LOW)
    for back in range(values.size):
        i = values.size - 1 - back
        c = np.int64(classes[i])
        shift = shifts[c]
        value = np.int64(values[i])
        symbol_value = shifted(value, shift)
        magnitude = abs(symbol_value)
        symbol = 2 * magnitude - (1 if symbol_value > 0 else 0)
        parts = 0
        if symbol >= escapes[c]:
            symbol = escapes[c]
            # The value 0 never comes here, so that at least 1 is left.
            excess = magnitude - (symbol >> 1)
            length = np.int64(0)
            while (excess >> (length + 1)) > 0:
                length += 1
            bits[0] = length * 2 + (1 if symbol_value < 0 else 0)
            lengths[0] = 6
            parts = 1
            low = excess - (np.int64(1) << length)
            while length > 0:
                take = length if length < _PART else _PART
                bits[parts] = low & ((1 << take) - 1)
                lengths[parts] = take
                low >>= take
                length -= take
                parts += 1
        if shift > 0:
            low = (value + ((np.int64(1) << shift) >> 1)) & ((np.int64(1) << shift) - 1)
            left = shift
            while left > 0:
                take = left if left < _PART else _PART
                bits[parts] = low & ((1 << take) - 1)
                lengths[parts] = take
                low >>= take
                left -= take
                parts += 1
        while parts > 0:
            parts -= 1
            if state >= (np.int64(1) << (_HIGH_BITS - lengths[parts])):
                position -= 1
                words[position] = state & 0xFFFF
                state >>= 16
            state = (state << lengths[parts]) | bits[parts]
        f = coder[c, symbol, 0]
        if state >= (f << (_HIGH_BITS - _BITS)):
            position -= 1
            words[position] = state & 0xFFFF
            state >>= 16
        quotient = (state * coder[c, symbol, 2]) >> coder[c, symbol, 3]
        state = (quotient << _BITS) + (state - quotient * f) + coder[c, symbol, 1]
        state, other = other, state
    # The value of index 0 was the last one, and its state was swapped away.
    states[0] = other
    states[1] = state
    return position


@kernel
def build_decoder(frequency: Ints, start: Ints, shifts: Ints, lookup: Bytes, decoder: Ints) -> None:
    """Tables of `decode_symbol` from those of `build_tables`.

    Parameters
    ----------
    lookup : ndarray, shape (CLASSES, SLOTS)
        Written: symbol of every slot.
    decoder : ndarray, shape (CLASSES, SYMBOLS)
        Written: frequency, start << 16, and RARE where raw bits follow the symbol.
    """
    for c in range(CLASSES):
        slot = 0
        last = 0
        for symbol in range(SYMBOLS):
            if frequency[c, symbol] > 0:
                last = symbol
            for _ in range(frequency[c, symbol]):
                lookup[c, slot] = symbol
                slot += 1
        for symbol in range(SYMBOLS):
            rare = symbol == last or shifts[c] > 0
            decoder[c, symbol] = (
                frequency[c, symbol] | (start[c, symbol] << 16) | (RARE if rare else 0)
            )


@kernel
def decode_bits(
    state: np.int64, position: np.int64, number: np.int64, words: Words
) -> tuple[np.int64, np.int64, np.int64]:
    """Take `number` raw bits, at most 31; returns them, the state and the position."""
    value = np.int64(0)
    done = np.int64(0)
    while done < number:
        take = number - done if number - done < _PART else _PART
        value |= (state & ((np.int64(1) << take) - 1)) << done
        state >>= take
        done += take
        if state < _LOW:
            state = (state << 16) | np.int64(words[position])
            position += 1
    return value, state, position


@kernel
def decode_rare(
    state: np.int64,
    position: np.int64,
    symbol: np.int64,
    shift: np.int64,
    escape: bool,
    words: Words,
) -> tuple[np.int64, np.int64, np.int64]:
    """Take the raw bits that follow a RARE symbol; returns the value, state and position."""
    magnitude = (symbol + 1) >> 1
    negative = (symbol & 1) == 0
    if escape:
        head, state, position = decode_bits(state, position, np.int64(6), words)
        low, state, position = decode_bits(state, position, head >> 1, words)
        magnitude = (symbol >> 1) + (np.int64(1) << (head >> 1)) + low
        negative = (head & 1) == 1
    value = -magnitude if negative else magnitude
    if shift > 0:
        low, state, position = decode_bits(state, position, shift, words)
        value = (value << shift) + low - ((np.int64(1) << shift) >> 1)
    if value > _MOST:
        value = _MOST
    elif value < -_MOST:
        value = -_MOST
    return value, state, position


@inline_kernel
def decode_symbol(
    state: np.int64, position: np.int64, entry: np.int64, words: Words
) -> tuple[np.int64, np.int64]:
    """Leave the symbol whose row of the decoder is `entry`; returns the state and the position.

    Reads at most one word at `position`: callers keep a border of zeros behind the words.
    """
    state = (entry & 0xFFFF) * (state >> _BITS) + (state & (_TOTAL - 1)) - ((entry >> 16) & 0xFFFF)
    # Both sides are computed, because this branch could not be predicted.
    short = state < _LOW
    filled = (state << 16) | np.int64(words[position])
    return (filled if short else state), position + np.int64(short)
