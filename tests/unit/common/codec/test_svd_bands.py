"""Bands of `svd`: what a cut packet decodes to, what its header says, and what is refused."""

from __future__ import annotations

import itertools
import struct
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rankcast
from rankcast.codec.svd import cut, read_bands, read_factors
from rankcast.codec.svd.bands import LEAST_RANK, MAX_BANDS, ranks_by_band
from rankcast.codec.svd.decoder import assemble
from rankcast.errors import PayloadError
from rankcast.frame import Pixels
from rankcast.numerics import squared_error
from rankcast.opencv import cv2
from rankcast.wire import Packet, pack, unpack
from support.moving_scene import scene


def coded(image: Pixels, **options: Any) -> Packet:
    return unpack(rankcast.Encoder("svd", **options).encode(image))


@given(st.lists(st.integers(0, 65_535), min_size=1, max_size=64))
def test_bands_are_few_and_rise_to_the_ranks_of_the_planes(ranks: list[int]) -> None:
    bands = ranks_by_band(ranks)
    assert 1 <= len(bands) <= 4
    assert bands[-1] == tuple(ranks)
    for before, after in itertools.pairwise(bands):
        assert max(before) < max(after)
        assert all(earlier <= later for earlier, later in zip(before, after, strict=True))
    for band in bands[:-1]:
        assert max(band) >= LEAST_RANK
        assert [k > 0 for k in band] == [k > 0 for k in ranks]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(
    "options",
    [
        *({"factors": form, "rank": 65} for form in ("coded", "float16", "float32", "float64")),
        {"colour": "ycc420", "rank": 70},
        {"psnr": 50.0},
    ],
)
def test_a_cut_packet_is_the_truncation_of_its_factors_bit_by_bit(
    options: dict[str, Any], dtype: str
) -> None:
    packet = coded(scene(3, (90, 161, 3), dtype), **options)
    colour = options.get("colour", "bgr")
    whole = read_factors(packet.header, packet.body)
    bands = read_bands(packet)
    assert len(bands) > 1
    for number, band in enumerate(bands, 1):
        left = cut(packet, number)
        assert left.header.rank == band.rank
        planes = [factors.truncated(k) for factors, k in zip(whole, band.rank, strict=True)]
        want = assemble(planes, (90, 161, 3), np.dtype(dtype), colour)
        assert np.array_equal(rankcast.Decoder().decode_packet(left), want)
        found = read_factors(left.header, left.body)
        for one, other in zip(found, planes, strict=True):
            assert np.array_equal(one.u, other.u)
            assert np.array_equal(one.s, other.s)
            assert np.array_equal(one.v, other.v)


@pytest.mark.parametrize("factors", ["coded", "float16"])
def test_every_band_states_its_energy_exactly_and_its_error_closely(factors: str) -> None:
    noise = np.random.default_rng(0).normal(0, 8, (120, 150, 3))
    image = np.rint(scene(1, (120, 150, 3)) * 0.6 + 50 + noise).astype(np.uint8)
    packet = coded(image, rank=80, engine="exact", factors=factors)
    channels = image.astype(np.float64).transpose(2, 0, 1)
    squares = np.linalg.svd(channels, compute_uv=False) ** 2
    for number, band in enumerate(read_bands(packet), 1):
        left = cut(packet, number)
        kept = sum(float(s[:k].sum()) for s, k in zip(squares, band.rank, strict=True))
        assert left.header.energy_ppb == round(kept / float(squares.sum()) * 1e9)
        truth = squared_error(image, rankcast.Decoder().decode_packet(left))
        assert left.header.squared_error == pytest.approx(truth, rel=0.02)


@pytest.mark.parametrize(("options", "within_db"), [({}, 0.1), ({"colour": "ycc420"}, 0.3)])
def test_cut_photographs_tell_their_psnr(
    data: Path, options: dict[str, Any], within_db: float
) -> None:
    for name in ("kodim01.png", "kodim05.png", "kodim08.png"):
        image = cv2.imread(str(data / "kodak" / name))
        packet = coded(image, rank=100, **options)
        for number in range(1, len(read_bands(packet))):
            left = cut(packet, number)
            truth = squared_error(image, rankcast.Decoder().decode_packet(left))
            reached = 10 * np.log10(255**2 * image.size / truth)
            assert left.header.psnr_db == pytest.approx(reached, abs=within_db), name


def test_a_plane_that_is_exact_as_a_whole_is_not_so_where_it_is_cut() -> None:
    packet = coded(scene(0, (40, 50)), rank=1.0, factors="float64")
    assert packet.header.squared_error == 0
    first, *_, last = read_bands(packet)
    assert last.squared_error == 0
    assert first.squared_error is not None
    assert first.squared_error > 0
    truth = squared_error(scene(0, (40, 50)), rankcast.Decoder().decode_packet(cut(packet, 1)))
    assert first.squared_error == pytest.approx(truth, rel=0.1)


def test_cutting_in_steps_gives_what_cutting_at_once_gives() -> None:
    packet = coded(scene(0, (90, 100, 3)), rank=80)
    assert len(read_bands(packet)) == 4
    steps = cut(cut(packet, 3), 2)
    assert pack(steps.header, steps.body) == pack(cut(packet, 2).header, cut(packet, 2).body)
    assert read_bands(steps) == read_bands(packet)[:2]


def test_what_is_not_rank_error_or_energy_survives_a_cut() -> None:
    packet = coded(scene(0, (90, 100)), rank=32)
    left = cut(packet, 1).header
    same = {name: getattr(packet.header, name) for name in ("rank", "squared_error", "energy_ppb")}
    assert replace(left, **same) == packet.header
    assert cut(packet, 1).size < packet.size


def test_keeping_all_bands_keeps_the_packet_and_keeping_none_is_refused() -> None:
    packet = coded(scene(0, (60, 70)), rank=16)
    assert cut(packet, 2) is packet
    for wrong in (0, 3, -1):
        with pytest.raises(ValueError, match="the packet has 1 to 2"):
            cut(packet, wrong)


def test_a_low_rank_and_a_black_picture_have_one_band() -> None:
    for image, options in ((scene(0, (60, 70)), {"rank": 14}), (np.zeros((30, 40), np.uint8), {})):
        packet = coded(image, **options)
        assert read_bands(packet)[0].rank == packet.header.rank
        assert len(read_bands(packet)) == 1


ENTRY = struct.Struct("<HIQI")
"""Of a grey picture."""
WHOLE = coded(scene(0, (60, 70)), rank=16)
BODY = bytes(WHOLE.body)
RANK, SIZE, ERROR, ENERGY = ENTRY.unpack_from(BODY, 2)
FIRST = 2 + ENTRY.size


def with_entry(*numbers: int) -> bytes:
    return BODY[:2] + ENTRY.pack(*numbers) + BODY[FIRST:]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "got 0 bytes of factors, want at least 2"),
        (b"\0\0", "got 0 bands marked 0, want 1 to 8"),
        (bytes((MAX_BANDS + 1,)) + BODY[1:], "got 9 bands marked 0, want 1 to 8"),
        (BODY[:1] + b"\2" + BODY[2:], "got 2 bands marked 2"),
        (BODY[:19], "the head of 2 bands alone takes 20"),
        (with_entry(16, SIZE, ERROR, ENERGY), "want ranks that rise"),
        (with_entry(17, SIZE, ERROR, ENERGY), "want ranks that rise"),
        (with_entry(0, SIZE, ERROR, ENERGY), "want 0 only for planes whose rank is 0"),
        (with_entry(RANK, SIZE, ERROR, 10**9 + 1), "want at most 1000000000"),
        (with_entry(RANK, 2**32 - 1, ERROR, ENERGY), "the lengths of bands promise"),
        (with_entry(RANK, SIZE + 2, ERROR, ENERGY), "its factors take"),
        (with_entry(RANK, SIZE - 2, ERROR, ENERGY), "its factors take"),
        (with_entry(RANK - 1, SIZE, ERROR, ENERGY), "its factors take"),
        (BODY[: FIRST + SIZE // 2], "the lengths of bands promise"),
        (BODY[: FIRST + SIZE + 9], "its factors take"),
        (BODY + b"\0\0", "its factors take only"),
        (b"\1\1" + BODY[FIRST : FIRST + SIZE], "their band end|its factors take"),
        (b"\1\1" + BODY[FIRST + SIZE :], "got"),
    ],
)
def test_bands_that_contradict_each_other_are_refused_in_one_line(body: bytes, said: str) -> None:
    with pytest.raises(PayloadError, match=said) as caught:
        rankcast.Decoder().decode(pack(WHOLE.header, body))
    assert "\n" not in str(caught.value)


def test_a_cut_packet_that_calls_itself_whole_is_refused() -> None:
    left = cut(WHOLE, 1)
    with pytest.raises(PayloadError, match="want it whole"):
        rankcast.Decoder().decode(pack(left.header, b"\1\0" + bytes(left.body)[2:]))
    with pytest.raises(PayloadError):
        rankcast.Decoder().decode(pack(replace(left.header, rank=(16,)), left.body))


def test_a_damaged_head_is_refused_where_a_packet_is_cut() -> None:
    for body in (b"\x09" + BODY[1:], with_entry(0, SIZE, ERROR, ENERGY), BODY[: FIRST + SIZE - 1]):
        with pytest.raises(PayloadError):
            cut(unpack(pack(WHOLE.header, body)), 1)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_bands_take_less_than_3_percent_more_bytes_than_none(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = {path.name: cv2.imread(str(path)) for path in sorted((data / "kodak").glob("*.png"))}
    for clip in ("03_blocks_720p.mp4", "bottle-detection.mp4"):
        video = cv2.VideoCapture(str(data / "video" / clip))
        images[clip] = video.read()[1]
        video.release()
    for rank in (None, 0.1, 100):
        ratios = {}
        for name, image in images.items():
            sizes = []
            for shares in ((8, 4, 2, 1), (1,)):
                monkeypatch.setattr("rankcast.codec.svd.bands.SHARES", shares)
                sizes.append(coded(image, rank=rank).size)
            ratios[name] = sizes[0] / sizes[1]
        worst = max(ratios, key=lambda name: ratios[name])
        sys.stdout.write(f"rank {rank}: {ratios[worst]:.5f} times the bytes at most, {worst}\n")
        assert ratios[worst] <= 1.03
