"""Real servers of network cameras: MJPEG over HTTP by ffmpeg, RTSP by GStreamer."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from support.rtsp_server import PASSWORD, USER

PYTHON = "/usr/bin/python3"
WAIT_S = 20.0
_NEEDED = "import gi; gi.require_version('GstRtspServer', '1.0')\nfrom gi.repository import Gst\n" \
    "Gst.init(None); raise SystemExit(not all(map(Gst.ElementFactory.find, ['x264enc', " \
    "'rtph264pay', 'videotestsrc'])))"  # fmt: skip


class CameraServer:
    """A server at one port, which can be killed, stopped and started again."""

    def __init__(self, scheme: str, port: int) -> None:
        self.port = port
        self.url = f"{scheme}://{USER}:{PASSWORD}@127.0.0.1:{port}/cam?token=t0ken-of-anna"
        self.command = _ffmpeg(port) if scheme == "http" else [PYTHON, _SERVER, str(port)]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, and wait until its port is open."""
        self._process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        ends_s = time.monotonic() + WAIT_S
        while not _listens(self.port):
            assert time.monotonic() < ends_s, "the server did not start"
            assert self._process.poll() is None, "the server has ended"
            time.sleep(0.05)  # the system does not tell

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it, as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


_SERVER = str(Path(__file__).with_name("rtsp_server.py"))


def _listens(port: int) -> bool:
    """Look into the table of the system: a connection would be the one client of ffmpeg."""
    wanted = f"0100007F:{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1] == wanted and line.split()[3] == "0A" for line in lines)


def _ffmpeg(port: int) -> Sequence[str]:
    return [
        "ffmpeg", "-loglevel", "quiet", "-re", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=20",
        "-c:v", "mjpeg", "-f", "mpjpeg", "-listen", "1", f"http://127.0.0.1:{port}/cam",
    ]  # fmt: skip


@cache
def _has_rtsp() -> bool:
    if not os.path.exists(PYTHON):
        return False
    return subprocess.run([PYTHON, "-c", _NEEDED], capture_output=True).returncode == 0


def camera_server(scheme: str, port: int) -> CameraServer:
    """Start a server, or skip the test visibly."""
    if scheme == "http" and shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg: apt-get install ffmpeg")
    if scheme == "rtsp" and not _has_rtsp():
        pytest.skip(
            "no RTSP server: apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi "
            "gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly"
        )
    return CameraServer(scheme, port)


def port_of(address: str) -> int:
    """Return the port of a free address."""
    port = int(address.rpartition(":")[2])
    with socket.socket() as free:
        free.bind(("127.0.0.1", port))
    return port
