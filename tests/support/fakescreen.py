"""A display sink on a screen without a window, and a clock that the test sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankcast.frame import Coding, Frame, Scalar
from rankcast.wire import Reply
from rankcast_receiver.sinks.display import DisplaySink
from rankcast_receiver.sinks.display.screen import Gesture, KeyPress
from rankcast_receiver.sinks.overlay import OverlayText
from rankcast_receiver.state import CameraState

START_NS = 7_000_000_000_000


class FakeScreen:
    """A window that records what is shown, and that the test presses keys in."""

    def __init__(self) -> None:
        self.pictures: list[NDArray[np.uint8]] = []
        self.sizes: list[tuple[int, int]] = []
        self.full: list[bool] = []
        self.open = True
        self.polls = 0
        self.waiting: list[Gesture] = []
        self._size: tuple[int, int] | None = None

    def resize(self, width: int, height: int) -> None:
        self.sizes.append((width, height))
        self._size = width, height

    def area(self) -> tuple[int, int] | None:
        return self._size

    def set_full_screen(self, on: bool) -> None:
        self.full.append(on)

    def show(self, picture: NDArray[np.uint8]) -> None:
        self.pictures.append(picture.copy())

    def is_open(self) -> bool:
        return self.open

    def gestures(self) -> Sequence[Gesture]:
        self.polls += 1
        found, self.waiting = self.waiting, []
        return found

    def close(self) -> None:
        self.open = False

    def give_size(self, width: int, height: int) -> None:
        """Let the user resize the window."""
        self._size = width, height


class Clock:
    """Both clocks of the display, set by the test."""

    def __init__(self) -> None:
        self.t_s = 100.0

    def now_s(self) -> float:
        return self.t_s

    def now_ns(self) -> int:
        return START_NS + round((self.t_s - 100) * 1e9)


class FakeRequest:
    """A request whose reply the test sets."""

    def __init__(self, camera: str, op: str, args: Mapping[str, Scalar]) -> None:
        self.camera, self.op, self.args = camera, op, args
        self.reply: Reply | None = None

    def accept(self, **result: Any) -> None:
        self.reply = Reply(0, True, result=result)

    def refuse(self, error: str) -> None:
        self.reply = Reply(0, False, error)


class FakeSender:
    """Keeps the requests of a display."""

    def __init__(self) -> None:
        self.requests: list[FakeRequest] = []

    def ask(self, camera: str, op: str, args: Mapping[str, Scalar]) -> FakeRequest:
        self.requests.append(FakeRequest(camera, op, args))
        return self.requests[-1]


def display(*states: CameraState, **options: Any) -> tuple[DisplaySink, FakeScreen, Clock]:
    screen, clock = FakeScreen(), Clock()
    sink = DisplaySink(
        screen, states=lambda: states, now_s=clock.now_s, now_ns=clock.now_ns, **options
    )
    return sink, screen, clock


def frame(sequence: int = 0, age_ms: int = 45, **changes: Any) -> Frame:
    one = Frame(
        np.full((90, 640, 3), 200, np.uint8),
        camera="cam",
        sequence=sequence,
        t_capture_here_ns=START_NS - age_ms * 1_000_000,
        coding=Coding("svd", 125_000, rank=(51, 51, 51), psnr_db=38.24),
    )
    return replace(one, **changes)


def grey(value: int) -> NDArray[np.uint8]:
    return np.full((90, 640, 3), value, np.uint8)


def overlay(sink: DisplaySink, camera: str = "cam") -> OverlayText:
    """Return the text over the picture of a camera."""
    states = {state.camera: state for state in sink._states()}
    return sink._view.tiles[camera].text(
        sink._now_s(), sink._now_ns(), states.get(camera), paused=sink._view.paused
    )


def press(sink: DisplaySink, screen: FakeScreen, clock: Clock, *keys: str) -> bool:
    """Press keys one after another; return False once the sink quits."""
    return act(sink, screen, clock, *map(KeyPress, keys))


def act(sink: DisplaySink, screen: FakeScreen, clock: Clock, *gestures: Gesture) -> bool:
    """Let the sink see these gestures, and draw what comes of them."""
    screen.waiting += gestures
    for _ in range(2):
        clock.t_s += 0.05
        if not sink.idle():
            return False
    return True


def notices(sink: DisplaySink) -> str:
    """Return the lines at the bottom of the window."""
    return "\n".join(sink._view.notices)
