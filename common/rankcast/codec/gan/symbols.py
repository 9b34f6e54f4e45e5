"""Entropy coding of the code w: its levels, position by position, over the range coder.

Everything here is in integers, so that both ends read the same symbols whatever their processors
make of the network's floats.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.core import function
from rankcast.entropy.rangecoder import REGISTERS, Coder, new_coder
from rankcast.errors import PayloadError

_ENCODE: Final = function("rk_gan_encode")
_DECODE: Final = function("rk_gan_decode")

_PRIOR_COUNT: Final = 24
"""Bits that a model counts as having seen when it starts from a learned probability: it adapts at
about 1/25 a bit then."""
_PROBABILITY: Final = 0xFFFF


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
    coded = np.empty(values.shape[:2], np.uint16)
    fresh = coder.copy()
    capacity = values.size + 64
    while True:
        levels = np.zeros(values.shape, np.int32)
        data = np.empty(capacity, np.uint8)
        size = _ENCODE(
            coder,
            data,
            capacity,
            bounded,
            levels,
            coded,
            *coded.shape,
            table,
            len(table),
            bit_price,
        )
        if size >= 0:
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
    levels, coded = np.zeros(shape, np.int32), np.empty(shape[:2], np.uint16)
    data = np.frombuffer(body, np.uint8)
    status = _DECODE(coder, data, data.size, levels, coded, *coded.shape, table, len(table))
    if status < 0:
        raise PayloadError(f"got {len(body)} bytes of code, which do not hold {shape} levels")
    return levels
