"""Borders of slices that give every slice its share of the work of a predicted frame."""

from __future__ import annotations

import bisect
import itertools
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.svd_patch.geometry import SLICE_ROWS, Borders, Geometry
from rankcast.core import function

_ADD_WORK: Final = function("rk_svd_patch_add_work")
_WORTH_MOVING: Final = 1.08
"""The largest slice over what it could be, from which on borders move: models follow the slices,
so moving costs bytes."""


class Balance:
    """Knows how much work the last predicted frame was, and where: the next one is like it.

    A belt through a part of the picture made one of two slices take three quarters of the
    time.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.borders: Borders = geometry.borders
        self._geometry = geometry
        self._work = np.zeros(geometry.bands, np.int64)

    def learn(self, info: list[NDArray[np.int16]]) -> None:
        """Choose the borders of the next predicted frame from the maps of the last one."""
        if not self.borders:
            return
        self._work.fill(0)
        for plane, units in zip(self._geometry.planes, info, strict=True):
            band_rows = SLICE_ROWS >> plane.guide_shift
            _ADD_WORK(units, plane.units_y, plane.units_x, band_rows, self._work)
        # Some thirty numbers: an array of them would cost more to call than to add up.
        ends = [0, *itertools.accumulate(self._work.tolist())]
        slices = self._geometry.slices
        shares = (ends[-1] * index / slices for index in range(1, slices))
        best = tuple(_closest(ends, share) for share in shares)
        if _largest(ends, self.borders) > _WORTH_MOVING * _largest(ends, best):
            self.borders = best


def _closest(ends: list[int], share: float) -> int:
    above = bisect.bisect_left(ends, share)
    return above if ends[above] - share < share - ends[above - 1] else above - 1


def _largest(ends: list[int], borders: Borders) -> int:
    cuts = [ends[border] for border in (0, *borders, len(ends) - 1)]
    return max(after - before for before, after in itertools.pairwise(cuts))
