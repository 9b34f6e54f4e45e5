"""Steps of `svd-patch`: every quality is one of its own, and the format has all of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rankcast
from rankcast.codec.svd_patch.step import (
    MAX_PLANE_STEP,
    MIN_PLANE_STEP,
    MIN_STEP,
    Subject,
    finest_useful_step,
    step_of_quality,
)
from support.moving_scene import scene

QUALITIES = range(1, 101)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_every_quality_has_a_finer_step_than_the_one_below(bits: int) -> None:
    steps = [step_of_quality(quality, bits) for quality in QUALITIES]
    assert all(b < a for a, b in itertools.pairwise(steps))
    unit = 2 ** (bits - 8)
    assert steps[100 - 1] == 0.25 * unit
    assert steps[75 - 1] == 8 * unit
    assert steps[1 - 1] == pytest.approx(255 * unit)


def test_between_4_and_96_qualities_are_those_of_libjpeg() -> None:
    for quality in range(4, 97):
        scale = 50 / quality if quality < 50 else 2 - quality / 50
        assert step_of_quality(quality, 8) == pytest.approx(16 * scale)


@pytest.mark.parametrize(
    ("shape", "dtype", "colour"),
    [
        ((16, 16), "uint8", "ycc420"),
        ((16, 16, 3), "uint8", "ycc444"),
        ((16, 16), "uint16", "ycc420"),
    ],
)
def test_all_hundred_qualities_reach_the_packet(
    shape: tuple[int, ...], dtype: str, colour: str
) -> None:
    image = scene(0, shape, dtype)
    steps = []
    for quality in QUALITIES:
        encoder = rankcast.Encoder("svd-patch", quality=quality, colour=colour)
        steps.append(encoder.encode_packet(image).header.params[1])
    assert all(b < a for a, b in itertools.pairwise(steps))


def test_quality_100_is_nearly_exact_where_no_colour_is_transformed() -> None:
    image = scene(0, (72, 104))
    decoded = rankcast.Decoder().decode(rankcast.Encoder("svd-patch", quality=100).encode(image))
    assert np.max(np.abs(decoded.astype(int) - image)) <= 1
    assert np.mean(decoded == image) > 0.99


@given(st.floats(1e-3, 1e9), st.sampled_from([1, 4]))
def test_a_step_of_the_format_is_the_nearest_or_the_next_coarser_one(
    step: float, scale: int
) -> None:
    subject = Subject(True, 8, 255, 1000, 1 / (16 * scale), 0)
    low, high = max(MIN_PLANE_STEP * subject.grain, MIN_STEP), MAX_PLANE_STEP * subject.grain
    wanted = min(max(step, low), high)
    assert abs(subject.nearest_step(step) - wanted) <= subject.grain / 2
    assert 0 <= subject.coarser_step(step) - wanted < subject.grain


def test_a_step_is_useful_as_long_as_coding_makes_up_its_share() -> None:
    # 1/12 of a squared step a plane, 3.8 times that in colours.
    assert finest_useful_step(100.0, 0.05) ** 2 * 3.8 / 12 == pytest.approx(5.0, rel=0.02)
