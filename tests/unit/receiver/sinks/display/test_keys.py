"""What keys and mouse do to the window, and to nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from rankcast.images import read_image, read_text
from rankcast_receiver.sinks.display.keys import ACTIONS, KEYS, Action
from rankcast_receiver.sinks.display.screen import Click, Drag
from rankcast_receiver.state import CameraState, State
from support.fakescreen import FakeSender, act, display, frame, grey, notices, overlay, press


def deep(sequence: int = 0, **changes: object) -> object:
    ramp = np.tile(np.linspace(0, 4095, 640).astype(np.uint16), (90, 1))
    return frame(sequence, pixels=ramp, significant_bits=12, **changes)


def test_every_action_has_a_key_and_every_key_one_action() -> None:
    assert set(ACTIONS.values()) == set(Action)
    keys = [key for row in KEYS for key, _ in row.keys]
    assert len(keys) == len(set(keys))


def test_a_paused_picture_stands_still_and_says_how_old_it_is() -> None:
    sink, screen, clock = display()
    assert sink.put(frame(0, pixels=grey(60)))
    press(sink, screen, clock, "Space")
    assert not sink.put(frame(1, age_ms=-1000, pixels=grey(90))), "skipped on purpose"
    clock.t_s += 7.0
    assert not sink.put(frame(2, age_ms=-7000, pixels=grey(90)))
    assert sink.idle()
    assert overlay(sink).banner == ("PAUSED", f"picture {clock.t_s - 100 + 0.045:.1f} s old")
    assert tuple(screen.pictures[-1][88, 100]) != (90, 90, 90)
    assert tuple(screen.pictures[-1][80, 100]) == (60, 60, 60)
    assert tuple(screen.pictures[-1][89, 100]) == (0, 200, 255), "a border, too"
    assert "#0 " in overlay(sink).lines[0]
    press(sink, screen, clock, "Space")
    assert overlay(sink).banner == ()
    assert tuple(screen.pictures[-1][80, 100]) == (90, 90, 90), "at once, the newest"
    assert sink.put(frame(3))


def test_a_pause_does_not_hide_that_the_camera_is_gone() -> None:
    dead = CameraState("cam", "tcp://a:1", State.SENDER_DEAD)
    sink, screen, clock = display(dead)
    sink.put(frame())
    press(sink, screen, clock, "Space")
    sink.put(frame(1))
    clock.t_s += 3
    assert overlay(sink).stale.startswith("STALE 3.")
    assert overlay(sink).banner


def test_a_pause_with_a_live_camera_is_not_called_stale() -> None:
    sink, screen, clock = display()
    sink.put(frame())
    press(sink, screen, clock, "Space")
    for number in range(1, 6):
        clock.t_s += 1.0
        sink.put(frame(number, age_ms=45 - 1000 * number - 100))
    assert overlay(sink).stale == ""
    assert "1.0 fps" in overlay(sink).lines[0]


def test_a_camera_that_joins_a_pause_is_shown_once() -> None:
    sink, screen, clock = display()
    sink.put(frame())
    press(sink, screen, clock, "Space")
    assert sink.put(frame(camera="new"))
    assert not sink.put(frame(1, camera="new"))
    assert overlay(sink, "new").banner[0] == "PAUSED"


def test_a_snapshot_is_the_picture_on_the_screen_with_its_description(tmp_path: Path) -> None:
    sink, screen, clock = display(snapshots=tmp_path)
    shown = deep(41, t_capture_utc_ns=1_700_000_000_123_456_789)
    sink.put(shown)
    press(sink, screen, clock, "Space")
    sink.put(deep(42))
    press(sink, screen, clock, "s")
    sink.close()
    clock.t_s += 0.1
    path = tmp_path / "cam-20231114T221320.123456Z-41.png"
    assert list(tmp_path.iterdir()) == [path]
    pixels = read_image(path)
    assert pixels.dtype == np.uint16
    assert np.array_equal(pixels, shown.pixels)
    tag = json.loads(read_text(path) or "")
    assert (tag["sequence"], tag["codec"], tag["psnr_db"]) == (41, "svd", 38.24)
    assert tag["capture_utc"] == "2023-11-14T22:13:20.123456+00:00"
    assert tag["fidelity"] == "lossy"
    # Shown already, if the file was written before the sink last looked.
    assert [*notices(sink).splitlines(), *sink._snapshots.news()] == [f"saved {path}"]


def test_s_before_the_first_frame_says_so() -> None:
    sink, screen, clock = display()
    press(sink, screen, clock, "s")
    assert notices(sink) == "there is no picture to save yet"


def test_plus_asks_the_sender_and_the_window_shows_what_came_of_it() -> None:
    sender = FakeSender()
    sink, screen, clock = display(ask=sender.ask)
    press(sink, screen, clock, "+")
    assert not sender.requests, "no camera yet"
    sink.put(frame())
    press(sink, screen, clock, "+")
    read = sender.requests[-1]
    assert (read.camera, read.op, read.args) == ("cam", "get", {"name": "quality"})
    read.accept(quality=60)
    press(sink, screen, clock)
    change = sender.requests[-1]
    assert (change.op, change.args) == ("set", {"quality": 65})
    change.refuse("set needs an operator key, and this is a viewer key")
    press(sink, screen, clock)
    assert notices(sink) == (
        "cam: quality not changed: set needs an operator key, and this is a viewer key"
    )
    clock.t_s += 6
    press(sink, screen, clock)
    assert notices(sink) == ""


def test_quality_of_several_cameras_needs_a_selection() -> None:
    sender = FakeSender()
    sink, screen, clock = display(ask=sender.ask)
    for name in ("b", "a"):
        sink.put(frame(camera=name))
    press(sink, screen, clock, "-")
    assert "select a camera first" in notices(sink)
    press(sink, screen, clock, "2", "-")
    assert [request.camera for request in sender.requests] == ["b"]


def test_digits_select_enter_shows_alone_and_esc_goes_back_step_by_step() -> None:
    sink, screen, clock = display()
    for number, name in enumerate("abc"):
        sink.put(frame(camera=name, pixels=grey(50 + 50 * number)))
    whole = screen.pictures[-1].shape
    press(sink, screen, clock, "Enter")
    assert "select a camera first" in notices(sink)
    press(sink, screen, clock, "7")
    assert "there is no camera 7" in notices(sink)
    press(sink, screen, clock, "2", "Enter", "f", "h")
    assert not sink.put(frame(1, camera="a")), "not shown now"
    assert sink.put(frame(1, camera="b", pixels=grey(100)))
    assert screen.pictures[-1].shape == whole, "the window keeps its size"
    press(sink, screen, clock, "Esc")
    assert not sink._view.help
    assert tuple(screen.pictures[-1][whole[0] // 2, 640]) == (100, 100, 100)
    press(sink, screen, clock, "Esc")
    assert sink.put(frame(2, camera="a", pixels=grey(50)))
    assert tuple(screen.pictures[-1][88, 700]) == (255, 208, 64), "still selected"
    press(sink, screen, clock, "Esc")
    assert sink._view.selection.selected is None
    assert screen.full == [True]
    press(sink, screen, clock, "Esc")
    assert screen.full == [True, False]
    assert press(sink, screen, clock, "Esc"), "Esc never quits"
    assert "q quits" in notices(sink)


def test_a_click_selects_and_two_show_alone() -> None:
    sink, screen, clock = display()
    for name in "abc":
        sink.put(frame(camera=name))
    act(sink, screen, clock, Click(700, 20))
    assert sink._view.selection.selected == "b"
    act(sink, screen, clock, Click(10, 170), Click(10, 170, double=True))
    assert list(sink._view.selection.shown) == ["c"]
    act(sink, screen, clock, Click(900, 20), Click(900, 20, double=True))
    assert len(sink._view.selection.shown) == 3
    act(sink, screen, clock, Click(900, 170), Click(-5, 9000))
    assert sink._view.selection.selected == "c", "there is no camera in the fourth cell"


def test_the_window_follows_full_screen_and_leaves_the_size_to_it() -> None:
    sink, screen, clock = display()
    sink.put(frame())
    press(sink, screen, clock, "f")
    screen.give_size(1920, 1080)
    clock.t_s += 0.1
    sink.put(frame(1, pixels=np.zeros((600, 800), np.uint8)))
    assert screen.pictures[-1].shape == (1080, 1920, 3)
    assert screen.sizes[-1] == (640, 90)
    press(sink, screen, clock, "f")
    assert screen.sizes[-1] == (800, 600), "made up for when it is a window again"


def test_keys_move_the_levels_and_a_makes_them_automatic_again() -> None:
    sink, screen, clock = display()
    sink.put(deep())
    tile = sink._view.tiles["cam"]
    automatic = tile.bounds
    for keys, low, high in (
        ("[", 410, 3685), (",", 83, 3358), (".", 410, 3685), ("]", 0, 4095), ("[[[a", *automatic),
    ):  # fmt: skip
        press(sink, screen, clock, *keys)
        assert tile.bounds == pytest.approx((low, high), abs=6)
        found = re.search(r"12 bits (\d+):(\d+)", overlay(sink).lines[1])
        assert found is not None
        assert tuple(map(int, found.groups())) == pytest.approx(tile.bounds, abs=1)
    assert tile.bounds == automatic


def test_levels_move_in_a_paused_picture_and_of_the_selected_camera_only() -> None:
    sink, screen, clock = display()
    sink.put(frame(camera="a", pixels=grey(100)))
    sink.put(frame(camera="b", pixels=grey(100)))
    press(sink, screen, clock, "Space", "1", *"[[[")
    assert tuple(screen.pictures[-1][80, 700]) == (100, 100, 100)
    assert tuple(screen.pictures[-1][80, 10]) != (100, 100, 100)
    assert "8 bits" in overlay(sink, "a").lines[1]
    assert "8 bits" not in overlay(sink, "b").lines[1]


def test_a_drag_of_the_right_button_moves_the_levels_of_the_picture_below_it() -> None:
    sink, screen, clock = display()
    sink.put(deep())
    press(sink, screen, clock, "[", "[", "[")
    low, high = sink._view.tiles["cam"].bounds
    act(sink, screen, clock, Drag(50, 40, 0, 0), Drag(50, 40, 100, 0), Drag(50, 40, -200, 0))
    narrow = sink._view.tiles["cam"].bounds
    assert narrow[1] - narrow[0] == pytest.approx((high - low) / 2, abs=2)
    assert sum(narrow) == pytest.approx(low + high, abs=2)
    act(sink, screen, clock, Drag(50, 40, 0, 0), Drag(50, 40, 0, 30))
    assert sink._view.tiles["cam"].bounds[0] > narrow[0]


def test_help_lists_the_keys_over_the_picture_and_the_picture_goes_on() -> None:
    sink, screen, clock = display()
    sink.put(frame(pixels=np.full((720, 1280, 3), 200, np.uint8)))
    plain = screen.pictures[-1]
    press(sink, screen, clock, "?")
    assert (screen.pictures[-1] < 60).sum() > (plain < 60).sum() + 100_000
    assert sink.put(frame(1, pixels=np.full((720, 1280, 3), 100, np.uint8)))
    assert tuple(screen.pictures[-1][700, 5]) == (100, 100, 100)
    press(sink, screen, clock, "h")
    assert (screen.pictures[-1][100:] == 100).all()


def test_an_unknown_key_does_nothing() -> None:
    sink, screen, clock = display()
    sink.put(frame())
    before = len(screen.pictures)
    assert press(sink, screen, clock, "x", "%")
    assert len(screen.pictures) <= before + 1
