"""An X server without a monitor: a window on it is pressed and looked at."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

WIDTH, HEIGHT = 1280, 800
WAIT_S = 45.0
TOOLS = ("Xvfb", "xdotool", "ffmpeg")


class XScreen:
    """The screen; `folder` keeps the pictures taken of it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder
        self._window = ""

    def picture(self) -> NDArray[np.uint8]:
        """Return what is on the screen, (H, W, 3), BGR."""
        done = subprocess.run(
            ["ffmpeg", "-loglevel", "error", "-f", "x11grab", "-draw_mouse", "0",
             "-video_size", f"{WIDTH}x{HEIGHT}", "-i", self.name, "-frames:v", "1",
             "-f", "rawvideo", "-pix_fmt", "bgr24", "-"],
            capture_output=True, timeout=WAIT_S, check=True,
        )  # fmt: skip
        return np.frombuffer(done.stdout, np.uint8).reshape(HEIGHT, WIDTH, 3)

    def wait(self, what: str, seen: Callable[[NDArray[np.uint8]], object]) -> NDArray[np.uint8]:
        """Look until a picture is right; return and keep it."""
        ends = time.monotonic() + WAIT_S
        while True:
            picture = self.picture()
            right = seen(picture)
            if right or time.monotonic() > ends:
                cv2.imwrite(str(self._folder / f"{what.replace(' ', '-')}.png"), picture)
                assert right, f"never seen on the screen: {what}"
                return picture

    def wait_window(self) -> None:
        """Wait for the window of Rankcast."""
        ends = time.monotonic() + WAIT_S
        while not self._window:
            assert time.monotonic() < ends, "there is no window"
            found = self._tool("search", "--onlyvisible", "--name", "^Rankcast$")
            self._window = found.split()[-1] if found else ""

    def size(self) -> tuple[int, int]:
        """Return width and height of the window."""
        shown = self._tool("getwindowgeometry", "--shell", self._window)
        values = dict(line.split("=") for line in shown.split())
        return int(values["WIDTH"]), int(values["HEIGHT"])

    def press(self, *keys: str) -> None:
        """Press keys in the window, slower than it looks for them."""
        self._tool("windowfocus", self._window, "key", "--delay", "250", *keys)

    def click(self, x: int, y: int, times: int = 1) -> None:
        """Click at a pixel of the screen."""
        self._tool("mousemove", str(x), str(y), "click", "--repeat", str(times), "1")

    def _tool(self, *words: str) -> str:
        return subprocess.run(
            ["xdotool", *words],
            env={"DISPLAY": self.name}, capture_output=True, text=True, timeout=WAIT_S, check=False,
        ).stdout  # fmt: skip


@contextmanager
def x_screen(folder: Path, *, window_manager: bool = False) -> Iterator[XScreen]:
    """Start an X server, with a window manager if wanted; skip the test where they are missing."""
    tools = [*TOOLS, *(["openbox"] if window_manager else [])]
    if missing := [tool for tool in tools if shutil.which(tool) is None]:
        pytest.skip(f"{' and '.join(missing)} not installed: the real window is not tested")
    # Without -noreset it would start anew, and refuse clients meanwhile, when one leaves it empty.
    command = ["Xvfb", "-displayfd", "1", "-nolisten", "tcp", "-noreset", "-screen", "0",
               f"{WIDTH}x{HEIGHT}x24"]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None
            name = f":{server.stdout.readline().strip()}"
            if not window_manager:
                yield XScreen(name, folder)
                return
            with subprocess.Popen(
                ["openbox"], env={"DISPLAY": name, "HOME": str(folder)}, stderr=subprocess.DEVNULL
            ) as manager:
                try:
                    yield XScreen(name, folder)
                finally:
                    manager.terminate()
        finally:
            server.terminate()


def amber(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where the window writes about itself."""
    found: NDArray[np.bool_] = (
        (picture[:, :, 0] < 40) & (abs(picture[:, :, 1].astype(int) - 200) < 25)
    ) & (picture[:, :, 2] > 225)
    return found
