"""What packets say of rank, energy and error, taken together."""

from __future__ import annotations

import math

import pytest

from rankcast.numerics import Fidelity


def test_nothing_is_known_before_the_first_frame() -> None:
    fidelity = Fidelity()
    values = fidelity.values()
    assert values.pop("exact_frames") == 0
    assert set(values.values()) == {None}
    assert (str(fidelity), fidelity.frames) == ("", 0)


def test_means_and_extremes_are_those_of_all_frames_and_planes() -> None:
    fidelity = Fidelity()
    fidelity.add((40, 20, 21), 0.99, 38.0)
    fidelity.add((8,), 0.97, 32.0)
    assert fidelity.values() == {
        "psnr_db": pytest.approx(35.0),
        "psnr_min_db": 32.0,
        "exact_frames": 0,
        "energy": pytest.approx(0.98),
        "energy_min": 0.97,
        "rank": pytest.approx(89 / 4),
        "rank_min": 8,
        "rank_max": 40,
    }
    assert str(fidelity) == "PSNR 35.0 dB, minimum 32.0, energy 98.00 %, rank 8 to 40"


def test_exact_frames_are_counted_and_leave_the_mean_finite() -> None:
    fidelity = Fidelity()
    for psnr_db in (math.inf, 30.0, math.inf):
        fidelity.add((), 1.0, psnr_db)
    values = fidelity.values()
    assert (values["psnr_db"], values["psnr_min_db"], values["exact_frames"]) == (30.0, 30.0, 2)
    assert values["rank"] is None
    assert str(fidelity) == "PSNR 30.0 dB, minimum 30.0, 2 exact, energy 100.00 %"


def test_a_codec_that_measures_nothing_is_not_taken_for_an_exact_one() -> None:
    fidelity = Fidelity()
    fidelity.add((), None, None)
    assert fidelity.frames == 1
    assert fidelity.values()["exact_frames"] == 0
    assert not str(fidelity)
