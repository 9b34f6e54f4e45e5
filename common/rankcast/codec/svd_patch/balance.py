"""Borders of slices that give every slice its share of the work of a predicted frame."""

from __future__ import annotations

import bisect
import itertools

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.svd_patch.geometry import SLICE_ROWS, Borders, Geometry
from rankcast.codec.svd_patch.work import KIND, SKIPPED, VECTOR_X, VECTOR_Y
from rankcast.kernels import Integer, lean_kernel

STILL_WORK, MOVED_WORK, CODED_WORK = 1, 8, 32
"""Fitted to the times of 1080p slices of a clip and of a noisy belt: 0.07 us for a unit that stands
still, 2.1 to 2.6 us for one with a core, those that were skipped elsewhere between them."""
_WORTH_MOVING = 1.08
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
            _add_work(units, SLICE_ROWS >> plane.guide_shift, self._work)
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


@lean_kernel
def _add_work(info: NDArray[np.int16], band_rows: Integer, work: NDArray[np.int64]) -> None:
    # Every second unit each way tells as much: patches are mostly larger.
    for uy in range(0, info.shape[0], 2):
        total = np.int64(0)
        for ux in range(0, info.shape[1], 2):
            unit = info[uy, ux]
            if unit[KIND] != SKIPPED:
                total += CODED_WORK
            elif unit[VECTOR_Y] != 0 or unit[VECTOR_X] != 0:
                total += MOVED_WORK
            else:
                total += STILL_WORK
        work[uy // band_rows] += total
