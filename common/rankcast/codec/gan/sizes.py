"""Size of a level: unary, then classes of doubling width with plain bits."""

from __future__ import annotations

import numpy as np

from rankcast.codec.gan.layout import BINS
from rankcast.entropy.rangecoder import DECODING, Bytes, Coder, bit_cost, code_bit, code_bits
from rankcast.kernels import Integer, Real, lean_kernel

_UNARY = 8
"""Levels minus one below this are unary; from here on classes of doubling width."""
_MAX_CLASS = 24


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
def code_size(coder: Coder, data: Bytes, context: Integer, value: Integer) -> Integer:
    """Code a level minus one, or read it."""
    target = np.int64(0) if coder[DECODING] != 0 else _class_of(value)
    index = np.int64(0)
    while index < _MAX_CLASS:
        if code_bit(coder, data, context + min(index, BINS - 1), int(index < target)) == 0:
            break
        index += 1
    if index < _UNARY:
        return index
    first = np.int64(_UNARY) + (np.int64(1) << (index - _UNARY + 1)) - 2
    return first + code_bits(coder, data, index - _UNARY + 1, value - first)


@lean_kernel
def size_cost(coder: Coder, context: Integer, value: Integer) -> Real:
    """Bits that `code_size` would take now."""
    target = _class_of(value)
    cost = np.float32(max(0, target - _UNARY + 1))
    for index in range(target):
        cost += bit_cost(coder, context + min(index, BINS - 1), 1)
    return cost + bit_cost(coder, context + min(target, BINS - 1), 0)
