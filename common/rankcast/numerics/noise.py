"""Noise: what a sensor adds to every sample of a plane, by brightness."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

NOISE_LEVELS: Final = 8
"""Steps of the root of brightness: light areas of a sensor are noisier than dark ones, by that
root where single photons count."""
LEAST_BLOCKS: Final = 64
"""Fewer blocks say too little."""
_MOST_BLOCKS: Final = 4096
_QUIET_SHARE: Final = 0.1
"""Share of the blocks that is taken to show nothing but noise: at rest, and without texture."""
_QUIET_VARIANCE: Final = 0.54
"""What the quietest tenth finds of the true variance: measures of one block stray."""
_AT_REST: Final = (0.5, 1.5)
"""A block whose change is so much of that of noise stands still: nearly all of those that do."""
_CHANGED: Final = (1.5, 4.5)
"""One that changes by little more. Where a view stands still, few blocks are between noise and
movement: 0 to 0.4 times as many as are at rest; where it turns, 1.1 to 30 times as many."""
_LEAST_AT_REST: Final = 0.1
_MOST_CHANGED: Final = 0.5
"""As a share of those at rest, when a view begins to stand still."""
_STILL_CHANGED: Final = 0.75
"""The same while it goes on: a view on the limit would be averaged every other frame."""
_MOST_NOISE: Final = 0.04
"""Deviation as a share of the range that a sensor has at most: what looks noisier is texture."""
_FALL: Final = 0.3
_RISE: Final = 1.2
"""Noise changes with gain and exposure only: what rises quickly is movement."""


class Noise:
    """Variance of the noise of one plane, learnt from blocks that stand still.

    The noise of a block is the lesser of its change since the frames before and of its finest
    texture (Immerkaer 1996, doi:10.1006/cviu.1996.0060): movement enlarges the former, detail the
    latter. The quietest tenth of the blocks has neither, unless all of the view moves, in which
    case blocks change by all amounts, and not by that of noise or by much more.

    Notes
    -----
    Texture finds white noise only. After demosaicing or JPEG, noise of neighbours is alike, texture
    finds a fraction of it, and no block seems to be at rest.
    """

    def __init__(self) -> None:
        self.variances = np.zeros(NOISE_LEVELS, np.float32)
        """By brightness, in squared levels of the plane; zeros before anything is known."""
        self.is_known = False
        """False while too little of the view stands still: then no estimate holds."""
        self._learnt = self.variances

    def learn(self, measures: NDArray[np.float32], full_range: float) -> None:
        """Learn from the blocks of one frame.

        Parameters
        ----------
        measures : ndarray, shape (blocks, 3), float32
            Mean of the samples, variance of the noise by their change, and by their texture.
        full_range : float
            Number of values that a sample can have.
        """
        # An odd stride meets all columns of a picture.
        measures = measures[:: max(1, len(measures) // _MOST_BLOCKS) | 1]
        least = np.minimum(measures[:, 1], measures[:, 2])
        # What is clipped or repeated has no noise; that of others never comes to nothing.
        measures, least = measures[least > 0], least[least > 0]
        if len(least) < LEAST_BLOCKS:
            return
        roots = np.sqrt(measures[:, 0] / np.float32(full_range))
        level = np.minimum((roots * NOISE_LEVELS).astype(np.int64), NOISE_LEVELS - 1)
        counts = np.bincount(level, minlength=NOISE_LEVELS)
        found = np.full(NOISE_LEVELS, _quiet(least))
        for index in np.flatnonzero(counts >= LEAST_BLOCKS):
            found[index] = _quiet(least[level == index])
        known = self._learnt
        if known.any():
            found = np.where(
                found < known, known + _FALL * (found - known), np.minimum(found, _RISE * known)
            )
        self._learnt = found.astype(np.float32)
        change = measures[:, 1] / self._learnt[level]
        at_rest = (change > _AT_REST[0]) & (change < _AT_REST[1])
        at_rest &= self._learnt[level] <= (_MOST_NOISE * full_range) ** 2
        share = at_rest.mean()
        changed = ((change >= _CHANGED[0]) & (change < _CHANGED[1])).mean()
        most = (_STILL_CHANGED if self.is_known else _MOST_CHANGED) * share
        self.is_known = bool(share >= _LEAST_AT_REST and changed <= most)
        # Texture that moves at a brightness of its own looks like noise, of that brightness alone.
        resting = np.bincount(level[at_rest], minlength=NOISE_LEVELS)
        moves = resting < counts / 2
        sure = ~moves & (counts >= LEAST_BLOCKS)
        least_sure = self._learnt[sure].min() if sure.any() else np.float32(0)
        self.variances = np.where(moves, np.minimum(self._learnt, least_sure), self._learnt)


def _quiet(variances: NDArray[np.float32]) -> float:
    return float(np.quantile(variances, _QUIET_SHARE)) / _QUIET_VARIANCE
