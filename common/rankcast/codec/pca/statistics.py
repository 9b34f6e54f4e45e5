"""Means and deviations of the variables: rounded before they are used, so that both ends agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankcast.entropy.numbers import NUMBER_MODELS, code_number
from rankcast.entropy.rangecoder import (
    DECODING,
    OVERRUN,
    POSITION,
    REGISTERS,
    Bytes,
    Coder,
    finish_encoder,
    new_coder,
    start_decoder,
    start_encoder,
)
from rankcast.errors import PayloadError
from rankcast.frame import full_scale
from rankcast.kernels import Integer, kernel

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Means and standard deviations of the variables of a plane, in parts of a level."""

    means: Whole
    """(n,)."""
    deviations: Whole
    """(n,), 0 for constant variables."""
    parts: int
    """How many make a level."""

    @property
    def mean(self) -> NDArray[np.float64]:
        """In levels."""
        return self.means / self.parts

    @property
    def deviation(self) -> NDArray[np.float64]:
        """In levels."""
        return self.deviations / self.parts


def parts_of(dtype: np.dtype[Any]) -> int:
    """Parts of a level that means and deviations are rounded to."""
    return 16 if dtype.itemsize == 1 else 4


def measure(x: NDArray[Any], dtype: np.dtype[Any]) -> Statistics:
    """Means and deviations of the columns of samples `x` (m, n), rounded."""
    parts = parts_of(dtype)
    means = x.mean(axis=0, dtype=np.float64)
    deviations = np.rint(parts * x.std(axis=0, dtype=np.float64)).astype(np.int64)
    # A column that is not constant must not become one.
    varies = x.max(axis=0) > x.min(axis=0)
    deviations = np.where(varies, np.maximum(deviations, 1), 0)
    return Statistics(np.rint(parts * means).astype(np.int64), deviations, parts)


def pack(planes: Sequence[Statistics]) -> bytes:
    """Code the statistics of all planes."""
    coder = new_coder(2 * NUMBER_MODELS)
    values = [np.stack([each.means, each.deviations]) for each in planes]
    data = np.zeros(16 * sum(each.size for each in values) + 64, np.uint8)
    start_encoder(coder, len(data))
    fresh = coder[REGISTERS:].copy()
    for each in values:
        coder[REGISTERS:] = fresh
        _code(coder, data, each, 1 << 40)
    size = finish_encoder(coder, data)
    if coder[OVERRUN]:
        raise AssertionError("the buffer was too small")
    return data[:size].tobytes()


def unpack(body: memoryview, widths: Sequence[int], dtype: np.dtype[Any]) -> list[Statistics]:
    """Read the statistics of planes with so many variables.

    Raises
    ------
    PayloadError
        If the bytes are not exactly these.
    """
    coder = new_coder(2 * NUMBER_MODELS)
    data = np.frombuffer(bytes(body) or b"\0", np.uint8).copy()
    start_decoder(coder, data, 0, len(body))
    fresh = coder[REGISTERS:].copy()
    parts, planes = parts_of(dtype), []
    for width in widths:
        coder[REGISTERS:] = fresh
        values = np.zeros((2, width), np.int64)
        _code(coder, data, values, parts * full_scale(dtype))
        planes.append(Statistics(values[0], values[1], parts))
    if coder[OVERRUN] or coder[POSITION] < len(body):
        raise PayloadError("the means and deviations end early or go on after the last")
    return planes


@kernel
def _code(coder: Coder, data: Bytes, values: Whole, most: Integer) -> None:
    """Write rows of values side by side, or read them, clamped to 0..most."""
    decoding = coder[DECODING] != 0
    for j in range(values.shape[1]):
        if coder[OVERRUN] != 0:
            return
        for row in range(values.shape[0]):
            before = values[row, j - 1] if j > 0 else np.int64(0)
            step = code_number(
                coder, data, REGISTERS + row * NUMBER_MODELS, values[row, j] - before
            )
            if decoding:
                values[row, j] = min(max(before + step, 0), most)
