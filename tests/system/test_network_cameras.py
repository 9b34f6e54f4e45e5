"""Network cameras: real servers, killed, stopped and started again in mid-stream."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from rankcast_receiver import Subscriber
from support.camera_servers import CameraServer, camera_server, port_of
from support.fakes import free_address
from support.processes import WAIT_S, Rankcast, rankcast, read_report
from support.rtsp_server import PASSWORD

pytestmark = pytest.mark.slow

TOKEN = "t0ken-of-anna"


@contextmanager
def station(scheme: str, folder: Path) -> Iterator[tuple[CameraServer, Rankcast, Subscriber]]:
    """Run a server, a sender and a viewer; nothing may show the credentials."""
    server, address = camera_server(scheme, port_of(free_address())), free_address()
    with (
        rankcast("send", "--bind", address, "--verbose", "--codec", "jpeg",
                 "--report", str(folder / "report.json"),
                 RANKCAST_SEND__CAMERA__SOURCE=f"{server.url}&timeout_s=2") as sender,
        Subscriber(address, timeout_s=WAIT_S) as subscriber,
    ):  # fmt: skip
        try:
            yield server, sender, subscriber
            sender.signal(signal.SIGTERM)
            assert sender.wait() == 0, sender.lines
        finally:
            server.kill()
    report = (folder / "report.json").read_text()
    for secret in (PASSWORD, TOKEN):
        assert secret not in report
        assert not [line for line in sender.lines if secret in line]
    assert read_report(folder / "report.json")["balanced"]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_a_server_that_is_killed_and_started_again_is_watched_again(
    scheme: str, tmp_path: Path
) -> None:
    with station(scheme, tmp_path) as (server, sender, subscriber):
        frames = iter(subscriber)
        first = [next(frames) for _ in range(10)]
        assert {frame.pixels.shape for frame in first} == {(240, 320, 3)}
        assert any((a.pixels != b.pixels).any() for a, b in pairwise(first))
        process = psutil.Process(sender.process.pid)
        assert not [
            word
            for one in (process, *process.children(recursive=True))
            for word in one.cmdline()
            if PASSWORD in word or TOKEN in word
        ]
        server.kill()
        sender.wait_line("next try in")
        server.start()
        after = len(sender.lines)
        sender.wait_new_line("cam: live", after)
        last = next(frames)
        while last.frame <= first[-1].frame or last.pixels.shape != (240, 320, 3):
            last = next(frames)
        status = f"{scheme}://127.0.0.1:{server.port}/cam FFMPEG 320x240"
    assert read_report(tmp_path / "report.json")["source"].startswith(status)


@pytest.mark.parametrize("scheme", ["http", pytest.param("rtsp", marks=pytest.mark.slow)])
def test_a_server_that_hangs_is_a_failure_within_its_time_out(scheme: str, tmp_path: Path) -> None:
    with station(scheme, tmp_path) as (server, sender, subscriber):
        next(iter(subscriber))
        server.signal(signal.SIGSTOP)
        line = sender.wait_line("next try in")
        assert "delivered no frame" in line or "a read has not returned" in line
        server.signal(signal.SIGCONT)
        server.kill()
        server.start()
        sender.wait_new_line("cam: live", len(sender.lines))


@pytest.mark.parametrize(
    ("change", "words"),
    [((PASSWORD, "wr0ng-word"), "401 (Unauthorized)"), (("/cam", "/other"), "404 (Not Found)")],
)
def test_why_a_server_refuses_is_in_the_log(change: tuple[str, str], words: str) -> None:
    server = camera_server("rtsp", port_of(free_address()))
    try:
        with rankcast("send", "--source", server.url.replace(*change), "--bind", free_address(),
                      "--set", "camera.retry=false") as sender:  # fmt: skip
            assert sender.wait() == 1
            assert "check address, path, user name and password" in sender.lines[-1]
            assert words in sender.lines[-1]
            assert not [line for line in sender.lines if "w0rd" in line or "0ng-word" in line]
    finally:
        server.kill()
