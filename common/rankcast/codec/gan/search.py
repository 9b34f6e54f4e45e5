"""Choice of levels by rate and distortion, at the price of the adaptive models as they stand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.gan.contexts import (
    around_of,
    band_context,
    band_end,
    block_context,
    inside_of,
    sign_context,
    size_class,
)
from rankcast.codec.gan.layout import BINS, CHANNEL_MODELS, LEVEL_MODELS, STRIDE
from rankcast.codec.gan.sizes import size_cost
from rankcast.entropy.rangecoder import Coder, bit_cost
from rankcast.kernels import Integer, Real, lean_kernel

_ALMOST_NONE = np.float32(0.5)


@lean_kernel
def choose_block(
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
        end = band_end(table, start)
        context = band_context(levels, table, r, c, start, end, before)
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
                base = CHANNEL_MODELS + channel * STRIDE
                around = around_of(levels, r, c, channel)
                inside = inside_of(levels, table, r, c, channel)
                flag = base + size_class(around) * 5 + min(size_class(inside), 4)
                best = size * size + price * bit_cost(coder, flag, 0)
                nearest = np.int64(size + np.float32(0.5))
                chosen = np.int64(0)
                if nearest > 0:
                    sign = sign_context(levels, r, c, channel)
                    rest = bit_cost(coder, flag, 1) + bit_cost(coder, sign, int(value < 0))
                    context = base + LEVEL_MODELS + size_class((around + inside) >> 1) * BINS
                    lowest: Integer = max(int(nearest) - 1, 1)
                    for level in range(lowest, nearest + 1):
                        off = size - np.float32(level)
                        bits = rest + size_cost(coder, context, level - 1)
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
        block = block_context(levels, r, c)
        if all_zero + price * bit_cost(coder, block, 0) <= chosen_cost + price * bit_cost(
            coder, block, 1
        ):
            for channel in range(channels):
                levels[r, c, channel] = 0
