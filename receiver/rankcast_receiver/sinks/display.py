"""Sink `display`: the newest frame of each camera in one window, with its state over it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from rankcast.boot_clock import boot_ns, boot_s
from rankcast.errors import SinkError
from rankcast.frame import Frame
from rankcast.opencv import cv2
from rankcast_receiver.sinks.overlay import OverlayText, draw_overlay
from rankcast_receiver.sinks.tile import Tile
from rankcast_receiver.sinks.window import Window
from rankcast_receiver.state import CameraState, State

MAX_WIDTH: Final = 1600
MAX_HEIGHT: Final = 900
"""Fit a Full HD screen with a task bar; OpenCV does not report the true size."""
POLL_S: Final = 0.02
"""Interval of polling for keys and window events: 50 times a second at most."""
REDRAW_S: Final = 0.1
"""Interval of redrawing the text between frames, so that the displayed age keeps rising."""


class Screen(Protocol):
    """The window that `DisplaySink` draws on."""

    def resize(self, width: int, height: int) -> None:
        """Set the size in pixels."""

    def show(self, picture: NDArray[np.uint8]) -> None:
        """Show a BGR picture."""

    def is_open(self) -> bool:
        """Return False once the window was closed."""

    def quit_pressed(self) -> bool:
        """Handle pending events; return True if the user asked to quit."""

    def close(self) -> None:
        """Close the window; may be called twice."""


class DisplaySink:
    """Shows frames; q, Esc or closing the window stops the receiver.

    Create, use and close it in the main thread: window toolkits work in no other thread.

    Parameters
    ----------
    screen : Screen, optional
        Screen to draw on; by default a window.
    states : callable
        Returns the states of all cameras; called in the main thread.
    now_s, now_ns : callable
        Monotonic clock, in seconds, and in nanoseconds to compare with capture times.

    Raises
    ------
    SinkError
        If no window can be opened.
    """

    name = "display"
    wants: Final = "frames"

    def __init__(
        self,
        screen: Screen | None = None,
        *,
        states: Callable[[], Sequence[CameraState]] = tuple,
        now_s: Callable[[], float] = boot_s,
        now_ns: Callable[[], int] = boot_ns,
    ) -> None:
        self._screen = Window("Rankcast") if screen is None else screen
        self._states = states
        self._now_s = now_s
        self._now_ns = now_ns
        self._tiles: dict[str, Tile] = {}
        self._shape: tuple[int, ...] = ()
        self._blank: NDArray[np.uint8] = np.zeros((360, 640, 3), np.uint8)
        self._polled_s = self._drawn_s = float("-inf")
        self.shown = 0
        """Number of frames shown."""
        self._draw()

    def put(self, frame: Frame) -> bool:
        """Show one frame; see Sink.

        Raises
        ------
        SinkError
            If OpenCV cannot draw the frame.
        """
        now = self._now_s()
        tile = self._tiles.get(frame.camera)
        if tile is None:
            self._tiles[frame.camera] = Tile(frame, now)
        else:
            tile.put(frame, now)
        try:
            self._draw()
        except cv2.error as exc:
            reason = " ".join(str(getattr(exc, "err", exc)).split())
            raise SinkError(f"cannot show frame {frame.sequence}: {reason}") from exc
        self.shown += 1
        return True

    def idle(self) -> bool:
        """Handle window events and redraw; see Sink.

        Returns
        -------
        bool
            False if the user pressed q or Esc or closed the window.
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
        self._drawn_s = now = self._now_s()
        states = {state.camera: state for state in self._states()}
        if not self._tiles:
            self._screen.show(draw_overlay(self._blank, _waiting(states.values())))
            return
        # Sorted by name, so that no tile moves when another camera is faster.
        names = sorted(self._tiles)
        columns = math.ceil(math.sqrt(len(names)))
        rows = math.ceil(len(names) / columns)
        now_ns = self._now_ns()
        pictures = []
        for name in names:
            tile = self._tiles[name]
            picture = tile.picture(MAX_WIDTH // columns, MAX_HEIGHT // rows)
            pictures.append(draw_overlay(picture, tile.text(now, now_ns, states.get(name))))
        canvas = _side_by_side(pictures, columns, rows)
        if canvas.shape != self._shape:
            self._shape = canvas.shape
            self._screen.resize(canvas.shape[1], canvas.shape[0])
        self._screen.show(canvas)


def _waiting(states: Iterable[CameraState]) -> OverlayText:
    """Return the text before the first frame: the state of each camera."""
    known = [f"{s.camera or s.endpoint}: {s}" for s in states if s.state is not State.CONNECTING]
    return OverlayText(("waiting for the first frame", *known))


def _side_by_side(
    pictures: Sequence[NDArray[np.uint8]], columns: int, rows: int
) -> NDArray[np.uint8]:
    if len(pictures) == 1:
        return pictures[0]
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    canvas: NDArray[np.uint8] = np.zeros((rows * height, columns * width, 3), np.uint8)
    for number, picture in enumerate(pictures):
        top, left = number // columns * height, number % columns * width
        canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas
