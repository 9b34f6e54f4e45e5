"""ClockOffset: the offset of a remote clock, estimated from pings, with an error bound."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

SAMPLES: Final = 16
WINDOW_NS: Final = 60 * 10**9
DRIFT_PPM: Final = 100
"""Relative drift of two quartz clocks: 50 ppm each, the usual bound."""


@dataclass(frozen=True, slots=True)
class Offset:
    """An offset and its error bound, both in ns."""

    offset_ns: int
    error_ns: int


@dataclass(frozen=True, slots=True)
class _Sample:
    t_ns: int
    offset_ns: int
    error_ns: int

    def error_at(self, t_ns: int) -> int:
        return self.error_ns + abs(t_ns - self.t_ns) * DRIFT_PPM // 1_000_000


class ClockOffset:
    """Estimates the offset of a remote clock as NTP does, from the ping with the smallest error.

    Notes
    -----
    With t0 and t3 on the local clock (request sent, reply received) and t1 and t2 on the remote
    one (request received, reply sent), ``offset = ((t1 - t0) + (t2 - t3)) / 2`` and the round
    trip is ``(t3 - t0) - (t2 - t1)``; however asymmetric the two directions are, the error is at
    most half the round trip (RFC 5905, section 8).

    Two samples whose error bounds do not overlap show that one of the clocks was stepped, and all
    older samples are dropped. Smaller steps cannot be detected.
    """

    def __init__(self) -> None:
        self.steps = 0
        """Number of detected clock steps."""
        self._samples: deque[_Sample] = deque(maxlen=SAMPLES)

    def add(self, t0_ns: int, t1_ns: int, t2_ns: int, t3_ns: int) -> bool:
        """Add one ping.

        Returns
        -------
        bool
            False if the times contradict each other, in which case the ping is ignored.
        """
        round_trip_ns = (t3_ns - t0_ns) - (t2_ns - t1_ns)
        # The faster clock measures a longer interval between the same two events.
        drift_ns = (t3_ns - t0_ns) * DRIFT_PPM // 1_000_000 + 1
        if t3_ns < t0_ns or t2_ns < t1_ns or round_trip_ns < -drift_ns:
            return False
        # Rounded up; the offset itself is rounded by half a nanosecond.
        error_ns = (max(0, round_trip_ns) + 1) // 2 + drift_ns + 1
        sample = _Sample(t3_ns, ((t1_ns - t0_ns) + (t2_ns - t3_ns)) // 2, error_ns)
        best = self.at(t3_ns)
        if best is not None and (
            abs(sample.offset_ns - best.offset_ns) > sample.error_ns + best.error_ns
        ):
            self.steps += 1
            self._samples.clear()
        self._samples.append(sample)
        return True

    def at(self, now_ns: int) -> Offset | None:
        """Return remote minus local clock at local time `now_ns`; None if unknown."""
        while self._samples and now_ns - self._samples[0].t_ns > WINDOW_NS:
            self._samples.popleft()
        if not self._samples:
            return None
        best = min(self._samples, key=lambda sample: sample.error_at(now_ns))
        return Offset(best.offset_ns, best.error_at(now_ns))

    def clear(self) -> None:
        """Drop all samples, because another station answers now."""
        self._samples.clear()
