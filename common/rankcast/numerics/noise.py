"""Noise: what a sensor adds to every sample of a plane, by brightness."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

NOISE_LEVELS: Final = 8
"""Steps of brightness: light areas of a sensor are noisier than dark ones."""
_LEAST_BLOCKS: Final = 64
"""Fewer blocks of one brightness say less than those of all together."""
_MOST_BLOCKS: Final = 4096
_QUIET_SHARE: Final = 0.1
"""Share of the blocks that is taken to show nothing but noise: at rest, and without texture."""
_QUIET_VARIANCE: Final = 0.54
"""Of their variance, the part that the least of so many blocks has: 64 samples stray by 18 %, 36
second differences by 40 %."""
_CLIPPED: Final = 1 / 64
"""Share of the range at both ends where samples are clipped, and their noise with them."""
_AT_REST: Final = (0.5, 1.5)
"""A block whose change is so much of that of noise stands still: nearly all of those that do."""
_LEAST_AT_REST: Final = 0.5
"""Share of the blocks that stand still at least in the view of a fixed camera."""
_MOST_NOISE: Final = 0.04
"""Deviation as a share of the range that a sensor has at most: what looks noisier is texture."""
_FALL: Final = 0.3
_RISE: Final = 1.2
"""Noise changes with gain and exposure only: what rises quickly is movement."""


class Noise:
    """Variance of the noise of one plane, learnt from blocks that stand still.

    Notes
    -----
    The noise of a block is the lesser of its change since the frames before and of its finest
    texture (Immerkaer 1996, doi:10.1006/cviu.1996.0060): movement enlarges the former, detail the
    latter. A tenth of the blocks has neither, or the view has no noise to speak of.
    """

    def __init__(self) -> None:
        self.variances = np.zeros(NOISE_LEVELS, np.float32)
        """By brightness, in squared levels of the plane; zeros before anything is known."""
        self.is_known = False
        """False while most of the view moves: then no estimate holds."""

    def learn(self, measures: NDArray[np.float32], full_range: float) -> None:
        """Learn from the blocks of one frame.

        Parameters
        ----------
        measures : ndarray, shape (blocks, 3), float32
            Mean of the samples, variance of the noise by their change, and by their texture.
        full_range : float
            Number of values that a sample can have.
        """
        measures = measures[:: max(1, len(measures) // _MOST_BLOCKS)]
        brightness = measures[:, 0] / full_range
        measures = measures[(brightness > _CLIPPED) & (brightness < 1 - _CLIPPED)]
        self.is_known = False
        if len(measures) < _LEAST_BLOCKS:
            return
        level = (measures[:, 0] * (NOISE_LEVELS / full_range)).astype(np.int64)
        least = np.minimum(measures[:, 1], measures[:, 2])
        found = np.full(NOISE_LEVELS, _quiet(least))
        for index in np.flatnonzero(np.bincount(level) >= _LEAST_BLOCKS):
            found[index] = _quiet(least[level == index])
        known = self.variances
        if known.any():
            found = np.where(
                found < known, known + _FALL * (found - known), np.minimum(found, _RISE * known)
            )
        self.variances = found.astype(np.float32)
        if self.variances.any():
            change = measures[:, 1] / np.maximum(self.variances[level], np.float32(1e-9))
            at_rest = (change > _AT_REST[0]) & (change < _AT_REST[1])
            is_plausible = self.variances.max() <= (_MOST_NOISE * full_range) ** 2
            self.is_known = bool(is_plausible and at_rest.mean() >= _LEAST_AT_REST)


def _quiet(variances: NDArray[np.float32]) -> float:
    return float(np.quantile(variances, _QUIET_SHARE)) / _QUIET_VARIANCE
