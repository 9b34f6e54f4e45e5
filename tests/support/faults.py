"""Faults of bad networks, drawn from a seed, for tests/support/faultproxy.py.

Every draw belongs to a position in the byte stream, not to a moment: the same seed and the same
bytes give the same faults, however the kernel cuts the stream into reads.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Faults:
    """Treatment of bytes on their way from the target to the client."""

    latency_s: float = 0.0
    jitter_s: float = 0.0
    """Largest deviation from the latency; the order of bytes is kept, as by TCP."""
    bytes_per_s: float = 0.0
    """0: no limit."""
    up_bytes_per_s: float = 0.0
    """Limit in the other direction, from the client to the target; 0: none."""
    slice_bytes: int = 0
    """Largest piece that is sent at once; 0: no limit."""
    slice_gap_s: float = 0.0
    """Pause after each piece."""
    corrupt_every_bytes: float = 0.0
    """Mean distance of single flipped bits; 0 flips none."""
    corrupt_after_bytes: int = 0
    """Bytes at the start of each connection that stay intact, such as the handshake."""


@dataclass(frozen=True, slots=True)
class Flip:
    """One flipped bit."""

    connection: int
    offset: int
    bit: int


class Corruption:
    """Flips bits at distances drawn from a seed."""

    def __init__(self, rng: random.Random, connection: int) -> None:
        self._rng = rng
        self._connection = connection
        self._next: int | None = None
        self._every = 0.0

    def apply(self, data: bytes, offset: int, faults: Faults) -> tuple[bytes, list[Flip]]:
        """Flip bits of `data`, which starts at `offset` of its connection."""
        if not faults.corrupt_every_bytes:
            self._next = None
            return data, []
        if self._next is None or self._every != faults.corrupt_every_bytes:
            self._every = faults.corrupt_every_bytes
            self._next = max(offset, faults.corrupt_after_bytes) + self._distance()
        flips: list[Flip] = []
        changed = bytearray(data)
        while self._next < offset + len(data):
            flip = Flip(self._connection, self._next, self._rng.randrange(8))
            changed[flip.offset - offset] ^= 1 << flip.bit
            flips.append(flip)
            self._next += 1 + self._distance()
        return bytes(changed), flips

    def _distance(self) -> int:
        return int(self._rng.expovariate(1.0 / self._every))


CALM = "calm"
FAULTS = ("latency", "narrow", "stall", "reset", "slices", "flips")
"""Kinds of spells in a random plan."""


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a plan: at `at_s`, `faults` take effect, or connections are reset."""

    at_s: float
    faults: Faults
    kind: str = CALM
    stalled: bool = False
    reset: bool = False


def random_plan(seed: int, duration_s: float, calm_s: float, fault_s: float) -> list[Event]:
    """Draw a plan of alternating calm and faulty spells from `seed`; it ends calm.

    Parameters
    ----------
    seed : int
    duration_s : float
        Time of the last event at the latest.
    calm_s, fault_s : float
        Mean length of the spells; each lasts between half and one and a half of it.
    """
    rng = random.Random(seed)
    draw: tuple[Callable[[], Faults], ...] = (
        lambda: Faults(latency_s=rng.uniform(0.02, 0.2), jitter_s=rng.uniform(0, 0.1)),
        lambda: Faults(bytes_per_s=rng.uniform(2e5, 2e6)),
        Faults,
        Faults,
        lambda: Faults(slice_bytes=rng.randint(1, 1400), slice_gap_s=1e-4),
        lambda: Faults(corrupt_every_bytes=rng.uniform(2e5, 2e6)),
    )
    plan, at_s = [], calm_s * rng.uniform(0.5, 1.5)
    while at_s < duration_s:
        kind = rng.choice(FAULTS)
        faults = draw[FAULTS.index(kind)]()
        plan.append(Event(at_s, faults, kind, stalled=kind == "stall", reset=kind == "reset"))
        at_s = min(at_s + fault_s * rng.uniform(0.5, 1.5), duration_s)
        plan.append(Event(at_s, Faults()))
        at_s += calm_s * rng.uniform(0.5, 1.5)
    return plan
