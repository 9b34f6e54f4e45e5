"""SenderClock: converts the time stamps of a sender to the monotonic clock of this machine."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Final

from rankcast.boot_clock import boot_ns, boot_s
from rankcast.runtime import ClockOffset, clock_quality
from rankcast_receiver.clock.relative_delay import RelativeDelay

SAME_NS: Final = 20_000_000
"""Clocks of one machine, read one after the other, differ by at most this; those of two machines
differ by the time between their boots. Windows clocks advance in steps of 16 ms."""
LONGEST_TRANSIT_NS: Final = 600 * 10**9
STEP_NS: Final = 100_000_000
"""If the difference between the UTC and monotonic clocks of a machine changes by more, its clock
was stepped or it was suspended. NTP slews smaller differences."""
MOST_ERROR_NS: Final = 500_000_000
"""Half the age at which a frame is stale: a larger error makes that undecidable."""

UNKNOWN: Final = "unknown (clock not synchronised)"
SAME: Final = "same machine"
MEASURED: Final = "measured"
SYNCHRONISED: Final = "synchronised"
QUALITY_INTERVAL_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Moment:
    """A sender time stamp converted to the local monotonic clock, with its error bound."""

    t_mono_ns: int
    error_ns: int


class SenderClock:
    """Estimates the clock of one sender; thread-safe.

    On one machine both ends share the monotonic clock, without error. Otherwise pings measure the
    offset between the sender's UTC clock and the local monotonic clock, which a step of the local
    UTC clock does not affect. Without answered pings, two UTC clocks that are both known to be
    synchronised are compared.
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
        self._relayed_ns: int | None = 0
        """How far the clock of a relay may be off that of the station, whose clock it states."""

    @property
    def known(self) -> str:
        """Text that states how the clocks are compared."""
        if self._same_machine:
            return SAME
        if self._measured:
            return MEASURED
        return UNKNOWN if self._synchronised_ns is None else SYNCHRONISED

    def restart(self) -> None:
        """Discard all measurements: another process answers now, perhaps on another machine."""
        with self._lock:
            self._same_machine = self._measured = self._doubted = False
            self._synchronised_ns = None
            self._skews = None
            self._relayed_ns = 0
            self._delay.restart()
            self.offset.clear()

    def hear(self, t_mono_ns: int, t_utc_ns: int | None, now_mono_ns: int, now_utc_ns: int) -> None:
        """Record both clocks of the sender, read together and sent in a packet.

        The UTC clock of a predicted frame is None: `compare` gets it once the header is completed.
        """
        if t_utc_ns is None:
            if t_mono_ns:
                with self._lock:
                    self._delay.hear(t_mono_ns, now_mono_ns)
            return
        transit_ns = now_mono_ns - t_mono_ns
        with self._lock:
            if (
                t_mono_ns
                and -SAME_NS < transit_ns < LONGEST_TRANSIT_NS
                and abs(transit_ns - (now_utc_ns - t_utc_ns)) < SAME_NS
            ):
                # Agreement is proof of one machine; a difference may be due to a stepped clock.
                self._same_machine = True
            if t_mono_ns and t_utc_ns:
                self._look_for_steps(t_utc_ns - t_mono_ns, now_utc_ns - now_mono_ns)
                self._delay.hear(t_mono_ns, now_mono_ns)

    def compare(self, t_mono_ns: int, t_utc_ns: int, now_mono_ns: int, now_utc_ns: int) -> None:
        """Look for a step of a clock, at the sender or here, in both clocks of a frame."""
        if t_mono_ns and t_utc_ns:
            with self._lock:
                self._look_for_steps(t_utc_ns - t_mono_ns, now_utc_ns - now_mono_ns)
                if self._delay.late_ns(t_mono_ns, now_mono_ns) is None:
                    # Later than it arrived, which makes ages too low rather than too high.
                    self._delay.hear(t_mono_ns, now_mono_ns)

    def answer(self, t0_ns: int, t1_ns: int, t2_ns: int, t3_ns: int) -> None:
        """Record a ping: t0 and t3 are local monotonic times, t1 and t2 UTC times of the sender."""
        with self._lock:
            if self.offset.add(t0_ns, t1_ns, t2_ns, t3_ns):
                self._measured = True
                self._doubted = False

    def relayed(self, error_ms: float | None) -> None:
        """Record by how much a relay may be wrong about the clock of the camera station.

        0 without a relay; None if it does not know, so that what it answers to pings means nothing.
        """
        with self._lock:
            self._relayed_ns = None if error_ms is None else round(error_ms * 1e6)

    def now_there_ns(self) -> tuple[int, int]:
        """Return what both clocks of the sender show now, as far as is known.

        Without pings and synchronised clocks they are late, by the transit of the quickest message.
        """
        now_ns = boot_ns()
        with self._lock:
            skew_ns = 0 if self._skews is None else self._skews[0]
            if self._same_machine:
                return now_ns, time.time_ns()
            moment = self._place(now_ns, time.time_ns(), now_ns)
            late_ns = self._delay.late_ns(0, now_ns)
            if moment is None and late_ns is not None:
                return late_ns, late_ns + skew_ns
            offset = self.offset.at(now_ns)
            utc_ns = time.time_ns() if offset is None else now_ns + offset.offset_ns
            return max(0, utc_ns - skew_ns) if skew_ns else 0, utc_ns

    def utc_there_ns(self, utc_here_ns: int) -> int:
        """Return what the UTC clock of the sender showed when this machine's showed this."""
        return self.now_there_ns()[1] - (time.time_ns() - utc_here_ns)

    @property
    def error_there_ms(self) -> float | None:
        """By how much `now_there_ns` may be wrong; None if that is unknown."""
        now_ns = boot_ns()
        with self._lock:
            moment = self._place(now_ns, time.time_ns(), now_ns)
            return None if moment is None else moment.error_ns / 1e6

    def vouch(self, synchronised: bool | None, error_ms: float | None) -> None:
        """Record the quality of the sender's UTC clock, as its status reports it."""
        now_s = boot_s()
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
        """Convert a sender time stamp; None if the sender's clock is unknown or unset."""
        with self._lock:
            return self._place(t_mono_ns, t_utc_ns, now_mono_ns)

    def age_ns(self, t_mono_ns: int, t_utc_ns: int, now_mono_ns: int) -> int | None:
        """Return the age of a sender time stamp, or a lower bound of it.

        If the offset is not known to within half a second, or a clock was just stepped, this is
        the delay beyond that of the quickest message of the last minute. It never exceeds the true
        age, so no picture is reported as old because of a clock.

        Returns
        -------
        int or None
            None if the time stamp is unset, or nothing was received yet.
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
            utc_minus_mono_ns = time.time_ns() - boot_ns()
            return Moment(t_utc_ns - utc_minus_mono_ns, self._synchronised_ns)
        if self._relayed_ns is None:
            return None
        return Moment(t_utc_ns - offset.offset_ns, offset.error_ns + self._relayed_ns)

    def _look_for_steps(self, there_ns: int, here_ns: int) -> None:
        """Compare the difference of UTC and monotonic clock at each end with its previous value."""
        before = self._skews
        if before is None:
            self._skews = there_ns, here_ns
        elif abs(there_ns - before[0]) > STEP_NS or abs(here_ns - before[1]) > STEP_NS:
            self._skews = there_ns, here_ns
            self._doubted = True  # until the next ping
            self._delay.restart()
