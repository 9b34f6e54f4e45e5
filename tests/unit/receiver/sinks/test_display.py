"""The display sink: pictures converted for a screen, the text over them, the window itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import rankcast
import rankcast_receiver
from rankcast.errors import SinkError
from rankcast.frame import Coding, Frame
from rankcast_receiver.sinks import Sink
from rankcast_receiver.sinks.display import DisplaySink
from rankcast_receiver.sinks.overlay import OverlayText, draw_overlay, screen_picture
from rankcast_receiver.sinks.tile import describe_coding
from rankcast_receiver.sinks.window import Window, _probe_reason, check_screen
from rankcast_receiver.state import STALE_S, CameraState, State

START_NS = 7_000_000_000_000


def picture(pixels: NDArray[Any], **changes: Any) -> NDArray[np.uint8]:
    return screen_picture(Frame(pixels, **changes), 1600, 900).pixels


class FakeScreen:
    """A window that records what is shown."""

    def __init__(self) -> None:
        self.pictures: list[NDArray[np.uint8]] = []
        self.sizes: list[tuple[int, int]] = []
        self.open = True
        self.quit = False
        self.polls = 0

    def resize(self, width: int, height: int) -> None:
        self.sizes.append((width, height))

    def show(self, picture: NDArray[np.uint8]) -> None:
        self.pictures.append(picture)

    def is_open(self) -> bool:
        return self.open

    def quit_pressed(self) -> bool:
        self.polls += 1
        return self.quit

    def close(self) -> None:
        self.open = False


class Clock:
    """Both clocks of the display, set by the test."""

    def __init__(self) -> None:
        self.t_s = 100.0

    def now_s(self) -> float:
        return self.t_s

    def now_ns(self) -> int:
        return START_NS + round((self.t_s - 100) * 1e9)


def display(*states: CameraState) -> tuple[DisplaySink, FakeScreen, Clock]:
    screen, clock = FakeScreen(), Clock()
    sink = DisplaySink(screen, states=lambda: states, now_s=clock.now_s, now_ns=clock.now_ns)
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


def overlay(sink: DisplaySink, camera: str = "cam") -> OverlayText:
    states = {state.camera: state for state in sink._states()}
    return sink._tiles[camera].text(sink._now_s(), sink._now_ns(), states.get(camera))


def test_eight_bit_colour_and_grey_are_shown_unchanged() -> None:
    colour = np.random.default_rng(1).integers(0, 256, (500, 600, 3), np.uint8)
    assert np.array_equal(picture(colour), colour)
    grey = np.ascontiguousarray(colour[:, :, 0])
    assert np.array_equal(picture(grey), np.repeat(grey[:, :, None], 3, axis=2))
    assert np.array_equal(picture(grey[:, :, None]), picture(grey))


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_sixteen_bits_are_scaled_by_their_significant_bits(bits: int) -> None:
    pixels = np.zeros((500, 600), np.uint16)
    pixels[:, 300:] = (1 << bits) - 1
    shown = picture(pixels, significant_bits=0 if bits == 16 else bits)
    assert shown.dtype == np.uint8
    assert (shown[0, 0, 0], shown[0, -1, 0]) == (0, 255)


def test_few_significant_bits_of_eight_are_scaled_too() -> None:
    shown = picture(np.full((500, 600), 15, np.uint8), significant_bits=4)
    assert shown[0, 0, 0] == 255


@pytest.mark.parametrize(
    ("cfa", "corner"), [("RGGB", (0, 0)), ("BGGR", (1, 1)), ("GRBG", (0, 1)), ("GBRG", (1, 0))]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_red_scene_under_any_mosaic_is_shown_red(
    cfa: str, corner: tuple[int, int], dtype: type
) -> None:
    mosaic = np.zeros((500, 600), dtype)
    mosaic[corner[0] :: 2, corner[1] :: 2] = np.iinfo(dtype).max
    blue, green, red = picture(mosaic, cfa=cfa)[250, 300]
    assert (blue, green, red) == (0, 0, 255)


def test_a_mosaic_too_small_to_demosaic_is_shown_as_grey() -> None:
    assert picture(np.full((2, 2), 9, np.uint8), cfa="RGGB").max() == 9


@pytest.mark.parametrize(("channels", "shown"), [(2, (0, 0, 0)), (4, (0, 1, 2)), (64, (0, 1, 2))])
def test_other_channel_counts_show_the_first(channels: int, shown: tuple[int, ...]) -> None:
    pixels = np.broadcast_to(np.arange(channels, dtype=np.uint8), (500, 600, channels)).copy()
    assert tuple(picture(pixels)[3, 3]) == shown


@pytest.mark.parametrize(
    ("shape", "want"),
    [
        ((1080, 1920), (900, 1600)),
        ((3000, 1000), (900, 300)),
        ((65_535, 1), (900, 1)),
        ((1, 1), (480, 480)),
        ((40, 50), (400, 500)),
        ((480, 640), (480, 640)),
    ],
)
def test_pictures_fit_the_screen(shape: tuple[int, int], want: tuple[int, int]) -> None:
    assert picture(np.zeros(shape, np.uint8)).shape == (*want, 3)


def test_the_overlay_is_drawn_on_a_copy_and_says_stale_in_red() -> None:
    grey = np.full((300, 640, 3), 100, np.uint8)
    calm = draw_overlay(grey, OverlayText(("cam #1", "svd")))
    alarm = draw_overlay(grey, OverlayText(("cam #1", "svd"), stale="STALE 2.0 s"))
    assert (grey == 100).all()
    assert (calm.max(axis=2) - calm.min(axis=2)).max() == 0, "white on grey has no colour"
    assert tuple(alarm[-1, 5]) == (64, 64, 255)
    red = (alarm[:, :, 2] > 200) & (alarm[:, :, 0] < 100)
    assert red[3:-3, 3:-3].sum() > 50, "the text itself"
    assert calm[:40].max() > 230, "white text at the top"
    assert (calm[150:] == 100).all(), "the picture below is untouched"


def test_long_warnings_are_wrapped_and_stay_on_the_picture() -> None:
    grey = np.full((300, 640, 3), 100, np.uint8)
    short = draw_overlay(grey, OverlayText(("cam",), stale="STALE 2.0 s"))
    long = draw_overlay(grey, OverlayText(("cam",), stale="STALE 2.0 s: " + "many words " * 30))
    darkened = [int((picture[:, 600].max(axis=1) < 60).sum()) for picture in (short, long)]
    assert darkened[1] > darkened[0], "more lines, and a larger band behind them"
    assert (long[200:295, 5:635] == 100).all(), "three lines at most"


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 900, 3), (900, 1, 3)])
def test_the_overlay_accepts_pictures_too_small_for_text(shape: tuple[int, ...]) -> None:
    assert draw_overlay(np.zeros(shape, np.uint8), OverlayText(("x",), "y")).shape == shape


def test_the_text_has_rates_codec_rank_quality_and_age() -> None:
    sink, screen, clock = display()
    for sequence in range(21):
        sink.put(frame(sequence, age_ms=45 - sequence * 50))
        clock.t_s += 0.05
    clock.t_s -= 0.05
    assert overlay(sink) == OverlayText(
        ("cam #20   20.0 fps   20.00 Mbit/s", "svd  rank 51  38.2 dB   age 45 ms")
    )
    assert sink.shown == 21
    assert screen.sizes == [(640, 90)]
    assert len(screen.pictures) == 22, "one while waiting and one a frame"


def test_rates_forget_what_is_older_than_the_window() -> None:
    sink, _, clock = display()
    sink.put(frame(0, coding=Coding("svd", 10**9)))
    for sequence in range(1, 12):
        clock.t_s += 1.0
        sink.put(frame(sequence))
    assert "1.0 fps   1.00 Mbit/s" in overlay(sink).lines[0]
    assert len(sink._tiles["cam"]._arrivals) <= 4


def test_a_frame_without_a_successor_turns_stale_and_its_age_grows() -> None:
    sink, screen, clock = display()
    sink.put(frame())
    clock.t_s += 0.95 * STALE_S
    assert overlay(sink).stale == ""
    clock.t_s += 1.55
    assert overlay(sink) == OverlayText(
        ("cam #0   -- fps   -- Mbit/s", "svd  rank 51  38.2 dB   age 2545 ms"), stale="STALE 2.5 s"
    )
    before = len(screen.pictures)
    assert sink.idle()
    assert len(screen.pictures) == before + 1
    assert tuple(screen.pictures[-1][-1, 5]) == (64, 64, 255)
    sink.put(frame(1, age_ms=45 - 2500))
    assert overlay(sink).stale == ""


@pytest.mark.parametrize("state", [State.LIVE, State.STALE])
def test_a_frame_that_is_old_on_arrival_is_never_shown_as_live(state: State) -> None:
    sink, _, _ = display(CameraState("cam", "tcp://10.0.0.5:5555", state, "frames come late"))
    sink.put(frame(age_ms=1400))
    assert overlay(sink).stale.startswith("STALE 1.4 s")
    sink.put(frame(1, age_ms=1400, clock_error_ns=600_000_000))
    assert overlay(sink).stale == ("" if state is State.LIVE else "STALE 0.0 s: frames come late")


def test_idle_is_cheap_when_called_too_often() -> None:
    sink, screen, clock = display()
    for _ in range(1000):
        assert sink.idle()
        clock.t_s += 0.001
    assert screen.polls <= 51
    assert len(screen.pictures) <= 12


def test_a_frame_from_the_future_shows_that_the_clocks_differ() -> None:
    sink, _, _ = display()
    sink.put(frame(age_ms=-300))
    assert overlay(sink).lines[1].endswith("age clock?")
    sink.put(frame(1, t_capture_here_ns=None))
    assert overlay(sink).lines[1].endswith("age unknown (clock not synchronised)")


def test_an_age_from_a_measured_clock_has_its_error_bar() -> None:
    sink, _, _ = display()
    sink.put(frame(clock_error_ns=2_300_000))
    assert overlay(sink).lines[1].endswith("age 45 +-2.3 ms")
    sink.put(frame(1, age_ms=-2, clock_error_ns=2_300_000))
    assert overlay(sink).lines[1].endswith("age 0 +-2.3 ms"), (
        "within the error the clock is not wrong"
    )


@pytest.mark.parametrize(
    ("state", "detail", "after_s", "want"),
    [
        (State.LIVE, "", 0.1, ""),
        (State.STALE, "a frame was lost, waiting for a key frame", 0.1,
         "STALE 0.1 s: a frame was lost, waiting for a key frame"),
        (State.SENDER_DEAD, "the sender is gone", 1.2,
         "STALE 1.2 s: sender dead: the sender is gone"),
        (State.CAMERA_DEAD, "", 3.0, "STALE 3.0 s: camera dead"),
        (State.FROZEN, "cam repeats one picture", 0.1, "FROZEN: cam repeats one picture"),
        (State.WAITING_FOR_TRIGGER, "the sender responds, cam is waiting", 30.0, ""),
        (State.ENDED, "", 0.5, ""),
        (State.ENDED, "", 5.0, "ENDED 5 s ago"),
    ],
)  # fmt: skip
def test_a_problem_is_shown_in_red_over_the_last_frame(
    state: State, detail: str, after_s: float, want: str
) -> None:
    sink, _, clock = display(CameraState("cam", "tcp://10.0.0.5:5555", state, detail))
    sink.put(frame())
    clock.t_s += after_s
    assert overlay(sink).stale == want


def test_a_wait_for_a_trigger_is_shown_and_nothing_is_stale() -> None:
    waiting = CameraState("cam", "tcp://10.0.0.5:5555", State.WAITING_FOR_TRIGGER)
    sink, _, clock = display(waiting)
    sink.put(frame())
    clock.t_s += 42.5
    assert overlay(sink).lines[-1] == "waiting for trigger, 42.5 s so far"
    live = CameraState("cam", "tcp://10.0.0.5:5555", State.LIVE, stale_after_s=float("inf"))
    sink, _, clock = display(live)
    sink.put(frame())
    clock.t_s += 42.5
    assert overlay(sink).stale == "", "the state is a moment older than the text"


def test_before_the_first_frame_the_window_shows_the_problem() -> None:
    state = CameraState("", "tcp://10.0.0.5:5555", State.KEY_REFUSED, "unknown key")
    _, plain, _ = display()
    _, told, _ = display(state)
    assert not np.array_equal(plain.pictures[0], told.pictures[0])


def test_several_cameras_are_shown_side_by_side_each_with_its_own_text() -> None:
    dead = CameraState("right", "tcp://10.0.0.5:5555", State.CAMERA_DEAD)
    sink, screen, clock = display(dead)
    sink.put(frame(camera="right"))
    sink.put(frame(camera="left", pixels=np.full((90, 640, 3), 50, np.uint8)))
    clock.t_s += 0.5
    sink.put(frame(1, camera="left", pixels=np.full((90, 640, 3), 60, np.uint8)))
    shown = screen.pictures[-1]
    assert shown.shape == (90, 1280, 3)
    assert screen.sizes == [(640, 90), (1280, 90)]
    assert tuple(shown[85, 100]) == (60, 60, 60)
    assert tuple(shown[85, 740]) == (200, 200, 200)
    assert tuple(shown[-1, 645]) == (64, 64, 255), "the dead one has its red frame"
    assert tuple(shown[-1, 5]) == (60, 60, 60), "the live one has none"
    sink.put(frame(camera="third"))
    assert screen.pictures[-1].shape == (180, 1280, 3)


@pytest.mark.parametrize(
    ("coding", "want"),
    [
        (None, "not coded"),
        (Coding("raw", 1, psnr_db=float("inf")), "raw  lossless"),
        (Coding("jpeg", 1), "jpeg"),
        (Coding("svd", 1, rank=(5, 4, 4), psnr_db=30.0), "svd  rank 5/4  30.0 dB"),
    ],
)
def test_the_coding_in_a_few_words(coding: Coding | None, want: str) -> None:
    assert describe_coding(frame(coding=coding)) == want


def test_q_and_closing_the_window_stop_the_receiver() -> None:
    sink, screen, clock = display()
    assert sink.idle()
    clock.t_s += 1
    screen.quit = True
    assert not sink.idle()
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
    sink, screen, _ = display()
    sink.put(frame())
    sink.put(frame(1, pixels=np.zeros((600, 800), np.uint8)))
    assert screen.sizes == [(640, 90), (800, 600)]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a screen")
def test_no_display_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    with pytest.raises(SinkError, match=r"DISPLAY is not set; use --save DIR") as caught:
        DisplaySink()
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a screen")
def test_a_display_that_does_not_answer_does_not_end_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DISPLAY", ":4711")
    with pytest.raises(SinkError, match=r"no window can be opened: .*use --save DIR") as caught:
        check_screen()
    assert "\n" not in str(caught.value)


def test_an_opencv_without_windows_is_named() -> None:
    stderr = (
        "Traceback (most recent call last):\n"
        "cv2.error: error: (-2:Unspecified error) The function is not implemented. Rebuild the "
        "library with Windows, GTK+ 2.x or Cocoa support."
    )
    assert _probe_reason(stderr) == "this OpenCV was built without windows"


WINDOW_SCRIPT = """
import subprocess, sys, time
import numpy as np
from rankcast.frame import Frame
from rankcast_receiver.sinks.display import DisplaySink
sink = DisplaySink()
sink.put(Frame(np.full((500, 600, 3), 99, np.uint8), camera="cam"))
def idle_until(end_s):
    while time.monotonic() < end_s:
        if not sink.idle():
            return False
    return True
assert idle_until(time.monotonic() + 0.3), "ended by itself"
found = subprocess.run(["xdotool", "search", "--name", "Rankcast"], capture_output=True, text=True)
window = found.stdout.split()[-1]
size = subprocess.run(["xdotool", "getwindowgeometry", window], capture_output=True, text=True)
print(size.stdout)
subprocess.run(["xdotool", "windowfocus", window, "key", sys.argv[1]], check=True)
assert not idle_until(time.monotonic() + 5.0), "the key did not end it"
sink.close()
sink.put(Frame(np.zeros((30, 40), np.uint8)))
sink.close()
print("ended")
"""


@pytest.mark.skipif(
    not (shutil.which("xvfb-run") and shutil.which("xdotool")),
    reason="xvfb-run and xdotool are not installed: the real window is not tested",
)
@pytest.mark.parametrize("key", ["q", "Escape"])
def test_the_real_window_opens_shows_and_ends_on_a_key(key: str) -> None:
    rooms = [Path(module.__file__).resolve().parents[1] for module in (rankcast, rankcast_receiver)]
    done = subprocess.run(
        ["xvfb-run", "-a", sys.executable, "-c", WINDOW_SCRIPT, key],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, rooms))},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    if "built without windows" in done.stderr:
        pytest.skip("this OpenCV was built without windows")
    assert done.returncode == 0, done.stderr
    assert "ended" in done.stdout
    assert "600x500" in done.stdout


def test_the_window_has_every_method_that_display_calls() -> None:
    wanted = {name for name in vars(FakeScreen) if not name.startswith("_")}
    assert wanted <= set(vars(Window))


def test_only_the_tile_that_changed_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    def draw(picture: NDArray[np.uint8], text: OverlayText) -> NDArray[np.uint8]:
        drawn.append(text.lines[0].split()[0])
        return draw_overlay(picture, text)

    sink, screen, clock = display()
    names = [f"c{number:02d}" for number in range(16)]
    for name in names:
        sink.put(frame(camera=name))
    monkeypatch.setattr("rankcast_receiver.sinks.display.draw_overlay", draw)
    clock.t_s += 0.05
    sink.put(frame(1, camera="c05", pixels=np.full((90, 640, 3), 50, np.uint8)))
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
    sink.put(frame(101, camera="a", pixels=np.full((90, 640, 3), 60, np.uint8)))
    clock.t_s += 0.001
    sink.put(frame(101, camera="b", pixels=np.full((90, 640, 3), 70, np.uint8)))
    assert int(screen.pictures[-1][85, 900, 0]) == 200
    clock.t_s += 0.021
    assert sink.idle()
    assert int(screen.pictures[-1][85, 900, 0]) == 70, "none is left behind"
    assert sink.shown == 104


def test_a_reduced_picture_keeps_its_mean_and_both_ends() -> None:
    ramp = np.tile(np.linspace(0, 255, 4000).astype(np.uint8), (3000, 1))
    shown = picture(ramp)
    assert shown.shape == (900, 1200, 3)
    assert abs(float(shown.mean()) - float(ramp.mean())) < 1
    assert shown[0, 0, 0] <= 1
    assert shown[0, -1, 0] >= 254
