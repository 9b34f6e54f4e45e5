"""The limit of what a packet may take to decode or refuse, and how slow this machine is now."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from rankcast.codec.gan.halves import has_torch
from rankcast.kernels.warm import warm

MAX_S: Final = 0.050
MAX_S_A_SAMPLE: Final = 100e-9
"""Of the picture that a packet promises, if the parser lets that pass."""
ATTEMPTS: Final = 20


def slowness() -> float:
    """How much slower this machine is now than the one that the limit was set on, at least 1.

    Asked again beside each attempt: neighbours and clock rates change from second to second.
    """
    block = bytes(1 << 20)
    begun = time.process_time()
    for _ in range(16):
        zlib.crc32(block)
    sum(range(100_000))
    # 16 MiB of CRC and a sum of 100,000 numbers took 5 ms there.
    return max(1.0, (time.process_time() - begun) / 0.005)


@lru_cache
def kernels_ready() -> None:
    """Compiling or loading machine code is no part of what a packet costs, nor is torch."""
    warm()
    has_torch()


def share_of(limit_s: float, decode: Callable[[], object], enough: float = 1.0) -> float:
    """Least share of the limit in processor time, of several attempts: others use this machine.

    The first share that is not above `enough` ends the attempts.
    """
    kernels_ready()
    shares: list[float] = []
    while len(shares) < ATTEMPTS and not (shares and shares[-1] <= enough):
        before = slowness()
        begun = time.process_time()
        decode()
        took_s = time.process_time() - begun
        shares.append(took_s / (limit_s * max(before, slowness())))
    return min(shares)
