"""The real window, where there is a screen; and what is said where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rankcast
import rankcast_receiver
from rankcast.errors import SinkError
from rankcast_receiver.sinks.display import DisplaySink
from rankcast_receiver.sinks.display.screen import Screen
from rankcast_receiver.sinks.display.window import Window, _probe_reason, check_screen, key_name


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (ord("q"), "q"), (ord("Q"), "q"), (ord("+"), "+"), (ord("="), "="), (ord("?"), "?"),
        (0x20, "Space"), (0x0D, "Enter"), (0x0A, "Enter"), (0x1B, "Esc"),
        (0xFFAB, "+"), (0xFFAD, "-"), (0xFF8D, "Enter"), (0xFFB3, "3"),
        (0x10_0000 | ord("s"), "s"),  # GTK with Num Lock
        (0xFFE1, ""), (0xFF51, ""), (0xE9, ""), (0, ""),
    ],
)  # fmt: skip
def test_keys_have_one_name_on_every_system(code: int, name: str) -> None:
    assert key_name(code) == name


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


def in_window(script: str) -> subprocess.CompletedProcess[str]:
    """Run code on a virtual X server; skip the test where OpenCV has no windows."""
    rooms = [Path(module.__file__).resolve().parents[1] for module in (rankcast, rankcast_receiver)]
    done = subprocess.run(
        ["xvfb-run", "-a", sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, rooms))},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    if "built without windows" in done.stderr:
        pytest.skip("this OpenCV was built without windows")
    return done


WINDOW_SCRIPT = """
import subprocess, time
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
subprocess.run(["xdotool", "windowfocus", window, "key", "Escape"], check=True)
assert idle_until(time.monotonic() + 0.3), "Esc ended it"
subprocess.run(["xdotool", "key", "q"], check=True)
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
def test_the_real_window_opens_shows_and_ends_on_a_key() -> None:
    done = in_window(WINDOW_SCRIPT)
    assert done.returncode == 0, done.stderr
    assert "ended" in done.stdout
    assert "600x500" in done.stdout


MOUSE_SCRIPT = """
import subprocess, time
import numpy as np
from rankcast_receiver.sinks.display.screen import Click, Drag
from rankcast_receiver.sinks.display.window import Window
window = Window("Rankcast")
window.resize(640, 480)
window.show(np.zeros((480, 640, 3), np.uint8))
def after(*words):
    subprocess.run(["xdotool", *words], check=True)
    found, ends = [], time.monotonic() + 1.0
    while time.monotonic() < ends:
        found += window.gestures()
        time.sleep(0.01)
    return found
after("mousemove", "5", "5")
assert window.area() == (640, 480), window.area()
found = after("mousemove", "100", "200", "click", "1")
assert found == [Click(100, 200)], found
found = after("click", "--repeat", "2", "--delay", "60", "1")
assert found in (
    [Click(100, 200), Click(100, 200, double=True)], [Click(100, 200, double=True)] * 2,
), found
found = after("mousemove", "300", "300", "mousedown", "3", "mousemove", "350", "320",
              "mouseup", "3", "mousemove", "10", "10")
assert found[0] == Drag(300, 300, 0, 0), found
assert found[-1] == Drag(300, 300, 50, 20), found
window.close()
assert window.area() is None
window.close()
print("ended")
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("xvfb-run") and shutil.which("xdotool")),
    reason="xvfb-run and xdotool are not installed: the real window is not tested",
)
def test_clicks_and_drags_of_the_real_window_name_its_pixels() -> None:
    done = in_window(MOUSE_SCRIPT)
    assert done.returncode == 0, done.stderr
    assert "ended" in done.stdout


def test_the_window_has_every_method_that_display_calls() -> None:
    wanted = {name for name in vars(Screen) if not name.startswith("_")}
    assert wanted <= set(vars(Window))
