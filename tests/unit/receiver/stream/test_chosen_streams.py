"""Packets of the streams of one camera, from topics to one ledger that balances."""

from __future__ import annotations

import os

import numpy as np
import pytest

from rankcast.boot_clock import boot_ns
from rankcast.encoder import Encoder
from rankcast.runtime import NETWORK_GAP, SKIPPED_AS_OLD
from rankcast.wire import (
    Kind,
    Limits,
    Status,
    frames_topic,
    pack_catch_up,
    pack_status,
    status_topic,
    viewer_topic,
)
from rankcast_receiver.state import LinkFacts
from rankcast_receiver.stream import (
    CameraKey,
    CameraStates,
    PacketBatch,
    SenderStreams,
    StreamDecoder,
    read_message,
)

TOKEN = bytes(range(16))
STREAMS = {"main": "64x48", "sub": "32x24"}


class Station:
    """A camera with a main stream and a substream, and the receiver of it, without sockets."""

    def __init__(self, stream: str, cameras: tuple[str, ...] = ("line3",)) -> None:
        self.now_s = 1000.0
        self.sender = SenderStreams(
            "tcp://127.0.0.1:1", cameras, stream=stream, now_s=lambda: self.now_s
        )
        self.decoder = StreamDecoder([self.sender], CameraStates(), now_s=lambda: self.now_s)
        self.encoders = {
            "line3": Encoder("svd-patch", gop=1000, keyframe_interval_s=0),
            "line3.sub": Encoder("svd-patch", gop=1000, keyframe_interval_s=0),
        }
        self.shown: list[tuple[str, tuple[int, ...]]] = []

    def picture(self, name: str, *, key: bool = False) -> bytes:
        encoder, size = self.encoders[name], (24, 32) if "." in name else (48, 64)
        if key:
            encoder.request_keyframe()
        return frames_topic(name) + encoder.encode(np.full(size, 90, np.uint8))

    def status(self, name: str, published: int | None = None) -> bytes:
        encoder = self.encoders[name]
        published = encoder.sequence if published is None else published
        status = Status(grabbed=published, published=published, streams=STREAMS)
        return status_topic(name) + pack_status(
            Kind.STATUS, encoder.stream_id, status, boot_ns(), 0
        )

    def receive(self, *messages: bytes) -> None:
        packets: dict[CameraKey, list[object]] = {}
        for message in messages:
            received = read_message(memoryview(message), Limits(), self.now_s, TOKEN)
            packets.setdefault(CameraKey(0, received.camera), []).append(received)
        self.now_s += 0.05
        batch = PacketBatch(packets, {}, [LinkFacts()])  # type: ignore[arg-type]
        for decoded in self.decoder.decode(batch):
            if decoded.frame is not None:
                self.shown.append((decoded.frame.stream, decoded.frame.pixels.shape))

    def balance(self) -> tuple[int, int, dict[str, int]]:
        balance = self.sender.streams["line3"].ledger.balance()
        assert balance.under_way == 0
        return balance.entered, balance.passed, dict(balance.lost)


def test_a_substream_is_shown_under_the_name_of_its_camera() -> None:
    station = Station("sub")
    station.receive(station.status("line3"), station.picture("line3.sub"))
    station.receive(station.picture("line3"), station.picture("line3.sub"))
    station.receive(station.status("line3", 400), station.status("line3.sub"))
    assert station.shown == [("sub", (24, 32))] * 2
    assert station.balance() == (2, 2, {})
    assert list(station.sender.streams) == ["line3"]
    assert station.sender.name_of("line3") == "line3.sub"
    assert station.sender.foreign_packets == 0


def test_of_main_streams_alone_a_substream_is_none() -> None:
    station = Station("main", ())
    station.receive(station.picture("line3"), station.picture("line3.sub"))
    assert station.shown == [("main", (48, 64))]
    assert station.sender.foreign_packets == 1
    assert list(station.sender.streams) == ["line3"]


def test_frames_of_both_streams_are_counted_once_over_changes_there_and_back() -> None:
    station = Station("auto")
    choice = station.sender.choices.get("line3")
    assert choice is not None
    station.receive(station.status("line3"), station.picture("line3"))
    station.picture("line3")  # lost on the way
    station.receive(station.picture("line3", key=True))
    assert station.balance() == (3, 2, {NETWORK_GAP: 1})

    choice.next, choice.subscribed = "sub", ("sub",)
    # Published long before this receiver joined: none of its losses.
    for _ in range(5):
        station.picture("line3.sub")
    station.receive(station.picture("line3.sub"))
    station.receive(station.status("line3", 90), station.picture("line3.sub", key=True))
    assert station.shown[-1] == ("sub", (24, 32))
    station.receive(station.picture("line3"), station.status("line3", 95))
    station.receive(station.picture("line3.sub"), station.status("line3.sub"))
    assert station.balance() == (5, 4, {NETWORK_GAP: 1})

    for _ in range(7):
        station.picture("line3")
    choice.next, choice.subscribed = "main", ("sub", "main")
    station.receive(station.picture("line3"), station.picture("line3.sub"))
    station.receive(station.picture("line3", key=True), station.picture("line3.sub"))
    assert station.shown[-1] == ("main", (48, 64))
    station.picture("line3")  # lost on the way
    station.receive(station.picture("line3", key=True), station.status("line3"))
    assert station.balance() == (9, 7, {NETWORK_GAP: 2})
    assert choice.totals(station.now_s).changes == 2


def test_a_change_within_a_batch_shows_the_new_stream_and_loses_no_count() -> None:
    station = Station("auto")
    choice = station.sender.choices["line3"]
    station.receive(station.status("line3"), station.picture("line3"))
    choice.next, choice.subscribed = "sub", ("sub",)
    station.receive(
        station.picture("line3"), station.picture("line3.sub", key=True), station.picture("line3")
    )
    assert station.shown[-1] == ("sub", (24, 32))
    entered, passed, lost = station.balance()
    assert entered == passed + sum(lost.values())
    assert set(lost) <= {SKIPPED_AS_OLD}


def test_a_larger_stream_begins_with_a_key_frame_and_no_catch_up() -> None:
    station = Station("auto")
    choice = station.sender.choices["line3"]
    station.receive(station.status("line3"), station.picture("line3"))
    choice.next, choice.subscribed, choice._larger = "sub", ("main", "sub"), True
    head = frames_topic("line3.sub")
    group = [station.picture("line3.sub").removeprefix(head) for _ in range(4)]
    station.receive(viewer_topic(TOKEN, "line3.sub") + pack_catch_up(head, group))
    station.receive(station.picture("line3.sub"))
    assert station.shown == [("main", (48, 64))]
    station.receive(station.picture("line3.sub", key=True))
    assert station.shown[-1] == ("sub", (24, 32))


@pytest.mark.parametrize("together", [True, False])
def test_a_catch_up_of_a_relay_is_as_good_as_a_key_frame(together: bool) -> None:
    station = Station("auto")
    choice = station.sender.choices["line3"]
    station.receive(station.status("line3"), station.picture("line3"))
    choice.next, choice.subscribed = "sub", ("sub",)
    group = [station.picture("line3.sub").removeprefix(frames_topic("line3.sub")) for _ in range(4)]
    caught_up = viewer_topic(TOKEN, "line3.sub") + pack_catch_up(frames_topic("line3.sub"), group)
    messages = [
        station.picture("line3"), caught_up, station.picture("line3"),
        station.picture("line3.sub"), station.picture("line3.sub"), station.status("line3.sub"),
    ]  # fmt: skip
    for batch in [messages] if together else [[message] for message in messages]:
        station.receive(*batch)
    assert station.shown[-1] == ("sub", (24, 32))
    assert station.sender.streams["line3"].stream_changes == 1
    entered, passed, lost = station.balance()
    # In one batch the packets of each stream stand together: two of the main one come before.
    assert entered == passed + sum(lost.values()) == (5 if together else 4)
    assert set(lost) <= {SKIPPED_AS_OLD}


def test_cameras_are_known_by_name_before_streams_of_them_are_received() -> None:
    station = Station("sub", ())
    assert station.sender.needs_names
    station.receive(station.picture("line3.sub"))
    assert station.sender.foreign_packets == 1
    station.sender.note_cameras(["line3", "line4"])
    station.receive(station.picture("line3.sub", key=True))
    assert station.shown == [("sub", (24, 32))]
    station.sender.note_cameras([os.urandom(4).hex() for _ in range(100)])
    assert len(station.sender.choices) == 64
