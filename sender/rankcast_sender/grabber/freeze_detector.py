"""FreezeDetector: a camera that repeats one frame."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import numpy as np

from rankcast.frame import Frame, Pixels

LEAST_REPEATS: Final = 3
_SAMPLES: Final = 64
"""Samples compared first: noise changes some of them in every frame of a working camera."""
_BLOCK: Final = 1 << 17
"""Samples compared at a time, until some differ."""


class FreezeDetector:
    """Detects frames with the bytes of the one before.

    Even a picture of something that stands still differs from frame to frame, by the noise of the
    sensor. Numbers and times of the device do not count: a camera whose sensor hangs may go on
    counting.

    Parameters
    ----------
    freeze_s : float
        The camera is frozen once frames have been identical for this long; 0 never.
    now_s : callable
        Monotonic clock.
    """

    def __init__(self, freeze_s: float, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._freeze_s = freeze_s
        self._now_s = now_s
        self._last: Frame | None = None
        self._since_s = 0.0
        self._repeats = 0

    def look(self, frame: Frame) -> bool:
        """Return True if the camera is frozen, with `frame` as its newest frame."""
        if not self._freeze_s:
            return False
        last, self._last = self._last, frame
        if last is None or not _same_bytes(last.pixels, frame.pixels):
            self._since_s, self._repeats = self._now_s(), 0
            return False
        self._repeats += 1
        return self._repeats >= LEAST_REPEATS and self._now_s() - self._since_s >= self._freeze_s


def _same_bytes(a: Pixels, b: Pixels) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    flat_a, flat_b = a.reshape(-1), b.reshape(-1)
    step = max(1, flat_a.size // _SAMPLES)
    if not np.array_equal(flat_a[::step], flat_b[::step]):
        return False
    return all(
        np.array_equal(flat_a[start : start + _BLOCK], flat_b[start : start + _BLOCK])
        for start in range(0, flat_a.size, _BLOCK)
    )
