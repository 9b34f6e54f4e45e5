"""The path of one camera through the sender: grab -> mailbox -> encode and publish."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from rankcast.errors import RankcastError, SourceError, UnsupportedImageError
from rankcast.frame import Frame
from rankcast.runtime import CAMERA_GAP, MAILBOX, Mailbox, MailboxClosed, Pulse, Worker, join_all
from rankcast_sender.audit import Audit
from rankcast_sender.publisher import Publisher
from rankcast_sender.sources import Adjustable, Adjustments, Source, Timed

log = logging.getLogger(__name__)

STALLED_S = 2.0
"""Without a grabbed frame for that long the status says stalled."""
DEFAULT_FPS = 20.0
"""Pace of a replay in real time whose files know none."""
BEHIND_PERIODS = 5
BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 5.0
HEALTHY_S = 10.0
"""A camera that gave frames for that long begins at the first pause when it fails again."""
STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How frames are drawn from a source."""

    realtime: bool = True
    fps: float = 0.0
    """0 is the source's own."""
    frames: int = 0
    """Stop after that many; 0 is never."""
    wait_viewers: int = 0
    retry: bool = False
    """Open the source again when it cannot be opened or fails; for cameras, not for files."""


class CameraPipeline:
    """Grabs, encodes and publishes one camera, in two threads of its own.

    Parameters
    ----------
    open_source : callable
        Opens the source; called in the grab thread, which closes it too.
    publisher : Publisher
        Stays the caller's to close.
    pace : Pace
    audit : Audit, optional
        Gets what was published.
    """

    def __init__(
        self,
        open_source: Callable[[], Source],
        publisher: Publisher,
        pace: Pace,
        audit: Audit | None = None,
    ) -> None:
        self._open_source = open_source
        self._publisher = publisher
        self._pace = pace
        self._audit = audit
        self._stop = threading.Event()
        self._done = threading.Event()
        self._box: Mailbox[Frame] = Mailbox(newest_wins=pace.realtime)
        self._source: Source | None = None
        self._state = "opening"
        self._last_grab = time.monotonic()
        self._grabbed = 0
        self._next_frame = 0
        self._reference: tuple[float, float] | None = None
        self._grab_pulse = Pulse(f"grab of {publisher.name}")
        self.pulses = (self._grab_pulse, publisher.pulse)
        """Of both threads."""
        self.failures = 0
        """Times that the source failed and was opened again, or is about to be."""
        self.description = ""
        self.cpu_start_s = 0.0
        """Processor time of the process when the first frame came: what follows is streaming."""
        publisher.describe("", self.state, self.adjustments)
        self._workers = (
            Worker("rankcast-grab", self._grab, self._box.close),
            Worker("rankcast-encode", self._encode, self._encode_ended),
        )

    def state(self) -> str:
        """One word for the status message; see docs/wire.md."""
        if self._state == "live" and time.monotonic() - self._last_grab > STALLED_S:
            adjustments = self.adjustments()
            triggered = adjustments is not None and adjustments.values.get("trigger") == "on"
            return "waiting" if triggered else "stalled"
        return self._state

    def adjustments(self) -> Adjustments | None:
        """ChangeLog to the open source; None where it cannot be changed, or is not open."""
        source = self._source
        return source.adjustments if isinstance(source, Adjustable) else None

    def start(self) -> None:
        """Start both threads."""
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """Ask both threads to end; returns at once."""
        self._stop.set()
        source = self._source
        if source is not None:
            source.interrupt()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end of the stream; True when it has come."""
        return self._done.wait(timeout_s)

    def join(self) -> None:
        """Wait until both threads have ended and raise what the first one died of."""
        self.stop()
        join_all(self._workers, STOP_TIMEOUT_S)

    def _grab(self) -> None:
        try:
            self._grab_until_stopped()
        finally:
            self._grab_pulse.rest()

    def _grab_until_stopped(self) -> None:
        pace, publisher = self._pace, self._publisher
        if pace.wait_viewers and not publisher.wait_viewers(
            pace.wait_viewers, stopped=self._stop.is_set
        ):
            return
        pause_s = BACKOFF_FIRST_S
        while not self._stop.is_set():
            opened = time.monotonic()
            try:
                self._grab_source()
                return
            except SourceError as exc:
                if not pace.retry:
                    self._state = "failed"
                    raise
                if self._last_grab - opened > HEALTHY_S:
                    pause_s = BACKOFF_FIRST_S
                self._state = "backoff"
                self.failures += 1
                # Several cameras of one hub fail together: they must not come back together.
                wait_s = pause_s * random.uniform(0.5, 1.0)
                pause_s = min(BACKOFF_MAX_S, 2 * pause_s)
                log.warning("%s: %s; again in %.1f s", publisher.name, exc, wait_s)
                self._grab_pulse.rest()
                self._stop.wait(wait_s)
            except RankcastError:
                self._state = "failed"
                raise

    def _grab_source(self) -> None:
        """Open the source, draw frames from it until it ends, close it."""
        self._grab_pulse.beat()
        source = self._open_source()
        try:
            self._source = source
            if isinstance(source, Adjustable):
                source.adjustments.pulse = self._grab_pulse
            if self._stop.is_set():  # asked before there was a source to interrupt
                return
            self.description = source.description
            self._publisher.describe(source.description, self.state, self.adjustments)
            self._last_grab = time.monotonic()
            self._state = "live"
            self._grab_all(source)
        finally:
            self._source = None
            if isinstance(source, Adjustable):
                source.adjustments.close()
            source.close()

    def _grab_all(self, source: Source) -> None:
        pace = self._pace
        paced = pace.realtime and not source.live
        period_s = 1.0 / (pace.fps or source.fps or DEFAULT_FPS)
        gaps = 0
        self._reference = None
        first_frame = self._next_frame
        replaced = self._box.replaced
        try:
            for grabbed, frame in enumerate(source):
                due_s = source.due_s if isinstance(source, Timed) else grabbed * period_s
                if paced and not self._keep_pace(due_s, period_s):
                    break
                if self._stop.is_set():
                    break
                if self._grabbed == 0:
                    self.cpu_start_s = time.process_time()
                self._publisher.lose(CAMERA_GAP, source.gaps - gaps)
                gaps = source.gaps
                self._last_grab = time.monotonic()
                # A camera that was opened again counts from 0; the stream goes on.
                frame = replace(frame, frame=first_frame + frame.frame)
                self._next_frame = frame.frame + 1
                if not frame.t_capture_mono_ns:
                    frame = replace(
                        frame,
                        t_capture_mono_ns=time.monotonic_ns(),
                        t_capture_utc_ns=time.time_ns(),
                    )
                with self._grab_pulse.resting():  # in lossless mode viewers set the pace
                    taken = self._box.put(frame)
                if not taken:
                    break
                self._publisher.lose(MAILBOX, self._box.replaced - replaced)
                replaced = self._box.replaced
                self._grabbed += 1
                if pace.frames and self._grabbed >= pace.frames:
                    break
        finally:
            self._publisher.lose(CAMERA_GAP, source.gaps - gaps)
            self._next_frame += source.gaps - gaps

    def _keep_pace(self, due_s: float, period_s: float) -> bool:
        """Wait until a frame that is `due_s` after the first one is due; False when stopped."""
        now = time.monotonic()
        since_s, first_s = self._reference or (now, due_s)
        due = since_s + due_s - first_s
        if now - due > BEHIND_PERIODS * period_s:
            # After a stall go on at the pace; a rush of old frames helps nobody.
            since_s, first_s, due = now, due_s, now
        self._reference = (since_s, first_s)
        with self._grab_pulse.resting():
            return not self._stop.wait(max(0.0, due - now))

    def _encode(self) -> None:
        complained = 0.0
        while True:
            try:
                with self._publisher.pulse.resting():
                    frame = self._box.get()
            except MailboxClosed:
                return
            if frame is None:
                continue
            if self._stop.is_set():
                self._publisher.lose(MAILBOX)
                continue
            try:
                sequence = self._publisher.send(frame)
            except UnsupportedImageError as exc:
                if not self._publisher.packet_bytes and not self._publisher.settings_touched:
                    self._state = "failed"
                    # The first frame already: the settings do not fit this camera. What a client
                    # set meanwhile another can set right, and must not end the station.
                    raise
                if time.monotonic() - complained > 1.0:
                    complained = time.monotonic()
                    log.warning("frame %d not encoded: %s", frame.frame, exc)
                continue
            if self._audit is not None and sequence is not None:
                self._audit.offer(sequence, frame)

    def _encode_ended(self) -> None:
        self._publisher.pulse.rest()
        # Whatever ended the encoding, the grab thread must not wait for a box nobody empties.
        self._stop.set()
        left = self._box.discard()
        if left:
            self._publisher.lose(MAILBOX, left)
        self._done.set()
