"""CameraPipeline: one thread grabs the frames of a camera, another encodes and publishes them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from rankcast.boot_clock import boot_ns, boot_s
from rankcast.errors import RankcastError, SourceError, UnsupportedImageError
from rankcast.frame import Frame, Scalar
from rankcast.runtime import CAMERA_GAP, MAILBOX, LogLimiter, Pulse, Worker, doing, join_all
from rankcast_sender.audit import Audit
from rankcast_sender.pacing import DEFAULT_FPS, FrameClock, GrabOptions, backoff_s
from rankcast_sender.publisher import Publisher
from rankcast_sender.sources import Adjustable, Adjustments, Remote, Source, Timed
from rankcast_sender.substreams import Substream

log = logging.getLogger(__name__)

HEALTHY_S: Final = 10.0
"""After this long without a failure, the pause before a retry is reset to the shortest."""
PIPELINE_STOP_S: Final = 10.0
"""Longer than the driver's timeout for one frame and the encoding of a large one."""


class CameraPipeline:
    """Grab, encode and publish the frames of one camera, in two threads.

    Parameters
    ----------
    open_source : callable
        Opens the source. The grab thread calls it, and closes the source.
    publisher : Publisher
        Owned, and closed, by the caller.
    options : GrabOptions
    audit : Audit, optional
        Keeps originals of some published frames.
    substreams : sequence of Substream
        Offered every frame; started, and joined, with the threads of the camera.
    """

    def __init__(
        self,
        open_source: Callable[[], Source],
        publisher: Publisher,
        options: GrabOptions,
        audit: Audit | None = None,
        substreams: Sequence[Substream] = (),
    ) -> None:
        self._open_source = open_source
        self._publisher = publisher
        self._camera = publisher.camera
        self._options = options
        self._audit = audit
        self._substreams = substreams
        self._stop = threading.Event()
        self._done = threading.Event()
        self._source: Source | None = None
        self._grabbed = 0
        self._next_frame = 0
        self._gaps_counted = 0
        self._replaced_counted = 0
        self._requested: Mapping[str, Scalar] = {}
        """What clients have set at run time, for when the source is opened again."""
        self._grab_pulse = Pulse(f"grab of {publisher.name}")
        self._encode_errors = LogLimiter()
        self.pulses = (
            self._grab_pulse,
            self._camera.pulse,
            *(substream.camera.pulse for substream in substreams),
        )
        """Pulses of all threads."""
        self.failures = 0
        """Failures of the source after which it was reopened."""
        self.cpu_start_s = 0.0
        """CPU time of the process at the first frame, when streaming begins."""
        self._camera.source.opening()
        self._workers = (
            Worker(
                "rankcast-grab",
                self._grab,
                self._grab_ended,
                task=f"source of {publisher.name}",
            ),
            Worker(
                "rankcast-encode",
                self._encode,
                self._encode_ended,
                task=f"encoder of {publisher.name}",
            ),
        )

    def start(self) -> None:
        """Start all threads."""
        for substream in self._substreams:
            substream.start()
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """Ask all threads to stop, without waiting for them."""
        self._stop.set()
        source = self._source
        if source is not None:
            source.interrupt()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end of the stream; True once it has ended."""
        return self._done.wait(timeout_s)

    def join(self, timeout_s: float = PIPELINE_STOP_S) -> None:
        """Wait until all threads have ended; raise the exception that ended the first one."""
        self.stop()
        join_all((*self._workers, *(each.worker for each in self._substreams)), timeout_s)

    def _grab(self) -> None:
        """Open the source and grab its frames; with `options.retry`, again after each failure."""
        camera, options = self._camera, self._options
        try:
            if options.wait_viewers and not self._publisher.wait_viewers(
                options.wait_viewers, stopped=self._stop.is_set
            ):
                return
            tries = 0
            while not self._stop.is_set():
                opened_s = boot_s()
                try:
                    self._grab_source()
                    return
                except SourceError as exc:
                    if not options.retry:
                        raise
                    if camera.source.last_frame_s - opened_s > HEALTHY_S:
                        tries = 0
                    self._back_off(exc, backoff_s(tries))
                    tries += 1
        except RankcastError:
            camera.source.failed(retry=False)
            raise
        finally:
            self._grab_pulse.rest()

    def _back_off(self, failure: SourceError, wait_s: float) -> None:
        self._camera.source.failed(retry=True)
        self.failures += 1
        log.warning("%s: %s; next try in %.1f s", self._camera.name, failure, wait_s)
        with self._grab_pulse.resting():
            self._stop.wait(wait_s)

    def _grab_source(self) -> None:
        """Open the source, grab its frames until it ends, and close it."""
        self._grab_pulse.beat()
        camera = self._camera
        with doing(f"opening source of {camera.name}"):
            source = self._open_source()
        try:
            self._source = source
            if isinstance(source, Adjustable):
                source.adjustments.pulse = self._grab_pulse
            if self._stop.is_set():  # `stop` found no source to interrupt
                return
            if isinstance(source, Remote):
                with doing(f"opening source of {camera.name}"):
                    source.open()
                if self._stop.is_set():
                    return
            if isinstance(source, Adjustable):
                self._set_again(source.adjustments)
            with doing(f"reading source of {camera.name}"):
                self._grab_frames(source)
        finally:
            self._source = None
            camera.source.closed()
            if isinstance(source, Adjustable):
                self._requested = {**self._requested, **source.adjustments.requested}
                source.adjustments.close()
            with doing(f"closing source of {camera.name}"):
                source.close()

    def _set_again(self, adjustments: Adjustments) -> None:
        """Ask the source, which has been opened again, for what clients have set."""
        wanted = self._requested

        def done(_: Mapping[str, Scalar], why: str) -> None:
            if why:
                log.warning("%s: settings were lost when it was opened again, %s: %s",
                            self._camera.name,
                            ", ".join(f"{name}={value!r:.60}" for name, value in wanted.items()),
                            why)  # fmt: skip

        if wanted:
            adjustments.ask(wanted, done)

    def _grab_frames(self, source: Source) -> None:
        camera, options = self._camera, self._options
        clock = self._opened(source)
        first_frame = self._next_frame
        self._gaps_counted = self._replaced_counted = 0
        try:
            for frame in source:
                if not self._wait_until_due(source, clock):
                    break
                self._count_gaps(source)
                # A reopened source counts from 0 again; the stream does not.
                frame = replace(frame, frame=first_frame + frame.frame)
                if not frame.t_capture_mono_ns:
                    frame = replace(
                        frame,
                        t_capture_mono_ns=boot_ns(),
                        t_capture_utc_ns=time.time_ns(),
                    )
                self._next_frame = frame.frame + 1
                self.cpu_start_s = self.cpu_start_s or time.process_time()
                # Without real time the slowest viewer sets the pace.
                with self._grab_pulse.resting():
                    if not camera.put(frame):
                        break
                for substream in self._substreams:
                    substream.offer(frame)
                self._grabbed += 1
                if self._grabbed == options.frames:
                    break
            # Before the source is closed, which may hang: the stream has ended in any case.
            self._grab_ended()
        finally:
            self._next_frame += self._count_gaps(source)

    def _grab_ended(self) -> None:
        self._camera.mailbox.close()
        for substream in self._substreams:
            substream.stop()

    def _opened(self, source: Source) -> FrameClock | None:
        """Record the rate that `source` announces; return a clock if the pipeline must pace it."""
        period_s = 1.0 / (self._options.fps or source.fps or DEFAULT_FPS)
        state = self._camera.source
        if source.live:
            state.opened(source, announces=True)
            self._grab_pulse.allowance_s = source.frame_interval_s or 0.0
            return None
        state.opened(source, announces=self._camera.realtime)
        # Without real time the viewers set the pace.
        return FrameClock(period_s) if self._camera.realtime else None

    def _wait_until_due(self, source: Source, clock: FrameClock | None) -> bool:
        """Wait until the newest frame of `source` is due; False after `stop`."""
        if clock is not None:
            due_s = source.due_s if isinstance(source, Timed) else None
            with self._grab_pulse.resting():
                self._stop.wait(clock.wait_s(due_s))
        return not self._stop.is_set()

    def _count_gaps(self, source: Source) -> int:
        """Count the frames that `source` lost since the last call; return their number."""
        lost = source.gaps - self._gaps_counted
        self._gaps_counted = source.gaps
        self._camera.lose(CAMERA_GAP, lost)
        if not isinstance(source, Remote):
            return lost
        replaced = source.replaced - self._replaced_counted
        self._replaced_counted = source.replaced
        self._camera.lose(MAILBOX, replaced)
        return lost + replaced

    def _encode(self) -> None:
        camera, publisher = self._camera, self._publisher
        for frame in camera.mailbox:
            if self._stop.is_set():
                camera.ledger.lose(MAILBOX)
                continue
            camera.pulse.beat()
            try:
                sequence = publisher.publish(publisher.encode(frame))
            except UnsupportedImageError as exc:
                sequence = None
                self._check_refusal(frame, exc)
            if self._audit is not None and sequence is not None:
                self._audit.offer(sequence, frame)
            camera.pulse.rest()

    def _check_refusal(self, frame: Frame, refusal: UnsupportedImageError) -> None:
        """Log a frame that the codec refused; raise if the codec cannot encode this camera."""
        camera = self._camera
        if not camera.figures.packet_bytes and not camera.codec_settings.touched:
            camera.source.failed(retry=False)
            # Options set by a client never end the stream, because a client can correct them.
            raise refusal
        if self._encode_errors.may_log():
            log.warning("%s: frame %d not encoded: %s", camera.name, frame.frame, refusal)

    def _encode_ended(self) -> None:
        self._camera.pulse.rest()
        # Otherwise the grab thread would block on a mailbox that nobody reads.
        self._stop.set()
        self._camera.discard()
        self._done.set()
