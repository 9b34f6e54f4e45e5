"""The codec `svd-patch`: pictures come back, and the header says how near."""

from __future__ import annotations

import numpy as np
import pytest

import rankcast
from rankcast.codec.svd_patch import encoder as svd_patch_encoder
from rankcast.codec.svd_patch.basis import choose_basis, table_basis
from rankcast.codec.svd_patch.encoder import SvdPatchEncoder
from rankcast.codec.svd_patch.engine import KEY_BIT_PRICE
from rankcast.codec.svd_patch.payload import HAS_BASES, TABLE_AGAIN
from rankcast.codec.svd_patch.step import key_step
from rankcast.frame import Frame, Pixels
from rankcast.wire import pack, unpack
from support.conformance import check_codec, psnr_db
from support.moving_scene import scene, stream

# Steps of key frames at the usual quality, in sixteenths, of 12 and of 14 bits.
KEY_STEP_12, KEY_STEP_14 = (round(16 * key_step(8.0 * 2 ** (bits - 8))) for bits in (12, 14))

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(
    "shape",
    [(1, 1), (1, 9), (8, 8), (33, 47), (64, 64, 1), (1, 1, 3), (35, 66, 3), (40, 17, 5)],
)
def test_every_shape_comes_back(shape: tuple[int, ...], dtype: str) -> None:
    check_codec("svd-patch", [scene(k, shape, dtype) for k in range(3)], 25.0, quality=85)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_full_size_chroma_reaches_high_quality(dtype: str) -> None:
    images = [scene(k, (40, 56, 3), dtype) for k in range(2)]
    check_codec("svd-patch", images, 44.0, quality=97, colour="ycc444")


@pytest.mark.parametrize("shape", [(2, 2), (3, 5), (41, 54)])
def test_a_mosaic_is_coded_as_four_planes(shape: tuple[int, int]) -> None:
    encoder, decoder = rankcast.Encoder("svd-patch", quality=90), rankcast.Decoder()
    frame = Frame(scene(1, shape, "uint16"), significant_bits=16, cfa="RGGB")
    packet = encoder.encode(frame)
    assert unpack(packet).header.params[0] == 3
    pixels = decoder.decode(packet)
    assert pixels.shape == shape
    assert psnr_db(frame.pixels, pixels) > 30


def test_twelve_bits_get_the_step_of_twelve_bits() -> None:
    picture = scene(0, (64, 80), "uint16") >> 4
    for options, frame in (
        ({"significant_bits": 12}, picture),
        ({}, Frame(picture, significant_bits=12)),
        ({}, picture),
    ):
        header = unpack(rankcast.Encoder("svd-patch", **options).encode(frame)).header
        assert header.params[1] == KEY_STEP_12
        assert header.significant_bits == 12, "a viewer spreads as many bits over the screen"


@pytest.mark.parametrize(
    ("picture", "option", "camera", "header"),
    [
        (scene(0, (24, 40), "uint16") >> 6, 0, 0, 10),
        (scene(0, (24, 40), "uint16") >> 6, 12, 0, 12),
        (scene(0, (24, 40), "uint16") >> 6, 0, 14, 14),
        (scene(0, (24, 40), "uint16") >> 6, 12, 14, 12),
        (scene(0, (24, 40), "uint16") >> 9, 0, 7, 7),
        (scene(0, (24, 40), "uint16") >> 9, 0, 0, 8),
        (scene(0, (24, 40)), 0, 0, 0),
        (scene(0, (24, 40)), 8, 0, 0),
        (scene(0, (24, 40)), 0, 6, 6),
    ],
)
def test_the_header_has_the_bits_that_were_set_else_the_cameras_else_those_found(
    picture: Pixels, option: int, camera: int, header: int
) -> None:
    encoder = rankcast.Encoder("svd-patch", significant_bits=option)
    packet = unpack(encoder.encode(Frame(picture, significant_bits=camera)))
    assert packet.header.significant_bits == header


def test_a_dark_picture_gets_no_finer_step_than_the_bright_one_before_it() -> None:
    bright = scene(0, (64, 80), "uint16") >> 5  # 11 bits: of a 12-bit camera
    dark, brighter = bright >> 5, bright << 3
    encoder, steps = rankcast.Encoder("svd-patch"), []
    for picture in (bright, dark, brighter, bright):
        encoder.request_keyframe()
        steps.append(encoder.encode_packet(picture).header.params[1])
    assert steps == [KEY_STEP_12, KEY_STEP_12, KEY_STEP_14, KEY_STEP_14]
    encoder = rankcast.Encoder("svd-patch")
    encoder.encode(dark)
    assert encoder.encode_packet(bright).header.params[1] == 8 * 16 * 16, "also between key frames"


def test_a_hot_sample_makes_no_coarser_step(caplog: pytest.LogCaptureFixture) -> None:
    picture = scene(0, (120, 160), "uint16") >> 4
    encoder = rankcast.Encoder("svd-patch")
    encoder.encode(picture)
    picture[3, 5] = 65535
    encoder.request_keyframe()
    assert encoder.encode_packet(picture).header.params[1] == KEY_STEP_12
    picture[:20] <<= 2
    with caplog.at_level("INFO", "rankcast"):
        assert encoder.encode_packet(picture).header.params[1] == 8 * 64 * 16
    assert "14 bits" in caplog.text


def test_the_header_tells_error_energy_and_rank() -> None:
    encoder, decoder = rankcast.Encoder("svd-patch", rank=3), rankcast.Decoder()
    image = scene(0)
    packet = encoder.encode(image)
    header = unpack(packet).header
    error = np.sum((decoder.decode(packet).astype(np.int64) - image) ** 2)
    assert header.squared_error == error
    assert header.rank == (3, 3, 3)
    want = 1 - error / np.sum(image.astype(np.int64) ** 2)
    assert header.energy_ppb == pytest.approx(want * 1e9, abs=2)


def test_a_smaller_rank_keeps_less_and_takes_fewer_bytes() -> None:
    image = scene(0)
    packets = [rankcast.Encoder("svd-patch", quality=95, rank=r).encode(image) for r in (1, 3, 8)]
    sizes = [len(packet) for packet in packets]
    errors = [unpack(packet).header.squared_error for packet in packets]
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)  # type: ignore[type-var]


def test_a_still_scene_costs_next_to_nothing() -> None:
    encoder = rankcast.Encoder("svd-patch")
    image = scene(0)
    first = len(encoder.encode(image))
    later = [len(unpack(encoder.encode(image)).body) for _ in range(5)]
    assert first > 300
    assert max(later[1:]) < 40


def test_a_square_that_moves_is_predicted_from_where_it_was() -> None:
    packets = stream(8)
    key = len(unpack(packets[0]).body)
    predicted = [len(unpack(packet).body) for packet in packets[1:]]
    assert max(predicted) < 0.5 * key


def _striped() -> Pixels:
    """Patches of two values in columns, at random strength: one vector, many cosines."""
    rng = np.random.default_rng(5)
    column = np.array([1, 1, -1, 1, -1, -1, 1, -1])
    strength = rng.integers(-60, 61, (40, 40))
    return (128 + np.kron(strength, np.ones((8, 1)) * column)).astype(np.uint8)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_factors_of_a_frames_own_travel_with_it(
    monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    image = _striped().astype(dtype)
    step = 6.0
    own = choose_basis(image.astype(np.uint16), step, dtype == "uint16")
    assert own.own
    monkeypatch.setattr(
        SvdPatchEncoder, "_cost", lambda _self, _picture, body, _step, _price: -len(body)
    )
    monkeypatch.setattr(svd_patch_encoder, "choose_basis", lambda *_: own)
    encoder, decoder = rankcast.Encoder("svd-patch", step=step), rankcast.Decoder()
    for number in range(3):
        packet = encoder.encode(image)
        assert bool(unpack(packet).body[0] & HAS_BASES) == (number == 0)
        pixels = decoder.decode(packet)
        assert np.abs(pixels.astype(int) - image).max() <= 4 * step


@pytest.mark.parametrize("own_wins", [True, False])
def test_later_frames_rest_on_the_coding_of_the_key_frame_that_was_sent(
    monkeypatch: pytest.MonkeyPatch, *, own_wins: bool
) -> None:
    image = _striped()
    own = choose_basis(image.astype(np.uint16), 6.0, False)
    monkeypatch.setattr(svd_patch_encoder, "choose_basis", lambda *_: own)
    sign = -1 if own_wins else 1
    monkeypatch.setattr(
        SvdPatchEncoder, "_cost",
        lambda _self, _picture, body, _step, _price: sign * bool(body[0] & HAS_BASES),
    )  # fmt: skip
    encoder = rankcast.Encoder("svd-patch", step=6.0, gop=3)
    decoder = rankcast.Decoder()
    for number in range(8):
        image[:40] = np.roll(image[:40], 1, axis=1)
        packet = unpack(encoder.encode(image))
        assert bool(packet.body[0] & HAS_BASES) == (number % 3 == 0 and own_wins)
        pixels = decoder.decode_packet(packet)
        error = image.astype(np.int64) - pixels
        # What the encoder says is measured on its own planes: any other reference would show.
        assert np.sum(error * error) == packet.header.squared_error


def test_factors_of_a_picture_that_is_gone_give_way_to_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = _striped()
    own = choose_basis(image.astype(np.uint16), 6.0, False)
    monkeypatch.setattr(svd_patch_encoder, "choose_basis", lambda *_: own)
    monkeypatch.setattr(
        SvdPatchEncoder, "_cost",
        lambda _self, _picture, body, _step, _price: -(body[0] & (HAS_BASES | TABLE_AGAIN)),
    )  # fmt: skip
    encoder, decoder = rankcast.Encoder("svd-patch", step=6.0, gop=12), rankcast.Decoder()
    flags = []
    for _ in range(26):
        image[:40] = np.roll(image[:40], 1, axis=1)
        packet = unpack(encoder.encode(image))
        flags.append(packet.body[0] & (HAS_BASES | TABLE_AGAIN))
        error = image.astype(np.int64) - decoder.decode_packet(packet)
        assert np.sum(error * error) == packet.header.squared_error
    # Every eighth frame they are compared; the next key frame may have factors of its own again.
    wanted = {0: HAS_BASES, 8: TABLE_AGAIN, 12: HAS_BASES, 20: TABLE_AGAIN, 24: HAS_BASES}
    assert flags == [wanted.get(number, 0) for number in range(26)]


def test_a_key_frame_that_goes_back_to_the_table_is_refused() -> None:
    packet = unpack(rankcast.Encoder("svd-patch").encode(_striped()))
    body = bytes([packet.body[0] | TABLE_AGAIN]) + bytes(packet.body[1:])
    with pytest.raises(rankcast.PayloadError, match="back to the table"):
        rankcast.Decoder().decode(pack(packet.header, body))


def test_factors_of_its_own_are_sent_only_where_the_bytes_say_so() -> None:
    image = _striped()
    chosen = rankcast.Encoder("svd-patch", step=6.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(svd_patch_encoder, "choose_basis", lambda _p, _s, deep: table_basis(deep))
        plain = rankcast.Encoder("svd-patch", step=6.0).encode(image)

    def cost(packet: bytes) -> float:
        parsed = unpack(packet)
        assert parsed.header.squared_error is not None
        bit = KEY_BIT_PRICE * key_step(6.0) ** 2
        return 8 * len(parsed.body) + parsed.header.squared_error / bit

    assert cost(chosen.encode(image)) <= cost(plain)


def test_a_smooth_frame_keeps_the_table() -> None:
    packet = rankcast.Encoder("svd-patch").encode(scene(0, (136, 200)))
    assert not unpack(packet).body[0] & HAS_BASES
