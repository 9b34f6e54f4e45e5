"""Scene changes of `svd-patch`: found at every depth, and light and movement are none."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import rankcast
from rankcast.codec.svd_patch.cut import is_cut
from rankcast.frame import Frame
from rankcast.images import read_image
from rankcast.numerics import split_ycc420
from rankcast.wire import Kind
from support.moving_scene import scene

pytestmark = pytest.mark.timeout(300)

DEPTHS = (8, 10, 12, 14, 16)


def kinds(frames: list[Frame], **options: Any) -> list[Kind]:
    encoder = rankcast.Encoder("svd-patch", **options)
    return [encoder.encode_packet(frame).header.kind for frame in frames]


@pytest.mark.parametrize("bits", DEPTHS)
@pytest.mark.parametrize("told_by", ["option", "camera", "samples"])
@pytest.mark.parametrize("shape", [(72, 104), (72, 104, 3)])
def test_a_scene_change_is_found_in_16_bit_pictures_of_every_depth(
    shape: tuple[int, ...], told_by: str, bits: int
) -> None:
    first, moved = (scene(n, shape, "uint16") >> (16 - bits) for n in range(2))
    other = np.ascontiguousarray(first.max() - first[::-1, ::-1])
    other[::2] //= 3
    camera = bits if told_by == "camera" else 0
    frames = [Frame(image, significant_bits=camera) for image in (first, moved, other, other)]
    options = {"significant_bits": bits} if told_by == "option" else {}
    assert kinds(frames, **options) == [Kind.KEY, Kind.PREDICTED, Kind.KEY, Kind.PREDICTED]


@pytest.mark.parametrize("bits", DEPTHS)
def test_noise_that_fills_a_tenth_of_the_scale_is_no_scene_change(bits: int) -> None:
    full, rng = (1 << bits) - 1, np.random.default_rng(0)
    grey = np.full((72, 104), full / 2)
    images = [np.clip(grey + rng.normal(0, full / 50, grey.shape), 0, full) for _ in range(4)]
    frames = [Frame(image.astype(np.uint16), significant_bits=bits) for image in images]
    assert kinds(frames)[1:] == [Kind.PREDICTED] * 3


@pytest.mark.parametrize("dark", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_light_that_alternates_is_no_scene_change(dark: float, offset: float) -> None:
    frames = [
        Frame((scene(n, (144, 208, 3)) * (dark if n % 2 else 1.0) * (1 - offset)
               + 255 * offset * (n % 2)).astype(np.uint8))
        for n in range(6)
    ]  # fmt: skip
    assert kinds(frames)[1:] == [Kind.PREDICTED] * 5


@pytest.fixture(scope="module")
def photographs(data: Path) -> list[NDArray[np.uint16]]:
    """Luma of the Kodak set, all of them lying."""
    pictures = [read_image(path) for path in sorted((data / "kodak").glob("*.png"))]
    lying = [np.rot90(p) if p.shape[0] > p.shape[1] else p for p in pictures]
    return [split_ycc420(np.ascontiguousarray(p))[0].astype(np.uint16) for p in lying]


@pytest.mark.parametrize("bits", [8, 12])
def test_every_cut_between_photographs_is_found(
    photographs: list[NDArray[np.uint16]], bits: int
) -> None:
    deep = [plane << (bits - 8) for plane in photographs]
    pairs = list(itertools.permutations(range(len(deep)), 2))
    assert len(pairs) == 132
    missed = [(a, b) for a, b in pairs if not is_cut(deep[b], deep[a], (1 << bits) - 1)]
    assert not missed


@pytest.mark.parametrize("gain", [0.3, 0.5, 1.5])
def test_no_photograph_in_other_light_is_a_cut(
    photographs: list[NDArray[np.uint16]], gain: float
) -> None:
    lit = [np.clip(plane * gain, 0, 255).astype(np.uint16) for plane in photographs]
    assert not any(is_cut(now, before, 255) for now, before in zip(lit, photographs, strict=True))


def test_a_negative_is_a_cut(photographs: list[NDArray[np.uint16]]) -> None:
    assert all(is_cut(255 - plane, plane, 255) for plane in photographs)
