"""PictureTimes: when the pictures of one camera were captured, on the clock of this machine."""

from __future__ import annotations

import time
from dataclasses import replace

from rankcast.boot_clock import boot_ns
from rankcast.frame import Frame
from rankcast.numerics import Histogram
from rankcast.wire import MAIN, Header, Replay
from rankcast_receiver.clock import Delays, LatestLatencies, SenderClock


class PictureTimes:
    """Converts capture times, and measures how long after them pictures are ready.

    Parameters
    ----------
    clock : SenderClock
        Clock of the camera station.
    """

    def __init__(self, clock: SenderClock) -> None:
        self.clock = clock
        self.replay: Replay | None = None
        """How times of the latest picture are to be read, if it is one of a recording."""
        self.delays = Delays()
        self.latency = Histogram()
        self.latest_latencies = LatestLatencies()

    def compare(self, picture: Frame | Header) -> None:
        """Have the clock look at a picture that arrived just now: a step becomes known."""
        self.clock.compare(*self._of(picture), boot_ns(), time.time_ns())

    def age_s(self, picture: Frame | Header, now_s: float) -> float | None:
        """Return the age of a picture; None while the clocks cannot be compared."""
        age_ns = self.clock.age_ns(*self._of(picture), round(now_s * 1e9))
        return None if age_ns is None else age_ns / 1e9

    def here(self, picture: Frame | Header) -> tuple[int | None, int]:
        """Return the capture time on the local clock, None if unknown, and its error, in ns."""
        moment = self.clock.place(*self._of(picture), boot_ns())
        return (None, 0) if moment is None else (moment.t_mono_ns, moment.error_ns)

    def place(self, frame: Frame, stream: str) -> Frame:
        """Return a frame of `stream` with its capture time on the local clock, if that is known."""
        here_ns, error_ns = self.here(frame)
        if here_ns is None:
            return frame if stream == MAIN else replace(frame, stream=stream)
        return replace(frame, stream=stream, t_capture_here_ns=here_ns, clock_error_ns=error_ns)

    def measure(self, t_capture_here_ns: int | None, error_ns: int) -> None:
        """Note that a picture that was captured then is ready now."""
        if t_capture_here_ns is None:
            return
        latency_ns = boot_ns() - t_capture_here_ns
        self.latency.add(latency_ns / 1e6)
        self.delays.add(latency_ns, error_ns)
        self.latest_latencies.add(latency_ns, error_ns)

    def _of(self, picture: Frame | Header) -> tuple[int, int]:
        """When it was captured, or shown from a recording, on both clocks of the sender."""
        if self.replay is not None:
            return self.replay.shown_ns(picture.t_capture_mono_ns)
        return picture.t_capture_mono_ns, picture.t_capture_utc_ns
