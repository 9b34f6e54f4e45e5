"""The hand-over from the thread that drains the sockets to the one that decodes."""

from __future__ import annotations

import dataclasses
import threading
import time

import pytest

import rankcast
from rankcast.net import LinkState
from rankcast.wire import Kind, Status, pack_status, unpack
from rankcast_receiver.state import LinkFacts
from rankcast_receiver.stream import CameraKey, PacketBatch, PacketQueue, ReceivedPacket
from rankcast_receiver.stream import packet_queue as module
from support.fakes import picture
from support.received import received

WAIT_S = 10.0
LEFT, RIGHT = CameraKey(0, "left"), CameraKey(1, "right")


def pictures(
    count: int, camera: str = "left", shape: tuple[int, ...] = (24, 32)
) -> list[ReceivedPacket]:
    encoder = rankcast.Encoder("raw")
    made = [encoder.encode(picture(number, shape)) for number in range(count)]
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


@pytest.mark.parametrize("live", [True, False])
def test_the_queue_says_which_packet_of_a_camera_has_waited_longest(live: bool) -> None:
    queue = PacketQueue(2, live=live)
    for arrived_s, item in enumerate(pictures(3), 1):
        queue.put(0, dataclasses.replace(item, t_received_s=float(arrived_s)))
    assert (queue.oldest_s(0, "left"), queue.oldest_s(1, "left")) == (1.0, None)
    queue.take(0.0)
    assert queue.oldest_s(0, "left") == (None if live else 2.0)


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
        queue.put(0, packet)
    batch = queue.take(0.0)
    assert sequences(batch, RIGHT) == [0], "a flood costs the camera that floods"
    assert sequences(batch) == list(range(21, 30))
    assert dict(batch.dropped) == {LEFT: 21}
    assert dict(queue.take(0.0).dropped) == {}


def test_a_live_queue_is_bounded_in_bytes_and_always_takes_the_newest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LIVE_BYTES", 1)
    queue = PacketQueue(1, live=True)
    for packet in pictures(4):
        queue.put(0, packet)
    batch = queue.take(0.0)
    assert sequences(batch) == [3]
    assert dict(batch.dropped) == {LEFT: 3}


def test_a_camera_of_few_large_packets_does_not_cost_one_of_many_small_ones_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small, large = pictures(20), pictures(3, "right", shape=(240, 320))
    monkeypatch.setattr(module, "LIVE_BYTES", 2 * len(large[0].data))
    queue = PacketQueue(2, live=True)
    for packet in small[:10]:
        queue.put(0, packet)
    for packet in large:
        queue.put(1, packet)
    for packet in small[10:]:
        queue.put(0, packet)
    batch = queue.take(0.0)
    assert sequences(batch) == list(range(20))
    assert sequences(batch, RIGHT) == [2]
    assert dict(batch.dropped) == {RIGHT: 2}


def test_a_camera_of_many_small_packets_pays_for_the_bound_in_packets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LIVE_PACKETS", 10)
    queue = PacketQueue(2, live=True)
    for packet in (*pictures(3, "right", shape=(240, 320)), *pictures(20)):
        queue.put(int(packet.camera == "right"), packet)
    batch = queue.take(0.0)
    assert sequences(batch, RIGHT) == [0, 1, 2]
    assert sequences(batch) == list(range(13, 20))


def test_a_dropped_status_is_no_dropped_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIVE_PACKETS", 2)
    queue = PacketQueue(1, live=True)
    status = received(unpack(pack_status(Kind.STATUS, bytes(8), Status(), 1, 2)), "left")
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


def numbered(batch: PacketBatch) -> tuple[int, ...]:
    """Sequence of the one packet of a batch, and the pictures dropped before it."""
    (sequence,) = sequences(batch)
    return sequence, batch.dropped.get(LEFT, 0)


def test_where_every_frame_counts_a_full_queue_drops_what_does_not_fit_and_says_where() -> None:
    queue = PacketQueue(1, live=False, most_packets=3)
    first, *later = pictures(8)
    for packet in (first, *later[:4]):  # 3 and 4 do not fit
        queue.put(0, packet)
    assert len(queue) == 3
    assert numbered(queue.take(0.0)) == (0, 0)
    for packet in later[4:6]:  # 5 fits again, 6 does not
        queue.put(0, packet)
    assert [numbered(queue.take(0.0)) for _ in range(3)] == [(1, 0), (2, 0), (5, 2)]
    queue.put(0, later[6])
    assert numbered(queue.take(0.0)) == (7, 1)


def test_a_full_queue_still_takes_the_end_of_the_stream_and_with_it_what_was_dropped() -> None:
    queue = PacketQueue(1, live=False, most_packets=2)
    for packet in pictures(5):
        queue.put(0, packet)
    queue.put(0, received(unpack(pack_status(Kind.END, bytes(8), Status(), 1, 2)), "left"))
    for _ in range(2):
        queue.take(0.0)
    assert dict(queue.take(0.0).dropped) == {LEFT: 3}


def test_where_every_frame_counts_one_sender_takes_no_place_of_another() -> None:
    queue = PacketQueue(2, live=False, most_packets=8)
    for packet in pictures(20):
        queue.put(0, packet)
    for packet in pictures(4, "right"):
        queue.put(1, packet)
    assert len(queue) == 8
    taken = [queue.take(0.0) for _ in range(8)]
    assert sum(len(batch.packets.get(RIGHT, ())) for batch in taken) == 4


def test_a_packet_larger_than_the_queue_is_taken_while_there_is_none_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "KEEP_BYTES", 1)
    queue = PacketQueue(1, live=False)
    for packet in pictures(3):
        queue.put(0, packet)
    assert numbered(queue.take(0.0)) == (0, 0)
    queue.put(0, pictures(4)[3])
    assert numbered(queue.take(0.0)) == (3, 2)


def test_how_far_the_decoder_is_is_known_and_the_thread_that_waits_for_it_is_woken() -> None:
    queue, woken = PacketQueue(1, live=False), []
    queue.wake = lambda: woken.append(len(queue))
    packets = pictures(6)
    for packet in packets:
        queue.put(0, packet)
    assert queue.taken(0) == {}
    queue.take(0.0)
    assert woken == [5], "at the first packet of a stream"
    taken = queue.taken(0)["left"]
    assert (taken.next_sequence, taken.largest_bytes) == (1, max(len(p.data) for p in packets))
    queue.wake_at(LEFT, 4)
    for _ in range(4):
        queue.take(0.0)
    assert woken == [5, 2], "once, when four were taken"
    stream_id = taken.stream_id
    status = pack_status(Kind.STATUS, stream_id, Status(published=9), 1, 2)
    queue.put(0, received(unpack(status), "left"))
    queue.take(0.0)
    queue.take(0.0)
    assert queue.taken(0)["left"].next_sequence == 9, "whatever was published before it has come"
    assert queue.taken(1) == {}


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
    queue.note_links([LinkFacts(LinkState.UP, read_s=5.0)])
    batch = queue.take(0.0)
    assert (batch.links[0].state, batch.links[0].read_s) == (LinkState.UP, 5.0)
    assert sequences(batch) == [0]


@pytest.mark.parametrize("live", [True, False])
def test_names_of_status_messages_leave_nothing_behind(
    live: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender may send a status for a new name with each message."""
    monkeypatch.setattr(module, "LIVE_PACKETS", 10)
    queue = PacketQueue(1, live=live)
    status = pack_status(Kind.STATUS, bytes(8), Status(), 1, 2)
    for number in range(2000):
        queue.put(0, received(unpack(status), f"c{number}"))
    while len(queue):
        queue.take(0.0)
    assert len(queue._dropped) == len(queue._largest) == 0


def test_a_new_session_forgets_all_cameras_but_the_known_ones() -> None:
    queue = PacketQueue(2, live=False, most_packets=2)
    [key] = pictures(1)
    for sender in (0, 1):
        for camera in ("left", "right"):
            for _ in range(2):  # the second one does not fit
                queue.put(sender, dataclasses.replace(key, camera=camera))
    while len(queue):
        queue.take(0.0)
    queue.forget(0, ["left"])
    assert set(queue.taken(0)) <= {"left"}
    names = {(key.sender, key.camera) for key in (*queue._dropped, *queue._largest)}
    assert names == {(0, "left"), (1, "left"), (1, "right")}


@pytest.mark.parametrize("live", [True, False])
def test_whoever_can_wait_leaves_half_of_the_queue_to_those_that_cannot(live: bool) -> None:
    queue = PacketQueue(1, live=live, most_packets=8)
    assert queue.has_room(0, 1 << 30)  # one of any size, as nothing waits
    for received_packet in pictures(3):
        queue.put(0, received_packet)
    assert queue.has_room(0, 100)
    assert not queue.has_room(0, module.KEEP_BYTES)
    queue.put(0, pictures(4)[3])
    assert not queue.has_room(0, 100)
    queue.take(0)
    assert queue.has_room(0, 100)
