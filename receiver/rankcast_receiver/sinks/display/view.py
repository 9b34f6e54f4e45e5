"""View: the newest frames of all cameras, drawn to the size of the window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.frame import Frame
from rankcast.opencv import cv2
from rankcast_receiver.sinks.debayer import Debayer
from rankcast_receiver.sinks.display.keys import KEYS
from rankcast_receiver.sinks.display.mosaic import Mosaic, grid, largest_cell
from rankcast_receiver.sinks.display.screen import Screen
from rankcast_receiver.sinks.display.selection import Selection
from rankcast_receiver.sinks.display.tile import Tile
from rankcast_receiver.sinks.levels import Levels
from rankcast_receiver.sinks.overlay import (
    OverlayText,
    ascii_text,
    draw_notices,
    draw_overlay,
    draw_table,
)
from rankcast_receiver.sinks.screen_picture import natural_size
from rankcast_receiver.state import CameraState, State

WAITING_SIZE: Final = (640, 360)
"""Size of the window before the first frame."""
LEAST_WIDTH: Final = 480
"""Least width of a cell, for the text of a narrow picture."""
LEAST_AREA: Final = 16
"""A smaller side is that of a window that is minimised or not laid out yet."""
_WAITING: Final = ""
"""Name of the only cell before the first frame."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is drawn, and what is known of the cameras then."""

    now_s: float
    now_ns: int
    """The same clock, to compare with capture times."""
    states: Sequence[CameraState] = ()


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What a cell shows, and since when."""

    t_s: float
    text: OverlayText
    picture: NDArray[np.uint8] | None


class View:
    """Draws the frames of all cameras, or of one, with text over them.

    The picture always has the size of the window, so that nothing is scaled after the text is
    drawn.

    Parameters
    ----------
    screen : Screen
    levels : Levels
        Sample values shown as black and as white.
    debayer : str
        How the colours of a mosaic are interpolated.
    """

    def __init__(self, screen: Screen, levels: Levels, debayer: Debayer) -> None:
        self.tiles: dict[str, Tile] = {}
        self.selection = Selection()
        self.paused = False
        """True while the pictures stand still; see `pause`."""
        self.full_screen = False
        self.help = False
        """True while the keys are listed."""
        self.notices: tuple[str, ...] = ()
        """Lines at the bottom."""
        self._screen = screen
        self._levels = levels
        self._debayer: Debayer = debayer
        self._changed: set[str] = set()
        """Cameras whose newest frame is not drawn yet."""
        self._drawn: dict[str, _Drawn] = {}
        self._failures: dict[str, str] = {}
        self._mosaic = Mosaic(*WAITING_SIZE, (_WAITING,))
        self._natural: tuple[int, int] | None = None
        self._panels: tuple[bool, tuple[str, ...]] = (False, ())

    def put(self, frame: Frame, now_s: float) -> bool:
        """Take a newer frame; return False if it is not to be shown now."""
        name = frame.camera
        tile = self.tiles.get(name)
        if tile is None:  # also during a pause: a camera nobody has seen yet cannot stand still
            self.tiles[name] = Tile(frame, now_s, self._levels, self._debayer)
            self.selection.add(name)
        elif self.paused:
            tile.hold(frame, now_s)
            return False
        else:
            tile.put(frame, now_s)
        self._changed.add(name)
        return name in self.selection.shown

    def pause(self, on: bool) -> None:
        """Let the pictures stand still, or go on with the newest ones."""
        self.paused = on
        if not on:
            for tile in self.tiles.values():
                tile.show_newest()
        self._changed.update(self.tiles)

    def set_full_screen(self, on: bool) -> None:
        """Fill the screen, or return to a window."""
        self.full_screen = on
        self._screen.set_full_screen(on)

    @property
    def pending(self) -> bool:
        """True if something is not drawn yet."""
        return (
            any(name in self._changed for name in self.selection.shown)
            or self._panels != (self.help, self.notices)
            or not self._mosaic.is_of(*self._area(), self._names)
        )

    @property
    def frames(self) -> Sequence[Frame]:
        """The frames that are shown."""
        return [self.tiles[name].frame for name in self.selection.shown]

    def camera_at(self, x: int, y: int) -> str | None:
        """Return the camera shown at a pixel; None if there is none."""
        return self._mosaic.name_at(x, y) or None

    def touch(self, names: Iterable[str]) -> None:
        """Draw these cameras again."""
        self._changed.update(names)

    def failure(self, name: str) -> str:
        """Return why the newest frame of a camera cannot be shown; else an empty text."""
        return self._failures.get(name, "")

    def age(self, now_s: float, most_s: float) -> None:
        """Draw those cameras again whose text is older than this."""
        drawn = self._drawn
        self._changed.update(
            name for name in self._names if name not in drawn or now_s - drawn[name].t_s >= most_s
        )

    def draw(self, moment: Moment) -> None:
        """Draw what has changed, and hand the picture to the screen."""
        self._fit()
        states = {state.camera: state for state in moment.states}
        for name in self._names:
            if name in self._changed or name not in self._drawn:
                if name == _WAITING:
                    self._draw_cell(name, None, _waiting(moment.states), moment.now_s)
                else:
                    self._draw_tile(name, moment, states.get(name))
        self._changed.clear()
        canvas = self._mosaic.canvas
        self._panels = self.help, self.notices
        if self.help or self.notices:
            canvas = canvas.copy()
            if self.notices:
                draw_notices(canvas, self.notices)
            if self.help:
                draw_table(canvas, "Keys", [(row.label, row.text) for row in KEYS])
        self._screen.show(canvas)

    @property
    def _names(self) -> Sequence[str]:
        return self.selection.shown or (_WAITING,)

    def _area(self) -> tuple[int, int]:
        """Return the size to draw: that of the window, where it is known."""
        area = self._screen.area()
        if area is None or min(area) < LEAST_AREA:
            return self._natural or WAITING_SIZE
        return area

    def _fit(self) -> None:
        """Follow the size of the window, and change it where the pictures need another one."""
        natural = self._natural_area()
        if natural != self._natural and not self.full_screen:
            self._natural = natural
            self._screen.resize(*natural)
        width, height = self._area()
        if not self._mosaic.is_of(width, height, self._names):
            self._mosaic = Mosaic(width, height, self._names)
            self._drawn.clear()

    def _natural_area(self) -> tuple[int, int]:
        """Return the size that shows all cameras well; one of them shown alone has it, too."""
        if not self.tiles:
            return WAITING_SIZE
        most = largest_cell(len(self.tiles))
        sizes = [natural_size(tile.frame, *most) for tile in self.tiles.values()]
        columns, rows = grid(len(sizes))
        width = max(min(LEAST_WIDTH, most[0]), *(size[0] for size in sizes))
        return columns * width, rows * max(size[1] for size in sizes)

    def _draw_tile(self, name: str, moment: Moment, state: CameraState | None) -> None:
        tile = self.tiles[name]
        height, width = self._mosaic.cell(name).shape[:2]
        self._failures.pop(name, None)
        picture: NDArray[np.uint8] | None = None
        try:
            picture = tile.picture(width, height)  # first: its levels are in the text
        except cv2.error as exc:
            reason = " ".join(str(getattr(exc, "err", exc)).split())
            self._failures[name] = f"cannot show frame {tile.frame.sequence}: {reason}"
        text = tile.text(moment.now_s, moment.now_ns, state, paused=self.paused)
        if picture is None:
            text = replace(text, stale=ascii_text(self._failures[name]))
        if len(self.tiles) > 1:
            number = self.selection.number(name)
            text = replace(
                text,
                lines=(f"{number}  {text.lines[0]}", *text.lines[1:]),
                selected=name == self.selection.selected and not self.selection.alone,
            )
        self._draw_cell(name, picture, text, moment.now_s)

    def _draw_cell(
        self, name: str, picture: NDArray[np.uint8] | None, text: OverlayText, now_s: float
    ) -> None:
        before = self._drawn.get(name)
        if before is None or before.text != text or before.picture is not picture:
            cell = self._mosaic.cell(name)
            _place(cell, picture)
            draw_overlay(cell, text)
        self._drawn[name] = _Drawn(now_s, text, picture)


def _place(cell: NDArray[np.uint8], picture: NDArray[np.uint8] | None) -> None:
    """Copy a picture to the middle of a cell that is at least as large."""
    if picture is None or picture.shape != cell.shape:
        cell[:] = 0
    if picture is not None:
        height, width = picture.shape[:2]
        top, left = (cell.shape[0] - height) // 2, (cell.shape[1] - width) // 2
        cell[top : top + height, left : left + width] = picture


def _waiting(states: Iterable[CameraState]) -> OverlayText:
    """Return the text before the first frame: the state of each camera."""
    known = [f"{s.camera or s.endpoint}: {s}" for s in states if s.state is not State.CONNECTING]
    return OverlayText(("waiting for the first frame", *map(ascii_text, known)))
