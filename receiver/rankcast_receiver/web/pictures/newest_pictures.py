"""NewestPictures: the newest decoded picture of each camera, and how late it was."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rankcast.boot_clock import boot_ns, boot_s
from rankcast.frame import Frame
from rankcast_receiver.clock import MOST_ERROR_NS

MOST_LATENCIES: Final = 300
MOST_CAMERAS: Final = 1024


@dataclass(frozen=True, slots=True)
class Latency:
    """Time from capture to decoded of the latest pictures of a camera, in ms."""

    p50: float
    p99: float


class NewestPictures:
    """Filled by the sink `pictures`, read in the event loop.

    Parameters
    ----------
    on_picture : callable
        Called with the name of the camera of each new picture.
    now_s : callable
        Monotonic clock.
    """

    def __init__(
        self, on_picture: Callable[[str], object], *, now_s: Callable[[], float] = boot_s
    ) -> None:
        self._on_picture = on_picture
        self._now_s = now_s
        self._came_s: dict[str, float] = {}
        self._frames: dict[str, Frame] = {}
        self._latencies: dict[str, deque[float]] = {}

    def put(self, frame: Frame) -> None:
        """Replace the picture of a camera."""
        camera = frame.camera
        if camera not in self._frames and len(self._frames) >= MOST_CAMERAS:
            return
        self._frames[camera] = frame
        self._came_s[camera] = self._now_s()
        latencies = self._latencies.setdefault(camera, deque(maxlen=MOST_LATENCIES))
        if frame.t_capture_here_ns is not None and frame.clock_error_ns <= MOST_ERROR_NS:
            latencies.append((boot_ns() - frame.t_capture_here_ns) / 1e6)
        self._on_picture(camera)

    def get(self, camera: str) -> Frame | None:
        """Return the newest picture of a camera; None before there is one."""
        return self._frames.get(camera)

    def latency(self, camera: str, within_s: float) -> Latency | None:
        """Return how late the latest pictures were.

        None while that is unknown, or if none came within so long.
        """
        if self._now_s() - self._came_s.get(camera, -math.inf) > within_s:
            return None
        times = sorted(self._latencies.get(camera, ()))
        if not times:
            return None
        return Latency(times[len(times) // 2], times[min(len(times) - 1, len(times) * 99 // 100)])


class PictureSink:
    """Sink `pictures`: keeps the newest picture; see `rankcast_receiver.sinks.Sink`."""

    name = "pictures"
    wants: Final = "frames"

    def __init__(self, newest: NewestPictures) -> None:
        self._newest = newest

    def put(self, frame: Frame) -> bool:
        """Keep one frame; see Sink."""
        self._newest.put(frame)
        return True

    def idle(self) -> bool:
        """Do nothing; see Sink."""
        return True

    def close(self) -> None:
        """Do nothing; see Sink."""
