"""Replay clock: when each frame of a replay is due."""

from __future__ import annotations

from typing import Final

IMAGE_FPS: Final = 20.0
"""Pace of images, and of clips without timestamps and without a rate."""
MAX_STEP_S: Final = 3600.0
"""A longer step between two timestamps of a clip indicates a damaged or restarted clock."""


class ReplayClock:
    """Places images and frames of clips on one time scale, from 0 at the first frame.

    Parameters
    ----------
    fps : float, optional
        One pace for everything; by default clips follow their timestamps.
    """

    def __init__(self, fps: float | None) -> None:
        self._fps = fps
        self._period_s = 1.0 / (fps or IMAGE_FPS)
        self._next_s = 0.0
        self._clip_time_s: float | None = None
        self.due_s = 0.0
        """Due time of the frame placed last."""
        self.interval_s = self._period_s
        """The longer of the mean interval and the one before the frame placed last."""

    def place_image(self) -> None:
        """Place an image after the previous frame."""
        self._period_s = 1.0 / (self._fps or IMAGE_FPS)
        self._place(self._next_s, None)

    def begin_clip(self, rate: float | None) -> None:
        """Begin a clip with this average rate after the previous frame."""
        self._period_s = 1.0 / (self._fps or rate or IMAGE_FPS)
        self.interval_s = self._period_s
        self._clip_time_s = None

    def place_clip_frame(self, time_s: float | None, duration_s: float | None) -> None:
        """Place the next frame of the clip by its timestamp.

        Timestamps that are missing, stand still, run backwards or jump ahead by more than
        `MAX_STEP_S` count as one frame duration.
        """
        at_s = self._next_s
        if time_s is not None and self._clip_time_s is not None and self._fps is None:
            step_s = time_s - self._clip_time_s
            if 0 < step_s <= MAX_STEP_S:
                at_s = self.due_s + step_s
        if time_s is not None:
            self._clip_time_s = time_s
        self._place(at_s, duration_s)

    def _place(self, at_s: float, duration_s: float | None) -> None:
        self.interval_s = max(self._period_s, at_s - self.due_s)
        self.due_s = at_s
        usable = self._fps is None and duration_s is not None and 0 < duration_s <= MAX_STEP_S
        self._next_s = at_s + (duration_s if usable and duration_s else self._period_s)
