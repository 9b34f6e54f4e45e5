"""A camera is decoded only while somebody needs its pixels, and every frame is counted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankcast
from rankcast.errors import WireError
from rankcast.frame import Frame, Pixels
from rankcast.runtime import NETWORK_GAP, REFUSED_PACKET, WAITING_FOR_KEYFRAME
from rankcast.wire import Packet, unpack
from rankcast_receiver.stream import CameraStream, Decoded, StreamOptions
from rankcast_receiver.stream.on_demand.on_demand_decoder import KEYFRAME_S, SHORT_GROUP
from rankcast_receiver.stream.on_demand.picture_follower import MOST_HELD
from rankcast_receiver.stream.on_demand.pixel_demand import LINGER_S
from support.clock import Clock
from support.received import received, refused
from support.recordings import packets_of, pictures

FEW: Sequence[bytes] = packets_of("svd-patch", pictures(24), group=10)
LONG: Sequence[bytes] = packets_of("svd-patch", pictures(SHORT_GROUP + 40))


class Station:
    """A camera that is decoded on demand, and packets that come to it."""

    def __init__(self, packets: Sequence[bytes] = FEW, *, live: bool = True) -> None:
        self.clock = Clock()
        self.packets = [unpack(data) for data in packets]
        self.stream = CameraStream(
            "cam", StreamOptions(live=live, on_demand=True), now_s=self.clock
        )

    def take(self, *numbers: int, budget_s: float = 60.0) -> Decoded:
        return self.come(*(self.packets[number] for number in numbers), budget_s=budget_s)

    def come(self, *packets: Packet, budget_s: float = 60.0) -> Decoded:
        return self.stream.decode([received(packet) for packet in packets], budget_s)

    @property
    def counts(self) -> tuple[int, int, dict[str, int]]:
        balance = self.stream.ledger.balance()
        assert balance.under_way == 0
        return balance.entered, balance.passed, dict(balance.lost)

    def pixels(self, number: int) -> Pixels:
        """Return picture `number` as a decoder of the whole stream has it."""
        decoder = rankcast.Decoder()
        return [decoder.decode_packet(packet) for packet in self.packets[: number + 1]][-1]

    def check(self, frame: Frame | None, number: int) -> None:
        assert frame is not None
        assert frame.sequence == number
        assert np.array_equal(frame.pixels, self.pixels(number))
        assert self.stream.is_newest(frame)


def test_nothing_is_decoded_while_nobody_needs_pixels_and_all_frames_count_as_received() -> None:
    station = Station()
    for number in range(15):
        decoded = station.take(number)
        assert decoded.frame is None
        assert len(decoded.codings) == len(decoded.packets) == 1
    assert station.counts == (15, 15, {})
    stream = station.stream
    assert (stream.decoded_packets, stream.decoded_frames, stream.decoding) == (0, 0, False)
    assert not stream.needs_keyframe
    assert not stream.unfinished


def test_what_is_known_of_a_picture_is_the_same_decoded_or_not() -> None:
    station, other = Station(), CameraStream("cam")
    station.take(*range(14))
    for packet in station.packets[:14]:
        other.decode([received(packet)])
    assert station.stream.newest == other.newest
    assert other.newest is not None
    assert other.newest.coding.psnr_db is not None


def test_who_needs_pixels_gets_the_newest_picture_without_a_further_packet() -> None:
    station = Station()
    station.take(*range(15))
    station.stream.demand.renew()
    assert station.stream.unfinished
    station.check(station.take().frame, 14)
    # The key frame and the four behind it, not those of the group before.
    assert station.stream.decoded_packets == 5
    assert station.stream.decoded_frames == 1
    assert station.counts == (15, 15, {})
    assert not station.stream.unfinished
    station.check(station.take(15).frame, 15)
    assert station.counts == (16, 16, {})
    assert station.stream.decoded_frames == 2


def test_a_picture_that_was_handed_out_is_not_handed_out_again() -> None:
    station = Station()
    station.stream.demand.renew()
    frame = station.take(0).frame
    assert frame is not None
    station.clock.advance(LINGER_S + 1)
    station.take()
    station.stream.demand.renew()
    assert station.take().frame is None
    assert station.stream.decoding
    assert station.stream.is_newest(frame)
    assert station.stream.decoded_frames == 1


def test_decoding_ends_after_the_last_need_and_the_old_picture_is_known_to_be_old() -> None:
    station = Station()
    station.stream.demand.renew()
    station.take(0)
    frame = station.take(1).frame
    assert frame is not None
    station.clock.advance(LINGER_S - 0.1)
    station.stream.demand.renew()
    station.clock.advance(LINGER_S - 0.1)
    assert station.take(2).frame is not None
    station.clock.advance(0.2)
    assert station.take(3).frame is None
    assert not station.stream.decoding
    assert not station.stream.is_newest(frame)
    assert station.stream.decoded_packets == 3
    assert station.counts == (4, 4, {})


def test_a_group_is_decoded_within_the_budget_of_each_turn_while_packets_go_on() -> None:
    station = Station()
    station.take(*range(10, 15))
    station.stream.demand.renew()
    clock = station.clock
    original = rankcast.Decoder.decode_packet

    def slow(decoder: rankcast.Decoder, packet: Packet) -> Pixels:
        clock.advance(0.1)
        return original(decoder, packet)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rankcast.Decoder, "decode_packet", slow)
        for number in (15, 16, 17):
            decoded = station.take(number, budget_s=0.15)
            assert decoded.frame is None
            assert len(decoded.packets) == 1
        frame = station.take(budget_s=0.5).frame
    station.check(frame, 17)
    assert station.counts == (8, 8, {})


def test_behind_many_packets_a_key_frame_is_asked_for_before_they_are_decoded() -> None:
    station = Station(LONG)
    last = len(LONG) - 1
    station.take(*range(last))
    station.stream.demand.renew()
    assert station.take(last).frame is None
    assert station.stream.needs_keyframe
    assert station.stream.decoded_packets == 0
    assert station.counts == (last + 1, last + 1, {})
    station.clock.advance(KEYFRAME_S)
    station.check(station.take().frame, last)
    assert not station.stream.needs_keyframe


def test_the_key_frame_is_asked_for_only_as_long_as_somebody_needs_pixels() -> None:
    station = Station(LONG)
    station.take(*range(len(LONG)))
    station.stream.demand.renew()
    station.take()
    assert station.stream.needs_keyframe
    station.clock.advance(LINGER_S)
    assert not station.stream.needs_keyframe


def test_for_a_reference_packet_the_group_is_decoded_without_asking_for_a_key_frame() -> None:
    station = Station(LONG)
    station.take(*range(len(LONG)))
    station.stream.reference_wanted = True
    assert station.stream.unfinished
    reference = station.take().reference
    assert reference is not None
    assert not station.stream.needs_keyframe
    decoder = rankcast.Decoder()
    assert np.array_equal(decoder.decode(reference.data), station.pixels(len(LONG) - 1))
    # The next one needs no group.
    packets = station.stream.decoded_packets
    station.stream.reference_wanted = True
    assert station.take().reference is not None
    assert station.stream.decoded_packets == packets


def test_without_the_packets_of_the_group_decoding_begins_with_the_next_key_frame() -> None:
    encoder = rankcast.Encoder("svd-patch", gop=100_000)
    images = pictures(2)
    packets = [encoder.encode(images[number % 2]) for number in range(MOST_HELD + 4)]
    encoder.request_keyframe()
    station = Station([*packets, encoder.encode(images[0])])
    station.take(*range(MOST_HELD + 2))
    station.stream.demand.renew()
    assert station.take(MOST_HELD + 2).frame is None
    station.clock.advance(KEYFRAME_S)
    assert station.take(MOST_HELD + 3).frame is None
    assert station.stream.needs_keyframe
    assert not station.stream.waiting_for_keyframe, "those who get the packets miss nothing"
    station.check(station.take(MOST_HELD + 4).frame, MOST_HELD + 4)
    assert station.stream.decoded_packets == 1
    assert station.counts == (MOST_HELD + 5, MOST_HELD + 5, {})


def test_a_lost_frame_is_a_loss_for_all_that_follow_also_undecoded() -> None:
    station = Station()
    station.take(0, 1, 2)
    station.take(4, 5)
    assert station.stream.waiting_for_keyframe
    assert station.stream.needs_keyframe
    assert station.counts == (6, 3, {NETWORK_GAP: 1, WAITING_FOR_KEYFRAME: 2})
    station.stream.demand.renew()
    station.check(station.take().frame, 2)  # the newest that can be decoded
    station.take(*range(6, 10))
    station.check(station.take(10).frame, 10)
    assert station.counts == (11, 4, {NETWORK_GAP: 1, WAITING_FOR_KEYFRAME: 6})


def test_a_damaged_packet_is_a_loss_and_an_unknown_codec_is_refused_undecoded() -> None:
    station = Station()
    station.take(0)
    station.stream.decode([refused(WireError("CRC-32 differs"))])
    foreign = station.packets[10]
    station.come(replace(foreign, header=replace(foreign.header, sequence=2, codec=99)))
    assert "codec id 99" in station.stream.refusal
    assert station.counts == (3, 1, {REFUSED_PACKET: 2})
    station.take(10)
    assert station.stream.refusal == ""


def test_damage_that_the_crc_does_not_show_is_found_when_somebody_needs_the_picture() -> None:
    station = Station()
    damaged = replace(station.packets[2], body=memoryview(b"\xff" * 9))
    station.take(0, 1)
    station.come(damaged)
    station.take(3)
    assert station.counts == (4, 4, {})
    station.stream.demand.renew()
    assert station.take().frame is None
    assert station.stream.needs_keyframe
    assert station.counts == (4, 4, {}), "what was received is not lost afterwards"
    station.take(4)
    assert station.counts == (5, 4, {WAITING_FOR_KEYFRAME: 1})
    station.clock.advance(LINGER_S)
    station.take(5)
    assert not station.stream.needs_keyframe, "nobody needs it any more"
    station.stream.demand.renew()
    station.check(station.take(10).frame, 10)


def test_another_stream_begins_while_pixels_are_needed_or_not() -> None:
    station, other = Station(), Station(packets_of("raw", pictures(3)))
    station.take(0, 1)
    station.come(other.packets[0])
    station.stream.demand.renew()
    frame = station.take().frame
    assert frame is not None
    assert frame.stream_id == other.packets[0].header.stream_id
    again = Station()
    again.stream.demand.renew()
    frame = again.take(0).frame
    assert frame is not None
    shown = again.come(other.packets[0]).frame
    assert shown is not None
    assert again.stream.is_newest(shown)
    assert again.counts == (2, 2, {})


def test_every_frame_is_decoded_where_that_is_not_on_demand() -> None:
    stream = CameraStream("cam")
    assert stream.decoding
    for data in FEW[:5]:
        assert stream.decode([received(unpack(data))]).frame is not None
    assert (stream.decoded_frames, stream.decoded_packets) == (5, 5)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.booleans())
def test_whatever_comes_and_whoever_needs_pixels_every_frame_is_counted_once(
    data: st.DataObject, live: bool
) -> None:
    station = Station(live=live)
    waiting: list[Packet] = []
    joined: int | None = None
    for number, packet in enumerate(station.packets):
        fate = data.draw(st.sampled_from(["comes", "comes", "comes", "lost", "damaged", "waits"]))
        if fate != "lost":
            body = memoryview(b"\xff" * 5) if fate == "damaged" else packet.body
            waiting.append(replace(packet, body=body))
        if data.draw(st.booleans()):
            station.stream.demand.renew()
        station.clock.advance(data.draw(st.sampled_from([0.0, 0.1, 4.0])))
        if fate == "waits" or not waiting:
            continue
        joined = waiting[0].header.sequence if joined is None else joined
        newest = waiting[-1].header.sequence
        decoded = station.come(*waiting)
        waiting.clear()
        entered, passed, _ = station.counts
        assert entered == newest + 1 - joined
        assert 0 <= station.stream.decoded_frames <= passed
        if decoded.frame is not None:
            assert decoded.frame.sequence <= number
