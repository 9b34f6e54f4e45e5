"""Quantiser steps: what a quality means, which ones there are, and which still help."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

MIN_STEP: Final = 0.25
"""Grey levels of an 8-bit picture: finer ones code the rounding of colours and planes."""
MIN_PLANE_STEP: Final = 4
"""Least and largest step of the format, in sixteenths of a plane level."""
MAX_PLANE_STEP: Final = 1 << 20
_KEY_STEP: Final = 0.71
"""Step of a key frame over that of the frames predicted from it: what it is finer by, all of them
inherit."""
_QUALITY_75: Final = 8.0
_LIBJPEG: Final = (4, 96)
"""Qualities between which libjpeg's scale holds; further out it reaches its limits."""
_COARSEST: Final = 255.0
_STEP_ERROR: Final = 0.32
"""Squared error of a sample over the squared step where all is coded: 1/12 of a plane, 3.8 times
that in colours (gains of BT.601 in limited range)."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known of a picture before it has been coded."""

    key: bool
    bits: int
    """Significant bits."""
    peak: int
    """Full scale of the dtype, which a PSNR counts on."""
    samples: int
    """Of all planes together."""
    grain: float
    """Sixteenth of a plane level, in grey levels: all steps are multiples of it."""
    t_ns: int
    """Time of capture."""
    meta_bytes: int = 0
    """Of metadata that the packet will carry beside the body."""

    def nearest_step(self, step: float) -> float:
        """Return the step that the format has and that is nearest to `step`."""
        return self._in_range(round(min(step / self.grain, MAX_PLANE_STEP)))

    def coarser_step(self, step: float) -> float:
        """Return the finest step that the format has and that is not below `step`."""
        return self._in_range(math.ceil(min(step / self.grain, MAX_PLANE_STEP)))

    def _in_range(self, grains: int) -> float:
        return (
            min(max(grains, MIN_PLANE_STEP, round(MIN_STEP / self.grain)), MAX_PLANE_STEP)
            * self.grain
        )

    def squared_error(self, psnr_db: float) -> float:
        """Mean squared error of a sample, in grey levels."""
        return self.peak**2 * float(10 ** (-psnr_db / 10))


def step_of_quality(quality: int, bits: int) -> float:
    """Quantiser step in grey levels: libjpeg's scaling of a flat table of 16.

    That reaches its limits at both ends. There steps go on by equal factors, down to 0.25 and up
    to 255, so that no two qualities are the same.

    Parameters
    ----------
    quality : int
        1..100; 75 is a step of 8 levels of an 8-bit picture, 100 is 0.25.
    bits : int
        Significant bits of the picture.
    """
    lowest, highest = _LIBJPEG
    inside = min(max(quality, lowest), highest)
    step = 2 * _QUALITY_75 * (50 / inside if inside < 50 else 2 - inside / 50)
    if quality > highest:
        step *= (MIN_STEP / step) ** ((quality - highest) / (100 - highest))
    elif quality < lowest:
        step *= (_COARSEST / step) ** ((lowest - quality) / (lowest - 1))
    return step * float(2 ** (bits - 8))


def key_step(step: float) -> float:
    """Return the step of a key frame before frames of `step`; the finest step there is stays."""
    return MIN_STEP + _KEY_STEP * (step - MIN_STEP) if step > MIN_STEP else step


def finest_useful_step(squared_error: float, share: float) -> float:
    """Return the step at which coding makes up `share` of an error that has other causes too.

    Half-size chroma, the colour transform and a truncated rank leave error at every step. Where
    coding itself leaves most of it, the result is a step too fine to matter.

    Parameters
    ----------
    squared_error : float
        Of a sample, in grey levels, with what coding adds.
    share : float
        Of coding, where all coefficients are coded.
    """
    return math.sqrt(share * squared_error / _STEP_ERROR)
