"""Codec `svd`: options, the formula, honest headers, and what the decoder refuses."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankcast
from rankcast.codec.svd import cut, read_bands, read_factors, rebuild
from rankcast.codec.svd.decoder import MAX_PRODUCTS, check_work
from rankcast.errors import (
    LimitError,
    PayloadError,
    SettingsError,
    UnsupportedImageError,
    WireError,
)
from rankcast.frame import Pixels
from rankcast.opencv import cv2
from rankcast.wire import pack, unpack
from support.conformance import psnr_db

GOLDEN = Path(__file__).resolve().parents[3] / "golden"


def picture(shape: tuple[int, ...] = (60, 90, 3), dtype: type = np.uint8, seed: int = 0) -> Pixels:
    """A smooth picture with a little noise over the full scale of `dtype`."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (6, 8, *shape[2:])).astype(np.float32)
    smooth = cv2.resize(coarse, shape[1::-1], interpolation=cv2.INTER_CUBIC).reshape(shape)
    values = np.clip(smooth + rng.normal(0, 2, shape), 0, 255) * (np.iinfo(dtype).max / 255)
    return np.rint(values).astype(dtype)


def coded(image: Pixels, **options: Any) -> rankcast.wire.packet.Packet:
    return unpack(rankcast.Encoder("svd", **options).encode(image))


def repacked(
    packet: rankcast.wire.packet.Packet, body: bytes | None = None, **fields: Any
) -> bytes:
    return pack(replace(packet.header, **fields), packet.body if body is None else body)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rank": True}, "want a finite number"),
        ({"rank": 0}, "at least 1"),
        ({"rank": -0.1}, r"share in \(0, 1\]"),
        ({"rank": 1.5}, r"share in \(0, 1\]"),
        ({"rank": float("nan")}, "want a finite number"),
        ({"rank": "ten"}, "rank"),
        ({"energy": 0.0}, r"share in \(0, 1\]"),
        ({"energy": 1.01}, r"share in \(0, 1\]"),
        ({"psnr": -3.0}, "more than 0 and at most 200 dB"),
        ({"psnr": float("inf")}, "want a finite number"),
        ({"rank": 3, "psnr": 30.0}, "at most one of"),
        ({"energy": 0.9, "psnr": 30.0}, "at most one of"),
        ({"engine": "fast"}, "exact"),
        ({"factors": "float8"}, "coded"),
        ({"colour": "rgb"}, "bgr"),
        ({"quality": 3}, "no option 'quality'"),
    ],
)
def test_wrong_options_are_refused_in_one_line(options: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        rankcast.Encoder("svd", **options)
    assert "\n" not in str(caught.value)


def test_a_rank_above_the_shorter_side_is_one_clear_line() -> None:
    image = np.zeros((480, 640), np.uint8)
    with pytest.raises(
        UnsupportedImageError, match=r"got rank 5000, want at most min\(H, W\) = 480"
    ):
        coded(image, rank=5000)


def test_half_size_chroma_wants_colour() -> None:
    with pytest.raises(UnsupportedImageError, match="three channels"):
        coded(np.zeros((8, 8), np.uint8), colour="ycc420")


def test_a_psnr_beyond_half_size_chroma_is_refused_with_the_reach() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    with pytest.raises(
        UnsupportedImageError, match="half-size chroma limits this picture: use less, or colour=bgr"
    ):
        coded(noise, colour="ycc420", psnr=50.0)


@pytest.mark.parametrize(("rank", "kept"), [(1, 1), (7, 7), (0.1, 6), (0.001, 1), (1.0, 60)])
def test_an_integer_counts_and_a_fraction_is_a_share(rank: float, kept: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3)).astype(np.uint8)
    assert coded(noise, rank=rank).header.rank == (kept,) * 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(60, 90, 3), (90, 60), (7, 5, 2)])
def test_the_rebuilt_matrix_is_the_formula_of_numpy(shape: tuple[int, ...], dtype: type) -> None:
    image = picture(shape, dtype)
    packet = coded(image, rank=4, engine="exact", factors="float64")
    channels = image.reshape(*shape[:2], -1)
    planes = read_factors(packet.header, packet.body)
    for channel, factors in enumerate(planes):
        u, s, vt = np.linalg.svd(channels[..., channel].astype(np.float64), full_matrices=False)
        want = (u[:, :4] * s[:4]) @ vt[:4]
        np.testing.assert_allclose(rebuild(factors), want, rtol=0, atol=1e-9)
        np.testing.assert_allclose(factors.s, s[:4], rtol=1e-12)
    decoded = rankcast.Decoder().decode_packet(packet).reshape(channels.shape)
    peak = np.iinfo(dtype).max
    for channel, factors in enumerate(planes):
        assert np.array_equal(decoded[..., channel], np.clip(np.rint(rebuild(factors)), 0, peak))


def test_coded_factors_publish_nearly_orthonormal_vectors_and_the_singular_values() -> None:
    image = picture((120, 160))
    packet = coded(image, rank=5, engine="exact")
    (factors,) = read_factors(packet.header, packet.body)
    s = np.linalg.svd(image.astype(np.float64), compute_uv=False)[:5]
    np.testing.assert_allclose(factors.s, s, rtol=1e-6)
    assert factors.u.shape == (120, 5)
    assert factors.v.shape == (160, 5)
    np.testing.assert_allclose(factors.u[:, :3].T @ factors.u[:, :3], np.eye(3), atol=0.02)


@pytest.mark.parametrize("psnr", [25.0, 32.0, 40.0])
@pytest.mark.parametrize("engine", ["exact", "warm"])
def test_a_psnr_target_is_met_closely(psnr: float, engine: str) -> None:
    image = picture((120, 160, 3))
    packet = coded(image, psnr=psnr, engine=engine)
    reached = psnr_db(image, rankcast.Decoder().decode_packet(packet))
    assert psnr - 0.05 <= reached <= psnr + 6.0
    if max(packet.header.rank) > 6:
        assert reached <= psnr + 1.0


def test_an_energy_target_is_what_the_header_says() -> None:
    header = coded(picture((120, 160, 3)), energy=0.999).header
    assert header.energy_ppb is not None
    assert header.energy_ppb >= 999_000_000 - 1000


@pytest.mark.parametrize(
    "options", [{}, {"factors": "float16"}, {"engine": "exact"}, {"colour": "ycc420"}]
)
@pytest.mark.parametrize("name", ["kodim01.png", "kodim05.png", "kodim08.png"])
def test_the_header_tells_the_psnr_within_a_fifth_of_a_db(
    data: Path, name: str, options: dict[str, Any]
) -> None:
    image = cv2.imread(str(data / "kodak" / name))
    packet = coded(image, **options)
    reached = psnr_db(image, rankcast.Decoder().decode_packet(packet))
    assert packet.header.psnr_db == pytest.approx(reached, abs=0.2)


@pytest.mark.slow
def test_coded_factors_take_a_sixth_of_float32_for_less_than_a_third_of_a_db(data: Path) -> None:
    for name in ("kodim01.png", "kodim05.png"):
        image = cv2.imread(str(data / "kodak" / name))
        wide, small = (
            coded(image, engine="exact", factors=factors) for factors in ("float32", "coded")
        )
        assert small.size * 6 < wide.size
        loss = psnr_db(image, rankcast.Decoder().decode_packet(wide)) - psnr_db(
            image, rankcast.Decoder().decode_packet(small)
        )
        assert loss <= 0.3


def test_the_warm_engine_stays_near_the_exact_truncation_on_video(data: Path) -> None:
    video = cv2.VideoCapture(str(data / "video" / "03_blocks_720p.mp4"))
    encoder = rankcast.Encoder("svd", factors="float32")
    for number in range(6):
        read, frame = video.read()
        assert read
        frame = cv2.resize(frame, (640, 360), interpolation=cv2.INTER_AREA)
        packet = encoder.encode(frame)
        if number >= 3:
            exact = rankcast.Encoder("svd", factors="float32", engine="exact").encode(frame)
            reached, want = (
                psnr_db(frame, rankcast.Decoder().decode(coded)) for coded in (packet, exact)
            )
            assert reached >= want - 0.3
    video.release()


def test_seeded_engines_repeat_themselves() -> None:
    image = picture((300, 400))
    for engine in ("randomized", "warm"):
        first, second = (coded(image, engine=engine) for _ in range(2))
        assert bytes(first.body) == bytes(second.body)


@pytest.mark.parametrize("factors", ["coded", "float16", "float32", "float64"])
def test_a_body_of_another_length_is_refused(factors: str) -> None:
    packet = coded(picture(), factors=factors)
    body = bytes(packet.body)
    for wrong in (b"", body[:-1], body[:-4], body + b"\0", body + body, body[: len(body) // 2]):
        with pytest.raises(PayloadError):
            rankcast.Decoder().decode(repacked(packet, wrong))


@pytest.mark.parametrize(
    "fields",
    [
        {"params": ()},
        {"params": (0, 0, 0)},
        {"params": (9, 0)},
        {"params": (0, 2)},
        {"params": (-1, 0)},
        {"params": (0.5, 0)},
        {"params": (0, 1)},
        {"rank": ()},
        {"rank": (6, 6)},
        {"rank": (61, 6, 6)},
        {"rank": (6, 6, 5)},
        {"rank": (0, 0, 0)},
        {"shape": (60, 90)},
        {"shape": (90, 60, 3)},
        {"shape": (6000, 9000, 2)},
    ],
)
def test_a_header_that_contradicts_the_body_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(PayloadError):
        rankcast.Decoder().decode(repacked(coded(picture()), **fields))


def test_work_beyond_the_limit_is_refused_before_it_is_done() -> None:
    with pytest.raises(UnsupportedImageError, match=str(MAX_PRODUCTS)):
        check_work([(11_000, 11_000)], [11_000], np.float32)
    # In proportion to the picture, so that a small one is quick; float64 takes twice as long.
    check_work([(3000, 3000)], [3000], np.float32)
    with pytest.raises(UnsupportedImageError, match="the limit is 14897741824: use a lower rank"):
        check_work([(3000, 3000)], [3000], np.float64)
    packet = coded(picture())
    with pytest.raises(LimitError, match=str(MAX_PRODUCTS)):
        rankcast.Decoder().decode(repacked(packet, shape=(11_000, 11_000), rank=(11_000,)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30])
@pytest.mark.parametrize("factors", ["float16", "float32", "float64"])
def test_numbers_that_no_picture_has_are_refused(factors: str, value: float) -> None:
    packet = coded(picture((20, 30)), factors=factors, rank=2)
    size = {"float16": 2, "float32": 4, "float64": 8}[factors]
    form = {2: "<e", 4: "<f", 8: "<d"}[size]
    numbers = (len(packet.body) - 2) // size
    for at in (2 + (numbers - 1) * size, 2 + numbers // 2 * size):
        body = bytearray(packet.body)
        try:
            struct.pack_into(form, body, at, value)
        except OverflowError:
            struct.pack_into(form, body, at, 60000.0)
        with pytest.raises(PayloadError, match="want"):
            rankcast.Decoder().decode(repacked(packet, bytes(body)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0, 1e300])
def test_a_step_that_is_no_step_is_refused(value: float) -> None:
    packet = coded(picture((20, 30)))
    body = bytearray(packet.body)
    struct.pack_into("<d", body, 2, value)
    with pytest.raises(PayloadError):
        rankcast.Decoder().decode(repacked(packet, bytes(body)))


SMALL = {factors: coded(picture((20, 70, 2)), factors=factors) for factors in ("coded", "float16")}
SMALL["bands"] = coded(picture((20, 70, 2)), rank=20)

GOOD = repacked(SMALL["coded"])
GOOD_PIXELS = rankcast.Decoder().decode(GOOD)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(SMALL)), st.binary(max_size=300))
def test_random_bodies_end_in_a_wire_error_or_in_a_picture(factors: str, body: bytes) -> None:
    expect_refusal_or_picture(repacked(SMALL[factors], body))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(SMALL)), st.data())
def test_damaged_bodies_end_in_a_wire_error_or_in_a_picture(
    factors: str, data: st.DataObject
) -> None:
    packet = SMALL[factors]
    body = bytearray(packet.body)
    for _ in range(data.draw(st.integers(1, 4))):
        bit = data.draw(st.integers(0, 8 * len(body) - 1))
        body[bit // 8] ^= 1 << bit % 8
    end = data.draw(st.sampled_from([len(body)] * 3 + [len(body) // 2, len(body) - 1]))
    expect_refusal_or_picture(repacked(packet, bytes(body[:end])))


def expect_refusal_or_picture(packet: bytes) -> None:
    decoder = rankcast.Decoder()
    try:
        pixels = decoder.decode(packet)
    except WireError:
        pass
    else:
        assert (pixels.shape, pixels.dtype) == ((20, 70, 2), np.uint8)
    # Whatever came, the next good packet is decoded as if it had not.
    assert np.array_equal(decoder.decode(GOOD), GOOD_PIXELS)


GOLDENS: dict[str, tuple[tuple[int, ...], type, dict[str, Any]]] = {
    "svd_coded_grey8": ((40, 70), np.uint8, {"engine": "exact"}),
    "svd_coded_colour16": ((40, 70, 3), np.uint16, {"engine": "exact", "rank": 3}),
    "svd_coded_ycc420": ((41, 71, 3), np.uint8, {"engine": "exact", "colour": "ycc420"}),
    "svd_coded_full_rank": ((9, 70), np.uint8, {"engine": "exact", "rank": 1.0}),
    "svd_coded_bands": ((40, 70), np.uint8, {"engine": "exact", "rank": 40}),
    "svd_coded_cut": ((41, 71, 3), np.uint16, {"engine": "exact", "rank": 33}),
    "svd_float32_cut": (
        (40, 70, 3),
        np.uint8,
        {"engine": "exact", "rank": 20, "factors": "float32"},
    ),
    "svd_float16": ((40, 70), np.uint8, {"engine": "exact", "factors": "float16"}),
    "svd_float32": ((40, 70), np.uint8, {"engine": "exact", "factors": "float32"}),
    "svd_float64": ((9, 12), np.uint8, {"engine": "exact", "factors": "float64"}),
}


def write_goldens() -> None:
    """Write tests/golden/svd_*.rkc anew; only when the wire format was changed on purpose.

    From tests/unit/common::

        PYTHONPATH=../../../common:../.. python -c 'import test_svd as t; t.write_goldens()'
    """
    for name, (shape, dtype, options) in GOLDENS.items():
        image = picture(shape, dtype)
        packet = rankcast.Encoder("svd", **options).encode(image)
        if name.endswith("_cut"):
            left = cut(unpack(packet), len(read_bands(unpack(packet))) - 1)
            packet = pack(left.header, left.body)
        (GOLDEN / f"{name}.rkc").write_bytes(packet)
        # Lossless, and of another implementation: what the packet decoded to when it was made.
        cv2.imwrite(str(GOLDEN / f"{name}.png"), rankcast.Decoder().decode(packet))


@pytest.mark.parametrize("name", sorted(GOLDENS))
def test_golden_packets_still_decode_to_the_same_picture(name: str) -> None:
    shape, dtype, _ = GOLDENS[name]
    pixels = rankcast.Decoder().decode((GOLDEN / f"{name}.rkc").read_bytes())
    want = cv2.imread(str(GOLDEN / f"{name}.png"), cv2.IMREAD_UNCHANGED)
    assert pixels.shape == shape
    assert pixels.dtype == dtype
    difference = np.abs(pixels.astype(np.int64) - want.astype(np.int64))
    if name.startswith("svd_coded"):
        # Another BLAS may turn the coefficients back to slightly other vectors.
        assert difference.max() <= 1
        assert np.count_nonzero(difference) <= difference.size // 100
    else:
        assert not difference.any(), "the product has one order on every machine"
    if name == "svd_coded_full_rank":
        assert np.array_equal(pixels, picture(shape, dtype))
