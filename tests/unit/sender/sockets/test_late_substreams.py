"""Substreams that are added while the sockets are bound, as a relay does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
import zmq

from rankcast.wire import frames_topic, split_message, status_topic, token_of, viewer_topic
from rankcast_receiver.net.wanted_topics import EVERY_NAME
from rankcast_sender import Publisher
from rankcast_sender.sender_sockets import SenderOptions, SenderSockets
from rankcast_sender.sockets import rebinding
from rankcast_sender.sockets.rebinding import BINDS_AT_ONCE, LONGEST_S, SETTLE_S, Rebinding
from support.fakes import free_address

WAIT_S = 20.0
PICTURE = np.zeros((16, 16), np.uint8)
TOKEN = bytes(range(16))


class Site:
    """Sockets to which cameras are added late, and plain viewers."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.address = free_address()
        self.sockets = SenderSockets(SenderOptions(bind=self.address, control="off"))
        stack.callback(self.sockets.close)
        self.sockets.start()
        self.publishers: dict[str, Publisher] = {}
        self._context = stack.enter_context(zmq.Context())

    def add(self, *names: str) -> None:
        for name in names:
            self.publishers[name] = Publisher(name=name, codec="raw", outlet=self.sockets)

    def viewer(self, *topics: bytes) -> zmq.Socket[Any]:
        socket: zmq.Socket[Any] = self._stack.enter_context(self._context.socket(zmq.XSUB))
        socket.linger, socket.sndhwm = 0, 0
        socket.connect(self.address)
        for topic in topics:
            socket.send(b"\1" + topic)
        return socket

    def gets(self, socket: zmq.Socket[Any], wanted: str) -> set[str]:
        """Publish until frames of a stream arrive; return the names of all that came."""
        seen: set[str] = set()
        until = time.monotonic() + WAIT_S
        while (wanted, "frames") not in {split_message(m)[:2] for m in self._read(socket, seen)}:
            assert time.monotonic() < until, seen
        return seen

    def _read(self, socket: zmq.Socket[Any], seen: set[str]) -> list[memoryview]:
        for publisher in self.publishers.values():
            publisher.send(PICTURE)
        messages = []
        while socket.poll(50):
            message = memoryview(socket.recv())
            individual = token_of(message)  # a catch-up names its stream behind that topic
            messages.append(message if individual is None else individual[1])
            seen.add(split_message(messages[-1])[0])
        return messages


@pytest.fixture
def site() -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(stack)


def test_viewers_that_were_there_before_get_what_they_asked_for_and_no_other_substream(
    site: Site,
) -> None:
    site.add("line3")
    everything = site.viewer(*EVERY_NAME, viewer_topic(TOKEN, None))
    one = site.viewer(
        frames_topic("line3.sub"), status_topic("line3.sub"), viewer_topic(TOKEN, "line3.sub")
    )
    assert site.gets(everything, "line3") == {"line3"}
    site.add("line3.sub", "line3.tiny")
    assert site.gets(one, "line3.sub") == {"line3.sub"}
    assert site.gets(everything, "line3") == {"line3"}
    assert site.publishers["line3.sub"].viewers == 1
    assert site.publishers["line3.tiny"].viewers == 0
    site.add("line4", "line4.sub")
    assert site.gets(everything, "line4") <= {"line3", "line4"}
    assert site.gets(one, "line3.sub") == {"line3.sub"}


def test_a_substream_that_comes_before_its_camera_is_withheld_too(site: Site) -> None:
    site.add("line3.sub", "line3")
    everything = site.viewer(b"", b"l")
    assert site.gets(everything, "line3") == {"line3"}


def test_the_socket_is_bound_again_once_for_streams_that_come_together() -> None:
    rebind = Rebinding()
    rebind.added(10.0)
    rebind.added(10.2)
    assert not rebind.due(10.0 + SETTLE_S, waits=True)
    assert not rebind.due(20.0, waits=False)
    assert rebind.due(10.3 + SETTLE_S, waits=True)
    rebind.bound()
    assert not rebind.due(11.0, waits=False)
    rebind.request()
    assert rebind.due(11.0, waits=False)


def test_who_invents_streams_cannot_keep_all_viewers_from_watching(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rebinding, "BINDS_S", 0)
    rebind = Rebinding()
    bound = 0
    for second in range(1000):
        rebind.added(float(second))
        bound += rebind.due(second + 0.9, waits=True)
    assert bound == BINDS_AT_ONCE
    rebind.request()
    assert rebind.due(2000.0, waits=True), "for a key that was revoked"


def test_streams_that_keep_coming_do_not_hold_up_the_first_one_for_long() -> None:
    rebind = Rebinding()
    now_s = 10.0
    rebind.added(now_s)
    while not rebind.due(now_s, waits=True):
        rebind.added(now_s)
        now_s += SETTLE_S / 2
        assert now_s < 10.0 + LONGEST_S + 2 * SETTLE_S
    assert now_s > 10.0 + LONGEST_S - SETTLE_S
