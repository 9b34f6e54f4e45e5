"""Substreams that a relay receives beside the main streams, without sockets."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest

from rankcast.boot_clock import boot_ns
from rankcast.encoder import Encoder
from rankcast.net import LinkState
from rankcast.runtime import Balance
from rankcast.wire import (
    Kind,
    Limits,
    Status,
    frames_topic,
    pack_status,
    status_topic,
    viewer_topic,
)
from rankcast_receiver.net.wanted_topics import EVERY_NAME, WantedTopics
from rankcast_receiver.state import LinkFacts
from rankcast_receiver.stream import (
    CameraStream,
    ReceivedPacket,
    SenderStreams,
    StreamOptions,
    read_message,
)

TOKEN = os.urandom(16)
PIXELS = np.full((24, 32), 90, np.uint8)


class Stream:
    """A stream whose sender may be watched by others, too."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.encoder = Encoder("svd-patch", gop=1000, keyframe_interval_s=0)

    def picture(self) -> ReceivedPacket:
        return _read(frames_topic(self.name) + self.encoder.encode(PIXELS))

    def elsewhere(self, count: int) -> None:
        for _ in range(count):
            self.encoder.encode(PIXELS)

    def status(self, **values: object) -> ReceivedPacket:
        status = replace(Status(published=self.encoder.sequence), **values)  # type: ignore[arg-type]
        packet = pack_status(Kind.STATUS, self.encoder.stream_id, status, boot_ns(), 0)
        return _read(status_topic(self.name) + packet)


def _read(message: bytes) -> ReceivedPacket:
    return read_message(memoryview(message), Limits(), 0.0)


def take(sender: SenderStreams, *received: ReceivedPacket) -> None:
    for item in received:
        stream = sender.route(item)
        if stream is not None:
            stream.decode([item])


def test_frames_that_are_published_while_only_the_status_is_received_are_no_loss() -> None:
    sender, main, sub = SenderStreams("tcp://127.0.0.1:1"), Stream("line3"), Stream("line3.sub")
    take(sender, main.status(), main.picture(), sub.status())
    assert sender.foreign_packets == 1, "nobody asked for it"
    sender.follow({"line3.sub": False})
    sub.elsewhere(5)
    take(sender, sub.status(), sub.picture(), main.picture())
    assert list(sender.streams) == ["line3", "line3.sub"]
    stream = sender.streams["line3.sub"]
    assert stream.ledger.balance() == Balance(0, 0, {})
    sender.follow({"line3.sub": True})
    sub.elsewhere(5)
    take(sender, sub.status())
    sub.elsewhere(2)
    first = sub.encoder.sequence
    for item in (sub.picture(), sub.picture(), sub.status()):
        take(sender, item)
    assert stream.packet_ledger.balance() == Balance(2, 2, {})
    assert stream.newest_sequence == first + 1
    sub.elsewhere(3)
    take(sender, sub.picture())
    assert stream.packet_ledger.balance() == Balance(6, 3, {"network_gap": 3})
    sender.follow({"line3.sub": False})
    take(sender, sub.picture())  # it was under way
    sub.elsewhere(7)
    take(sender, sub.status())
    assert stream.packet_ledger.balance() == Balance(6, 3, {"network_gap": 3})
    assert sender.foreign_packets == 1


def test_nothing_is_said_of_a_substream_before_its_frames_come() -> None:
    sender, main, sub = SenderStreams("tcp://127.0.0.1:1"), Stream("line3"), Stream("line3.sub")
    link = LinkFacts(state=LinkState.UP, cameras=("line3",))
    sender.follow({"line3.sub": False})
    take(sender, main.status(), main.picture(), sub.status())
    assert [state.camera for state in sender.states(link)] == ["line3"]
    sender.follow({"line3.sub": True})
    take(sender, sub.status())
    assert [state.camera for state in sender.states(link)] == ["line3"]
    take(sender, sub.picture())
    assert [state.camera for state in sender.states(link)] == ["line3", "line3.sub"]


def test_substreams_have_the_number_of_their_sender_behind_the_name_of_the_camera() -> None:
    sender, sub = SenderStreams("tcp://127.0.0.1:1", suffix="-2"), Stream("line3.sub")
    sender.follow({"line3.sub": True})
    take(sender, sub.status(), sub.picture())
    assert [stream.camera for stream in sender.streams.values()] == ["line3-2.sub"]
    assert sender.name_of("line3.sub") == "line3.sub"


@pytest.mark.parametrize("cameras", [(), ("line3",)])
def test_the_topics_of_frames_are_subscribed_to_only_while_they_are_wanted(
    cameras: tuple[str, ...],
) -> None:
    sender = SenderStreams("tcp://127.0.0.1:1", cameras)
    topics = WantedTopics(sender, TOKEN, keeps=False)
    mains = [frames_topic("line3"), status_topic("line3")] if cameras else list(EVERY_NAME)
    viewers = [viewer_topic(TOKEN, cameras[0] if cameras else None)]
    assert (topics.of_cameras(), topics.individual(), topics.change) == (mains, viewers, False)
    sender.follow({"line3.sub": False})
    assert topics.of_cameras() == [*mains, status_topic("line3.sub")]
    assert topics.individual() == viewers
    assert topics.change
    sender.follow({"line3.sub": True})
    frames = frames_topic("line3.sub")
    assert topics.of_cameras() == [*mains, frames, status_topic("line3.sub")]
    assert topics.individual() == [*viewers, viewer_topic(TOKEN, "line3.sub")]


def test_what_a_relay_does_not_receive_itself_is_missed_by_no_viewer() -> None:
    stream, sub = CameraStream("line3", StreamOptions()), Stream("line3.sub")
    stream.decode([sub.status(relay={"path": "a", "idle": True})])
    sub.elsewhere(4)
    stream.decode([sub.status(relay={"path": "a", "idle": True})])
    sub.elsewhere(3)
    stream.decode([sub.picture()])
    sub.elsewhere(2)
    stream.decode([sub.status(relay={"path": "a"})])
    balance = stream.packet_ledger.balance()
    assert (balance.entered, dict(balance.lost)) == (3, {"network_gap": 2})
