"""Tile: the newest frame of one camera in the window, and the text over it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.frame import Frame
from rankcast.wire import MAIN
from rankcast_receiver.clock import MOST_ERROR_NS
from rankcast_receiver.sinks.debayer import Debayer
from rankcast_receiver.sinks.levels import Levels, moved
from rankcast_receiver.sinks.overlay import OverlayText, ascii_text
from rankcast_receiver.sinks.screen_picture import (
    ScreenPicture,
    fitted_size,
    screen_picture,
)
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
        self.newest = frame
        """The newest frame, which is not shown while it is held."""
        self.put(frame, now_s)

    def put(self, frame: Frame, now_s: float) -> None:
        """Replace the frame by a newer one."""
        self.hold(frame, now_s)
        self.show_newest()

    def hold(self, frame: Frame, now_s: float) -> None:
        """Note a newer frame, and go on showing the one before."""
        size = 0 if frame.coding is None else frame.coding.packet_bytes
        self._arrivals.append(_Arrival(now_s, size))
        self._newest_arrived_s = now_s
        self._forget(now_s)
        self.newest = frame

    def show_newest(self) -> None:
        """Show the newest frame."""
        self.frame = self.newest
        self._arrived_s = self._newest_arrived_s
        self._picture = None

    def picture(self, max_width: int, max_height: int) -> NDArray[np.uint8]:
        """Return the picture, as large as fits, shape (H, W, 3), BGR; do not modify it.

        Raises
        ------
        cv2.error
            If OpenCV cannot convert it.
        """
        size = fitted_size(self.frame, max_width, max_height)
        if self._picture is None or self._size != size:
            self._picture = screen_picture(self.frame, size, self._levels, self._debayer)
            self._size = size
        return self._picture.pixels

    @property
    def bounds(self) -> tuple[float, float]:
        """Sample values shown as black and as white; those of all bits before it is drawn."""
        if self._picture is None:
            return 0.0, self._top
        return self._picture.low, self._picture.high

    def set_levels(self, levels: Levels) -> None:
        """Choose the sample values shown as black and as white."""
        self._levels = levels
        self._picture = None

    def move_levels(
        self, bounds: tuple[float, float], *, width_factor: float, shift: float
    ) -> None:
        """Show other sample values, seen from `bounds`; see `moved`."""
        self.set_levels(moved(bounds, self._top, width_factor=width_factor, shift=shift))

    def text(
        self, now_s: float, now_ns: int, state: CameraState | None, *, paused: bool = False
    ) -> OverlayText:
        """Return the text over the picture.

        Parameters
        ----------
        now_s, now_ns : float, int
            Monotonic clock, in seconds, and in nanoseconds to compare with capture times.
        state : CameraState or None
            State of the camera; None limits the text to the age.
        paused : bool
            The picture stands still, because the user said so.
        """
        frame = self.frame
        lines: tuple[str, ...] = (
            f"{_name(frame)} #{frame.sequence}   {self._rates(now_s)}",
            f"{describe_coding(frame)}{self._shown_levels()}   {_age(frame, now_ns)}",
        )
        if state is not None and state.state is State.WAITING_FOR_TRIGGER:
            # Nothing is wrong: this is the newest picture, however old.
            waited_s = now_s - self._newest_arrived_s
            lines = (*lines, f"{state.state.words}, {waited_s:.1f} s so far")
            return OverlayText(lines, banner=self._banner(now_s, now_ns, paused))
        stale = ascii_text(self._stale(now_s, now_ns, state))
        return OverlayText(lines, stale, self._banner(now_s, now_ns, paused))

    @property
    def _top(self) -> float:
        return float((1 << self.frame.bits) - 1)

    def _banner(self, now_s: float, now_ns: int, paused: bool) -> tuple[str, ...]:
        if not paused:
            return ()
        old_s = _old_s(self.frame, now_s - self._arrived_s, now_ns)
        return "PAUSED", f"picture {old_s:.1f} s old"

    def _shown_levels(self) -> str:
        """Name what is black and white, unless all of 8 bits is shown."""
        picture, bits = self._picture, self.frame.bits
        if picture is None or (bits <= 8 and (picture.low, picture.high) == (0, (1 << bits) - 1)):
            return ""
        return f"  {bits} bits {picture.low:.0f}:{picture.high:.0f}"

    def _stale(self, now_s: float, now_ns: int, state: CameraState | None) -> str:
        # Of the newest frame, whichever is shown: a pause must not hide that the camera is gone.
        silent_s = now_s - self._newest_arrived_s
        old_s = _old_s(self.newest, silent_s, now_ns)
        if state is not None and state.state not in (State.LIVE, State.CONNECTING):
            if state.state is State.ENDED:
                return "" if silent_s <= STALE_S else f"ENDED {silent_s:.0f} s ago"
            if state.state is State.FROZEN:
                return f"FROZEN: {state.detail}"
            if state.state is State.PAST:
                return f"PAST: {state.detail}"
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


def _old_s(frame: Frame, here_s: float, now_ns: int) -> float:
    """Return the age of a frame that arrived `here_s` ago: it may have been old on arrival."""
    captured_ns = frame.t_capture_here_ns
    if captured_ns is None or frame.clock_error_ns > MOST_ERROR_NS:
        return here_s
    return max(here_s, (now_ns - captured_ns) / 1e9)


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


def _name(frame: Frame) -> str:
    """Return the name of the camera, and of its stream if that is not the main one."""
    return frame.camera if frame.stream == MAIN else f"{frame.camera} ({frame.stream})"


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
