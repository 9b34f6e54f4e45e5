"""Decoder: pictures of the packets, and errors that say what to do."""

from __future__ import annotations

import numpy as np
import pytest

import rankcast
from rankcast.decoder import frame_of
from rankcast.errors import LimitError, NeedKeyframe, PayloadError, UnknownCodecError, WireError
from rankcast.frame import Frame
from rankcast.wire import Limits, unpack
from support import packets

PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def test_the_packet_names_its_codec_also_when_it_changes() -> None:
    decoder = rankcast.Decoder()
    for codec in ("raw", "jpeg", "raw"):
        got = decoder.decode(rankcast.Encoder(codec).encode(PIXELS))
        assert got.shape == PIXELS.shape


def test_decoded_pixels_do_not_share_memory_with_the_packet() -> None:
    packet = bytearray(rankcast.Encoder("raw").encode(PIXELS))
    got = rankcast.Decoder().decode(packet)
    packet[-1] ^= 0xFF
    assert np.array_equal(got, PIXELS)


def test_a_predicted_frame_that_comes_first_asks_for_a_key_frame() -> None:
    for change in ({}, {"picture": None}):
        with pytest.raises(NeedKeyframe, match="frame 5 is predicted from frame 4"):
            rankcast.Decoder().decode(packets.packet(kind=1, ref_sequence=4, **change))


def test_a_predicted_frame_of_a_codec_without_any_asks_for_a_key_frame() -> None:
    decoder = rankcast.Decoder()
    decoder.decode(packets.packet(sequence=4))
    with pytest.raises(NeedKeyframe, match="frame 5 is predicted"):
        decoder.decode(packets.packet(kind=1, ref_sequence=4, codec=3))


def test_an_unknown_codec_is_said_at_the_key_frame() -> None:
    with pytest.raises(UnknownCodecError, match="codec id 999, this installation has 0, "):
        rankcast.Decoder().decode(packets.packet(codec=999))


def test_a_predicted_packet_is_completed_to_the_header_of_its_encoder() -> None:
    encoder, decoder = rankcast.Encoder("svd-patch"), rankcast.Decoder()
    for number in range(3):
        coded = encoder.encode_packet(PIXELS)
        packet = unpack(coded.data)
        assert packet.header.is_short == (number > 0)
        complete = decoder.complete(packet)
        assert complete.header == coded.header
        assert complete.size == packet.size
        # A receiver completes a packet and then decodes it.
        decoder.decode_packet(complete)


def test_status_is_no_picture() -> None:
    with pytest.raises(WireError, match="kind STATUS, want a picture"):
        rankcast.Decoder().decode(packets.packet(kind=2, codec=None, shape=None))


def test_a_bad_packet_costs_one_frame() -> None:
    decoder = rankcast.Decoder()
    with pytest.raises(PayloadError):
        decoder.decode(packets.packet(b"short"))
    with pytest.raises(WireError):
        decoder.decode(b"noise")
    assert decoder.decode(packets.packet()).tolist() == [[1, 2, 3], [4, 5, 6]]


def test_the_limits_of_the_decoder_hold() -> None:
    packet = rankcast.Encoder("raw").encode(PIXELS)
    for limits in (Limits(max_packet_bytes=50), Limits(max_side=3), Limits(max_samples=47)):
        with pytest.raises(LimitError):
            rankcast.Decoder(limits).decode(packet)
    assert np.array_equal(rankcast.Decoder(Limits(max_samples=48)).decode(packet), PIXELS)


def test_the_frame_of_a_packet_tells_what_the_packet_said() -> None:
    sent = Frame(
        PIXELS,
        frame=9,
        t_capture_mono_ns=10,
        t_capture_utc_ns=11,
        significant_bits=7,
        device_frame_id=13,
        device_time_ns=14,
        meta={"a": 1},
    )
    encoder = rankcast.Encoder("svd", rank=2)
    data = encoder.encode(sent)
    packet = unpack(data)
    frame = frame_of(packet, rankcast.Decoder().decode_packet(packet), "cam")
    assert (frame.frame, frame.sequence, frame.camera) == (9, 0, "cam")
    assert (frame.t_capture_mono_ns, frame.t_capture_utc_ns, frame.bits) == (10, 11, 7)
    assert (frame.device_frame_id, frame.device_time_ns, frame.meta) == (13, 14, {"a": 1})
    assert frame.stream_id == encoder.stream_id
    coding = frame.coding
    assert coding is not None
    assert (coding.codec, coding.packet_bytes, coding.key) == ("svd", len(data), True)
    assert coding.rank == (2, 2, 2)
    assert coding.energy is not None
    assert 0.9 < coding.energy <= 1


@pytest.mark.parametrize("codec", ["raw", "jpeg", "svd", "svd-patch"])
def test_writable_pictures_are_copies_that_the_next_picture_does_not_depend_on(codec: str) -> None:
    encoder = rankcast.Encoder(codec)
    decoder, drawing = rankcast.Decoder(), rankcast.Decoder(writable=True)
    for _ in range(3):
        packet = decoder.complete(unpack(encoder.encode(PIXELS)))
        want = decoder.decode_packet(packet).copy()
        frame = frame_of(packet, drawing.decode_packet(packet), "cam", writable=True)
        assert np.array_equal(frame.pixels, want)
        frame.pixels[:] = 0


def test_pixels_of_a_received_frame_are_read_only_by_default() -> None:
    packet = unpack(rankcast.Encoder("raw").encode(PIXELS))
    frame = frame_of(packet, rankcast.Decoder().decode_packet(packet), "cam")
    with pytest.raises(ValueError, match="read-only"):
        frame.pixels[0, 0] = 1
