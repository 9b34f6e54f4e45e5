"""Window: an OpenCV window, or a clear error if none can be opened."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.errors import SinkError
from rankcast.opencv import cv2
from rankcast.python_process import python_command
from rankcast_receiver.sinks.display.screen import Click, Drag, Gesture, KeyPress

log = logging.getLogger(__name__)

_ADVICE: Final = "use --save DIR, or a desktop and an OpenCV build with windows (opencv-python)"
_PROBE_TIMEOUT_S: Final = 20.0
_NAMED_KEYS: Final = {
    0x0A: "Enter", 0x0D: "Enter", 0xFF0D: "Enter", 0xFF8D: "Enter",
    0x1B: "Esc", 0xFF1B: "Esc",
    0x20: "Space",
    0xFFAB: "+", 0xFFAD: "-",
}  # fmt: skip
"""Codes of OpenCV, which are characters or keysyms of X11, with bits of modifiers above them."""
_KEYPAD_0: Final = 0xFFB0
MAX_GESTURES: Final = 64
"""Most gestures between two polls; further ones are dropped."""

# The Qt in OpenCV's wheels has no fonts and warns about it at each start; no font is used here.
os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")


class Window:
    """Shows pictures; create and use it only in the main thread.

    Parameters
    ----------
    title : str

    Raises
    ------
    SinkError
        If there is no screen or OpenCV was built without windows.
    """

    def __init__(self, title: str) -> None:
        check_screen()
        self._title = title
        self._mouse: list[Gesture] = []
        self._pressed_at: tuple[int, int] | None = None
        self._after_double = False
        # Not KEEPRATIO: the display draws to the size of the window, and keeps ratios itself.
        flags = cv2.WINDOW_NORMAL | cv2.WINDOW_FREERATIO | cv2.WINDOW_GUI_NORMAL
        try:
            cv2.namedWindow(title, flags)
            cv2.setMouseCallback(title, self._on_mouse)
        except cv2.error as exc:
            raise SinkError(f"no window can be opened: {_reason(exc)}; {_ADVICE}") from exc
        self._open = True

    def resize(self, width: int, height: int) -> None:
        """Set the size in pixels; the user may change it afterwards."""
        if self.is_open():
            cv2.resizeWindow(self._title, width, height)

    def show(self, picture: NDArray[np.uint8]) -> None:
        """Show `picture`, shape (H, W, 3), BGR."""
        # imshow would reopen a window that the user has closed.
        if self.is_open():
            cv2.imshow(self._title, picture)

    def is_open(self) -> bool:
        """Return False once the user or `close` closed the window."""
        if self._open:
            try:
                self._open = cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) > 0
            except cv2.error:  # the last window is gone, and the toolkit with it
                self._open = False
        return self._open

    def area(self) -> tuple[int, int] | None:
        """Return width and height of the part that shows pictures; None if unknown."""
        if not self.is_open():
            return None
        try:
            *_, width, height = cv2.getWindowImageRect(self._title)
        except cv2.error:  # this toolkit does not say
            return None
        return (width, height) if width > 0 and height > 0 else None

    def set_full_screen(self, on: bool) -> None:
        """Fill the screen, or return to a window."""
        if self.is_open():
            wanted = cv2.WINDOW_FULLSCREEN if on else cv2.WINDOW_NORMAL
            cv2.setWindowProperty(self._title, cv2.WND_PROP_FULLSCREEN, wanted)

    def gestures(self) -> Sequence[Gesture]:
        """Handle pending window events; return keys and mouse, in order of their kind."""
        keys: list[Gesture] = []
        while len(keys) < MAX_GESTURES and (code := cv2.pollKey()) >= 0:
            if key := key_name(code):
                keys.append(KeyPress(key))
        mouse, self._mouse = self._mouse, []
        return [*keys, *mouse]

    def close(self) -> None:
        """Close the window; may be called twice."""
        if self.is_open():
            cv2.destroyWindow(self._title)
            cv2.pollKey()  # some toolkits close only while events are handled
        self._open = False

    def _on_mouse(self, event: int, x: int, y: int, flags: int, _: object) -> None:
        """Note a mouse event; called by OpenCV while events are handled, in this thread."""
        if event == cv2.EVENT_LBUTTONDOWN:
            # Qt sends another press after that of a double click.
            if not self._after_double:
                self._note(Click(x, y))
        elif event == cv2.EVENT_LBUTTONDBLCLK:
            self._after_double = True
            self._note(Click(x, y, double=True))
        elif event == cv2.EVENT_LBUTTONUP:
            self._after_double = False
        elif event == cv2.EVENT_RBUTTONDOWN:
            self._pressed_at = (x, y)
            self._note(Drag(x, y, 0, 0))
        elif event == cv2.EVENT_RBUTTONUP or not flags & cv2.EVENT_FLAG_RBUTTON:
            self._pressed_at = None
        elif event == cv2.EVENT_MOUSEMOVE and self._pressed_at is not None:
            from_x, from_y = self._pressed_at
            drag = Drag(from_x, from_y, x - from_x, y - from_y)
            last = self._mouse[-1] if self._mouse else None
            if isinstance(last, Drag) and (last.right or last.down):
                self._mouse.pop()  # the newest position is all that counts
            self._note(drag)

    def _note(self, gesture: Gesture) -> None:
        if len(self._mouse) < MAX_GESTURES:
            self._mouse.append(gesture)


def key_name(code: int) -> str:
    """Return the name of a key as `KeyPress` has it, from OpenCV's code; empty for others."""
    code &= 0xFFFF
    if _KEYPAD_0 <= code <= _KEYPAD_0 + 9:
        return str(code - _KEYPAD_0)
    if code in _NAMED_KEYS:
        return _NAMED_KEYS[code]
    return chr(code).lower() if 0x20 < code < 0x7F else ""


def check_screen() -> None:
    """Raise SinkError unless a window can be opened."""
    if sys.platform != "linux":
        return
    if not os.environ.get("DISPLAY"):
        # OpenCV's wheels support Wayland only through its X server.
        raise SinkError(f"no window can be opened: DISPLAY is not set; {_ADVICE}")
    _choose_qt_platform()
    # Qt aborts the process if the X server refuses or does not answer, which cannot be caught:
    # a child process tries it first.
    probe = "import cv2; cv2.namedWindow('Rankcast tries the screen'); cv2.destroyAllWindows()"
    try:
        done = subprocess.run(
            python_command("-c", probe),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROBE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise SinkError(
            f"no window can be opened: DISPLAY {os.environ['DISPLAY']} did not answer within "
            f"{_PROBE_TIMEOUT_S:.0f} s; {_ADVICE}"
        ) from exc
    if done.returncode:
        raise SinkError(f"no window can be opened: {_probe_reason(done.stderr)}; {_ADVICE}")


def _choose_qt_platform() -> None:
    """Replace a Qt platform that this OpenCV lacks, which would abort the process, by xcb.

    Desktops set QT_QPA_PLATFORM=wayland for all programs; OpenCV's wheels contain only xcb.
    """
    wanted = os.environ.get("QT_QPA_PLATFORM")
    plugins = {path.name for path in _qt_platforms().glob("libq*.so")}
    if not wanted or "libqxcb.so" not in plugins:
        return
    # A list of alternatives, each with its own options: "wayland;xcb:..."
    names = [name.partition(":")[0].strip() for name in wanted.split(";")]
    if not any(f"libq{name}.so" in plugins for name in names):
        log.warning("QT_QPA_PLATFORM=%s is not part of this OpenCV: using xcb", wanted)
        os.environ["QT_QPA_PLATFORM"] = "xcb"


def _qt_platforms() -> Path:
    """Return the folder of the Qt platforms in a wheel of OpenCV; it may not exist."""
    return Path(cv2.__file__).parent / "qt" / "plugins" / "platforms"


def _probe_reason(stderr: str) -> str:
    if "not implemented" in stderr:
        return "this OpenCV was built without windows"
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    # Qt prints the cause first and its plugins after it.
    named = [line for line in lines if "could not connect" in line or "error" in line.lower()]
    cause = (named or lines or ["the window toolkit reported no reason"])[0]
    platform = os.environ.get("QT_QPA_PLATFORM")
    with_platform = f", QT_QPA_PLATFORM {platform}" if platform else ""
    return f"{cause:.200} (DISPLAY {os.environ['DISPLAY']}{with_platform})"


def _reason(exc: Exception) -> str:
    text = " ".join(str(getattr(exc, "err", exc)).split())
    return "this OpenCV was built without windows" if "not implemented" in text else text
