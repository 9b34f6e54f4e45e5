"""DisplaySink: shows frames in a window, and does what the user's keys ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from rankcast.boot_clock import boot_ns, boot_s
from rankcast.errors import SinkError
from rankcast.frame import Frame
from rankcast.wire import Reply
from rankcast_receiver.sinks.debayer import Debayer
from rankcast_receiver.sinks.display.keys import ACTIONS, Action
from rankcast_receiver.sinks.display.notices import Notices
from rankcast_receiver.sinks.display.quality import Ask, QualitySteps
from rankcast_receiver.sinks.display.screen import Click, Drag, Gesture, KeyPress, Screen
from rankcast_receiver.sinks.display.snapshot import Snapshots
from rankcast_receiver.sinks.display.view import Moment, View
from rankcast_receiver.sinks.display.window import Window
from rankcast_receiver.sinks.levels import Levels
from rankcast_receiver.state import CameraState

POLL_S: Final = 0.02
"""Interval of polling for keys and window events: 50 times a second at most."""
REDRAW_S: Final = 0.1
"""Interval of redrawing the text between frames, so that the displayed age keeps rising."""
SHOW_S: Final = 0.015
"""Least interval of handing a picture to the window, which copies and converts all of it: what many
cameras send between two refreshes of a screen is shown together."""
QUALITY_STEP: Final = 5
NARROWER: Final = 0.8
LEVEL_STEP: Final = 0.1
"""Fraction of the distance of black and white by which a key moves both."""
DRAG_DOUBLES: Final = 200
"""Pixels to the right that double the distance of black and white."""
DRAG_MOVES: Final = 300
"""Pixels down that move both by their distance."""

_SELECT_FIRST: Final = "select a camera first: 1 to 9, or a click on it"


class _NoSender:
    """The reply to every request where nothing can be asked."""

    reply = Reply(0, False, "this window has no connection to a sender")


class DisplaySink:
    """Shows frames; q or closing the window stops the receiver, `KEYS` lists the other keys.

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
    snapshots : Path, optional
        Folder of the snapshots; by default the current one.
    ask : callable, optional
        Sends a request to the sender of a camera.
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
        snapshots: Path = Path(),
        ask: Ask = lambda *_: _NoSender(),
        now_s: Callable[[], float] = boot_s,
        now_ns: Callable[[], int] = boot_ns,
    ) -> None:
        self._screen = Window("Rankcast") if screen is None else screen
        self._view = View(self._screen, levels, debayer)
        self._snapshots = Snapshots(snapshots)
        self._quality = QualitySteps(ask)
        self._notices = Notices()
        self._states = states
        self._now_s = now_s
        self._now_ns = now_ns
        self._polled_s = self._redrawn_s = self._shown_s = float("-inf")
        self._drag: tuple[int, int, str, tuple[float, float]] | None = None
        """Where a drag began, on which camera, and which sample values were shown there."""
        self.shown = 0
        """Number of frames shown."""
        self._show()

    def put(self, frame: Frame) -> bool:
        """Show one frame, unless the window is paused or shows another camera; see Sink.

        Raises
        ------
        SinkError
            If OpenCV cannot draw the frame.
        """
        now = self._now_s()
        new = frame.camera not in self._view.tiles
        if not self._view.put(frame, now):
            return False
        if new or now - self._shown_s >= SHOW_S:
            self._show()
            if reason := self._view.failure(frame.camera):
                raise SinkError(reason)
        self.shown += 1
        return True

    def idle(self) -> bool:
        """Handle window events and redraw; see Sink.

        Returns
        -------
        bool
            False if the user pressed q or closed the window.
        """
        now = self._now_s()
        if now - self._polled_s < POLL_S:
            return True
        self._polled_s = now
        for gesture in self._screen.gestures():
            if not self._react(gesture):
                return False
        if not self._screen.is_open():
            return False
        self._notices.add((*self._snapshots.news(), *self._quality.news()), now)
        self._view.notices = self._notices.at(now)
        if now - self._redrawn_s >= REDRAW_S:
            self._redrawn_s = now
            self._view.age(now, REDRAW_S)
        if self._view.pending and now - self._shown_s >= SHOW_S:
            self._show()
        return True

    def close(self) -> None:
        """Close the window; see Sink."""
        try:
            self._screen.close()
        finally:
            self._snapshots.close()

    def _show(self) -> None:
        self._shown_s = now = self._now_s()
        self._view.draw(Moment(now, self._now_ns(), self._states()))

    def _react(self, gesture: Gesture) -> bool:
        """Do what a gesture asks for; return False if that is to quit."""
        if isinstance(gesture, KeyPress):
            action = ACTIONS.get(gesture.key)
            return action is None or self._act(action, gesture.key)
        name = self._view.camera_at(gesture.x, gesture.y)
        if isinstance(gesture, Drag):
            self._drag_levels(gesture, name)
        elif name is not None:
            self._click(gesture, name)
        return True

    def _act(self, action: Action, key: str) -> bool:
        view, selection = self._view, self._view.selection
        match action:
            case Action.QUIT:
                return False
            case Action.PAUSE:
                view.pause(not view.paused)
            case Action.SNAPSHOT:
                self._snapshot()
            case Action.FULL_SCREEN:
                view.set_full_screen(not view.full_screen)
            case Action.SELECT:
                if not selection.select_number(int(key)):
                    self._say(f"there is no camera {key}")
            case Action.ALONE:
                if not selection.switch_alone() and len(selection.names) > 1:
                    self._say(_SELECT_FIRST)
            case Action.BACK:
                self._back()
            case Action.BETTER | Action.CHEAPER:
                self._step_quality(QUALITY_STEP if action is Action.BETTER else -QUALITY_STEP)
            case Action.NARROWER:
                self._move_levels(width_factor=NARROWER)
            case Action.WIDER:
                self._move_levels(width_factor=1 / NARROWER)
            case Action.LOWER:
                self._move_levels(shift=-LEVEL_STEP)
            case Action.HIGHER:
                self._move_levels(shift=LEVEL_STEP)
            case Action.AUTO_LEVELS:
                for name in selection.acted_on:
                    view.tiles[name].set_levels(Levels())
            case Action.HELP:
                view.help = not view.help
        view.touch(selection.shown)
        return True

    def _back(self) -> None:
        view = self._view
        if view.help:
            view.help = False
        elif not view.selection.back():
            if view.full_screen:
                view.set_full_screen(False)
            else:
                self._say("q quits, h lists the keys")

    def _snapshot(self) -> None:
        frames = self._view.frames
        if frames:
            self._snapshots.take(frames)
        else:
            self._say("there is no picture to save yet")

    def _step_quality(self, by: int) -> None:
        name = self._view.selection.only
        if name is not None:
            self._quality.step(name, by)
        elif self._view.tiles:
            self._say(_SELECT_FIRST)

    def _move_levels(self, *, width_factor: float = 1.0, shift: float = 0.0) -> None:
        for name in self._view.selection.acted_on:
            tile = self._view.tiles[name]
            tile.move_levels(tile.bounds, width_factor=width_factor, shift=shift)

    def _click(self, click: Click, name: str) -> None:
        selection = self._view.selection
        if not selection.alone:
            selection.select(name)
        if click.double:
            selection.switch_alone()
        self._view.touch(selection.shown)

    def _drag_levels(self, drag: Drag, name: str | None) -> None:
        begins = not drag.right and not drag.down
        if begins or self._drag is None or self._drag[:2] != (drag.x, drag.y):
            self._drag = (
                None if name is None else (drag.x, drag.y, name, self._view.tiles[name].bounds)
            )
        if self._drag is None or begins:
            return
        *_, dragged, bounds = self._drag
        self._view.tiles[dragged].move_levels(
            bounds, width_factor=2 ** (drag.right / DRAG_DOUBLES), shift=drag.down / DRAG_MOVES
        )
        self._view.touch((dragged,))

    def _say(self, line: str) -> None:
        self._notices.add((line,), self._now_s())
