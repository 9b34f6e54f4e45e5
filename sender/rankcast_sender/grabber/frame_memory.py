"""FrameMemory: arrays for frames, used again once nobody holds them any more."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

MOST: Final = 8
"""More than a camera holds at a time: newest frame, mailbox, encoder, freeze detector, audit."""


def is_unused(arrays: Sequence[NDArray[np.uint8]], index: int) -> bool:
    """Return True if an array has no reference but the one in `arrays`.

    Views hold a reference to the array whose memory they show, so that no part of it is in use.
    """
    return _references(arrays, index) == _UNUSED


def _references(arrays: Sequence[NDArray[np.uint8]], index: int) -> int:
    return sys.getrefcount(arrays[index])


_UNUSED: Final = _references([np.empty(1, np.uint8)], 0)
"""References of an array in a list alone, as this version of Python counts them."""


class FrameMemory:
    """Hands out arrays whose contents do not matter.

    The kernel clears every page of a new array, which takes as long as copying a frame into it.
    """

    def __init__(self) -> None:
        self._arrays: list[NDArray[np.uint8]] = []

    def get(self, size: int) -> NDArray[np.uint8]:
        """Return an array of `size` bytes."""
        arrays = self._arrays
        if arrays and arrays[0].size != size:
            arrays.clear()
        for index in range(len(arrays)):
            if is_unused(arrays, index):
                return arrays[index]
        array = np.empty(size, np.uint8)
        if len(arrays) < MOST:
            arrays.append(array)
        return array
