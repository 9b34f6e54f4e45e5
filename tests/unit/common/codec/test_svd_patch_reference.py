"""Key frames and references of `svd-patch`: a viewer sees what the encoder saw, or nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankcast
from rankcast.codec.svd_patch.geometry import Layout, geometry_of
from rankcast.codec.svd_patch.picture import Picture
from rankcast.frame import Frame
from rankcast.wire import Kind, pack, unpack
from support.moving_scene import reference_sequence, scene, stream

pytestmark = pytest.mark.timeout(600)


def test_key_frames_come_at_the_start_by_count_and_on_request() -> None:
    encoder = rankcast.Encoder("svd-patch", gop=4)
    kinds = []
    for number in range(10):
        if number == 6:
            encoder.request_keyframe()
        kinds.append(encoder.encode_packet(scene(number)).header.kind)
    assert [n for n, kind in enumerate(kinds) if kind is Kind.KEY] == [0, 4, 6]


def test_key_frames_come_by_capture_time() -> None:
    encoder = rankcast.Encoder("svd-patch", keyframe_interval_s=1.0)
    keys = []
    for number in range(9):
        frame = Frame(scene(number), t_capture_mono_ns=(number + 1) * 300_000_000)
        if encoder.encode_packet(frame).header.kind is Kind.KEY:
            keys.append(number)
    assert keys == [0, 4, 8]


def test_a_capture_clock_that_goes_back_makes_one_key_frame_and_counts_on_from_there() -> None:
    encoder = rankcast.Encoder("svd-patch", keyframe_interval_s=1.0)
    keys = []
    for number, time_ms in enumerate((90_000, 90_400, 100, 500, 900, 1100, 1500)):
        frame = Frame(scene(number), t_capture_mono_ns=time_ms * 1_000_000)
        if encoder.encode_packet(frame).header.kind is Kind.KEY:
            keys.append(number)
    assert keys == [0, 2, 5]


def test_another_scene_starts_with_a_key_frame() -> None:
    encoder = rankcast.Encoder("svd-patch")
    encoder.encode(scene(0))
    other = np.ascontiguousarray(255 - scene(0)[::-1, ::-1])
    other[::2] = other[::2] // 3
    assert encoder.encode_packet(other).header.kind is Kind.KEY


def test_another_shape_starts_with_a_key_frame() -> None:
    encoder, decoder = rankcast.Encoder("svd-patch"), rankcast.Decoder()
    for shape in ((40, 40, 3), (48, 40, 3), (40, 40)):
        packet = encoder.encode(scene(0, shape))
        assert unpack(packet).header.kind is Kind.KEY
        assert decoder.decode(packet).shape == shape


def test_gop_1_makes_key_frames_only() -> None:
    assert all(unpack(packet).header.kind is Kind.KEY for packet in stream(3, gop=1))


def test_a_lost_frame_asks_for_a_key_frame_until_one_comes() -> None:
    encoder, decoder = rankcast.Encoder("svd-patch", gop=5), rankcast.Decoder()
    packets = [encoder.encode(scene(number)) for number in range(7)]
    decoder.decode(packets[0])
    for packet in packets[2:5]:
        with pytest.raises(rankcast.NeedKeyframe):
            decoder.decode(packet)
    decoder.decode(packets[5])
    decoder.decode(packets[6])


def test_with_refs_2_every_second_frame_can_be_dropped() -> None:
    packets = stream(9, refs=2)
    complete, thinned = rankcast.Decoder(), rankcast.Decoder()
    shown = [complete.decode(packet) for packet in packets]
    for number in range(0, 9, 2):
        assert np.array_equal(thinned.decode(packets[number]), shown[number])


def test_a_wrong_checksum_asks_for_a_key_frame_and_drops_the_reference() -> None:
    packets = stream(20)
    decoder = rankcast.Decoder()
    for packet in packets[:16]:
        decoder.decode(packet)
    parsed = unpack(packets[16])
    assert parsed.header.checksum is not None
    forged = pack(replace(parsed.header, checksum=parsed.header.checksum ^ 1), parsed.body)
    with pytest.raises(rankcast.NeedKeyframe, match="checksum"):
        decoder.decode(forged)
    with pytest.raises(rankcast.NeedKeyframe):
        decoder.decode(packets[17])


@given(st.data())
@settings(deadline=None)
def test_two_samples_that_change_places_change_the_checksum(data: st.DataObject) -> None:
    picture = Picture(geometry_of(Layout.GREY, (64, 72), 2))
    plane = picture.planes[0].reshape(-1)
    plane[:] = np.random.default_rng(0).integers(0, 65536, len(plane))
    before = picture.checksum()
    first = data.draw(st.integers(0, len(plane) - 2))
    second = data.draw(st.integers(first + 1, len(plane) - 1))
    plane[[first, second]] = plane[[second, first]]
    assert (picture.checksum() == before) == (plane[first] == plane[second])


def test_a_packet_of_another_stream_is_not_predicted_from_ours() -> None:
    ours, theirs = stream(3), stream(3)
    decoder = rankcast.Decoder()
    decoder.decode(ours[0])
    with pytest.raises(rankcast.NeedKeyframe):
        decoder.decode(theirs[1])
    decoder.decode(ours[1])


@given(st.lists(st.integers(0, 39), max_size=60), st.floats(0, 0.5), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_whatever_is_shown_is_what_the_encoder_saw(
    order: list[int], loss: float, seed: int
) -> None:
    packets, pictures = reference_sequence()
    rng = np.random.default_rng(seed)
    # First a stream with losses and duplicates, then packets in any order.
    numbers = [n for n in range(40) for _ in range(1 + (rng.random() < 0.1))]
    numbers = [n for n in numbers if rng.random() >= loss] + order
    decoder = rankcast.Decoder()
    for number in numbers:
        try:
            pixels = decoder.decode(packets[number])
        except rankcast.NeedKeyframe:
            assert unpack(packets[number]).header.kind is Kind.PREDICTED
            continue
        assert np.array_equal(pixels, pictures[number])
