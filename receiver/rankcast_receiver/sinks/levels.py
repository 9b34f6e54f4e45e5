"""Levels: which sample values a screen shows as black and as white."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from rankcast.errors import SettingsError
from rankcast.frame import Pixels

MODES: Final = ("auto", "full", "minmax", "percentile")
SAMPLE_MAX: Final = 65535
_RANGE: Final = re.compile(r"(\d{1,5}):(\d{1,5})")
_CUT_PERCENT: Final = 0.1
"""Samples below and above that `percentile` clips: more than hot pixels, less than a small lamp."""


@dataclass(frozen=True, slots=True)
class Levels:
    """How sample values are mapped to the 8 bits of a screen.

    ``full`` shows all significant bits; ``minmax`` stretches from the darkest to the brightest
    sample of each picture; ``percentile`` the same without the 0.1 % at either end; ``auto`` is
    ``full`` for 8 significant bits, else ``percentile``; LOW:HIGH fixes both ends.
    """

    mode: str = "auto"
    low: int = 0
    high: int = SAMPLE_MAX

    def bounds(self, pixels: Pixels, bits: int) -> tuple[float, float]:
        """Return the values shown as black and as white.

        Parameters
        ----------
        pixels : ndarray, uint8 or uint16
            What is about to be shown.
        bits : int
            Significant bits.
        """
        top = float((1 << bits) - 1)
        mode = self.mode
        if mode == "fixed":
            return float(self.low), float(self.high)
        if mode == "auto":
            mode = "full" if bits <= 8 else "percentile"
        if mode == "full":
            return 0.0, top
        if mode == "minmax":
            low, high = float(pixels.min()), float(pixels.max())
        else:
            low, high = np.percentile(pixels, (_CUT_PERCENT, 100 - _CUT_PERCENT)).tolist()
        # A lossy codec may decode to a little more than the significant bits can say.
        high = min(high, top)
        # An even picture has no contrast to stretch.
        return (low, high) if high > low else (0.0, top)


def moved(
    bounds: tuple[float, float], top: float, *, width_factor: float = 1.0, shift: float = 0.0
) -> Levels:
    """Return fixed levels that are wider, narrower, higher or lower than `bounds`.

    Parameters
    ----------
    bounds : tuple of float
        Values shown as black and as white.
    top : float
        Largest sample value; the levels stay within 0 and `top`.
    width_factor : float
        Factor of their distance, which becomes at least one value larger or smaller.
    shift : float
        Fraction of their distance by which both move, at least one value.
    """
    low, high = bounds
    most = max(1, int(top))
    width = round((high - low) * width_factor)
    if width_factor > 1:
        width = max(width, round(high - low) + 1)
    elif width_factor < 1:
        width = min(width, round(high - low) - 1)
    width = min(max(width, 1), most)
    step = round((high - low) * shift)
    if shift and not step:
        step = 1 if shift > 0 else -1
    first = min(max(round((low + high - width) / 2) + step, 0), most - width)
    return Levels("fixed", first, first + width)


def parse_levels(text: str) -> Levels:
    """Return the levels that a setting names.

    Parameters
    ----------
    text : str
        One of `MODES`, or ``LOW:HIGH``.

    Raises
    ------
    SettingsError
        If it is neither, or LOW is not below HIGH.
    """
    if text in MODES:
        return Levels(text)
    found = _RANGE.fullmatch(text)
    if found is not None:
        low, high = int(found[1]), int(found[2])
        if low < high <= SAMPLE_MAX:
            return Levels("fixed", low, high)
    raise SettingsError(
        f"got levels {text!r:.40}, want {', '.join(MODES)}, or LOW:HIGH with "
        f"0 <= LOW < HIGH <= {SAMPLE_MAX}, such as 100:4000"
    )
