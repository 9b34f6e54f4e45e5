"""SourceState: whether the source of a camera delivers frames at the rate it announces."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast_sender.sources import Adjustable, Adjustments, Described, Remote

STATES: Final = (
    "opening", "live", "waiting", "stalled", "frozen", "failed", "backoff", "ended",
)  # fmt: skip
"""All states of a camera; docs/wire.md explains them."""
STALLED_S: Final = 2.0
"""Shortest gap that counts as a stall; a lower limit would report the jitter of fast sources."""
STALLED_INTERVALS: Final = 2.5
"""A source stalls when this many frame intervals pass without a frame: one frame may be late."""
WAITING_S: Final = 0.5
"""A source that waits for triggers says so after this long without a frame, before a viewer could
take its last picture for stale."""
MEASURED_INTERVALS: Final = 5
"""The measured pace is the median of this many intervals, which a single pause does not shift."""


class SourceState:
    """State of the source of one camera.

    The grab thread writes it, every other thread only reads it. A camera whose frames come from
    `Publisher.send` has no source, and stays ``live``.

    Parameters
    ----------
    description : str
        Source of the frames, until a source describes itself.
    now_s : callable
        Monotonic clock.
    """

    def __init__(self, description: str = "", *, now_s: Callable[[], float] = boot_s) -> None:
        self.description = description
        self._now_s = now_s
        self._word = "live"
        self._source: Described | None = None
        self._announces = False
        self._measured_s = 0.0
        self._intervals_s: tuple[float, ...] = ()
        self._silent_since_s: float | None = None
        self._last_frame_s: float | None = None

    def opening(self) -> None:
        """Record that a source is being opened."""
        self._word = "opening"

    def opened(self, source: Described, *, announces: bool) -> None:
        """Record that `source` is open, and whether it delivers frames at its announced rate."""
        self.description = source.description
        self._announces = announces
        self._silent_since_s = self._now_s()
        self._source = source
        self._word = "live"

    def closed(self) -> None:
        """Record that the source is closed, without changing the reported state."""
        self._source = None
        self._last_frame_s = None

    def failed(self, *, retry: bool) -> None:
        """Record that the source failed; with `retry` it will be reopened."""
        self._word = "backoff" if retry else "failed"

    def frame_grabbed(self) -> None:
        """Record the arrival of a frame."""
        now_s = self._now_s()
        if self._last_frame_s is not None:
            self._intervals_s = (*self._intervals_s, now_s - self._last_frame_s)
            self._intervals_s = self._intervals_s[-MEASURED_INTERVALS:]
            self._measured_s = statistics.median(self._intervals_s)
        self._last_frame_s = now_s
        if self._silent_since_s is not None:
            self._silent_since_s = now_s

    @property
    def frame_interval_s(self) -> float:
        """Time between frames, announced or else measured; 0 if unknown."""
        source = self._source
        announced_s = source.frame_interval_s if source is not None and self._announces else None
        return announced_s or self._measured_s

    @property
    def last_frame_s(self) -> float:
        """Monotonic time of the newest frame, or of the opening of the source before the first."""
        return float("-inf") if self._silent_since_s is None else self._silent_since_s

    @property
    def stalled_after_s(self) -> float:
        """Silence after which the source counts as stalled."""
        return max(STALLED_S, STALLED_INTERVALS * self.frame_interval_s)

    @property
    def word(self) -> str:
        """The state in one word; see docs/wire.md."""
        silent_since_s = self._silent_since_s
        if self._word != "live" or silent_since_s is None:
            return self._word
        triggered = self._triggered
        limit_s = WAITING_S if triggered else self.stalled_after_s
        if self._now_s() - silent_since_s <= limit_s:
            return "frozen" if self._frozen else "live"
        return "waiting" if triggered else "stalled"

    @property
    def _triggered(self) -> bool:
        adjustments = self.adjustments
        return adjustments is not None and adjustments.values.get("trigger") == "on"

    @property
    def _frozen(self) -> bool:
        source = self._source
        return source.frozen if isinstance(source, Remote) else False

    @property
    def adjustments(self) -> Adjustments | None:
        """Setting changes for the open source; None if it is closed or not adjustable."""
        source = self._source
        return source.adjustments if isinstance(source, Adjustable) else None


class FollowedSource(SourceState):
    """State of the source of a substream: that of its camera, unless the substream has failed.

    Parameters
    ----------
    main : SourceState
    least_interval_s : float
        Shortest time from one frame of the substream to the next.
    """

    def __init__(self, main: SourceState, least_interval_s: float = 0.0) -> None:
        super().__init__()
        self._main = main
        self._least_interval_s = least_interval_s

    @property
    def description(self) -> str:
        """Source of the frames."""
        return self._main.description

    @description.setter
    def description(self, value: str) -> None:
        """Ignore what the base class sets."""

    def frame_grabbed(self) -> None:
        """Do nothing: the camera records its frames itself."""

    @property
    def frame_interval_s(self) -> float:
        """Time between frames; 0 if unknown."""
        return max(self._main.frame_interval_s, self._least_interval_s)

    @property
    def last_frame_s(self) -> float:
        """Monotonic time of the newest frame of the camera."""
        return self._main.last_frame_s

    @property
    def word(self) -> str:
        """The state in one word."""
        return self._word if self._word == "failed" else self._main.word

    @property
    def adjustments(self) -> Adjustments | None:
        """Setting changes for the source of the camera."""
        return self._main.adjustments
