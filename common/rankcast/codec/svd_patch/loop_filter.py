"""The strength of the filter in the loop, as it travels in the parameters of a packet."""

from __future__ import annotations

import math
from typing import Final

from rankcast.codec.svd_patch.tables import STEP_ONE

FILTER_SCALE: Final = 64
"""A parameter is the index plus this times the binary logarithm of its scale."""
MAX_INDEX: Final = 51
MAX_SHIFT: Final = 8
_LEAST_INDEX: Final = 16
"""Below it the tables of ITU-T H.265 filter nothing."""
_OFFSET: Final = 5
"""Above the index that H.265 takes at the same step: smooth prediction and dear bits leave more
at the edges."""


def loop_filter_of(step: int, bits: int) -> int:
    """Return the parameter for planes of `bits` bits coded at a step, in sixteenths of a level."""
    shift = min(max(bits - 8, 0), MAX_SHIFT)
    # Table 8-12 goes by QP, and a step is 2^((QP - 4) / 6).
    qp = 4 + 6 * math.log2(step / (STEP_ONE << shift))
    index = min(round(qp) + _OFFSET, MAX_INDEX)
    return index + FILTER_SCALE * shift if index >= _LEAST_INDEX else 0


def is_loop_filter(parameter: int) -> bool:
    """Whether a parameter is one that decoders know."""
    shift, index = divmod(parameter, FILTER_SCALE)
    return 0 <= shift <= MAX_SHIFT and index <= MAX_INDEX
