"""Functions of the core that `svd-patch` calls beside those of slices."""

from __future__ import annotations

import numpy as np
import pytest

from rankcast.codec.svd_patch.basis import basis_bits, make_basis, table_basis
from rankcast.codec.svd_patch.payload import read_bases, write_bases
from rankcast.core import function
from rankcast.errors import PayloadError


def test_sums_of_squares_are_exact_for_the_largest_samples() -> None:
    samples = np.full(100_003, 65_535, np.uint16)
    zeros = np.zeros_like(samples)
    assert function("rk_svd_patch_energy")(samples, samples.size) == samples.size * 65_535**2
    squared_error = function("rk_svd_patch_squared_error")
    for a, b in ((samples, zeros), (zeros, samples)):
        assert squared_error(a, b, a.size) == samples.size * 65_535**2
    noise = np.random.default_rng(0).integers(0, 65_536, (2, 4099), np.uint16)
    difference = noise[0].astype(np.int64) - noise[1]
    assert squared_error(noise[0], noise[1], 4099) == int((difference * difference).sum())


def test_work_counts_every_second_unit_by_what_was_done_there() -> None:
    units = np.zeros((5, 4, 6), np.int16)
    units[..., 0] = 1  # skipped
    units[2, 0, 0] = 3  # intra
    units[2, 2, 2:4] = -4, 0  # displaced
    units[1, 1, 0] = 2  # not looked at
    units[4, 2, 0] = 2
    work = np.zeros(3, np.int64)
    function("rk_svd_patch_add_work")(units, 5, 4, 2, work)
    assert work.tolist() == [1 + 1, 32 + 8, 1 + 32]


@pytest.mark.parametrize("deep", [False, True])
def test_factors_of_their_own_come_back(deep: bool) -> None:
    rng = np.random.default_rng(1)
    most = (1 << basis_bits(deep)) - 1
    table = table_basis(deep)
    extreme = np.where(rng.random((2, 8, 8)) < 0.5, -most, most).astype(np.int32)
    near = np.clip(table.factors + rng.integers(-9, 10, (2, 8, 8)), -most, most).astype(np.int32)
    bases = [make_basis(*extreme, deep), table, make_basis(*near, deep)]
    found = read_bases(write_bases(bases, deep), 3, deep)
    assert [basis.own for basis in found] == [True, False, True]
    for basis, wanted in zip(found, bases, strict=True):
        assert np.array_equal(basis.factors, wanted.factors)


@pytest.mark.parametrize("deep", [False, True])
def test_hostile_factors_stay_within_the_bounds_of_the_transform(deep: bool) -> None:
    rng = np.random.default_rng(2)
    most, read = (1 << basis_bits(deep)) - 1, 0
    for length in rng.integers(1, 900, 300):
        try:
            found = read_bases(rng.bytes(int(length)), 3, deep)
        except PayloadError:
            continue
        read += 1
        assert max(int(np.abs(basis.factors).max()) for basis in found) <= most
    assert read > 20
