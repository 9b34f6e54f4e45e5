"""A decoder that is slower than the stream, between a real sender and a real receiver."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import zmq

import rankcast
from rankcast.boot_clock import boot_ns
from rankcast.decoder import Decoder
from rankcast.frame import Pixels
from rankcast.runtime import SKIPPED_AS_OLD, WAITING_FOR_KEYFRAME
from rankcast.wire import Packet
from rankcast_receiver import Subscriber
from rankcast_receiver.net.sender_requests import OVERLOADED_INTERVAL_S
from rankcast_receiver.state import STALE_S, CameraState
from rankcast_sender import Publisher
from support.bare_sender import WAIT_S, in_thread, sender
from support.fakes import free_address

FPS = 30.0
DECODE_S = 0.06
"""Nearly twice what there is."""


def pictures() -> Iterator[Pixels]:
    ramp = np.add.outer(np.arange(48) * 2, np.arange(64) * 2).astype(np.uint8)
    number = 0
    while True:
        yield np.roll(ramp, number % 8, axis=1)
        number += 1


@pytest.fixture
def slow_decoder(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Make every decoder slow; the list gets the moments at which a picture is begun."""
    encoder, decoder, source = rankcast.Encoder("svd-patch"), Decoder(), pictures()
    for _ in range(2):  # compiling takes longer than a test may wait
        decoder.decode(encoder.encode(next(source)))
    inner, begun = Decoder.decode_packet, list[float]()

    def slow(self: Decoder, packet: Packet) -> Pixels:
        begun.append(time.monotonic())
        time.sleep(DECODE_S)
        return inner(self, packet)

    monkeypatch.setattr(Decoder, "decode_packet", slow)
    return begun


def test_what_arrives_during_a_long_turn_is_all_read_before_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The queue of libzmq has four places, and a picture takes its time to decode."""
    address, sent = free_address(), threading.Event()
    with sender(address, options={zmq.SNDHWM: 0}) as send:

        def work() -> None:
            send.wait_viewers()
            send.frame("cam", 0)
            assert sent.wait(WAIT_S)
            send.end()

        with in_thread(work), Subscriber(address, timeout_s=WAIT_S, control=False) as subscriber:
            inner = Decoder.decode_packet

            def slow(self: Decoder, packet: Packet) -> Pixels:
                if not sent.is_set():
                    for value in range(1, 101):
                        send.frame("cam", value)
                    deadline = time.monotonic() + WAIT_S
                    while len(subscriber._queue) < 100:
                        assert time.monotonic() < deadline
                        threading.Event().wait(0.001)
                    sent.set()
                return inner(self, packet)

            monkeypatch.setattr(Decoder, "decode_packet", slow)
            shown = [frame.sequence for frame in subscriber]
    assert shown == [0, 100]


@pytest.mark.slow
def test_a_decoder_slower_than_the_stream_shows_less_but_nothing_old(
    slow_decoder: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    address, done, stop = free_address(), threading.Event(), threading.Event()
    states: list[CameraState] = []
    asked: list[float] = []
    ages: list[float] = []

    def stopped() -> bool:
        asked.append(time.monotonic())
        return stop.is_set()

    with Publisher(address, codec="svd-patch", keyframe_interval_s=60.0) as publisher:

        def work() -> None:
            for image in pictures():
                if done.wait(1 / FPS):
                    return
                publisher.send(image)

        with (
            in_thread(work),
            caplog.at_level(logging.WARNING),
            Subscriber(
                address, timeout_s=WAIT_S, stopped=stopped, on_state=lambda now: states.extend(now)
            ) as subscriber,
        ):
            began = time.monotonic()
            try:
                for frame in subscriber:
                    ages.append((boot_ns() - frame.t_capture_mono_ns) / 1e9)
                    stream = subscriber.streams["cam"]
                    if stream.keyframe_requests >= 2 and not stream.waiting_for_keyframe:
                        stop_s = time.monotonic()
                        stop.set()
                    assert time.monotonic() - began < 2 * WAIT_S
            finally:
                done.set()
            elapsed_s, balance = time.monotonic() - began, subscriber.balance()
    assert max(ages) <= STALE_S
    assert max(np.diff(asked)) <= STALE_S, "the pulse beats and a stop is seen between pictures"
    assert not [moment for moment in slow_decoder if moment > stop_s], "begun after the stop"
    # Each key frame costs every viewer.
    assert stream.keyframe_requests <= 1 + elapsed_s / OVERLOADED_INTERVAL_S
    assert balance.under_way == 0
    assert balance.lost[SKIPPED_AS_OLD] > 0
    assert balance.lost[WAITING_FOR_KEYFRAME] > 0
    assert any("decoding is slower than the stream" in state.detail for state in states)
    said = [record for record in caplog.records if "frames dropped" in record.message]
    assert 1 <= len(said) <= 1 + elapsed_s / 10
