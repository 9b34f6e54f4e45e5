"""A camera for the request handler, without sockets, threads and a source."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from rankcast.encoder import Encoder
from rankcast.errors import SettingsError
from rankcast.frame import Frame, Scalar
from rankcast.wire import Status
from rankcast_sender.camera import CodecSettings, KeyframeBudget, NewestFrame, ViewerReports
from rankcast_sender.sources import Adjustments


class FakeCamera:
    """A camera as the request handler sees it, made of the same parts as the real one.

    Parameters
    ----------
    name : str
    codec : str
    adjustable : bool
        True: it has `gain`, 0 to 16, which `turn` changes.
    """

    def __init__(self, name: str, codec: str = "svd-patch", *, adjustable: bool = False) -> None:
        self.name = name
        self.codec = codec
        self.stream_id = bytes(range(16))
        self.state = "live"
        self.reports = ViewerReports()
        self.adjustments = Adjustments({"gain": 1.0}) if adjustable else None
        self._settings = CodecSettings(codec, {}, Encoder(codec).options)
        self._keyframes = KeyframeBudget()
        self._newest = NewestFrame()
        self._frames = 0
        self.turn()

    def turn(self) -> None:
        """Grab a frame, publish it, make the requested changes."""
        self._newest.keep(Frame(np.full((2, 3), self._frames % 256, np.uint8), frame=self._frames))
        self._settings.take()
        if self._keyframes.due(time.monotonic()) or not self._frames:
            self._keyframes.published(self._frames, 100, time.monotonic(), None, requested=True)
        self._frames += 1
        if self.adjustments is not None:
            self.adjustments.serve(self._adjust)

    def _adjust(self, wanted: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        gain = wanted["gain"]
        if type(gain) not in (int, float) or not 0 <= gain <= 16:  # type: ignore[operator]
            raise SettingsError(f"gain is {gain!r:.40}, want 0 to 16")
        return {"gain": float(gain)}  # type: ignore[arg-type]

    @property
    def settings(self) -> Mapping[str, Scalar]:
        """Options of the codec in force."""
        return self._settings.in_force

    def check_settings(self, options: Mapping[str, Scalar]) -> None:
        """Raise what `set` would raise."""
        self._settings.check(options)

    def set(self, **options: Scalar) -> None:
        """Change options of the codec."""
        self._settings.set(options)

    def request_keyframe(self, stream_id: bytes = b"", seen_sequence: int | None = None) -> bool:
        """Request a key frame."""
        if stream_id and stream_id != self.stream_id:
            return False
        return self._keyframes.ask(time.monotonic(), seen_sequence)

    @property
    def key_sequence(self) -> int | None:
        """Sequence of the newest key frame."""
        return self._keyframes.key_sequence

    def newest(self, timeout_s: float, stopped: Callable[[], bool]) -> Frame | None:
        """Return the newest frame."""
        return self._newest.wait(timeout_s, stopped)

    def status(self) -> Status:
        """Return the content of the status message."""
        reports = self.reports.total(time.monotonic())
        return Status(
            grabbed=self._frames,
            published=self._frames,
            codec=self.codec,
            settings=self.settings,
            camera={} if self.adjustments is None else self.adjustments.values,
            reporting=reports.viewers,
            viewers_lost=reports.lost,
            viewers_latency_p99_ms=reports.latency_p99_ms,
        )
