"""SenderClock: brings a sender's time stamps to the monotonic clock of this station."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from rankcast.runtime import ClockOffset, clock_quality
from rankcast_receiver.stream.relative_delay import RelativeDelay

SAME_NS: Final = 20_000_000
"""Both clocks of one machine, read twice, differ by as much; two machines by the time between
their starts. Windows counts in steps of 16 ms."""
LONGEST_WAY_NS: Final = 600 * 10**9
STEP_NS: Final = 100_000_000
"""Two clocks of one machine that differ by so much more or less than before: one of them was
stepped, or the machine slept. What is less NTP slews."""
MOST_ERROR_NS: Final = 500_000_000
"""Half of the age that is called stale: with a larger error nobody can tell."""

UNKNOWN: Final = "unknown (clock not synchronised)"
SAME: Final = "same machine"
MEASURED: Final = "measured"
SYNCHRONISED: Final = "synchronised"
QUALITY_INTERVAL_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of the sender on the monotonic clock of this station, and how far it may be off."""

    t_mono_ns: int
    error_ns: int


class SenderClock:
    """What is known of the clocks of one sender.

    On one machine the monotonic clocks are the same and no error is left. Otherwise pings measure
    the offset between the sender's UTC clock and the monotonic clock here, so that a step of the
    clock of this station changes nothing. Where none is answered, two UTC clocks whose keepers
    vouch for them will do.
    """

    def __init__(self) -> None:
        self.offset = ClockOffset()
        self._same_machine = self._measured = self._doubted = False
        self._vouched_ns: int | None = None
        self._transit = RelativeDelay()
        self._skews: tuple[int, int] | None = None
        self._next_quality_s = float("-inf")
        self._own_error_ms: float | None = None

    @property
    def known(self) -> str:
        """How the clocks are compared, in words."""
        if self._same_machine:
            return SAME
        if self._measured:
            return MEASURED
        return UNKNOWN if self._vouched_ns is None else SYNCHRONISED

    def restart(self) -> None:
        """Another process answers now, perhaps on another machine."""
        self._same_machine = self._measured = self._doubted = False
        self._vouched_ns = None
        self._skews = None
        self._transit.restart()
        self.offset.clear()

    def hear(self, t_mono_ns: int, t_utc_ns: int, now_mono_ns: int, now_utc_ns: int) -> None:
        """Take both clocks of the sender, read at one moment, from any packet."""
        way_ns = now_mono_ns - t_mono_ns
        if (
            t_mono_ns
            and -SAME_NS < way_ns < LONGEST_WAY_NS
            and abs(way_ns - (now_utc_ns - t_utc_ns)) < SAME_NS
        ):
            # Agreement is proof; a difference may be a clock that was stepped on the way.
            self._same_machine = True
        if t_mono_ns and t_utc_ns:
            self._look_for_steps(t_utc_ns - t_mono_ns, now_utc_ns - now_mono_ns)
            self._transit.hear(t_mono_ns, now_mono_ns)

    def answer(self, t0_ns: int, t1_ns: int, t2_ns: int, t3_ns: int) -> None:
        """Take a ping: t0 and t3 monotonic of this station, t1 and t2 UTC of the sender."""
        if self.offset.add(t0_ns, t1_ns, t2_ns, t3_ns):
            self._measured = True
            self._doubted = False

    def vouch(self, synchronised: bool | None, error_ms: float | None) -> None:
        """Take what the sender's status says of its UTC clock."""
        now_s = time.monotonic()
        if now_s >= self._next_quality_s:
            self._next_quality_s = now_s + QUALITY_INTERVAL_S
            own = clock_quality()
            self._own_error_ms = own.error_ms if own.synchronised else None
        if synchronised and error_ms is not None and self._own_error_ms is not None:
            self._vouched_ns = round((error_ms + self._own_error_ms) * 1e6)
        else:
            self._vouched_ns = None

    def place(self, t_mono_ns: int, t_utc_ns: int, now_mono_ns: int) -> Moment | None:
        """Bring a moment of the sender here; None when its clock is unknown or was not read."""
        if self._same_machine:
            return Moment(t_mono_ns, 0) if t_mono_ns else None
        offset = self.offset.at(now_mono_ns)
        self._measured = offset is not None
        if not t_utc_ns:
            return None
        if offset is None:
            if self._vouched_ns is None:
                return None
            utc_minus_mono_ns = time.time_ns() - time.monotonic_ns()
            return Moment(t_utc_ns - utc_minus_mono_ns, self._vouched_ns)
        return Moment(t_utc_ns - offset.offset_ns, offset.error_ns)

    def age_ns(self, t_mono_ns: int, t_utc_ns: int, now_mono_ns: int) -> int | None:
        """How long ago a moment of the sender is, as far as that can be told without being wrong.

        Where the clocks are not known to within half a second, or one was just stepped, it is what
        came in addition to the quickest message of the last minute: no more than the true age, so
        that no picture is ever called old because of a clock.

        Returns
        -------
        int or None
            None when the clock of the sender was not read, or nothing came yet.
        """
        moment = self.place(t_mono_ns, t_utc_ns, now_mono_ns)
        sure = self._same_machine or not self._doubted
        if moment is not None and sure and moment.error_ns <= MOST_ERROR_NS:
            return now_mono_ns - moment.t_mono_ns
        return self._transit.late_ns(t_mono_ns, now_mono_ns) if t_mono_ns else None

    def _look_for_steps(self, there_ns: int, here_ns: int) -> None:
        """Compare how far apart the two clocks are at each end with how far they were."""
        before = self._skews
        if before is None:
            self._skews = there_ns, here_ns
        elif abs(there_ns - before[0]) > STEP_NS or abs(here_ns - before[1]) > STEP_NS:
            self._skews = there_ns, here_ns
            self._doubted = True  # until the next ping
            self._transit.restart()
