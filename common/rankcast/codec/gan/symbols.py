"""Entropy coding of the code w: its levels, position by position, over the range coder.

Everything here is in integers, so that both ends read the same symbols whatever their processors
make of the network's floats.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.gan.contexts import (
    around_of,
    band_coded,
    band_context,
    band_end,
    block_coded,
    block_context,
    inside_of,
    sign_context,
    size_class,
)
from rankcast.codec.gan.layout import (
    BINS,
    CHANNEL_MODELS,
    LEVEL_MODELS,
    STRIDE,
    channel_table,
    context_count,
)
from rankcast.codec.gan.search import choose_block
from rankcast.codec.gan.sizes import code_size
from rankcast.entropy.rangecoder import (
    DECODING,
    END,
    OVERRUN,
    POSITION,
    REGISTERS,
    Bytes,
    Coder,
    code_bit,
    finish_encoder,
    new_coder,
    start_decoder,
    start_encoder,
)
from rankcast.errors import PayloadError
from rankcast.kernels import Integer, Real, kernel, lean_kernel

_PRIOR_COUNT = 24
"""Bits that a model counts as having seen when it starts from a learned probability: it adapts at
about 1/25 a bit then."""
_PROBABILITY = 0xFFFF


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
    coded = 0 if decoding else block_coded(levels, r, c)
    if code_bit(coder, data, block_context(levels, r, c), coded) == 0:
        return
    start = 0
    before = np.int64(1)
    while start < channels:
        end = band_end(table, start)
        context = band_context(levels, table, r, c, start, end, before)
        before = np.int64(0) if decoding else np.int64(band_coded(levels, r, c, start, end))
        before = np.int64(code_bit(coder, data, context, before))
        if before != 0:
            for channel in range(start, end):
                level = np.int64(levels[r, c, channel])
                base = CHANNEL_MODELS + channel * STRIDE
                around = around_of(levels, r, c, channel)
                inside = inside_of(levels, table, r, c, channel)
                context = base + size_class(around) * 5 + min(size_class(inside), 4)
                if code_bit(coder, data, context, int(level != 0)) == 0:
                    continue
                context = base + LEVEL_MODELS + size_class((around + inside) >> 1) * BINS
                size = 1 + code_size(coder, data, context, abs(level) - 1)
                negative = code_bit(
                    coder, data, sign_context(levels, r, c, channel), int(level < 0)
                )
                if decoding:
                    levels[r, c, channel] = -size if negative else size
        start = end


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
            choose_block(coder, values, levels, table, r, c, price)
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
