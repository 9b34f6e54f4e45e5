"""Functions of the core that `svd-patch` calls beside those of slices."""

from __future__ import annotations

import numpy as np
import pytest

from rankcast.codec.svd_patch.basis import Basis, basis_bits, make_basis, table_basis
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


class Reader:
    """The range decoder of docs/wire.md, in Python's integers."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position, self.range, self.code = data, 0, 2**40 - 1, 0
        self.models: dict[int, tuple[int, int, int]] = {}
        for _ in range(5):
            self._shift()

    def _shift(self) -> None:
        byte = self.data[self.position] if self.position < len(self.data) else 0
        if self.position >= len(self.data) + 8:
            raise EOFError
        self.position += 1
        # A damaged stream may begin with a code that is not below the range.
        self.code = ((self.code << 8 | byte) + 2**63) % 2**64 - 2**63

    def _halve(self, bound: int) -> int:
        bit = int(self.code < bound)
        self.code -= 0 if bit else bound
        self.range = bound if bit else self.range - bound
        while self.range < 2**32:
            self.range <<= 8
            self._shift()
        return bit

    def bit(self, model: int) -> int:
        fast, slow, count = self.models.get(model, (2**15, 2**15, 0))
        bit = self._halve((self.range >> 16) * ((fast + slow) >> 1))
        shift = max(1, int(np.log2(count + 1.5) + 0.5))
        both = []
        for p, s in ((fast, min(4, shift)), (slow, min(7, shift))):
            both.append(p + ((2**16 - p) >> s) if bit else p - (p >> s))
        self.models[model] = both[0], both[1], min(count + 1, 95)
        return bit

    def bits(self, count: int) -> int:
        value = 0
        for _ in range(count):
            bound = self.range >> 1
            bit = int(self.code < bound)
            self.code -= 0 if bit else bound
            self.range = bound
            while self.range < 2**32:
                self.range <<= 8
                self._shift()
            value = value << 1 | bit
        return value

    def difference(self, side: int) -> int:
        width = 0
        while width < 17 and self.bit(1 + 16 * side + min(width, 15)):
            width += 1
        if width == 0:
            return 0
        size = 1 << (width - 1) | self.bits(width - 1)
        return -size if self.bits(1) else size


def factors_by_the_book(data: bytes, count: int, deep: bool) -> list[list[list[list[int]]] | None]:
    """L and R of every plane, None for those of the table."""
    reader, table = Reader(data), table_basis(deep).factors[0].tolist()
    most = (1 << basis_bits(deep)) - 1
    found: list[list[list[list[int]]] | None] = []
    for _ in range(count):
        if not reader.bit(0):
            found.append(None)
            continue
        both = [[[0] * 8 for _ in range(8)] for _ in range(2)]
        for side in range(2):
            for k in range(8):
                for i in range(8):
                    value = table[i][k] + reader.difference(side)
                    both[side][i][k] = min(max(value, -most), most)
        found.append(both)
    return found


def own_factors(bases: list[Basis]) -> list[list[list[list[int]]] | None]:
    return [basis.factors.tolist() if basis.own else None for basis in bases]


@pytest.mark.parametrize("deep", [False, True])
def test_factors_are_read_as_the_book_says_whatever_the_bytes(deep: bool) -> None:
    rng, read = np.random.default_rng(3), 0
    streams = [b"\xff" * length for length in (1, 4, 5, 6, 8, 12, 40, 300, 700)]
    streams += [b"\xff" * 5 + rng.bytes(length) for length in (1, 3, 20, 400)]
    streams += [rng.bytes(int(length)) for length in rng.integers(1, 900, 60)]
    for data in streams:
        try:
            wanted = factors_by_the_book(data, 3, deep)
        except EOFError:
            with pytest.raises(PayloadError):
                read_bases(data, 3, deep)
            continue
        read += 1
        assert own_factors(read_bases(data, 3, deep)) == wanted
    assert read > 5


@pytest.mark.parametrize("deep", [False, True])
def test_factors_of_their_own_come_back(deep: bool) -> None:
    rng = np.random.default_rng(1)
    most = (1 << basis_bits(deep)) - 1
    table = table_basis(deep)
    extreme = np.where(rng.random((2, 8, 8)) < 0.5, -most, most).astype(np.int32)
    near = np.clip(table.factors + rng.integers(-9, 10, (2, 8, 8)), -most, most).astype(np.int32)
    bases = [make_basis(extreme[0], extreme[1], deep), table, make_basis(near[0], near[1], deep)]
    found = read_bases(write_bases(bases, deep), 3, deep)
    assert [basis.own for basis in found] == [True, False, True]
    for basis, wanted in zip(found, bases, strict=True):
        assert np.array_equal(basis.factors, wanted.factors)
