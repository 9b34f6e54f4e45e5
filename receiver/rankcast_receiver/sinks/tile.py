"""Tile: the newest frame of one camera in the window, and the text over it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.frame import Frame
from rankcast_receiver.clock import MOST_ERROR_NS
from rankcast_receiver.sinks.debayer import Debayer
from rankcast_receiver.sinks.levels import Levels
from rankcast_receiver.sinks.overlay import OverlayText, ScreenPicture, screen_picture
from rankcast_receiver.state import STALE_S, CameraState, State

RATE_WINDOW_S: Final = 3.0
"""Window over which frame rate and bit rate are averaged."""


@dataclass(frozen=True, slots=True)
class _Arrival:
    t_s: float
    packet_bytes: int


class Tile:
    """The newest frame of one camera, and the arrival rate of its frames.

    Parameters
    ----------
    frame : Frame
    now_s : float
        Time of arrival.
    levels : Levels, optional
    debayer : str, optional
        See `screen_picture`.
    """

    def __init__(
        self,
        frame: Frame,
        now_s: float,
        levels: Levels = Levels(),  # noqa: B008 - frozen
        debayer: Debayer = "edge-aware",
    ) -> None:
        self._levels = levels
        self._debayer = debayer
        self._arrivals: deque[_Arrival] = deque()
        self._size: tuple[int, int] = (0, 0)
        self._picture: ScreenPicture | None = None
        self.put(frame, now_s)

    def put(self, frame: Frame, now_s: float) -> None:
        """Replace the frame by a newer one."""
        size = 0 if frame.coding is None else frame.coding.packet_bytes
        self._arrivals.append(_Arrival(now_s, size))
        self._arrived_s = now_s
        self._forget(now_s)
        self.frame = frame
        self._picture = None

    def picture(self, max_width: int, max_height: int) -> NDArray[np.uint8]:
        """Return the picture that fits, shape (H, W, 3), BGR; do not modify it."""
        if self._picture is None or self._size != (max_width, max_height):
            self._picture = screen_picture(
                self.frame, max_width, max_height, self._levels, self._debayer
            )
            self._size = (max_width, max_height)
        return self._picture.pixels

    def text(self, now_s: float, now_ns: int, state: CameraState | None) -> OverlayText:
        """Return the text over the picture.

        Parameters
        ----------
        now_s, now_ns : float, int
            Monotonic clock, in seconds, and in nanoseconds to compare with capture times.
        state : CameraState or None
            State of the camera; None limits the text to the age.
        """
        frame = self.frame
        lines = (
            f"{frame.camera} #{frame.sequence}   {self._rates(now_s)}",
            f"{describe_coding(frame)}{self._shown_levels()}   {_age(frame, now_ns)}",
        )
        if state is not None and state.state is State.WAITING_FOR_TRIGGER:
            # Nothing is wrong: this is the newest picture, however old.
            waited_s = now_s - self._arrived_s
            return OverlayText((*lines, f"{state.state.words}, {waited_s:.1f} s so far"))
        return OverlayText(lines, stale=self._stale(now_s, now_ns, state))

    def _shown_levels(self) -> str:
        """Name what is black and white, unless all of 8 bits is shown."""
        picture, bits = self._picture, self.frame.bits
        if picture is None or (bits <= 8 and (picture.low, picture.high) == (0, (1 << bits) - 1)):
            return ""
        return f"  {bits} bits {picture.low:.0f}:{picture.high:.0f}"

    def _stale(self, now_s: float, now_ns: int, state: CameraState | None) -> str:
        silent_s = old_s = now_s - self._arrived_s
        captured_ns = self.frame.t_capture_here_ns
        if captured_ns is not None and self.frame.clock_error_ns <= MOST_ERROR_NS:
            # The frame may already have been old on arrival.
            old_s = max(silent_s, (now_ns - captured_ns) / 1e9)
        if state is not None and state.state not in (State.LIVE, State.CONNECTING):
            if state.state is State.ENDED:
                return "" if silent_s <= STALE_S else f"ENDED {silent_s:.0f} s ago"
            if state.state is State.FROZEN:
                return f"FROZEN: {state.detail}"
            words = str(state) if state.state is not State.STALE else state.detail
            return f"STALE {old_s:.1f} s: {words}"
        stale_after_s = STALE_S if state is None else state.stale_after_s
        return f"STALE {old_s:.1f} s" if old_s > stale_after_s else ""

    def _forget(self, now_s: float) -> None:
        while self._arrivals and now_s - self._arrivals[0].t_s > RATE_WINDOW_S:
            self._arrivals.popleft()

    def _rates(self, now_s: float) -> str:
        self._forget(now_s)
        # n arrivals span n - 1 intervals: the oldest marks only the start.
        later = list(self._arrivals)[1:]
        seconds = now_s - self._arrivals[0].t_s if self._arrivals else 0.0
        if not later or seconds <= 0:
            return "-- fps   -- Mbit/s"
        bits = 8 * sum(arrival.packet_bytes for arrival in later)
        return f"{len(later) / seconds:.1f} fps   {bits / seconds / 1e6:.2f} Mbit/s"


def _age(frame: Frame, now_ns: int) -> str:
    captured_ns, error_ns = frame.t_capture_here_ns, frame.clock_error_ns
    if captured_ns is None:
        return "age unknown (clock not synchronised)"
    age_ns = now_ns - captured_ns
    if age_ns < -error_ns:
        # A capture time in the future: the sender's clock was stepped since the last ping.
        return "age clock?"
    error = f" +-{error_ns / 1e6:.1f}" if error_ns else ""
    return f"age {max(0, age_ns) / 1e6:.0f}{error} ms"


def describe_coding(frame: Frame) -> str:
    """Return codec, rank and quality of `frame` in a few words."""
    coding = frame.coding
    if coding is None:
        return "not coded"
    words = [coding.codec]
    if coding.rank:
        # Usually all channels have the same rank.
        ranks = dict.fromkeys(coding.rank)
        words.append("rank " + "/".join(str(rank) for rank in list(ranks)[:4]))
    if not coding.lossy:
        words.append("lossless")
    elif coding.psnr_db is not None:
        words.append(f"{coding.psnr_db:.1f} dB")
    return "  ".join(words)
