"""Singular value engines and rank rules."""

from __future__ import annotations

import numpy as np
import pytest

from rankcast import pool
from rankcast.codec.svd.factoriser import Engine, Factoriser, Plane
from rankcast.codec.svd.ranks import EnergyShare, ErrorBudget, FixedRank
from rankcast.numerics import Factors, bands, exact_svd, one_blas_thread
from rankcast.numerics.linalg import orthonormal_basis


def textured(m: int, n: int, seed: int = 0, dtype: type = np.float32) -> np.ndarray:
    """Smooth random plane in 0..255 whose singular values fall steadily, with some noise."""
    rng = np.random.default_rng(seed)
    rows = np.cumsum(rng.standard_normal((m, 12)), axis=0)
    columns = np.cumsum(rng.standard_normal((n, 12)), axis=0)
    a = rows @ np.diag(0.6 ** np.arange(12)) @ columns.T
    a = 120 + 60 * a / np.abs(a).max() + rng.standard_normal((m, n))
    return np.rint(np.clip(a, 0, 255)).astype(dtype)


def plane_of(a: np.ndarray) -> Plane:
    return Plane(a, float(np.sum(a.astype(np.float64) ** 2)))


def rebuilt(factors: Factors) -> np.ndarray:
    return (factors.u.astype(np.float64) * factors.s) @ factors.v.T.astype(np.float64)


@pytest.mark.parametrize("length", [1, 2, 255, 256, 257, 1080, 1920])
def test_bands_cover_a_length_without_gap_or_overlap(length: int) -> None:
    covered = [i for band in bands(length) for i in range(band.start, band.stop)]
    assert covered == list(range(length))


def test_the_basis_of_independent_columns_is_orthonormal_and_spans_them() -> None:
    y = np.random.default_rng(0).standard_normal((50, 8)) * 10.0 ** np.arange(8)
    q = orthonormal_basis(y)
    assert q.shape == (50, 8)
    np.testing.assert_allclose(q.T @ q, np.eye(8), atol=1e-12)
    np.testing.assert_allclose(q @ (q.T @ y), y, rtol=1e-9, atol=1e-9)


def test_the_basis_leaves_dependent_columns_out() -> None:
    y = np.ones((20, 5), np.float32)
    y[:, 1] = np.arange(20)
    assert orthonormal_basis(y).shape == (20, 2)


def test_the_basis_of_zeros_is_empty() -> None:
    assert orthonormal_basis(np.zeros((20, 5), np.float32)).shape == (20, 0)


def test_the_basis_refuses_no_number_silently() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        orthonormal_basis(np.full((20, 5), np.nan, np.float32))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (60, 80), (80, 60)])
def test_the_exact_engine_equals_numpy(shape: tuple[int, int]) -> None:
    a = textured(*shape, dtype=np.float64)
    factors = exact_svd(a, float(np.sum(a * a)))
    np.testing.assert_allclose(rebuilt(factors), a, atol=1e-9)
    np.testing.assert_allclose(factors.s, np.linalg.svd(a, compute_uv=False)[: factors.rank])


def test_singular_values_below_rounding_are_left_out() -> None:
    constant = np.full((40, 30), 7.0)
    assert exact_svd(constant, float(np.sum(constant**2))).rank == 1
    assert exact_svd(np.zeros((40, 30)), 0.0).rank == 0


@pytest.mark.parametrize("engine", [Engine.WARM, Engine.RANDOMIZED])
@pytest.mark.parametrize("shape", [(240, 320), (320, 240)])
def test_projecting_engines_come_within_a_hundredth_of_the_exact_truncation(
    engine: Engine, shape: tuple[int, int]
) -> None:
    a = textured(*shape)
    factoriser = Factoriser(engine)
    s = np.linalg.svd(a.astype(np.float64), compute_uv=False)
    for _ in range(3):
        (factors,) = factoriser.factorise([plane_of(a)], FixedRank(10))
        assert factors.rank == 10
        assert factors.dropped == pytest.approx(float(np.sum(s[10:] ** 2)), rel=0.01)
        error = np.sum((a - rebuilt(factors)) ** 2)
        # The total is a sum in float32 products: seven digits.
        assert error == pytest.approx(factors.dropped, rel=1e-3, abs=3e-7 * factors.total)
        np.testing.assert_allclose(factors.u.T @ factors.u, np.eye(10), atol=1e-4)
        np.testing.assert_allclose(factors.v.T @ factors.v, np.eye(10), atol=1e-4)


def test_the_warm_engine_survives_scene_changes_and_changes_of_shape() -> None:
    factoriser = Factoriser(Engine.WARM)
    for number, shape in enumerate([(240, 320)] * 3 + [(320, 240)] * 2 + [(240, 320)] * 2):
        a = textured(*shape, seed=number)
        (factors,) = factoriser.factorise([plane_of(a)], FixedRank(10))
        s = np.linalg.svd(a.astype(np.float64), compute_uv=False)
        assert factors.dropped <= 1.05 * float(np.sum(s[10:] ** 2)), number


def test_the_warm_engine_finds_its_way_out_of_black() -> None:
    factoriser = Factoriser(Engine.WARM)
    black = np.zeros((240, 320), np.float32)
    (factors,) = factoriser.factorise([plane_of(black)], FixedRank(10))
    assert factors.rank == 0
    a = textured(240, 320)
    (factors,) = factoriser.factorise([plane_of(a)], FixedRank(10))
    s = np.linalg.svd(a.astype(np.float64), compute_uv=False)
    assert factors.dropped <= 1.05 * float(np.sum(s[10:] ** 2))


def test_a_constant_plane_has_one_singular_value_in_every_engine() -> None:
    a = np.full((240, 320), 99, np.float32)
    for engine in Engine:
        factoriser = Factoriser(engine)
        for _ in range(2):
            (factors,) = factoriser.factorise([plane_of(a)], FixedRank(20))
            assert factors.rank == 1
            np.testing.assert_allclose(rebuilt(factors), a, atol=1e-3)


def test_the_same_frames_give_the_same_factors_whatever_the_number_of_threads() -> None:
    a = [plane_of(textured(300, 500, seed)) for seed in range(3)]
    results = []
    try:
        for count in (1, 2):
            pool.set_threads(count)
            factoriser = Factoriser(Engine.WARM)
            for _ in range(2):
                results.append(factoriser.factorise(a, FixedRank(20)))
    finally:
        pool.set_threads(pool.processors())
    for one, two in zip(results[1], results[3], strict=True):
        assert np.array_equal(one.u, two.u)
        assert np.array_equal(one.s, two.s)
        assert np.array_equal(one.v, two.v)


@pytest.mark.parametrize("engine", list(Engine))
@pytest.mark.parametrize("energy", [0.5, 0.9999, 1.0])
def test_an_energy_share_is_kept_with_the_fewest_values(engine: Engine, energy: float) -> None:
    a = textured(120, 160)
    plane = plane_of(a)
    factoriser = Factoriser(engine)
    for _ in range(2):
        (factors,) = factoriser.factorise([plane], EnergyShare(energy))
    assert factors.kept >= energy * plane.total * (1 - 1e-6)
    if factors.rank > 1:
        assert factors.truncated(factors.rank - 1).kept < energy * plane.total


@pytest.mark.parametrize("engine", list(Engine))
def test_an_error_budget_holds_over_all_planes(engine: Engine) -> None:
    planes = [plane_of(textured(120, 160, seed)) for seed in range(3)]
    budget = 2.0 * 3 * 120 * 160
    factoriser = Factoriser(engine)
    for _ in range(3):
        found = factoriser.factorise(planes, ErrorBudget(budget))
        assert sum(factors.dropped for factors in found) <= budget


def test_no_budget_keeps_every_singular_value() -> None:
    a = textured(30, 40)
    for engine in Engine:
        (factors,) = Factoriser(engine).factorise([plane_of(a)], ErrorBudget(-1.0))
        assert factors.rank == 30


def test_blas_gets_its_threads_back_when_the_last_user_leaves() -> None:
    from threadpoolctl import threadpool_info

    def threads() -> list[int]:
        # That of numpy, which codecs use: scikit-learn, of other tests, may have loaded another.
        return [lib["num_threads"] for lib in threadpool_info()
                if lib["user_api"] == "blas" and "numpy" in lib["filepath"]]  # fmt: skip

    before = threads()
    with one_blas_thread():
        with one_blas_thread():
            pass
        assert threads() == [1]
    assert threads() == before
