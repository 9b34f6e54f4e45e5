"""The hand-over from the thread that drains the sockets to the one that decodes."""

from __future__ import annotations

import threading
import time

import pytest

import rankcast
from rankcast.net import Link
from rankcast.wire import Kind, Status, pack_status, unpack
from rankcast_receiver.state import LinkFacts
from rankcast_receiver.stream import CameraKey, PacketBatch, PacketQueue, ReceivedPacket
from rankcast_receiver.stream import packet_queue as module
from support.fakes import picture
from support.received import received

WAIT_S = 10.0
LEFT, RIGHT = CameraKey(0, "left"), CameraKey(1, "right")


def pictures(count: int, camera: str = "left") -> list[ReceivedPacket]:
    encoder = rankcast.Encoder("raw")
    made = [encoder.encode(picture(number)) for number in range(count)]
    return [received(unpack(data), camera, data) for data in made]


def sequences(batch: PacketBatch, key: CameraKey = LEFT) -> list[int]:
    found = [item.packet for item in batch.packets.get(key, ())]
    return [packet.header.sequence for packet in found if packet is not None]


def test_a_live_turn_takes_everything_that_waits_by_camera_and_in_order() -> None:
    queue = PacketQueue(2, live=True)
    for left, right in zip(pictures(5), pictures(5, "right"), strict=True):
        queue.put(0, left)
        queue.put(1, right)
    batch = queue.take(0.0)
    assert sequences(batch) == sequences(batch, RIGHT) == [0, 1, 2, 3, 4]
    assert not queue.take(0.0).packets
    assert len(queue) == 0


def test_where_every_frame_counts_a_turn_takes_one_packet_in_order_of_arrival() -> None:
    queue = PacketQueue(2, live=False)
    queue.put(0, pictures(1)[0])
    queue.put(1, pictures(1, "right")[0])
    assert list(queue.take(0.0).packets) == [LEFT]
    assert list(queue.take(0.0).packets) == [RIGHT]
    assert not queue.take(0.0).packets


def test_a_full_live_queue_drops_the_oldest_of_the_camera_that_has_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LIVE_PACKETS", 10)
    queue = PacketQueue(2, live=True)
    queue.put(1, pictures(1, "right")[0])
    for packet in pictures(30):
        assert queue.has_room
        queue.put(0, packet)
    batch = queue.take(0.0)
    assert sequences(batch, RIGHT) == [0], "a flood costs the camera that floods"
    assert sequences(batch) == list(range(21, 30))
    assert dict(batch.dropped) == {LEFT: 21}
    assert dict(queue.take(0.0).dropped) == {}


def test_a_live_queue_is_bounded_in_bytes_and_always_takes_the_newest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1)
    queue = PacketQueue(1, live=True)
    for packet in pictures(4):
        queue.put(0, packet)
    batch = queue.take(0.0)
    assert sequences(batch) == [3]
    assert dict(batch.dropped) == {LEFT: 3}


def test_a_dropped_status_is_no_dropped_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIVE_PACKETS", 2)
    queue = PacketQueue(1, live=True)
    status = received(unpack(pack_status(Kind.STATUS, bytes(16), Status(), 1, 2)), "left")
    for packet in (status, *pictures(3)):
        queue.put(0, packet)
    assert dict(queue.take(0.0).dropped) == {LEFT: 1}


def test_drops_of_a_camera_are_kept_until_it_has_a_packet_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LIVE_PACKETS", 1)
    queue = PacketQueue(2, live=True)
    queue.put(0, pictures(1)[0])
    queue.put(1, pictures(1, "right")[0])
    first = queue.take(0.0)
    assert list(first.packets) == [RIGHT]
    assert dict(first.dropped) == {}
    queue.put(0, pictures(1)[0])
    assert dict(queue.take(0.0).dropped) == {LEFT: 1}


def test_without_room_the_reader_waits_until_a_packet_is_taken() -> None:
    queue = PacketQueue(1, live=False)
    sent = iter(pictures(100))
    for _ in range(module.KEEP_PACKETS):
        assert queue.has_room
        queue.put(0, next(sent))
    assert not queue.has_room
    assert not queue.wait_for_room(0.0)
    waited: list[bool] = []
    reader = threading.Thread(target=lambda: waited.append(queue.wait_for_room(WAIT_S)))
    reader.start()
    assert sequences(queue.take(0.0)) == [0]
    reader.join(WAIT_S)
    assert waited == [True]
    assert queue.has_room


def test_taking_waits_for_a_packet_and_a_closed_queue_wakes_both_ends() -> None:
    queue = PacketQueue(1, live=True)
    batches: list[PacketBatch] = []
    decoder = threading.Thread(target=lambda: batches.append(queue.take(WAIT_S)))
    decoder.start()
    queue.put(0, pictures(1)[0])
    decoder.join(WAIT_S)
    assert sequences(batches[0]) == [0]
    decoder = threading.Thread(target=lambda: batches.append(queue.take(WAIT_S)))
    started = time.monotonic()
    decoder.start()
    queue.close()
    decoder.join(WAIT_S)
    assert time.monotonic() - started < WAIT_S / 2
    assert not batches[1].packets
    queue.put(0, pictures(1)[0])
    assert len(queue) == 0


def test_what_is_known_of_the_links_comes_with_the_packets_that_were_read_before() -> None:
    queue = PacketQueue(1, live=True)
    assert queue.take(0.0).links[0].read_s is None
    queue.put(0, pictures(1)[0])
    queue.note_links([LinkFacts(Link.UP, read_s=5.0)])
    batch = queue.take(0.0)
    assert (batch.links[0].link, batch.links[0].read_s) == (Link.UP, 5.0)
    assert sequences(batch) == [0]
