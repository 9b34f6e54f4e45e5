"""Signed integers through the range coder: sign, unary length and bits of an Elias gamma code.

Small numbers are learnt by adaptive models, the low bits of large ones are plain: for side
information such as palettes and means, whose size is hardly known beforehand.
"""

from __future__ import annotations

from rankcast.entropy.rangecoder import Bytes, Coder, code_bit, code_bits
from rankcast.kernels import Integer, lean_kernel

LENGTHS = 40
NUMBER_MODELS = 2 + LENGTHS
"""Models of one kind of number: zero, sign and the unary length."""
_LIMIT = (1 << LENGTHS) - 1


@lean_kernel
def code_number(coder: Coder, data: Bytes, context: Integer, value: Integer) -> Integer:
    """Write `value` with the models from index `context` on, or read and return it.

    Parameters
    ----------
    value : int
        Magnitude below 2^40, whatever a decoder is fed.
    """
    if code_bit(coder, data, context, int(value != 0)) == 0:
        return 0
    negative = code_bit(coder, data, context + 1, int(value < 0))
    size = min(abs(value), _LIMIT)
    length = 0
    while length < LENGTHS - 1 and (
        code_bit(coder, data, context + 2 + length, int((size >> (length + 1)) > 0)) != 0
    ):
        length += 1
    low = code_bits(coder, data, length, size)
    size = (1 << length) | low
    return -size if negative else size
