"""Adaptive binary range coder: one state array, the same code for both directions.

A coder is one int64 array: `REGISTERS` registers and then one adaptive model per context. The
native core codes with it (core/src/range_coder.h); here are the places of its parts. A copy of the
array is a state to go back to.

The interval arithmetic is that of LZMA's range coder (carry propagation through a counted run
of 0xFF bytes) with a range of 40 bits. A probability is the mean of two estimates that
adapt at two rates; both start fast, by the count of what they have seen, since a
frame of a still scene has only a few hundred bits to learn from.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

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

FRESH_MODEL: Final = (1 << 15) | (1 << 31)
"""Two estimates of one half, and nothing seen."""


def new_coder(contexts: int) -> Coder:
    """Make a coder with `contexts` fresh models."""
    coder = np.zeros(REGISTERS + contexts, np.int64)
    coder[REGISTERS:] = FRESH_MODEL
    return coder
