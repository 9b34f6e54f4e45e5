"""Packets of `svd-patch` from a broken or hostile sender."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankcast
from rankcast.wire import pack, unpack
from support.moving_scene import reference_sequence, stream

pytestmark = pytest.mark.timeout(600)


def _forge(packet: bytes, body: bytes) -> bytes:
    return pack(unpack(packet).header, body)


def _survives(decoder: rankcast.Decoder, packet: bytes) -> None:
    try:
        decoder.decode(packet)
    except (rankcast.WireError, rankcast.NeedKeyframe):
        return


def test_a_key_frame_decodes_after_any_truncated_body() -> None:
    packets = stream(2)
    decoder = rankcast.Decoder()
    for packet in packets:
        body = bytes(unpack(packet).body)
        for end in range(0, len(body), max(1, len(body) // 150)):
            decoder.decode(packets[0])
            _survives(decoder, _forge(packet, body[:end]))
    expected = rankcast.Decoder().decode(packets[0])
    assert np.array_equal(decoder.decode(packets[0]), expected)


@given(st.integers(0, 1), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 7)), min_size=1))
@settings(max_examples=60, deadline=None)
def test_flipped_bits_are_refused_or_harmless(which: int, flips: list[tuple[int, int]]) -> None:
    packets, pictures = reference_sequence()
    body = bytearray(unpack(packets[which]).body)
    for position, bit in flips:
        body[position % len(body)] ^= 1 << bit
    decoder = rankcast.Decoder()
    decoder.decode(packets[0])
    _survives(decoder, _forge(packets[which], bytes(body)))
    assert np.array_equal(decoder.decode(packets[0]), pictures[0])


@given(st.binary(max_size=400), st.integers(0, 1))
@settings(max_examples=60, deadline=None)
def test_random_bodies_are_refused_or_harmless(body: bytes, which: int) -> None:
    packets, pictures = reference_sequence()
    decoder = rankcast.Decoder()
    decoder.decode(packets[0])
    _survives(decoder, _forge(packets[which], body))
    assert np.array_equal(decoder.decode(packets[0]), pictures[0])


@pytest.mark.parametrize(
    "params",
    [
        (),
        (1, 128),
        (1, 128, 9),
        (9, 128, 8),
        (1, 0, 8),
        (1, 1 << 30, 8),
        (1.0, 128, 8),
        (0, 128, 8),
    ],
)
def test_wrong_parameters_are_refused(params: tuple[int, ...]) -> None:
    parsed = unpack(stream(1)[0])
    with pytest.raises(rankcast.PayloadError):
        rankcast.Decoder().decode(pack(replace(parsed.header, params=params), parsed.body))
