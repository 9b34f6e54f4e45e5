"""What a viewer gets that joins in the middle of a group, and what it costs the others."""

from __future__ import annotations

import numpy as np
import pytest

import rankcast
from rankcast.decoder import Decoder
from rankcast.wire import Limits, frames_topic, parse_catch_up, unpack, viewer_topic
from rankcast_sender.joins import MOST_PACKETS, PEER, CameraJoins
from rankcast_sender.joins.camera_joins import AGAIN_S, MAKE_S, ON_ITS_WAY_S, WAIT_S
from support.clock import Clock

TOKEN = bytes(range(16))
TOPIC = viewer_topic(TOKEN, "cam")


class Bench:
    """A camera whose frames a test sends."""

    def __init__(self, *, makes_keyframe: bool = False) -> None:
        self.makes_keyframe = makes_keyframe
        self.clock = Clock()
        self.wanted: list[CameraJoins] = []
        self.sent: list[bytes] = []
        self.asked: list[bytes] = []
        self.joins = CameraJoins(
            "cam", Limits(), self.wanted.append, self.sent.append, self.asked.append,
            lambda: self.makes_keyframe, self.clock,
        )  # fmt: skip
        self.encoder = rankcast.Encoder("svd-patch", gop=10_000)
        self.picture = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)

    def frames(self, count: int = 1) -> bytes:
        """Send frames; return the last packet."""
        for _ in range(count):
            self.picture = np.roll(self.picture, 1, axis=1)
            data = self.encoder.encode(self.picture)
            header = unpack(data).header
            self.joins.expect(header)
            self.joins.sent(data, header.sequence)
        return data


def packets_of(found: bytes | None) -> list[memoryview]:
    assert found is not None
    return parse_catch_up(memoryview(found)[len(frames_topic("cam")) :])


def test_the_first_viewer_for_long_gets_a_key_frame() -> None:
    bench = Bench(makes_keyframe=True)
    bench.frames(20)
    assert bench.joins.joined(TOPIC) is None
    assert bench.asked == [TOPIC]
    assert not bench.joins.is_coming(TOKEN), "it waits for the key frame"


def test_where_a_catch_up_is_small_nobody_needs_a_key_frame() -> None:
    bench = Bench(makes_keyframe=True)
    bench.frames(1)
    assert len(packets_of(bench.joins.joined(TOPIC))) == 1
    assert bench.asked == []


def test_a_viewer_that_joins_behind_another_one_costs_the_others_nothing() -> None:
    bench = Bench()
    bench.frames(20)
    decoder = Decoder()
    for packet in packets_of(bench.joins.joined(TOPIC)):
        decoder.decode(packet)
    decoder.decode(bench.frames())
    assert bench.asked == []


def test_in_a_long_group_it_waits_for_a_reference_and_asks_for_no_key_frame() -> None:
    bench = Bench()
    bench.frames(MOST_PACKETS + 5)
    assert bench.joins.joined(TOPIC) is None
    assert bench.wanted == [bench.joins]
    assert bench.joins.is_coming(TOKEN)
    bench.joins.make_reference(lambda: False)
    assert bench.sent == [TOKEN]
    assert len(packets_of(bench.joins.joined(TOPIC))) == 1
    assert bench.asked == []


def test_before_the_first_frame_nobody_lacks_anything() -> None:
    bench = Bench()
    assert bench.joins.joined(TOPIC) is None
    assert (bench.asked, bench.wanted) == ([], [])


def test_a_viewer_that_cannot_be_reached_alone_is_that_of_its_key_or_address() -> None:
    bench = Bench()
    bench.frames(5)
    bench.joins.joined_plainly(b"10.0.0.7")
    assert bench.asked == [PEER + b"10.0.0.7"]


def test_a_catch_up_is_on_its_way_for_a_second() -> None:
    bench = Bench()
    bench.frames(5)
    assert not bench.joins.is_coming(TOKEN)
    bench.joins.joined(TOPIC)
    bench.clock.advance(0.9 * ON_ITS_WAY_S)
    assert bench.joins.is_coming(TOKEN)
    bench.clock.advance(0.2 * ON_ITS_WAY_S)
    assert not bench.joins.is_coming(TOKEN)


def test_who_waits_too_long_for_a_reference_gets_a_key_frame() -> None:
    bench = Bench()
    bench.frames(MOST_PACKETS + 5)
    bench.joins.joined(TOPIC)
    bench.clock.advance(WAIT_S)
    assert not bench.joins.is_coming(TOKEN), "its next request is one for a key frame"
    slow = iter(range(1000))
    bench.joins.make_reference(lambda: bool(bench.clock.advance(MAKE_S / 20 * (next(slow) >= 0))))
    assert (bench.sent, bench.asked) == ([], [TOPIC])


def test_a_reference_that_is_too_old_already_is_not_made_again_for_the_same_viewer() -> None:
    bench = Bench()
    bench.frames(MOST_PACKETS + 5)
    bench.joins.joined(TOPIC)
    bench.joins.make_reference(lambda: False)
    bench.frames(MOST_PACKETS)
    assert bench.joins.joined(TOPIC) is None
    assert bench.asked == [TOPIC]
    bench.clock.advance(AGAIN_S)
    bench.joins.joined(TOPIC)
    assert bench.wanted == [bench.joins] * 2


def test_what_fails_while_a_reference_is_made_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()
    bench.frames(MOST_PACKETS + 5)
    bench.joins.joined(TOPIC)

    def fail(*_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(Decoder, "reference_packet", fail)
    bench.joins.make_reference(lambda: False)
    assert bench.asked == [TOPIC]
    assert "viewers that join wait for a key frame: MemoryError: no room" in caplog.text


def test_after_nobody_has_watched_a_viewer_is_shown_no_old_picture() -> None:
    bench = Bench()
    bench.frames(1)
    bench.joins.rest()
    assert bench.joins.joined(TOPIC) is None
    assert bench.asked == [TOPIC]
    bench.frames(1)
    assert bench.joins.joined(TOPIC) is not None


def test_a_decoder_that_was_dropped_is_made_anew() -> None:
    bench = Bench()
    for _ in range(2):
        bench.frames(MOST_PACKETS + 5)
        bench.joins.joined(TOPIC)
        bench.joins.make_reference(lambda: False)
        bench.joins.drop_decoder()
        bench.clock.advance(AGAIN_S)
    assert bench.joins.references == 2
