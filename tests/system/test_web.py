"""The web address of a receiver, with real processes: what a page gets is what was sent."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest

from rankcast.images import read_image
from rankcast.wire import Kind, unpack
from support.fakes import free_address
from support.processes import rankcast
from support.sabotage import sabotaged
from support.web_page import WebPage, deaf_page, wait_until
from support.web_station import SOURCE, WebStation


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_page_decodes_the_very_pictures_that_another_receiver_saves(
    stack: ExitStack, tmp_path: Path
) -> None:
    station = WebStation(stack)
    saver = stack.enter_context(
        rankcast("receive", "--connect", station.address, "--save", str(tmp_path))
    )
    saver.wait_frames()
    with WebPage(station.url) as page:
        page.watch("cam")
        frames = {frame.sequence: frame for frame in page.frames(60)}
    saver.stop(signal.SIGTERM)
    compared = 0
    for path in tmp_path.glob("cam_*.png"):
        frame = frames.get(int(path.name.split("_")[1]))
        if frame is not None:
            assert np.array_equal(read_image(path), frame.pixels)
            compared += 1
    assert compared >= 30


@pytest.mark.slow
def test_a_camera_that_comes_after_the_page_asked_for_it_is_sent(stack: ExitStack) -> None:
    address = free_address()
    receiver = stack.enter_context(
        rankcast("receive", "--connect", address, "--web", "127.0.0.1:0")
    )
    with WebPage(receiver.wait_line("web address: ").rpartition(" ")[2]) as page:
        page.watch("cam", "none")
        page.send(type="ping", t0=1)
        page.text_of("pong")
        stack.enter_context(rankcast("send", "--source", SOURCE, "--bind", address))
        assert len(list(page.frames(5))) == 5


@pytest.mark.slow
def test_a_page_that_joins_late_begins_with_a_reference_where_no_key_frame_comes(
    stack: ExitStack,
) -> None:
    never = (
        "--set",
        "codec.svd-patch.gop=100000",
        "--set",
        "codec.svd-patch.keyframe_interval_s=0",
    )
    station = WebStation(
        stack, "--set", "network.control=false", sender=never,
        source="synthetic:conveyor?width=64&height=48&fps=60",
    )  # fmt: skip
    wait_until(lambda: station.camera().get("received", 0) > 120)
    with WebPage(station.url) as page:
        page.watch("cam")
        _, data = next(page.packets())
        assert unpack(data).header.kind is Kind.REFERENCE
        page.restart("cam")
        frames = list(page.frames(40))
    sequences = [frame.sequence for frame in frames]
    assert sequences == sorted(sequences)


@pytest.mark.slow
def test_a_killed_sender_is_stale_within_two_seconds_and_comes_back(stack: ExitStack) -> None:
    station = WebStation(stack)
    station.wait_live()
    with WebPage(station.url) as page:
        page.watch("cam")
        before = list(page.frames(5))[-1]
        station.sender.process.kill()
        killed_s = time.monotonic()
        while page.cameras.get("cam", {}).get("live", True):
            message = page.text_of("cameras")
            page.cameras = {camera["name"]: camera for camera in message["cameras"]}
        assert time.monotonic() - killed_s < 2.0
        station.start_sender()
        after = next(iter(page.frames(1)))
        assert after.stream_id != before.stream_id
        list(page.frames(20))
    station.wait_live()


@pytest.mark.slow
def test_a_page_that_does_not_read_slows_none_of_seven_others(stack: ExitStack) -> None:
    station = WebStation(stack, source="synthetic:conveyor?width=320&height=240&fps=15")
    station.wait_live()
    stack.enter_context(deaf_page(station.url, "cam"))
    pages = [stack.enter_context(WebPage(station.url)) for _ in range(7)]
    for page in pages:
        page.watch("cam")
    seen: list[list[int]] = [[] for _ in pages]
    for _ in range(45):
        for page, sequences in zip(pages, seen, strict=True):
            sequences.extend(frame.sequence for frame in page.frames(1))
    for page, sequences in zip(pages, seen, strict=True):
        late = sequences[20:]
        assert late == list(range(late[0], late[0] + len(late)))
        assert page.skipped == 0
    last = {sequences[-1] for sequences in seen}
    assert max(last) - min(last) <= 3


def test_it_stops_within_two_seconds_with_everybody_connected(stack: ExitStack) -> None:
    station = WebStation(
        stack, source="synthetic:conveyor?width=640&height=480&fps=10",
        sender=("--codec", "raw"),
    )  # fmt: skip
    station.wait_live()
    page = stack.enter_context(WebPage(station.url))
    page.watch("cam")
    deaf = stack.enter_context(deaf_page(station.url, "cam"))
    process = psutil.Process(station.receiver.process.pid)
    before_bytes = process.memory_info().rss
    assert len(list(page.frames(15))) == 15
    # One packet of 0.9 MB is in the kernel and the buffer of the socket, up to 4 MB wait.
    assert process.memory_info().rss - before_bytes < 48e6
    where = urlsplit(station.url)
    with socket.create_connection((where.hostname, where.port)) as mjpeg:
        mjpeg.sendall(b"GET /api/cameras/cam/stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert mjpeg.recv(4096).startswith(b"HTTP/1.1 200")
        assert station.receiver.stop(signal.SIGTERM) == 0
    assert not [line for line in station.receiver.lines if "Traceback" in line or "ERROR" in line]
    deaf.close()


@pytest.mark.slow
def test_a_failure_of_the_server_ends_the_receiver_with_its_reason(
    stack: ExitStack, tmp_path: Path
) -> None:
    broken = sabotaged(
        tmp_path,
        "rankcast_receiver.web.live.feed:CameraFeed.add",
        "def fail(*_):\n    raise RuntimeError('what nobody thought of')\nreturn fail",
    )
    address = free_address()
    stack.enter_context(rankcast("send", "--source", SOURCE, "--bind", address))
    receiver = stack.enter_context(
        rankcast("receive", "--connect", address, "--web", "127.0.0.1:0", **broken)
    )
    assert receiver.wait() != 0
    assert "what nobody thought of" in receiver.lines[-1]
