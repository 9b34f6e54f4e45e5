"""The arithmetic by which codecs are compared at equal quality."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rankcast.rate_distortion import (
    Curve,
    Point,
    bd_rate_percent,
    by_moving_ssim,
    by_ssim,
    cover,
    mean_gain,
    mean_ratio,
    of_db,
    pchip,
    ssim_db,
)


def exponential(factor: float, psnr: list[float]) -> Curve:
    """Bytes that double every 6 dB."""
    return Curve(Point("", factor * 1000 * 2 ** (db / 6), db) for db in psnr)


def test_a_coder_with_four_fifths_of_the_bytes_has_a_delta_of_minus_20_per_cent() -> None:
    anchor = exponential(1.0, [30, 34, 38, 42])
    test = exponential(0.8, [31, 35.5, 37, 41, 44])
    assert bd_rate_percent(test, anchor) == pytest.approx(-20)
    assert bd_rate_percent(anchor, test) == pytest.approx(25)


def test_the_delta_covers_only_what_both_curves_and_the_window_reach() -> None:
    anchor, test = exponential(1, [30, 36, 40]), exponential(1, [33, 38, 46])
    found = mean_ratio(test, anchor, 20, 39)
    assert (found["from_db"], found["to_db"]) == (33, 39)
    assert mean_ratio(test, anchor, 41, 50) is None
    assert mean_ratio(test, Curve([Point("", 10, 35)])) is None


def test_a_ratio_that_changes_over_the_range_is_averaged_in_its_logarithm() -> None:
    points = [Point("", 1000 * 4 ** ((db - 30) / 10), db) for db in (30, 35, 40)]
    flat = [Point("", 1000 + 1e-6 * db, db) for db in (30, 35, 40)]
    ratio = mean_ratio(Curve(points), Curve(flat))["ratio"]
    assert ratio == pytest.approx(2, rel=1e-6)


def test_the_interpolation_goes_through_its_knots_and_never_overshoots() -> None:
    x, y = np.array([0.0, 1, 2, 3, 6]), np.array([0.0, 0, 1, 8, 8.5])
    assert np.allclose(pchip(x, y, x), y)
    assert np.all(np.diff(pchip(x, y, np.linspace(0, 6, 301))) >= -1e-12)


def test_the_interpolation_is_exact_on_a_straight_line() -> None:
    x, at = np.array([0.0, 1, 4, 5]), np.linspace(0, 5, 21)
    assert np.allclose(pchip(x, 3 * x + 1, at), 3 * at + 1)


def test_nothing_is_guessed_beyond_the_ends_of_a_curve() -> None:
    curve = exponential(1, [30, 36, 42])
    assert curve.bytes_at(36) == pytest.approx(64_000)
    assert curve.db_at(64_000) == pytest.approx(36)
    assert curve.bytes_at(29.9) is None
    assert curve.db_at(1) is None


def test_points_that_cost_more_for_less_and_exact_pictures_are_left_out() -> None:
    curve = Curve(
        [Point("a", 100, 30), Point("b", 300, 31), Point("c", 200, 32), Point("d", 400, math.inf)]
    )
    assert [p.setting for p in curve.points] == ["a", "c"]


def test_a_sweep_stops_one_setting_beyond_the_window() -> None:
    tried = []

    def measure(db: int) -> Point:
        tried.append(db)
        return Point("", 2.0**db, db)

    cover(list(range(10, 60, 2)), measure, 27, 33)
    assert sorted(tried) == [26, 28, 30, 32, 34]


def test_a_sweep_whose_middle_lies_above_the_window_goes_down_to_it() -> None:
    points = cover(list(range(10, 60)), lambda db: Point("", 2.0**db, db), 12, 14)
    assert min(p.psnr_db for p in points) == 12


def test_curves_of_another_measure_leave_out_points_without_it() -> None:
    curve = Curve(
        [Point("a", 100, 30, ssim=0.9), Point("b", 200, 33, ssim=0.99), Point("c", 300, 36)],
        by_ssim,
    )
    assert [p.setting for p in curve.points] == ["a", "b"]
    assert curve.range_db == pytest.approx((10, 20))
    assert curve.bytes_at(15) == pytest.approx(math.sqrt(100 * 200))


def test_a_similarity_in_db_is_the_logarithm_of_what_is_missing() -> None:
    assert ssim_db(0.9) == pytest.approx(10)
    assert ssim_db(1.0) == math.inf
    assert of_db(ssim_db(0.98765)) == pytest.approx(0.98765)


def test_a_curve_of_one_point_has_no_bytes_at_any_quality() -> None:
    curve = Curve([Point("", 100, 30)])
    assert not curve.usable
    assert curve.bytes_at(30) is None
    assert curve.db_at(100) is None


def moving(shift: float, sizes: list[float]) -> Curve:
    """A curve whose SSIM of moving blocks rises with the bytes, and by a shift."""
    return Curve(
        [Point("", size, 30, moving_ssim=0.8 + shift + size / 1e5) for size in sizes],
        by_moving_ssim,
    )


def test_the_gain_at_equal_bytes_is_that_of_the_first_curve_over_the_second() -> None:
    gain = mean_gain(
        moving(0.01, list(range(1000, 6001, 500))), moving(0.0, list(range(500, 7000, 400))),
        similarity=True,
    )  # fmt: skip
    assert gain == pytest.approx(0.01, rel=0.02)
    assert mean_gain(moving(0, [1000, 2000]), moving(0, [3000, 4000]), similarity=True) is None
    assert mean_gain(moving(0, [1000, 2000]), moving(0, [1000, 2000]), 5000) is None


def test_a_gain_in_decibels_is_not_turned_into_a_similarity() -> None:
    higher = Curve([Point("", 100, 32), Point("", 200, 36)])
    lower = Curve([Point("", 100, 30), Point("", 200, 34)])
    assert mean_gain(higher, lower) == pytest.approx(2)
