"""DeviceSource: the frames of a device that a grabber process reads."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from threading import Event
from typing import Final

from rankcast.errors import SettingsError, SourceError, UnsupportedImageError
from rankcast.frame import Frame, Pixels, Scalar
from rankcast.runtime import LogLimiter
from rankcast_sender.grabber.device_options import GrabberOptions
from rankcast_sender.grabber.device_spec import DeviceSpec
from rankcast_sender.grabber.freeze_detector import FreezeDetector
from rankcast_sender.grabber.grabber_process import GrabberProcess
from rankcast_sender.grabber.messages import DeviceFacts, SlotWritten
from rankcast_sender.sources import Adjustments

log = logging.getLogger(__name__)

POLL_S: Final = 0.1
LINE: Final = "line"
"""Key of the metadata of frames for the digital input that option `line` names."""


class DeviceSource:
    """A live source: a camera in a process that can be killed.

    The constructor starts the process, `open` waits for the device.

    Parameters
    ----------
    spec : DeviceSpec
    options : GrabberOptions
    newest_wins : bool
        See `GrabberProcess`.
    """

    def __init__(
        self, spec: DeviceSpec, options: GrabberOptions, *, newest_wins: bool = True
    ) -> None:
        self._spec = spec
        self._options = options
        self._interrupted = Event()
        self._process = GrabberProcess(spec, newest_wins=newest_wins)
        self.adjustments = Adjustments({}, on_ask=self._process.wake)
        self._freeze = FreezeDetector(options.freeze_s)
        self._refused_frames = LogLimiter()
        self._facts: DeviceFacts | None = None
        self._invalid = 0
        self._lost = 0
        self._replaced = 0
        self._frozen = False
        self._last_s = time.monotonic()
        """Since when the device is silent."""

    @property
    def pid(self) -> int:
        """Number of the grabber process."""
        return self._process.pid

    def open(self) -> None:
        """Wait until the device is open; returns early after `interrupt`.

        Raises
        ------
        SourceError
            If it cannot be opened, or takes too long.
        SettingsError
            If an option is impossible for this device.
        """
        limit_s = self._spec.open_s
        ends_s = time.monotonic() + limit_s
        while not self._interrupted.is_set():
            self.adjustments.pulse.beat()
            if self._process.wait_open(POLL_S):
                assert self._process.facts is not None
                self._learn(self._process.facts)
                return
            if time.monotonic() > ends_s:
                self._process.kill()
                raise SourceError(
                    f"{self._spec.name} was not open after {limit_s:g} s: the grabber process was "
                    "killed; check that the camera responds"
                )

    def _learn(self, facts: DeviceFacts) -> Mapping[str, Scalar]:
        self.adjustments.opened(facts.values)
        self._facts = facts
        if facts.warning:
            log.warning("%s: %s", self._spec.name, facts.warning)
        return facts.values

    @property
    def description(self) -> str:
        """Device and the settings as read back."""
        return self._spec.name if self._facts is None else self._facts.description

    @property
    def live(self) -> bool:
        """True: the device sets the pace."""
        return True

    @property
    def fps(self) -> float | None:
        """Frame rate of the device; None if unknown."""
        interval_s = self.frame_interval_s
        return 1.0 / interval_s if interval_s else None

    @property
    def frame_interval_s(self) -> float | None:
        """As the device states or the options request it; None while a trigger sets the pace."""
        facts = self._facts
        if facts is None or facts.waits_for_trigger:
            return None
        requested_s = 1.0 / self._options.fps if self._options.fps else None
        return facts.frame_interval_s or requested_s

    @property
    def gaps(self) -> int:
        """Frames that the device lost, and frames that were no pictures."""
        return self._lost

    @property
    def replaced(self) -> int:
        """Frames that were not taken from the process before a newer one came."""
        return self._replaced

    @property
    def frozen(self) -> bool:
        """True while the device repeats one frame."""
        return self._frozen

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames as they arrive.

        Raises
        ------
        SourceError
            If no frame arrives before the deadline, or the process fails or hangs.
        SettingsError
            If there is not enough shared memory for the frames.
        """
        self._last_s, shape = time.monotonic(), None
        while not self._interrupted.is_set():
            self.adjustments.serve(self._adjust)
            taken = self._process.take(POLL_S)
            facts = self._process.facts
            if facts is not None and facts is not self._facts:  # of a change answered late
                self._learn(facts)
            if taken is None:
                self._check_silence(time.monotonic() - self._last_s)
                continue
            frame = self._frame(*taken)
            if frame is None:
                continue
            if shape is not None and frame.pixels.shape != shape:
                log.info("%s: frames have shape %s now, %s before", self._spec.name,
                         frame.pixels.shape, shape)  # fmt: skip
            shape = frame.pixels.shape
            self._look_for_freeze(frame)
            yield frame
            # The time that the consumer spends on a frame does not count as silence.
            self._last_s = time.monotonic()

    def _frame(self, number: int, written: SlotWritten, pixels: Pixels) -> Frame | None:
        """Return a frame; None if it is no picture."""
        self._lost = self._process.lost + self._invalid
        self._replaced = self._process.replaced
        try:
            return Frame(
                pixels,
                frame=number,
                t_capture_mono_ns=written.boot_ns,
                t_capture_utc_ns=written.utc_ns,
                significant_bits=written.significant_bits,
                cfa=written.cfa,
                device_frame_id=written.device_frame_id,
                device_time_ns=written.device_time_ns,
                meta={} if written.line is None else {LINE: written.line},
            )
        except UnsupportedImageError as exc:
            self._invalid += 1
            if self._refused_frames.may_log():
                log.warning("%s: frame %d is no picture: %s", self._spec.name, number, exc)
            return None

    def _look_for_freeze(self, frame: Frame) -> None:
        frozen = self._freeze.look(frame)
        if frozen != self._frozen:
            self._frozen = frozen
            if frozen:
                log.warning("%s is frozen: it has repeated one frame for %g s", self._spec.name,
                            self._options.freeze_s)  # fmt: skip
            else:
                log.info("%s is not frozen any more", self._spec.name)

    def _check_silence(self, silent_s: float) -> None:
        facts = self._facts
        if facts is None or facts.waits_for_trigger:
            return
        limit_s = self._options.silence_s(self.frame_interval_s)
        if silent_s > limit_s:
            raise SourceError(
                f"{self._spec.name} delivered no frame for {silent_s:.1f} s, "
                f"the limit is timeout_s={limit_s:g}"
            )

    def _adjust(self, wanted: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        for name, value in wanted.items():
            if isinstance(value, bytes):
                raise SettingsError(f"got {name} of {len(value)} bytes, want a number or a word")
        waited = self._facts is not None and self._facts.waits_for_trigger
        began_s = time.monotonic()
        try:
            return self._learn(self._process.apply(wanted))
        finally:
            # A device cannot deliver frames while it is set, and need not while it waits for a
            # trigger. Any other silence goes on: requests must not hide it.
            now_s = time.monotonic()
            self._last_s = now_s if waited else self._last_s + now_s - began_s

    def interrupt(self) -> None:
        """End `open` or the iteration; may be called from any thread."""
        self._interrupted.set()
        self._process.interrupt()

    def close(self) -> None:
        """Close the device and end the process; may be called twice."""
        self._process.close()
