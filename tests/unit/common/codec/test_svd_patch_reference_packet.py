"""Reference packets of `svd-patch`: who begins with one goes on as if it had been there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rankcast
from rankcast.codec.svd_patch.geometry import Layout, geometry_of
from rankcast.codec.svd_patch.picture import FRESH_MODELS, Picture
from rankcast.codec.svd_patch.reference import read_reference, write_reference
from rankcast.entropy.rangecoder import REGISTERS
from rankcast.errors import ChecksumMismatch, NeedKeyframe, PayloadError, WireError
from rankcast.frame import Frame
from rankcast.wire import Kind, pack, unpack
from support.intake import Intake
from support.moving_scene import scene

BITMAP_BYTES = -(-len(FRESH_MODELS) // 8)
FORMS: tuple[tuple[tuple[int, ...], str, str, dict[str, Any]], ...] = (
    ((40, 56), "uint8", "", {}),
    ((33, 46, 3), "uint8", "", {"refs": 2}),
    ((33, 46, 3), "uint8", "", {"colour": "ycc444"}),
    ((33, 46, 3), "uint16", "", {}),
    ((34, 47), "uint16", "RGGB", {}),
    ((24, 31, 5), "uint8", "", {"bitrate": "400 kbit/s"}),
    ((1, 1), "uint8", "", {}),
)


def coded(
    count: int, shape: tuple[int, ...], dtype: str, cfa: str, options: dict[str, Any]
) -> list[bytes]:
    encoder = rankcast.Encoder("svd-patch", **options)
    return [encoder.encode(Frame(scene(n, shape, dtype), cfa=cfa)) for n in range(count)]


def reference_of(packets: list[bytes]) -> bytes:
    decoder = rankcast.Decoder()
    for packet in packets:
        decoder.decode(packet)
    return decoder.reference_packet()


@pytest.mark.parametrize(("shape", "dtype", "cfa", "options"), FORMS)
def test_a_viewer_that_joins_late_sees_what_the_others_see(
    shape: tuple[int, ...], dtype: str, cfa: str, options: dict[str, Any]
) -> None:
    packets = coded(24, shape, dtype, cfa, options)
    early, late = rankcast.Decoder(), rankcast.Decoder()
    for packet in packets[:5]:  # the fifth is kept with refs=2 as well
        shown = early.decode(packet)
    reference = early.reference_packet()
    assert np.array_equal(late.decode(reference), shown)
    # Beyond the frame that has the next checksum.
    for packet in packets[5:]:
        assert np.array_equal(late.decode(packet), early.decode(packet))
    assert late.reference_packet() == early.reference_packet()


def test_two_slices_and_factors_of_its_own_are_handed_on() -> None:
    y, x = np.mgrid[0:736, 0:1280]
    wave = 120 + 60 * np.sign(np.sin(x * 2.1)) * np.sign(np.sin(y * 1.7))
    pictures = [
        (wave + np.random.default_rng(n).normal(0, 2, wave.shape)).astype(np.uint8)
        for n in range(3)
    ]
    encoder = rankcast.Encoder("svd-patch", step=6.0)
    early, late = rankcast.Decoder(), rankcast.Decoder()
    packets = [encoder.encode(picture) for picture in pictures]
    assert unpack(packets[0]).body[0] & 2, "the key frame has factor matrices"
    for packet in packets[:2]:
        shown = early.decode(packet)
    assert np.array_equal(late.decode(early.reference_packet()), shown)
    assert np.array_equal(late.decode(packets[2]), early.decode(packets[2]))


def test_the_header_is_that_of_the_frame_and_completes_the_next_one() -> None:
    encoder = rankcast.Encoder("svd-patch")
    decoder, late = rankcast.Decoder(), rankcast.Decoder()
    headers = []
    for number in range(4):
        made = encoder.encode_packet(scene(number), meta={"number": number})
        headers.append(made.header)
        if number < 3:
            decoder.decode(made.data)
    reference = unpack(decoder.reference_packet())
    assert reference.header == replace(
        headers[2], kind=Kind.REFERENCE, ref_sequence=None, checksum=reference.header.checksum
    )
    late.decode_packet(reference)
    assert late.complete(unpack(made.data)).header == headers[3]


def test_a_picture_that_is_no_reference_is_not_handed_on() -> None:
    packets = coded(2, (40, 56), "uint8", "", {"refs": 2})
    assert unpack(packets[1]).body[0] & 1 == 0
    assert unpack(reference_of(packets)).header.sequence == 0


def test_a_decoder_without_a_picture_has_no_reference() -> None:
    raw = rankcast.Decoder()
    for _ in range(2):
        with pytest.raises(NeedKeyframe, match="holds no picture"):
            raw.reference_packet()
        raw.decode(rankcast.Encoder("raw").encode(scene(0)))
    broken = rankcast.Decoder()
    packet = unpack(rankcast.Encoder("svd-patch").encode(scene(0)))
    with pytest.raises(PayloadError):
        broken.decode(pack(packet.header, b"\1"))
    with pytest.raises(NeedKeyframe, match="holds no picture"):
        broken.reference_packet()


def test_a_reference_of_a_codec_that_predicts_nothing_is_refused() -> None:
    packet = unpack(rankcast.Encoder("raw").encode(scene(0)))
    forged = pack(replace(packet.header, kind=Kind.REFERENCE), packet.body)
    with pytest.raises(PayloadError, match="which predicts nothing"):
        rankcast.Decoder().decode(forged)


def test_a_changed_sample_is_found_by_the_checksum() -> None:
    packet = unpack(reference_of(coded(3, (40, 56), "uint8", "", {})))
    forged = replace(packet.header, checksum=(packet.header.checksum or 0) ^ 1)
    with pytest.raises(ChecksumMismatch, match="frame 2 was rebuilt with another checksum"):
        rankcast.Decoder().decode(pack(forged, packet.body))


*FIRST, PREDICTED = coded(4, (16, 24), "uint8", "", {})
PACKET = unpack(reference_of(FIRST))


def damaged(body: bytes) -> None:
    """Decode a body without its checksum, and the frame after it: refused or harmless."""
    decoder = rankcast.Decoder()
    with suppress(WireError):
        decoder.decode(pack(replace(PACKET.header, checksum=None), body))
        with suppress(WireError, NeedKeyframe):
            decoder.decode(PREDICTED)
        assert len(decoder.reference_packet()) > 0


def test_a_body_cut_anywhere_shows_the_same_picture_or_none() -> None:
    body = bytes(PACKET.body)
    shown = rankcast.Decoder().decode_packet(PACKET)
    refused = 0
    for end in range(len(body)):
        try:
            pixels = rankcast.Decoder().decode(pack(PACKET.header, body[:end]))
        except (PayloadError, ChecksumMismatch):
            refused += 1
        else:  # a range decoder reads zeros after the end
            assert np.array_equal(pixels, shown)
    assert refused >= len(body) - 8


@given(st.integers(0, len(PACKET.body) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_harmless(place: int, change: int) -> None:
    body = bytearray(PACKET.body)
    body[place] ^= change
    damaged(bytes(body))


@given(st.binary(max_size=300))
def test_noise_is_refused_or_harmless(body: bytes) -> None:
    damaged(body)


def _picture() -> Picture:
    picture = Picture(geometry_of(Layout.YCC444, (16, 24, 3), 1))
    picture.start_from(None)
    read_reference(memoryview(_body_of_444()), picture)
    return picture


def _body_of_444() -> bytes:
    packets = coded(2, (16, 24, 3), "uint8", "", {"colour": "ycc444"})
    return bytes(unpack(reference_of(packets)).body)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (1 << 31, "probability 0"),
        (1 << 15, "probability 0"),
        (1 << 15 | 1 << 31 | 96 << 32, "a count above 95"),
    ],
)
def test_a_model_that_no_coder_comes_to_is_refused(model: int, message: str) -> None:
    picture = _picture()
    picture.coders[0][REGISTERS + 5] = model
    with pytest.raises(PayloadError, match=message):
        read_reference(memoryview(write_reference(picture)), _picture())


def test_a_sample_above_full_scale_is_refused() -> None:
    picture = _picture()
    picture.planes[1][3, 4] = 1024
    with pytest.raises(PayloadError, match="got a sample of 1024, the limit is 1023"):
        read_reference(memoryview(write_reference(picture)), _picture())


def _forged_models(models: bytes) -> bytes:
    """A reference whose first slice has these models."""
    body = _body_of_444()
    size = int.from_bytes(body[4:8], "little")
    return body[:4] + len(models).to_bytes(4, "little") + body[8:16] + models + body[16 + size :]


@pytest.mark.parametrize(
    "models",
    [
        b"",
        bytes(BITMAP_BYTES - 1),
        bytes(BITMAP_BYTES + 1),
        b"\1" + bytes(BITMAP_BYTES - 1) + b"\1\0\1\0",
        b"\1" + bytes(BITMAP_BYTES - 1) + b"\1\0\1\0\7\7",
        bytes(BITMAP_BYTES - 1) + b"\x80" + b"\1\0\1\0\7",
        bytes(30_000_000),
    ],
    ids=["none", "cut", "longer", "a value cut", "a value too many", "behind the last", "huge"],
)
def test_models_that_are_cut_or_too_many_are_refused(models: bytes) -> None:
    with pytest.raises(PayloadError, match="got models of"):
        read_reference(memoryview(_forged_models(models)), _picture())


@pytest.mark.parametrize("value", [b"\0\0\1\0\7", b"\1\0\0\0\7", b"\1\0\1\0\x60"])
def test_models_that_no_coder_comes_to_are_refused(value: bytes) -> None:
    forged = _forged_models(b"\1" + bytes(BITMAP_BYTES - 1) + value)
    with pytest.raises(PayloadError, match="probability 0 or a count above 95"):
        read_reference(memoryview(forged), _picture())


def test_a_hostile_reference_costs_a_receiver_one_frame() -> None:
    packets = coded(5, (16, 24), "uint8", "", {})
    intake = Intake()
    good = unpack(reference_of(packets[:3]))
    assert intake.take(b"cam/frames\0" + pack(good.header, bytes(good.body)[:-3])) is None
    assert sum(intake.ledger.balance().lost.values()) == 1
    # One that arrives as it is lets the next frame be shown.
    other = Intake()
    assert other.take(b"cam/frames\0" + pack(good.header, good.body)) is not None
    assert other.take(b"cam/frames\0" + packets[3]) is not None
    for one in (intake, other):
        one.check_balance()
