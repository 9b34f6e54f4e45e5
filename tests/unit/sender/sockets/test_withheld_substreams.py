"""Substreams over real sockets: nobody gets one, or makes it encode, without asking for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from rankcast.net import (
    CurveClient,
    Role,
    SocketOptions,
    authorize,
    client_keys,
    configure,
    new_key,
)
from rankcast.wire import frames_topic, keeper_topic, split_message, status_topic, viewer_topic
from rankcast_sender import Publisher
from rankcast_sender.sender_sockets import SenderOptions, SenderSockets
from support.fakes import free_address

STREAMS = ("line3", "line3.sub", "line3.tiny", "line4", "line4.sub")
WAIT_S = 10.0
QUIET_S = 0.4
TOKEN = bytes(range(16))
PICTURE = np.zeros((16, 16), np.uint8)


class Station:
    """A sender of two cameras with substreams, with keys or without."""

    def __init__(self, folder: Path, stack: ExitStack, *, keys: bool) -> None:
        self._stack = stack
        self.address = free_address()
        self.curves: dict[str, CurveClient | None] = {"anna": None, "boss": None}
        options = SenderOptions(bind=self.address, control="off")
        if keys:
            secret, public = new_key(folder, "cam")
            for name, cameras in (("anna", frozenset({"line3"})), ("boss", None)):
                own, own_public = new_key(folder, name)
                authorize(own_public, folder / "authorized", Role.VIEWER, cameras)
                self.curves[name] = client_keys(own, [public])[0]
            options = SenderOptions(
                bind=self.address, control="off", key=secret, authorized=folder / "authorized"
            )
        sockets = SenderSockets(options)
        self.publishers = {name: Publisher(name=name, codec="raw", sockets=sockets)
                           for name in STREAMS}  # fmt: skip
        stack.callback(sockets.close)
        sockets.start()
        self._context = stack.enter_context(zmq.Context())

    def viewer(self, *topics: bytes, name: str = "boss", kind: int = zmq.XSUB) -> zmq.Socket[Any]:
        socket: zmq.Socket[Any] = self._stack.enter_context(self._context.socket(kind))
        configure(socket, SocketOptions(64, 262_144, 1 << 20, curve=self.curves[name]))
        if kind == zmq.XSUB:
            socket.setsockopt(zmq.SNDHWM, 0)
        socket.connect(self.address)
        for topic in topics:
            if kind == zmq.XSUB:
                socket.send(b"\1" + topic)
            else:
                socket.setsockopt(zmq.SUBSCRIBE, topic)
        return socket

    def viewers(self) -> dict[str, int]:
        return {name: each.viewers for name, each in self.publishers.items() if each.viewers}

    def wait_viewers(self, expected: dict[str, int]) -> None:
        wait(lambda: self.viewers() == expected, self.viewers)

    def seen(self, socket: zmq.Socket[Any]) -> set[tuple[str, str]]:
        """Publish a picture of each watched stream, and return what arrives until nothing does."""
        for publisher in self.publishers.values():
            publisher.send(PICTURE)
        seen = set()
        until = time.monotonic() + QUIET_S
        while (left_s := until - time.monotonic()) > 0:
            if socket.poll(round(1000 * left_s)):
                name, channel, _ = split_message(memoryview(socket.recv()))
                seen.add((name, channel))
        return {(name, channel) for name, channel in seen if channel == "frames"}


def wait(true: Callable[[], bool], found: Callable[[], object]) -> None:
    until = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < until, found()
        time.sleep(0.01)  # the sampling interval


@pytest.fixture(params=[False, True], ids=["open", "keys"])
def station(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Station]:
    with ExitStack() as stack:
        yield Station(tmp_path, stack, keys=request.param)


@pytest.mark.parametrize(
    ("kind", "topic"),
    [
        (zmq.SUB, b""),
        (zmq.XSUB, b"line"),
        (zmq.SUB, b"line3/frames"),
        (zmq.XSUB, b"line3/frames\0"),
    ],
)
def test_a_prefix_reaches_main_streams_alone(station: Station, kind: int, topic: bytes) -> None:
    viewer = station.viewer(topic, kind=kind)
    reached = {name: 1 for name in ("line3", "line4") if frames_topic(name).startswith(topic)}
    station.wait_viewers(reached)
    assert station.seen(viewer) == {(name, "frames") for name in reached}
    assert station.publishers["line3.sub"].balance().passed == 0


def test_an_older_viewer_of_everything_counts_for_main_streams_alone(station: Station) -> None:
    viewer = station.viewer(b"", viewer_topic(TOKEN, None))
    station.wait_viewers({"line3": 1, "line4": 1})
    assert station.seen(viewer) == {("line3", "frames"), ("line4", "frames")}
    viewer.close()
    station.wait_viewers({})


def test_a_substream_is_had_by_its_whole_topic_and_left_again(station: Station) -> None:
    topics = [frames_topic("line3.sub"), status_topic("line3.sub"), status_topic("line3"),
              viewer_topic(TOKEN, "line3.sub")]  # fmt: skip
    viewer = station.viewer(*topics)
    station.wait_viewers({"line3.sub": 1})
    assert station.seen(viewer) == {("line3.sub", "frames")}
    for topic in topics:
        viewer.send(b"\0" + topic)
    station.wait_viewers({})
    viewer.send(b"\1" + topics[0])
    station.wait_viewers({"line3.sub": 1})
    viewer.close()
    station.wait_viewers({})


def test_viewers_of_both_streams_do_not_disturb_one_another(station: Station) -> None:
    main = station.viewer(b"", viewer_topic(TOKEN, None))
    sub = station.viewer(frames_topic("line3.sub"), keeper_topic(TOKEN, "line3.sub"))
    tiny = station.viewer(frames_topic("line3.tiny"))
    station.wait_viewers({"line3": 1, "line4": 1, "line3.sub": 1, "line3.tiny": 1})
    assert station.seen(sub) == {("line3.sub", "frames")}
    assert station.seen(main) == {("line3", "frames"), ("line4", "frames")}
    sub.close()
    station.wait_viewers({"line3": 1, "line4": 1, "line3.tiny": 1})
    assert station.seen(tiny) == {("line3.tiny", "frames")}


def test_many_viewers_that_come_and_go_leave_nothing_watched(station: Station) -> None:
    for round_number in range(3):
        with ExitStack() as stack:
            for number in range(12):
                token = bytes([round_number, number] * 8)
                viewer = station.viewer(frames_topic("line4.sub"), viewer_topic(token, "line4.sub"))
                stack.callback(viewer.close)
            station.wait_viewers({"line4.sub": 12})
        station.wait_viewers({})


def test_who_sends_anything_but_subscriptions_is_cut_off_and_others_go_on(
    station: Station,
) -> None:
    good = station.viewer(frames_topic("line3.sub"), name="boss")
    station.wait_viewers({"line3.sub": 1})
    bad = station.viewer(frames_topic("line4"), name="anna" if station.curves["anna"] else "boss")
    bad.send(b"hello")
    station.wait_viewers({"line3.sub": 1})
    assert station.seen(good) == {("line3.sub", "frames")}


def test_a_key_of_a_camera_may_see_its_substreams_and_no_others(tmp_path: Path) -> None:
    with ExitStack() as stack:
        station = Station(tmp_path, stack, keys=True)
        topics = [frames_topic("line3.sub"), frames_topic("line4.sub"), frames_topic("line4")]
        anna = station.viewer(*topics, viewer_topic(TOKEN, "line4.sub"), name="anna")
        station.wait_viewers({"line3.sub": 1})
        assert station.seen(anna) == {("line3.sub", "frames")}
