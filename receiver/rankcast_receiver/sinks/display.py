"""Sink `display`: the newest frame in a window, with what an operator wants to know over it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from rankcast.errors import SinkError
from rankcast.frame import Frame
from rankcast.opencv import cv2
from rankcast_receiver.sinks.overlay import OverlayText, draw_overlay, screen_picture
from rankcast_receiver.sinks.window import Window

MAX_WIDTH: Final = 1600
MAX_HEIGHT: Final = 900
"""Fits a Full HD screen with the desktop's own bars; OpenCV cannot tell the true size."""
STALE_S: Final = 1.0
"""No new frame for longer is said in red."""
RATE_WINDOW_S: Final = 3.0
"""Frame rate and bit rate are those of the last seconds."""
POLL_S: Final = 0.02
"""Keys and window events are looked after 50 times a second at most."""
REDRAW_S: Final = 0.1
"""Between frames the words are drawn anew, so that the age keeps growing."""


class Screen(Protocol):
    """What `display` needs of a window."""

    def resize(self, width: int, height: int) -> None:
        """Set the size in pixels."""

    def show(self, picture: NDArray[np.uint8]) -> None:
        """Show a BGR picture."""

    def is_open(self) -> bool:
        """False once it was closed."""

    def quit_pressed(self) -> bool:
        """Handle events; True when the user asked to quit."""

    def close(self) -> None:
        """Close; may be called twice."""


@dataclass(frozen=True, slots=True)
class _Arrival:
    t_s: float
    packet_bytes: int


class DisplaySink:
    """Shows frames; q, Esc or closing the window ends the receiver.

    Made, used and closed in the main thread: window toolkits know no other.

    Parameters
    ----------
    screen : Screen, optional
        The default opens a window.
    now_s, utc_ns : callable
        Monotonic and UTC clock.

    Raises
    ------
    SinkError
        If no window can be opened.
    """

    name = "display"

    def __init__(
        self,
        screen: Screen | None = None,
        *,
        now_s: Callable[[], float] = time.monotonic,
        utc_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._screen = Window("Rankcast") if screen is None else screen
        self._now_s = now_s
        self._utc_ns = utc_ns
        self._arrivals: deque[_Arrival] = deque()
        self._arrived_s = 0.0
        self._frame: Frame | None = None
        self._picture: NDArray[np.uint8] = np.zeros((360, 640, 3), np.uint8)
        self._polled_s = self._drawn_s = float("-inf")
        self.shown = 0
        """Frames shown."""
        self._draw()

    def put(self, frame: Frame) -> bool:
        """Show one frame; see Sink.

        Raises
        ------
        SinkError
            If OpenCV cannot draw it.
        """
        now = self._now_s()
        size = 0 if frame.coding is None else frame.coding.packet_bytes
        self._arrivals.append(_Arrival(now, size))
        self._arrived_s = now
        self._forget(now)
        try:
            picture = screen_picture(frame, MAX_WIDTH, MAX_HEIGHT)
            if self._frame is None or picture.shape != self._picture.shape:
                self._screen.resize(picture.shape[1], picture.shape[0])
            self._frame, self._picture = frame, picture
            self._draw()
        except cv2.error as exc:
            reason = " ".join(str(getattr(exc, "err", exc)).split())
            raise SinkError(f"frame {frame.sequence} cannot be shown: {reason}") from exc
        self.shown += 1
        return True

    def idle(self) -> bool:
        """Look after the window; see Sink.

        Returns
        -------
        bool
            False when the user pressed q or Esc or closed the window.
        """
        now = self._now_s()
        if now - self._polled_s < POLL_S:
            return True
        self._polled_s = now
        if self._screen.quit_pressed() or not self._screen.is_open():
            return False
        if now - self._drawn_s >= REDRAW_S:
            self._draw()
        return True

    def close(self) -> None:
        """Close the window; see Sink."""
        self._screen.close()

    def _draw(self) -> None:
        self._drawn_s = self._now_s()
        self._screen.show(draw_overlay(self._picture, self._text(self._drawn_s)))

    def _forget(self, now: float) -> None:
        while self._arrivals and now - self._arrivals[0].t_s > RATE_WINDOW_S:
            self._arrivals.popleft()

    def _text(self, now: float) -> OverlayText:
        frame = self._frame
        if frame is None:
            return OverlayText(("waiting for the first frame",))
        silent_s = now - self._arrived_s
        return OverlayText(
            (
                f"{frame.camera} #{frame.sequence}   {self._rates(now)}",
                f"{describe_coding(frame)}   {self._age(frame)}",
            ),
            stale=f"STALE {silent_s:.1f} s" if silent_s > STALE_S else "",
        )

    def _rates(self, now: float) -> str:
        self._forget(now)
        # The oldest arrival starts the clock and counts for nothing else: n arrivals span
        # n - 1 intervals.
        later = list(self._arrivals)[1:]
        seconds = now - self._arrivals[0].t_s if self._arrivals else 0.0
        if not later or seconds <= 0:
            return "-- fps   -- Mbit/s"
        bits = 8 * sum(arrival.packet_bytes for arrival in later)
        return f"{len(later) / seconds:.1f} fps   {bits / seconds / 1e6:.2f} Mbit/s"

    def _age(self, frame: Frame) -> str:
        if not frame.t_capture_utc_ns:
            return "age unknown"
        age_ns = self._utc_ns() - frame.t_capture_utc_ns
        # A picture from the future: the clocks of the two stations differ.
        return "age clock?" if age_ns < 0 else f"age {age_ns / 1e6:.0f} ms"


def describe_coding(frame: Frame) -> str:
    """Codec, rank and quality of `frame` in a few words."""
    coding = frame.coding
    if coding is None:
        return "not coded"
    words = [coding.codec]
    if coding.rank:
        # Most pictures have one rank for all channels.
        ranks = dict.fromkeys(coding.rank)
        words.append("rank " + "/".join(str(rank) for rank in list(ranks)[:4]))
    if not coding.lossy:
        words.append("lossless")
    elif coding.psnr_db is not None:
        words.append(f"{coding.psnr_db:.1f} dB")
    return "  ".join(words)
