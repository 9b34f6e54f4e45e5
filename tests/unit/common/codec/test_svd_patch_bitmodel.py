"""What `svd-patch` expects of a step: a power law through the pictures before."""

from __future__ import annotations

import pytest

from rankcast.codec.svd_patch.bitmodel import BitModel


def law(step: float, slope: float) -> float:
    return 50_000 * step**-slope


def test_steps_and_bits_are_each_other_s_inverse() -> None:
    model = BitModel(2.0, (0.8, 12.0))
    model.anchor(6.0, 40_000)
    assert model.bits(6.0) == pytest.approx(40_000)
    assert model.bits(12.0) == pytest.approx(10_000)
    assert model.step(model.bits(9.0)) == pytest.approx(9.0)


@pytest.mark.parametrize("slope", [1.0, 3.0, 8.0])
def test_the_slope_is_learnt_from_steps_that_move(slope: float) -> None:
    model = BitModel(2.0, (0.8, 12.0))
    for number in range(40):
        step = 8.0 * 1.3 ** (number % 2)
        model.learn(step, law(step, slope), 0.4)
    assert model.slope == pytest.approx(slope, rel=0.2)
    assert model.bits(9.0) == pytest.approx(law(9.0, slope), rel=0.1)


def test_two_steps_of_one_picture_tell_the_slope_at_once() -> None:
    model = BitModel(2.0, (0.8, 12.0))
    model.anchor(8.0, law(8.0, 1.0))
    model.compare(8.0, law(8.0, 1.0), 16.0, law(16.0, 1.0))
    assert model.slope == pytest.approx(1.0, abs=0.15)


def test_one_odd_picture_moves_what_is_expected_by_its_weight_only() -> None:
    model = BitModel(2.0, (0.8, 12.0))
    model.learn(8.0, 10_000, 0.4)
    model.learn(8.0, 20_000, 0.4)
    assert model.bits(8.0) == pytest.approx(10_000 * 2**0.4)
    # One scene that is a hundred times larger is one error, no hundred of them.
    before = model.error
    model.learn(8.0, 1_000_000, 0.4)
    assert model.error - before < 0.15
