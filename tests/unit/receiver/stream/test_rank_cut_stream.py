"""A stream whose packets are cut: frames, sinks and ledgers see what is left."""

from __future__ import annotations

from dataclasses import replace

import pytest

import rankcast
from rankcast.runtime import REFUSED_PACKET
from rankcast.wire import (
    Kind,
    Limits,
    Packet,
    Status,
    frames_topic,
    pack,
    pack_catch_up,
    pack_status,
    unpack,
    viewer_topic,
)
from rankcast_receiver.stream import CameraStream, ReceivedPacket, StreamOptions, read_message
from support.moving_scene import scene
from support.received import received


def stream_at(rank: int, *, live: bool = False) -> CameraStream:
    return CameraStream("cam", StreamOptions(live=live, rank=rank))


def sent(count: int, codec: str = "svd", **options: int) -> list[bytes]:
    encoder = rankcast.Encoder(codec, **options)
    return [encoder.encode(scene(number, (60, 70))) for number in range(count)]


def arrived(data: bytes) -> ReceivedPacket:
    return read_message(memoryview(frames_topic("cam") + data), Limits(), 0.0)


def end(packet: Packet, published: int) -> ReceivedPacket:
    status = Status(published=published)
    return received(unpack(pack_status(Kind.END, packet.header.stream_id, status, 1, 2)))


def test_frames_and_sinks_get_packets_of_the_rank_that_was_asked_for() -> None:
    stream, packets = stream_at(20), sent(3, rank=40)
    for data in packets:
        decoded = stream.decode([arrived(data)])
        assert decoded.frame is not None
        assert decoded.frame.coding is not None
        assert decoded.frame.coding.rank == (20,)
        (item,) = decoded.packets
        assert unpack(item.data).header.rank == item.packet.header.rank == (20,)
        assert decoded.frame.coding.packet_bytes == len(item.data) < len(data)
    assert stream.cut_counts.cut == 3
    assert stream.cut_counts.bytes_before == sum(map(len, packets))
    assert stream.packet_bytes == sum(map(len, packets)), "what the link carried"


def test_what_a_relay_sends_to_a_viewer_that_joins_is_cut_too() -> None:
    stream, token = stream_at(20), bytes(range(16))
    (data,) = sent(1, rank=40)
    joined = viewer_topic(token, None) + pack_catch_up(frames_topic("cam"), [data])
    (item,) = stream.decode([read_message(memoryview(joined), Limits(), 0.0, token)]).catch_up
    assert unpack(item.data).header.rank == (20,)


def test_without_a_rank_packets_stay_the_bytes_that_arrived() -> None:
    stream, (data,) = stream_at(0), sent(1, rank=40)
    (item,) = stream.decode([arrived(data)]).packets
    assert item.data == data
    assert stream.cut_counts.bytes_before == 0


def test_a_packet_with_hostile_bands_is_one_refused_packet_and_the_stream_goes_on() -> None:
    stream, packets = stream_at(20), sent(4, rank=40)
    bad = unpack(packets[1])
    packets[1] = pack(bad.header, b"\x09" + bytes(bad.body)[1:])
    for data in packets:
        stream.decode([arrived(data)])
        if data is packets[1]:
            assert "got 9 bands" in stream.refusal
    stream.decode([end(bad, 4)])
    for ledger in (stream.ledger, stream.packet_ledger):
        balance = ledger.balance()
        assert (balance.entered, balance.passed) == (4, 3)
        assert balance.lost == {REFUSED_PACKET: 1}
    assert stream.refusal == ""


@pytest.mark.parametrize("codec", ["svd-patch", "raw"])
def test_a_stream_that_cannot_be_cut_arrives_whole_and_is_counted(codec: str) -> None:
    stream, packets = stream_at(20), sent(3, codec)
    for data in packets:
        decoded = stream.decode([arrived(data)])
        assert decoded.frame is not None
        assert decoded.packets[0].data == data
    assert stream.cut_counts.uncut == 3
    assert stream.cut_counts.cut == 0


def test_every_chosen_rank_is_a_picture_also_where_frames_are_skipped() -> None:
    stream, packets = stream_at(9, live=True), sent(5, rank=40)
    decoded = stream.decode([arrived(data) for data in packets])
    assert decoded.frame is not None
    assert decoded.frame.coding is not None
    assert decoded.frame.coding.rank == (10,)
    assert [item.packet.header.rank for item in decoded.packets] == [(10,)] * 5


def test_a_packet_of_an_unknown_codec_is_refused_by_the_decoder_as_ever() -> None:
    stream = stream_at(20)
    packet = unpack(sent(1, rank=40)[0])
    stream.decode([arrived(pack(replace(packet.header, codec=999), b"later"))])
    assert stream.ledger.balance().lost == {REFUSED_PACKET: 1}
    assert "got codec id 999" in stream.refusal
