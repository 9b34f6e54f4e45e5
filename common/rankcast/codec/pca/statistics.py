"""Means and deviations of the variables: rounded before they are used, so that both ends agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rankcast.core import function
from rankcast.errors import PayloadError
from rankcast.frame import full_scale

Whole = NDArray[np.int64]

_PACK: Final = function("rk_pca_pack_statistics")
_UNPACK: Final = function("rk_pca_unpack_statistics")


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
    values = np.concatenate([row for each in planes for row in (each.means, each.deviations)])
    widths = np.array([each.means.size for each in planes], np.int64)
    data = np.empty(16 * values.size + 64, np.uint8)
    size = _PACK(values, widths, len(planes), data, data.size)
    if size < 0:
        raise AssertionError("the buffer was too small")
    return data[:size].tobytes()


def unpack(body: memoryview, widths: Sequence[int], dtype: np.dtype[Any]) -> list[Statistics]:
    """Read the statistics of planes with so many variables.

    Raises
    ------
    PayloadError
        If the bytes are not exactly these.
    """
    parts = parts_of(dtype)
    values = np.zeros(2 * sum(widths), np.int64)
    data = np.frombuffer(body, np.uint8)
    most = parts * full_scale(dtype)
    if _UNPACK(data, data.size, np.array(widths, np.int64), len(widths), most, values) < 0:
        raise PayloadError("the means and deviations end early or go on after the last")
    planes, at = [], 0
    for width in widths:
        means, deviations = values[at : at + 2 * width].reshape(2, width)
        planes.append(Statistics(means, deviations, parts))
        at += 2 * width
    return planes
