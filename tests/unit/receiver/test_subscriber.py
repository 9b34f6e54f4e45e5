"""Subscriber against a bare publisher that sends what a test wants."""

from __future__ import annotations

import threading

import pytest

import rankcast
from rankcast.runtime import NETWORK_GAP, REFUSED_PACKET, SKIPPED_AS_OLD
from rankcast.wire import Kind, Limits, Status, frames_topic, pack_status, status_topic
from rankcast_receiver import Subscriber
from support.bare_sender import WAIT_S, in_thread, sender
from support.fakes import free_address, picture


def test_every_frame_comes_out_in_keep_mode_until_the_end() -> None:
    address = free_address()
    with sender(address) as send:

        def work() -> None:
            send.wait_viewers()
            for value in range(30):
                send.frame("cam", value)
            send.end()

        with in_thread(work), Subscriber(address, live=False, timeout_s=WAIT_S) as subscriber:
            values = [int(frame.pixels[0, 0]) for frame in subscriber]
            balance = subscriber.balance()
    assert values == list(range(30))
    assert (balance.entered, balance.passed, dict(balance.lost)) == (30, 30, {})


@pytest.mark.parametrize("writable", [False, True])
def test_frames_can_be_drawn_on_when_the_subscriber_is_asked_for_it(writable: bool) -> None:
    address = free_address()
    with sender(address) as send:

        def work() -> None:
            send.wait_viewers()
            for value in range(2):
                send.frame("cam", value)
            send.end()

        options = {"live": False, "timeout_s": WAIT_S, "control": False}
        with Subscriber(address, writable=writable, **options) as subscriber, in_thread(work):  # type: ignore[arg-type]
            frames = list(subscriber)
    assert [frame.pixels.flags.writeable for frame in frames] == [writable] * 2
    if writable:
        frames[0].pixels[...] = 200
        assert (frames[1].pixels == picture(1)).all()


def test_live_mode_skips_to_the_newest_and_counts_what_it_skipped() -> None:
    address = free_address()
    with sender(address) as send, Subscriber(address, timeout_s=WAIT_S) as subscriber:
        send.wait_viewers()
        for value in range(4):  # no more than the queue of a live viewer holds
            send.frame("cam", value)
        frames = iter(subscriber)
        first = next(frames)
        send.end()
        rest = list(frames)
        balance = subscriber.balance()
    seen = [first.sequence, *(frame.sequence for frame in rest)]
    assert seen[-1] == 3
    assert balance.entered == 4
    assert balance.passed == len(seen)
    assert balance.lost.get(SKIPPED_AS_OLD, 0) == 4 - len(seen)


def test_rubbish_on_the_wire_is_counted_and_costs_no_good_frame() -> None:
    address = free_address()
    with sender(address) as send:

        def work() -> None:
            send.wait_viewers()
            send.frame("cam", 1)
            for message in (
                b"",
                b"\0",
                b"cam/frames\0",
                b"cam/frames\0rubbish",
                b"../x/frames\0",
                b"cam/other\0",
                status_topic("cam") + send.packet("cam"),
            ):
                send.socket.send(message)
            damaged = bytearray(frames_topic("cam") + send.packet("cam", 2))
            damaged[-1] ^= 1
            send.socket.send(bytes(damaged))
            send.frame("cam", 3)
            send.end()

        with in_thread(work), Subscriber(address, live=False, timeout_s=WAIT_S) as subscriber:
            values = [int(frame.pixels[0, 0]) for frame in subscriber]
            balance = subscriber.balance()
    assert values == [1, 3]
    # Two packets were encoded and never came as frames; two of the rubbish had our topic.
    assert balance.lost == {REFUSED_PACKET: 2}
    assert balance.under_way == 0


def test_a_camera_name_selects_exactly_that_camera() -> None:
    address = free_address()
    with sender(address, "cam1", "cam10") as send:

        def work() -> None:
            send.wait_viewers()
            send.frame("cam10", 1)
            send.frame("cam1", 2)
            send.say("cam1", "ended", Kind.END)

        with (
            in_thread(work),
            Subscriber(address, camera="cam1", live=False, timeout_s=WAIT_S) as subscriber,
        ):
            frames = list(subscriber)
            lost = subscriber.balance().lost
    assert [(frame.camera, int(frame.pixels[0, 0])) for frame in frames] == [("cam1", 2)]
    assert lost == {}


def test_without_a_name_every_camera_comes_and_all_must_end() -> None:
    address = free_address()
    with sender(address, "left", "right") as send:

        def work() -> None:
            send.wait_viewers()
            send.frame("left", 1)
            send.frame("right", 2)
            send.say("left", "ended", Kind.END)
            send.frame("right", 3)
            end = pack_status(Kind.END, send.encoders["right"].stream_id, Status(published=3), 1, 2)
            send.socket.send(status_topic("right") + end)

        with in_thread(work), Subscriber(address, live=False, timeout_s=WAIT_S) as subscriber:
            frames = [(frame.camera, int(frame.pixels[0, 0])) for frame in subscriber]
            lost = subscriber.balance().lost
    assert frames == [("left", 1), ("right", 2), ("right", 3)]
    assert lost == {NETWORK_GAP: 1}


def test_staying_waits_for_the_next_stream() -> None:
    address = free_address()
    done = threading.Event()
    with sender(address) as send:

        def work() -> None:
            send.wait_viewers()
            send.frame("cam", 1)
            send.end()
            send.encoders["cam"] = rankcast.Encoder("raw")
            send.frame("cam", 2)

        with (
            in_thread(work),
            Subscriber(
                address, live=False, timeout_s=WAIT_S, stay=True, stopped=done.is_set
            ) as subscriber,
        ):
            values = []
            for frame in subscriber:
                values.append(int(frame.pixels[0, 0]))
                if len(values) == 2:
                    done.set()
    assert values == [1, 2]


def test_packets_above_the_limits_are_refused_by_name() -> None:
    address = free_address()
    limits = Limits(max_samples=100)
    with sender(address) as send:

        def work() -> None:
            send.wait_viewers()
            send.frame("cam")
            send.end()

        with (
            in_thread(work),
            Subscriber(address, live=False, timeout_s=WAIT_S, limits=limits) as subscriber,
        ):
            assert list(subscriber) == []
