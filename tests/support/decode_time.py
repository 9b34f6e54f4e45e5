"""The limit of what a packet may take to decode or refuse, and how slow this machine is now."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from rankcast.codec.gan.halves import has_torch
from support.slowness import slowness

MAX_S: Final = 0.050
MAX_S_A_SAMPLE: Final = 100e-9
"""Of the picture that a packet promises, if the parser lets that pass."""
ATTEMPTS: Final = 5


@lru_cache
def libraries_loaded() -> None:
    """Loading torch is no part of what a packet costs."""
    has_torch()


def share_of(limit_s: float, decode: Callable[[], object], enough: float = 1.0) -> float:
    """Least share of the limit in processor time, of several attempts: others use this machine.

    The first share that is not above `enough` ends the attempts.
    """
    libraries_loaded()
    begun = time.process_time()
    decode()
    share = (time.process_time() - begun) / limit_s
    if share <= enough:  # a slow machine is no excuse that this attempt needs
        return share
    shares: list[float] = []
    while len(shares) < ATTEMPTS and not (shares and shares[-1] <= enough):
        before = slowness()
        begun = time.process_time()
        decode()
        took_s = time.process_time() - begun
        # The faster sample: only what slowed down the whole attempt is an excuse.
        shares.append(took_s / (limit_s * min(before, slowness())))
    return min(shares)
