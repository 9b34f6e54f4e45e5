"""Adaptive binary range coder: one state array, the same code for both directions.

A coder is one int64 array: `REGISTERS` registers and then one adaptive model per context.
A kernel that writes a syntax element with `code_bit` also reads it: with ``coder[DECODING]``
set the bit argument is ignored and the decoded one returned. So both ends run the same
syntax by construction.

The interval arithmetic is that of LZMA's range coder (carry propagation through a counted run
of 0xFF bytes) with a range of 40 bits. A probability is the mean of two estimates that
adapt at two rates; both start fast, by the count of what they have seen, since a
frame of a still scene has only a few hundred bits to learn from.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rankcast.kernels import Integer, Real, lean_kernel

Coder: TypeAlias = NDArray[np.int64]
Bytes: TypeAlias = NDArray[np.uint8]

LOW: Final = 0
RANGE: Final = 1
CODE: Final = 2
"""Decoder: what was read, relative to the low end of the interval."""
CACHE: Final = 3
PENDING: Final = 4
"""Bytes not yet written: the cached one and the 0xFF that follow it."""
POSITION: Final = 5
END: Final = 6
"""Decoder: one past the last byte; encoder: the size of the buffer."""
DECODING: Final = 7
OVERRUN: Final = 8
"""Set when the buffer was too small, or a decoder had to invent too many bytes."""
REGISTERS: Final = 16

_TOP: Final = 1 << 40
_RENORMALISE: Final = 1 << 32
_MAX_INVENTED_BYTES: Final = 8
"""The encoder drops fewer trailing zeros than this, so a decoder that needs more was fooled."""

PROBABILITY_BITS: Final = 16
_HALF: Final = 1 << (PROBABILITY_BITS - 1)
_ONE: Final = 1 << PROBABILITY_BITS
_MASK: Final = _ONE - 1
FRESH_MODEL: Final = _HALF | (_HALF << 16)

# Shifts of the two estimates by the number of bits seen: close to 1 / (n + 1.5), the
# estimator of Krichevsky and Trofimov, until the final rate is reached.
_FINAL_COUNT: Final = 95
_FAST: Final = np.array([min(4, max(1, int(np.log2(n + 1.5) + 0.5))) for n in range(96)], np.int64)
_SLOW: Final = np.array([min(7, max(1, int(np.log2(n + 1.5) + 0.5))) for n in range(96)], np.int64)

COST_SHIFT: Final = 4
COST_BITS: Final[NDArray[np.float32]] = np.array(
    [-np.log2((i + 0.5) / 4096) for i in range(4096)], np.float32
)
"""Cost in bits of a symbol by its probability >> `COST_SHIFT`."""


def new_coder(contexts: int) -> Coder:
    """Make a coder with `contexts` fresh models."""
    coder = np.zeros(REGISTERS + contexts, np.int64)
    coder[REGISTERS:] = FRESH_MODEL
    return coder


@lean_kernel
def start_encoder(coder: Coder, capacity: Integer) -> None:
    """Begin a stream into a buffer of `capacity` bytes; the models stay as they are."""
    coder[:REGISTERS] = 0
    coder[RANGE] = _TOP - 1
    coder[END] = capacity


@lean_kernel
def start_decoder(coder: Coder, data: Bytes, start: Integer, end: Integer) -> None:
    """Begin to read ``data[start:end]``; the models stay as they are."""
    coder[:REGISTERS] = 0
    coder[DECODING] = 1
    coder[RANGE] = _TOP - 1
    coder[POSITION] = start
    coder[END] = end
    for _ in range(5):
        _read_byte(coder, data)


@lean_kernel
def _read_byte(coder: Coder, data: Bytes) -> None:
    position = coder[POSITION]
    byte = np.int64(0)
    if position < coder[END]:
        byte = np.int64(data[position])
    elif position >= coder[END] + _MAX_INVENTED_BYTES:
        coder[OVERRUN] = 1
    coder[POSITION] = position + 1
    coder[CODE] = (coder[CODE] << 8) | byte


@lean_kernel
def _put(coder: Coder, data: Bytes, byte: Integer) -> None:
    position = coder[POSITION]
    if position < coder[END]:
        data[position] = byte
        coder[POSITION] = position + 1
    else:
        coder[OVERRUN] = 1


@lean_kernel
def _shift_low(coder: Coder, data: Bytes) -> None:
    low = coder[LOW]
    # No carry can reach the very first byte: it needs no look-ahead.
    if coder[PENDING] == 0 or low < 0xFF << 32 or low >= _TOP:
        carry = low >> 40
        if coder[PENDING] > 0:
            _put(coder, data, (coder[CACHE] + carry) & 0xFF)
            for _ in range(coder[PENDING] - 1):
                _put(coder, data, (0xFF + carry) & 0xFF)
        coder[PENDING] = 0
        coder[CACHE] = (low >> 32) & 0xFF
    coder[PENDING] += 1
    coder[LOW] = (low << 8) & (_TOP - 1)


@lean_kernel
def code_bit(coder: Coder, data: Bytes, context: Integer, bit: Integer) -> Integer:
    """Write `bit` with the model at index `context`, or read and return it."""
    model = coder[context]
    fast = model & _MASK
    slow = (model >> 16) & _MASK
    count = model >> 32
    span = coder[RANGE]
    bound = (span >> 16) * ((fast + slow) >> 1)
    if coder[DECODING] != 0:
        code = coder[CODE]
        if code < bound:
            bit = 1
            span = bound
        else:
            bit = 0
            coder[CODE] = code - bound
            span -= bound
    elif bit != 0:
        span = bound
    else:
        coder[LOW] += bound
        span -= bound
    if bit != 0:
        fast += (_ONE - fast) >> _FAST[count]
        slow += (_ONE - slow) >> _SLOW[count]
    else:
        fast -= fast >> _FAST[count]
        slow -= slow >> _SLOW[count]
    if count < _FINAL_COUNT:
        count += 1
    coder[context] = fast | (slow << 16) | (count << 32)
    while span < _RENORMALISE:
        span <<= 8
        if coder[DECODING] != 0:
            _read_byte(coder, data)
        else:
            _shift_low(coder, data)
    coder[RANGE] = span
    return bit


@lean_kernel
def code_bits(coder: Coder, data: Bytes, count: Integer, value: Integer) -> Integer:
    """Write the `count` low bits of `value` at one bit each, or read and return them."""
    result = np.int64(0)
    for i in range(count - 1, -1, -1):
        bit = (value >> i) & 1
        span = coder[RANGE] >> 1
        if coder[DECODING] != 0:
            if coder[CODE] < span:
                bit = 1
            else:
                bit = 0
                coder[CODE] -= span
        elif bit == 0:
            coder[LOW] += span
        while span < _RENORMALISE:
            span <<= 8
            if coder[DECODING] != 0:
                _read_byte(coder, data)
            else:
                _shift_low(coder, data)
        coder[RANGE] = span
        result = (result << 1) | bit
    return result


@lean_kernel
def bit_cost(coder: Coder, context: Integer, bit: Integer) -> Real:
    """Cost in bits of coding `bit` now with the model at index `context`."""
    model = coder[context]
    one = ((model & _MASK) + ((model >> 16) & _MASK)) >> 1
    if bit == 0:
        one = _ONE - one
    return COST_BITS[one >> COST_SHIFT]


@lean_kernel
def finish_encoder(coder: Coder, data: Bytes) -> Integer:
    """End the stream with as few bytes as name the interval; return its length.

    Up to seven trailing zero bytes are dropped: the decoder reads zeros past the end.
    """
    low, span = coder[LOW], coder[RANGE]
    # The number with the most trailing zeros inside [low, low + span).
    for shift in range(39, -1, -1):
        value = ((low + (np.int64(1) << shift) - 1) >> shift) << shift
        if value < low + span:
            coder[LOW] = value
            break
    # Six shifts: five push out the register, one the cached byte.
    for _ in range(6):
        _shift_low(coder, data)
    end = coder[POSITION]
    least = max(end - _MAX_INVENTED_BYTES + 1, 0)
    while end > least and data[end - 1] == 0:
        end -= 1
    coder[POSITION] = end
    return end
