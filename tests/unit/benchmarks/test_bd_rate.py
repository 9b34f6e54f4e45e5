"""The arithmetic by which codecs are compared at equal quality."""

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture(scope="module")
def curves() -> ModuleType:
    path = Path(__file__).parents[3] / "benchmarks" / "codec_curves.py"
    spec = importlib.util.spec_from_file_location("codec_curves", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def exponential(curves: ModuleType, factor: float, psnr: list[float]):
    """Bytes that double every 6 dB."""
    return curves.Curve(curves.Point("", factor * 1000 * 2 ** (db / 6), db) for db in psnr)


def test_a_coder_with_four_fifths_of_the_bytes_has_a_delta_of_minus_20_per_cent(curves):
    anchor = exponential(curves, 1.0, [30, 34, 38, 42])
    test = exponential(curves, 0.8, [31, 35.5, 37, 41, 44])
    assert curves.bd_rate_percent(test, anchor) == pytest.approx(-20)
    assert curves.bd_rate_percent(anchor, test) == pytest.approx(25)


def test_the_delta_covers_only_what_both_curves_and_the_window_reach(curves):
    anchor, test = exponential(curves, 1, [30, 36, 40]), exponential(curves, 1, [33, 38, 46])
    found = curves.mean_ratio(test, anchor, 20, 39)
    assert (found["from_db"], found["to_db"]) == (33, 39)
    assert curves.mean_ratio(test, anchor, 41, 50) is None
    assert curves.mean_ratio(test, curves.Curve([curves.Point("", 10, 35)])) is None


def test_a_ratio_that_changes_over_the_range_is_averaged_in_its_logarithm(curves):
    points = [curves.Point("", 1000 * 4 ** ((db - 30) / 10), db) for db in (30, 35, 40)]
    flat = [curves.Point("", 1000 + 1e-6 * db, db) for db in (30, 35, 40)]
    ratio = curves.mean_ratio(curves.Curve(points), curves.Curve(flat))["ratio"]
    assert ratio == pytest.approx(2, rel=1e-6)


def test_the_interpolation_goes_through_its_knots_and_never_overshoots(curves):
    x, y = np.array([0.0, 1, 2, 3, 6]), np.array([0.0, 0, 1, 8, 8.5])
    assert np.allclose(curves.pchip(x, y, x), y)
    assert np.all(np.diff(curves.pchip(x, y, np.linspace(0, 6, 301))) >= -1e-12)


def test_the_interpolation_is_exact_on_a_straight_line(curves):
    x, at = np.array([0.0, 1, 4, 5]), np.linspace(0, 5, 21)
    assert np.allclose(curves.pchip(x, 3 * x + 1, at), 3 * at + 1)


def test_nothing_is_guessed_beyond_the_ends_of_a_curve(curves):
    curve = exponential(curves, 1, [30, 36, 42])
    assert curve.bytes_at(36) == pytest.approx(64_000)
    assert curve.psnr_at(64_000) == pytest.approx(36)
    assert curve.bytes_at(29.9) is None
    assert curve.psnr_at(1) is None


def test_points_that_cost_more_for_less_and_exact_pictures_are_left_out(curves):
    point = curves.Point
    curve = curves.Curve(
        [point("a", 100, 30), point("b", 300, 31), point("c", 200, 32), point("d", 400, math.inf)]
    )
    assert [p.setting for p in curve.points] == ["a", "c"]


def test_a_sweep_stops_one_setting_beyond_the_window(curves):
    tried = []

    def measure(db):
        tried.append(db)
        return curves.Point("", 2.0**db, db)

    curves.cover(list(range(10, 60, 2)), measure, 27, 33)
    assert sorted(tried) == [26, 28, 30, 32, 34]


def test_a_sweep_whose_middle_lies_above_the_window_goes_down_to_it(curves):
    points = curves.cover(list(range(10, 60)), lambda db: curves.Point("", 2.0**db, db), 12, 14)
    assert min(p.psnr_db for p in points) == 12
