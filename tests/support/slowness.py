"""How slow this machine is at the moment, so that limits of processor time hold on any."""

from __future__ import annotations

import time
import zlib


def slowness() -> float:
    """How much slower this machine is now than the one that the limits were set on, at least 1.

    Ask again beside each measurement: neighbours and clock rates change from second to second.
    """
    block = bytes(1 << 20)
    begun = time.process_time()
    for _ in range(16):
        zlib.crc32(block)
    sum(range(100_000))
    # 16 MiB of CRC and a sum of 100,000 numbers took 5 ms there.
    return max(1.0, (time.process_time() - begun) / 0.005)
