"""The display sink: what the window shows, and when."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rankcast_receiver.sinks import Sink
from rankcast_receiver.sinks.overlay import OverlayText, draw_overlay
from rankcast_receiver.state import CameraState, State
from support.fakescreen import display, frame, grey, press


def test_the_picture_has_the_size_of_the_window() -> None:
    sink, screen, clock = display()
    sink.put(frame())
    screen.give_size(1000, 700)
    clock.t_s += 0.1
    assert sink.idle()
    shown = screen.pictures[-1]
    assert shown.shape == (700, 1000, 3)
    assert screen.sizes == [(640, 360), (640, 90)], "the user's size stays"
    assert tuple(shown[350, 5]) == (200, 200, 200)
    assert tuple(shown[600, 500]) == (0, 0, 0), "the ratio of the picture stays, too"
    screen.give_size(0, 0)  # minimised
    clock.t_s += 0.1
    sink.put(frame(1))
    assert screen.pictures[-1].shape == (90, 640, 3)


def test_idle_is_cheap_when_called_too_often() -> None:
    sink, screen, clock = display()
    for _ in range(1000):
        assert sink.idle()
        clock.t_s += 0.001
    assert screen.polls <= 51
    assert len(screen.pictures) <= 12


def test_before_the_first_frame_the_window_shows_the_problem() -> None:
    state = CameraState("", "tcp://10.0.0.5:5555", State.KEY_REFUSED, "unknown key")
    _, plain, _ = display()
    _, told, _ = display(state)
    assert not np.array_equal(plain.pictures[0], told.pictures[0])


def test_several_cameras_are_shown_side_by_side_each_with_its_own_text() -> None:
    dead = CameraState("right", "tcp://10.0.0.5:5555", State.CAMERA_DEAD)
    sink, screen, clock = display(dead)
    sink.put(frame(camera="right"))
    sink.put(frame(camera="left", pixels=grey(50)))
    clock.t_s += 0.5
    sink.put(frame(1, camera="left", pixels=grey(60)))
    shown = screen.pictures[-1]
    assert shown.shape == (90, 1280, 3)
    assert screen.sizes == [(640, 360), (640, 90), (1280, 90)]
    assert tuple(shown[85, 100]) == (60, 60, 60)
    assert tuple(shown[85, 740]) == (200, 200, 200)
    assert tuple(shown[-1, 645]) == (64, 64, 255), "the dead one has its red frame"
    assert tuple(shown[-1, 5]) == (60, 60, 60), "the live one has none"
    sink.put(frame(camera="third"))
    assert screen.pictures[-1].shape == (180, 1280, 3)


def test_q_and_closing_the_window_stop_the_receiver() -> None:
    sink, screen, clock = display()
    assert sink.idle()
    clock.t_s += 1
    assert not press(sink, screen, clock, "q")
    sink, screen, _ = display()
    screen.open = False
    assert not sink.idle()


def test_display_is_a_sink_that_may_be_closed_twice() -> None:
    sink, screen, _ = display()
    taken: Sink = sink
    assert taken.name == "display"
    taken.close()
    taken.close()
    assert not screen.open


def test_a_picture_of_another_size_resizes_the_window() -> None:
    sink, screen, clock = display()
    sink.put(frame())
    clock.t_s += 0.1
    sink.put(frame(1, pixels=np.zeros((600, 800), np.uint8)))
    assert screen.sizes == [(640, 360), (640, 90), (800, 600)]


def test_only_the_tile_that_changed_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    def draw(picture: NDArray[np.uint8], text: OverlayText) -> None:
        drawn.append(text.lines[0].split()[1])
        draw_overlay(picture, text)

    sink, screen, clock = display()
    names = [f"c{number:02d}" for number in range(16)]
    for name in names:
        sink.put(frame(camera=name))
    monkeypatch.setattr("rankcast_receiver.sinks.display.view.draw_overlay", draw)
    clock.t_s += 0.05
    sink.put(frame(1, camera="c05", pixels=grey(50)))
    assert drawn == ["c05"]
    shown = screen.pictures[-1]
    # The others are still there, and every tile stays where it was.
    left = [int(shown[50, 100 + 400 * column, 0]) for column in range(4)]
    assert left == [200] * 4
    assert int(shown[shown.shape[0] // 4 + 50, 500, 0]) == 50


def test_a_hundred_frames_at_once_are_handed_to_the_window_together() -> None:
    sink, screen, clock = display()
    for camera in ("a", "b"):
        sink.put(frame(camera=camera))
    before = len(screen.pictures)
    for sequence in range(1, 101):
        clock.t_s += 0.001
        sink.put(frame(sequence, camera="ab"[sequence % 2]))
    assert 5 <= len(screen.pictures) - before <= 7
    clock.t_s += 0.021
    sink.put(frame(101, camera="a", pixels=grey(60)))
    clock.t_s += 0.001
    sink.put(frame(101, camera="b", pixels=grey(70)))
    assert int(screen.pictures[-1][85, 900, 0]) == 200
    clock.t_s += 0.021
    assert sink.idle()
    assert int(screen.pictures[-1][85, 900, 0]) == 70, "none is left behind"
    assert sink.shown == 104
