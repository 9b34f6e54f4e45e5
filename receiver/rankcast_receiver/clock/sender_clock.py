"""SenderClock: converts the time stamps of a sender to the monotonic clock of this machine."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Final

from rankcast.runtime import ClockOffset, clock_quality
from rankcast_receiver.clock.relative_delay import RelativeDelay

SAME_NS: Final = 20_000_000
"""Both clocks of one machine, read one after the other, differ by at most that; those of two
machines differ by the time between their starts. Windows counts in steps of 16 ms."""
LONGEST_TRANSIT_NS: Final = 600 * 10**9
STEP_NS: Final = 100_000_000
"""If the difference between the two clocks of one machine changes by more, one of them was stepped,
or the machine was suspended. NTP slews smaller differences."""
MOST_ERROR_NS: Final = 500_000_000
"""Half of the age that is called stale: with a larger error nobody can tell."""

UNKNOWN: Final = "unknown (clock not synchronised)"
SAME: Final = "same machine"
MEASURED: Final = "measured"
SYNCHRONISED: Final = "synchronised"
QUALITY_INTERVAL_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of the sender on the monotonic clock of this machine, with its error bound."""

    t_mono_ns: int
    error_ns: int


class SenderClock:
    """What is known of the clocks of one sender; may be used from several threads.

    On one machine the monotonic clocks are the same and no error is left. Otherwise pings measure
    the offset between the sender's UTC clock and the monotonic clock here, so that a step of the
    clock of this machine changes nothing. Where no ping is answered, two UTC clocks that are both
    known to be synchronised will do.
    """

    def __init__(self) -> None:
        self.offset = ClockOffset()
        self._lock = threading.Lock()
        self._same_machine = self._measured = self._doubted = False
        self._synchronised_ns: int | None = None
        self._delay = RelativeDelay()
        self._skews: tuple[int, int] | None = None
        self._next_quality_s = float("-inf")
        self._own_error_ms: float | None = None

    @property
    def known(self) -> str:
        """How the clocks are compared, as text."""
        if self._same_machine:
            return SAME
        if self._measured:
            return MEASURED
        return UNKNOWN if self._synchronised_ns is None else SYNCHRONISED

    def restart(self) -> None:
        """Forget everything: another process answers now, perhaps on another machine."""
        with self._lock:
            self._same_machine = self._measured = self._doubted = False
            self._synchronised_ns = None
            self._skews = None
            self._delay.restart()
            self.offset.clear()

    def hear(self, t_mono_ns: int, t_utc_ns: int, now_mono_ns: int, now_utc_ns: int) -> None:
        """Take both clocks of the sender, read at one moment, from any packet."""
        transit_ns = now_mono_ns - t_mono_ns
        with self._lock:
            if (
                t_mono_ns
                and -SAME_NS < transit_ns < LONGEST_TRANSIT_NS
                and abs(transit_ns - (now_utc_ns - t_utc_ns)) < SAME_NS
            ):
                # Agreement is proof; a difference may be a clock that was stepped meanwhile.
                self._same_machine = True
            if t_mono_ns and t_utc_ns:
                self._look_for_steps(t_utc_ns - t_mono_ns, now_utc_ns - now_mono_ns)
                self._delay.hear(t_mono_ns, now_mono_ns)

    def answer(self, t0_ns: int, t1_ns: int, t2_ns: int, t3_ns: int) -> None:
        """Take a ping: t0 and t3 monotonic of this machine, t1 and t2 UTC of the sender."""
        with self._lock:
            if self.offset.add(t0_ns, t1_ns, t2_ns, t3_ns):
                self._measured = True
                self._doubted = False

    def vouch(self, synchronised: bool | None, error_ms: float | None) -> None:
        """Take what the status of the sender says of its UTC clock."""
        now_s = time.monotonic()
        with self._lock:
            if now_s >= self._next_quality_s:
                self._next_quality_s = now_s + QUALITY_INTERVAL_S
                own = clock_quality()
                self._own_error_ms = own.error_ms if own.synchronised else None
            if synchronised and error_ms is not None and self._own_error_ms is not None:
                self._synchronised_ns = round((error_ms + self._own_error_ms) * 1e6)
            else:
                self._synchronised_ns = None

    def place(self, t_mono_ns: int, t_utc_ns: int, now_mono_ns: int) -> Moment | None:
        """Convert a moment of the sender; None when its clock is unknown or was not read."""
        with self._lock:
            return self._place(t_mono_ns, t_utc_ns, now_mono_ns)

    def age_ns(self, t_mono_ns: int, t_utc_ns: int, now_mono_ns: int) -> int | None:
        """Return how long ago a moment of the sender was, or a lower bound of it.

        Where the clocks are not known to within half a second, or one was just stepped, the age is
        the delay beyond that of the quickest message of the last minute: at most the true age, so
        that no picture is ever called old because of a clock.

        Returns
        -------
        int or None
            None when the clock of the sender was not read, or nothing was received yet.
        """
        with self._lock:
            moment = self._place(t_mono_ns, t_utc_ns, now_mono_ns)
            sure = self._same_machine or not self._doubted
            if moment is not None and sure and moment.error_ns <= MOST_ERROR_NS:
                return now_mono_ns - moment.t_mono_ns
            return self._delay.late_ns(t_mono_ns, now_mono_ns) if t_mono_ns else None

    def _place(self, t_mono_ns: int, t_utc_ns: int, now_mono_ns: int) -> Moment | None:
        if self._same_machine:
            return Moment(t_mono_ns, 0) if t_mono_ns else None
        offset = self.offset.at(now_mono_ns)
        self._measured = offset is not None
        if not t_utc_ns:
            return None
        if offset is None:
            if self._synchronised_ns is None:
                return None
            utc_minus_mono_ns = time.time_ns() - time.monotonic_ns()
            return Moment(t_utc_ns - utc_minus_mono_ns, self._synchronised_ns)
        return Moment(t_utc_ns - offset.offset_ns, offset.error_ns)

    def _look_for_steps(self, there_ns: int, here_ns: int) -> None:
        """Compare the difference of the two clocks at each end with what it was before."""
        before = self._skews
        if before is None:
            self._skews = there_ns, here_ns
        elif abs(there_ns - before[0]) > STEP_NS or abs(here_ns - before[1]) > STEP_NS:
            self._skews = there_ns, here_ns
            self._doubted = True  # until the next ping
            self._delay.restart()
