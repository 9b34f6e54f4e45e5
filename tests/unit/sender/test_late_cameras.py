"""Cameras that are added while others are published, and viewers that were there before them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import SettingsError
from rankcast.wire import frames_topic, keeper_topic, status_topic, viewer_topic
from rankcast_receiver import Subscriber
from rankcast_sender import Publisher
from rankcast_sender.sender_sockets import SenderOptions, SenderSockets
from rankcast_sender.sockets.audience import Audience
from support.fakes import free_address, picture

NAMES = ("left", "right")
TOPICS = st.sampled_from(
    [b"", b"l", b"left/", b"x", b"/viewer/left/short\0", *(
        topic for name in NAMES for topic in (
            frames_topic(name), status_topic(name), viewer_topic(b"1" * 16, name),
            keeper_topic(b"2" * 16, name),
        )
    ), viewer_topic(b"3" * 16, None), keeper_topic(b"4" * 16, None)]
)  # fmt: skip


@given(st.lists(TOPICS, max_size=12), st.integers(0, 12))
def test_an_audience_is_the_same_whenever_its_cameras_came(topics: list[bytes], late: int) -> None:
    before, after = Audience(NAMES), Audience(())
    for number, topic in enumerate(topics):
        if number == late:
            for name in NAMES:
                after.add(name)
        for audience in (before, after):
            audience.take(b"\1" + topic, lambda: "anna", 7)
    if late >= len(topics):
        for name in NAMES:
            after.add(name)

    def counts(audience: Audience) -> list[object]:
        return [
            (audience.viewers(name), audience.keepers(name), audience.foreign.bytes)
            for name in NAMES
        ]

    assert counts(after) == counts(before)
    for topic in topics:
        for audience in (before, after):
            audience.take(b"\0" + topic, lambda: "nobody")
    assert counts(after) == counts(before) == [(0, {}, 0)] * 2


def test_those_who_waited_for_a_camera_join_it_as_it_comes() -> None:
    audience, token = Audience(()), b"1" * 16
    for topic in (frames_topic("left"), viewer_topic(token, "left"), viewer_topic(token, "right")):
        audience.take(b"\1" + topic, lambda: "anna", 7)
    assert audience.add("left") == {frames_topic("left"), viewer_topic(token, "left")}
    assert audience.individual_topics("left", token) == [viewer_topic(token, "left")]
    assert audience.individual_topics("left", b"2" * 16) == []


@contextmanager
def sockets_without_cameras() -> Iterator[tuple[SenderSockets, str]]:
    address = free_address()
    sockets = SenderSockets(SenderOptions(bind=address))
    try:
        sockets.start()
        yield sockets, address
    finally:
        sockets.close()


def test_a_viewer_that_came_first_gets_the_frames_of_every_camera_that_follows() -> None:
    with (
        sockets_without_cameras() as (sockets, address),
        Subscriber(address, timeout_s=20) as viewer,
    ):
        frames = iter(viewer)
        for number, name in enumerate(NAMES, 1):
            publisher = Publisher(name=name, codec="raw", outlet=sockets)
            assert publisher.wait_viewers(1, 20)
            assert publisher.send(picture(number)) == 0
            found = next(frames)
            assert (found.camera, int(found.pixels[0, 0])) == (name, number)


def test_a_name_that_is_taken_is_refused_also_later() -> None:
    with sockets_without_cameras() as (sockets, _):
        Publisher(name="left", codec="raw", outlet=sockets)
        with pytest.raises(SettingsError, match="two cameras are named left"):
            Publisher(name="left", codec="raw", outlet=sockets)


class FakeJoins:
    """Notes who joins, and has a catch-up for those who can get one."""

    def __init__(self) -> None:
        self.plain = threading.Event()
        self.topics: list[bytes] = []

    def sent(self, data: bytes, sequence: int) -> None:
        pass

    def restarted(self) -> None:
        pass

    def joined(self, topic: bytes) -> bytes | None:
        self.topics.append(topic)
        return b"caught up"

    def joined_plainly(self, peer: bytes) -> None:  # noqa: ARG002
        self.plain.set()


@contextmanager
def joining() -> Iterator[tuple[Publisher, FakeJoins, zmq.Socket[bytes]]]:
    """A camera with catch-ups, and a socket to join it by."""
    joins = FakeJoins()
    with (
        sockets_without_cameras() as (sockets, address),
        zmq.Context() as context,
        context.socket(zmq.XSUB) as viewer,
    ):
        publisher = Publisher(name="left", codec="raw", outlet=sockets)
        publisher.camera.channel.joins = joins
        viewer.linger = 0
        viewer.connect(address)
        yield publisher, joins, viewer


def test_a_catch_up_comes_to_its_viewer_before_the_next_frame() -> None:
    topic = viewer_topic(b"1" * 16, None)
    with joining() as (publisher, joins, viewer):
        for subscription in (b"l", topic):
            viewer.send(b"\1" + subscription)
        assert publisher.wait_viewers(1, 20)
        while publisher.send(picture()) is not None and topic not in joins.topics:
            threading.Event().wait(0.01)
        got: list[bytes] = []
        while topic + b"caught up" not in got:
            assert viewer.poll(20_000)
            got.append(viewer.recv())
        assert joins.topics == [topic]
        assert not joins.plain.is_set()


def test_a_viewer_asks_again_with_its_token_and_no_other_token_gets_anything() -> None:
    topic = viewer_topic(b"1" * 16, "left")
    with joining() as (publisher, joins, viewer):
        for subscription in (b"l", topic):
            viewer.send(b"\1" + subscription)
        xpub = publisher._outlet.xpub
        while not joins.topics:
            threading.Event().wait(0.01)
        for token in (b"2" * 16, b"1" * 16):
            xpub.catch_up(publisher.camera.channel, token)
        while len(joins.topics) < 2:
            threading.Event().wait(0.01)
        assert joins.topics == [topic, topic]


def test_a_viewer_without_a_topic_of_its_own_is_told_apart() -> None:
    with joining() as (publisher, joins, viewer):
        viewer.send(b"\1" + frames_topic("left"))
        assert publisher.wait_viewers(1, 20)
        assert joins.plain.wait(20)
        assert joins.topics == []
