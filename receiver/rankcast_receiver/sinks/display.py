"""Sink `display`: the newest frame of each camera in one window, with its state over it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from rankcast.boot_clock import boot_ns, boot_s
from rankcast.errors import SinkError
from rankcast.frame import Frame
from rankcast.opencv import cv2
from rankcast_receiver.sinks.debayer import Debayer
from rankcast_receiver.sinks.levels import Levels
from rankcast_receiver.sinks.mosaic import Mosaic, largest_tile
from rankcast_receiver.sinks.overlay import OverlayText, draw_overlay
from rankcast_receiver.sinks.tile import Tile
from rankcast_receiver.sinks.window import Window
from rankcast_receiver.state import CameraState, State

POLL_S: Final = 0.02
"""Interval of polling for keys and window events: 50 times a second at most."""
REDRAW_S: Final = 0.1
"""Interval of redrawing the text between frames, so that the displayed age keeps rising."""
SHOW_S: Final = 0.015
"""Least interval of handing a picture to the window, which copies and converts all of it: what many
cameras send between two refreshes of a screen is shown together."""


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


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What a tile of the mosaic shows, and since when."""

    t_s: float
    text: OverlayText
    picture: NDArray[np.uint8]


class DisplaySink:
    """Shows frames; q, Esc or closing the window stops the receiver.

    Create, use and close it in the main thread: window toolkits work in no other thread.

    Parameters
    ----------
    screen : Screen, optional
        Screen to draw on; by default a window.
    states : callable
        Returns the states of all cameras; called in the main thread.
    levels : Levels, optional
        Sample values shown as black and as white.
    debayer : str, optional
        How the colours of a mosaic are interpolated.
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
        levels: Levels = Levels(),  # noqa: B008 - frozen
        debayer: Debayer = "edge-aware",
        now_s: Callable[[], float] = boot_s,
        now_ns: Callable[[], int] = boot_ns,
    ) -> None:
        self._screen = Window("Rankcast") if screen is None else screen
        self._states = states
        self._levels = levels
        self._debayer: Debayer = debayer
        self._now_s = now_s
        self._now_ns = now_ns
        self._tiles: dict[str, Tile] = {}
        self._changed: set[str] = set()
        """Cameras whose newest frame is not in the mosaic yet."""
        self._drawn: dict[str, _Drawn] = {}
        self._mosaic: Mosaic | None = None
        self._size: tuple[int, ...] = ()
        self._blank: NDArray[np.uint8] = np.zeros((360, 640, 3), np.uint8)
        self._polled_s = self._redrawn_s = self._shown_s = float("-inf")
        self.shown = 0
        """Number of frames shown."""
        self._redraw()

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
            self._tiles[frame.camera] = Tile(frame, now, self._levels, self._debayer)
        else:
            tile.put(frame, now)
        self._changed.add(frame.camera)
        try:
            self._fit()
            if now - self._shown_s >= SHOW_S:
                self._show()
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
        if now - self._redrawn_s >= REDRAW_S:
            self._redraw()
        elif self._changed and now - self._shown_s >= SHOW_S:
            self._show()
        return True

    def close(self) -> None:
        """Close the window; see Sink."""
        self._screen.close()

    def _redraw(self) -> None:
        """Bring the text of cameras up to date that sent no frame meanwhile."""
        self._redrawn_s = now = self._now_s()
        if not self._tiles:
            self._screen.show(draw_overlay(self._blank, _waiting(self._states())))
            return
        self._changed.update(
            name for name, drawn in self._drawn.items() if now - drawn.t_s >= REDRAW_S
        )
        if self._changed:
            self._show()

    def _fit(self) -> None:
        """Lay out the mosaic again when a camera joins or sends another size."""
        size = largest_tile(len(self._tiles))
        shapes = {name: tile.picture(*size).shape for name, tile in self._tiles.items()}
        if self._mosaic is None or shapes != self._mosaic.shapes:
            self._mosaic = Mosaic(shapes)
            self._drawn.clear()
            self._changed.update(self._tiles)
            self._shown_s = float("-inf")

    def _show(self) -> None:
        """Draw what has changed and hand the picture to the window."""
        mosaic = self._mosaic
        assert mosaic is not None
        self._shown_s = now = self._now_s()
        now_ns = self._now_ns()
        states = {state.camera: state for state in self._states()}
        size = largest_tile(len(self._tiles))
        for name in self._changed:
            tile = self._tiles[name]
            picture = tile.picture(*size)  # first: its levels are in the text
            text = tile.text(now, now_ns, states.get(name))
            drawn = self._drawn.get(name)
            if drawn is None or drawn.text != text or drawn.picture is not picture:
                mosaic.place(name, draw_overlay(picture, text))
            self._drawn[name] = _Drawn(now, text, picture)
        self._changed.clear()
        canvas = mosaic.canvas
        if canvas.shape != self._size:
            self._size = canvas.shape
            self._screen.resize(canvas.shape[1], canvas.shape[0])
        self._screen.show(canvas)


def _waiting(states: Iterable[CameraState]) -> OverlayText:
    """Return the text before the first frame: the state of each camera."""
    known = [f"{s.camera or s.endpoint}: {s}" for s in states if s.state is not State.CONNECTING]
    return OverlayText(("waiting for the first frame", *known))
