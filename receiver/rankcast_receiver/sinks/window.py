"""Window: an OpenCV window, or a clear error if none can be opened."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.errors import SinkError
from rankcast.opencv import cv2
from rankcast.python_process import python_command

log = logging.getLogger(__name__)

_ADVICE: Final = "use --save DIR, or a desktop and an OpenCV build with windows (opencv-python)"
_PROBE_TIMEOUT_S: Final = 20.0
_KEY_Q: Final = ord("q")
_KEY_ESC: Final = 27

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
        flags = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
        try:
            cv2.namedWindow(title, flags)
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

    def quit_pressed(self) -> bool:
        """Handle pending window events; return True if q or Esc was pressed."""
        key = cv2.pollKey()
        return key >= 0 and key & 0xFF in (_KEY_Q, _KEY_ESC)

    def close(self) -> None:
        """Close the window; may be called twice."""
        if self.is_open():
            cv2.destroyWindow(self._title)
            cv2.pollKey()  # some toolkits close only while events are handled
        self._open = False


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
    probe = "import cv2; cv2.namedWindow('Rankcast'); cv2.destroyAllWindows()"
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
