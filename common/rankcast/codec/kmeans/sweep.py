"""How `rankcast compare` takes codec `kmeans` from few colours to many."""

from __future__ import annotations

from typing import Final

import numpy as np

from rankcast.codec.kmeans.distinct import distinct_colours
from rankcast.codec.kmeans.indices import MAX_K
from rankcast.codec.sweep import Steps, Sweep
from rankcast.frame import Pixels, channels_of

_COLOURS: Final = tuple(
    sorted({round(step * 2**octave) for octave in range(1, 13) for step in (1, 1.5)} | {5, 10, 20})
)
_CURVE_COLOURS: Final = (2, 5, 10, 20, 48, 96, 256)
"""Up to 256 colours a first frame takes some tenths of a second, beyond up to ten times that."""


def _steps(pixels: Pixels) -> Steps:
    flat = np.ascontiguousarray(pixels).reshape(-1, channels_of(pixels.shape))
    count = len(distinct_colours(flat, MAX_K + 1))
    settings = [k for k in _COLOURS if k < count]
    if count <= MAX_K:
        # All colours of the picture: nothing to fit, nothing lost, and often fewer bytes than a
        # slightly smaller palette.
        settings.append(count)
    return Steps(settings, [k for k in settings if k in _CURVE_COLOURS or k == count])


COLOURS: Final = Sweep("kmeans", "k", _steps, palette=True)
