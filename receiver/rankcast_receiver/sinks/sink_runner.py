"""SinkRunner: one sink with its box and its ledger."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from rankcast.errors import SinkError
from rankcast.frame import Frame
from rankcast.numerics import Histogram
from rankcast.runtime import SINK, SKIPPED_AS_OLD, STOPPED, Ledger, Mailbox, MailboxClosed, Pulse
from rankcast_receiver.sinks.sink import Sink

log = logging.getLogger(__name__)

KEEP_FRAMES = 8
"""Decoded frames that may wait for a slow sink; packets wait in libzmq, where they are small."""
IDLE_S = 0.05
COMPLAINT_INTERVAL_S = 1.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A frame and when it was decoded, monotonic ns."""

    frame: Frame
    t_decoded_ns: int


class SinkRunner:
    """Brings frames to one sink, in the thread that calls `run`.

    Parameters
    ----------
    open_sink : callable
        Opens the sink, in that thread.
    live : bool
        True: one frame a camera waits and a newer one replaces it. False: `put` blocks.
    most_frames : int
        `run` ends after that many delivered frames; 0 is never.
    """

    def __init__(
        self, name: str, open_sink: Callable[[], Sink], *, live: bool, most_frames: int = 0
    ) -> None:
        self.name = name
        self.ledger = Ledger()
        self.latency = Histogram()
        self.age = Histogram()
        self.clock_error_ns: int | None = None
        """The largest error of the clock in `latency` and `age`; None while they are empty."""
        self._open_sink = open_sink
        self._most_frames = most_frames
        self._replaced = 0
        self._box: Mailbox[Arrival] = Mailbox(1 if live else KEEP_FRAMES, newest_wins=live)
        self.kept = 0
        """Frames that the sink saved or showed; it may pass over some on purpose."""
        self.full = False
        """True once `run` has ended: enough frames, a sink that was quit or failed, or closed."""
        self.quit = False
        """True when the user quit the sink."""
        self._stopped: Callable[[], bool] = lambda: False
        self.pulse = Pulse(f"sink {name}")

    def stop_when(self, stopped: Callable[[], bool]) -> None:
        """Make `run` end once `stopped` says so; for the runner of the main thread."""
        self._stopped = stopped

    def put(self, arrival: Arrival) -> None:
        """Hand one frame over; called in the receive thread."""
        self.ledger.enter()
        if not self._box.put(arrival, arrival.frame.camera):
            self.ledger.lose(STOPPED)
        self.ledger.lose(SKIPPED_AS_OLD, self._box.replaced - self._replaced)
        self._replaced = self._box.replaced

    def abandon(self) -> None:
        """Make `run` end after the frame that it handles; what waits is counted as stopped."""
        self.ledger.lose(STOPPED, self._box.discard())

    def close(self) -> None:
        """Let `run` finish what waits, then end."""
        self._box.close()

    def run(self) -> None:
        """Open the sink and feed it until the runner is closed."""
        self.pulse.beat()  # a folder or window that never opens is a silence, too
        try:
            sink = self._open_sink()
            try:
                self._feed(sink)
            finally:
                sink.close()
        finally:
            self.pulse.rest()
            self.full = True
            self.ledger.lose(STOPPED, self._box.discard())

    def _feed(self, sink: Sink) -> None:
        complained = float("-inf")
        delivered = 0
        while not self._stopped():
            self.pulse.beat()
            if not sink.idle():
                self.quit = True
                return
            try:
                arrival = self._box.get(IDLE_S)
            except MailboxClosed:
                return
            if arrival is None:
                continue
            frame = arrival.frame
            now_ns = time.monotonic_ns()
            taken = False
            try:
                self.kept += sink.put(frame)
                taken = True
            except SinkError as exc:
                if time.monotonic() - complained >= COMPLAINT_INTERVAL_S:
                    complained = time.monotonic()
                    log.error("%s: %s", self.name, exc)
            finally:
                # Whatever it failed of, the frame has its place in the account.
                self.ledger.lose(SINK, 0 if taken else 1)
            if not taken:
                continue
            captured_ns = frame.t_capture_here_ns
            if captured_ns is not None:  # else the sender's clock is unknown, and so is the age
                self.age.add((now_ns - captured_ns) / 1e6)
                self.latency.add((arrival.t_decoded_ns - captured_ns) / 1e6)
                self.clock_error_ns = max(self.clock_error_ns or 0, frame.clock_error_ns)
            delivered = self.ledger.passed()
            if self._most_frames and delivered >= self._most_frames:
                return
