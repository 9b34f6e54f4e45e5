"""A second decoder of `lossless`, written from docs/wire.md alone: the page is complete."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest

import rankcast
from rankcast.frame import Pixels
from rankcast.wire import unpack


class Flag:
    def __init__(self) -> None:
        self.estimates, self.count = [2**15, 2**15], 0

    def ones(self) -> int:
        return min(max(sum(self.estimates) >> 5, 1), 4095)

    def add(self, bit: int) -> None:
        t = max(1, math.floor(math.log2(self.count + 1.5) + 0.5))
        for k, s in enumerate((min(4, t), min(7, t))):
            p = self.estimates[k]
            self.estimates[k] += (65536 - p) >> s if bit else -(p >> s)
        self.count = min(self.count + 1, 95)


class Table:
    """The shares of the symbols of one class."""

    def __init__(self, energy: int) -> None:
        octave = max(energy - 1, 0) >> 1
        local = 0 if energy == 0 else (2 + (energy + 1) % 2) * 2**octave // 2
        local >>= raw_bits_of(energy)
        ratio = 256 * (local + 1) // (local + 7)
        count = 768 * 256 * (256 - ratio) // (256 + ratio)
        self.counts = []
        for _ in range(32):
            self.counts.append(count >> 8)
            count = count * ratio >> 8
            self.counts.append(count >> 8)
        self.counts[63] = 8
        self.period = 16
        self._rebuild()

    def _rebuild(self) -> None:
        self.left = self.period
        if sum(self.counts) > 49152:
            self.counts = [c >> 1 for c in self.counts]
        self.counts[63] = max(self.counts[63], 1)
        scale = 2**28 // sum(self.counts)
        self.shares = [max(c * scale >> 16, min(c, 1)) for c in self.counts]
        self.shares[self.counts.index(max(self.counts))] += 4096 - sum(self.shares)

    def use(self) -> list[int]:
        if self.left == 0:
            self.period = min(2 * self.period, 1024)
            self._rebuild()
        return self.shares

    def add(self, symbol: int) -> None:
        self.counts[symbol] += 16
        self.left -= 1


class Decoder:
    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0
        self.flags: dict[object, Flag] = defaultdict(Flag)
        self.tables: dict[tuple[int, int], Table] = {}

    def start(self) -> None:
        at = self.position
        self.states = [int.from_bytes(self.data[at + k : at + k + 4], "little") for k in (0, 4)]
        self.position += 8

    def take(self, start: int, share: int) -> None:
        x, other = self.states
        x = share * (x >> 12) + x % 4096 - start
        if x < 2**15:
            x = x << 16 | int.from_bytes(self.data[self.position : self.position + 2], "little")
            self.position += 2
        self.states = [other, x]

    def flag(self, *name: object) -> int:
        flag = self.flags[name]
        ones = flag.ones()
        bit = int(self.states[0] % 4096 < ones)
        self.take(*((0, ones) if bit else (ones, 4096 - ones)))
        flag.add(bit)
        return bit

    def raw(self, count: int) -> int:
        value = 0
        for done in range(0, count, 12):
            share = 2 ** (12 - min(12, count - done))
            part = self.states[0] % 4096 // share
            self.take(part * share, share)
            value |= part << done
        return value

    def error(self, kind: int, energy: int) -> int:
        if (kind, energy) not in self.tables:
            self.tables[kind, energy] = Table(energy)
        table = self.tables[kind, energy]
        shares, slot, start, symbol = table.use(), self.states[0] % 4096, 0, 0
        while start + shares[symbol] <= slot:
            start += shares[symbol]
            symbol += 1
        self.take(start, shares[symbol])
        number = symbol
        if symbol == 63:
            length = self.raw(5)
            number = (2**length | self.raw(length)) - 1
        table.add(min(number, 63))
        value = (number + 1) // 2 if number % 2 else -(number // 2)
        b = raw_bits_of(energy)
        return value * 2**b + self.raw(b) - 2**b // 2


def raw_bits_of(energy: int) -> int:
    return min(max(((energy - 1) >> 1) - 4, 0), 12)


class Plane:
    """One plane, whose neighbours beyond the edge are those that the page says."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.x: list[list[int]] = [[0] * width for _ in range(2)]
        self.A = [[0] * width for _ in range(4)]
        self.M = [0] * width

    def row(self, coder: Decoder, kind: int, repeats: int, bias: dict) -> None:
        width = self.width
        above, twice_above = self.x[-1], self.x[-2]
        A, M, x = [[0] * width for _ in range(4)], [0] * width, [0] * width

        def at(row: list[int], j: int) -> int:
            return row[min(max(j, 0), width - 1)]

        def left(row: list[int], before: list[int], j: int) -> int:
            return row[j] if j >= 0 else before[0]

        for j in range(width):
            w, ww = left(x, above, j - 1), left(x, above, j - 2)
            n, nw, ne, nn = above[j], at(above, j - 1), at(above, j + 1), twice_above[j]
            slope, mean = (ne - nw) >> 1, w + ne + nw - 3 * n
            d = ((n - nn) >> 1, w - n + slope, (mean + w + ww + nn - 3 * n + 4) >> 3,
                 (mean + 2) >> 2)  # fmt: skip
            near = [sum(at(self.A[k], j + s) for s in (-1, 0, 1)) for k in range(4)]
            weights = []
            for k in range(4):
                e = np.float32(near[k] + left(A[k], self.A[k], j - 1) + 2)
                weights.append(np.float32(1) / ((e * e) * (e * e)))
            t = [a * np.float32(b) for a, b in zip(weights, d, strict=True)]
            W = (weights[0] + weights[1]) + (weights[2] + weights[3])
            guess = n + int(np.rint(((t[0] + t[1]) + (t[2] + t[3])) / W))
            low, high = min(w, n, ne), max(w, n, ne)
            guess = min(max(guess, low - ((high - low) >> 2)), high + ((high - low) >> 2))
            local = (
                6 * (left(M, self.M, j - 1) + self.M[j])
                + 3 * (at(self.M, j - 1) + at(self.M, j + 1))
                + 2 * (left(M, self.M, j - 2) + at(self.M, j + 2))
            ) >> 2
            octave = local.bit_length() - 1
            energy = 0
            if local:
                energy = min(2 * octave + 1 + (local >> (octave - 1) & 1 if octave else 0), 39)
            cell = bias[kind, energy, (n > guess) + 2 * (w > guess) + 4 * (nn > n)]
            sample = None
            if repeats:
                pattern = ((w == n) + 2 * (n == nw) + 4 * (n == ne) + 8 * (w == nw)
                           + 16 * (ww == w) + 32 * (nn == n))  # fmt: skip
                asked: list[int] = []
                for which, near_by in enumerate((w, n, ne)):
                    if sample is None and near_by not in asked:
                        asked.append(near_by)
                        if coder.flag(kind, which, pattern):
                            sample = near_by
            if sample is None:
                sample = guess + ((cell[0] + 128) >> 8) + coder.error(kind, energy)
            x[j] = sample
            shift = min(7, max(1, math.floor(math.log2(cell[1] + 1.5) + 0.5)))
            cell[0] += (256 * (sample - guess) - cell[0]) >> shift
            cell[1] = min(cell[1] + 1, 95)
            M[j] = abs(sample - guess)
            for k in range(4):
                A[k][j] = abs(sample - n - d[k]) + (near[k] >> 2)
        self.x.append(x)
        self.A, self.M = A, M


def decode(packet: bytes) -> Pixels:
    """One band only: less than 1280 x 720 pixels."""
    parsed = unpack(packet)
    header = parsed.header
    assert header.shape is not None
    transform, repeats = (int(value) for value in header.params)
    coder = Decoder(bytes(parsed.body))
    bias: dict = defaultdict(lambda: [0, 0])
    height, width, *rest = header.shape
    planes = [Plane(width) for _ in range(rest[0] if rest else 1)]
    rows = 0
    for _ in range(height):
        for index, plane in enumerate(planes):
            if rows % max(65536 // width, 1) == 0:
                coder.start()
            plane.row(coder, min(index, 2), repeats, bias)
            rows += 1
    assert coder.states == [2**15, 2**15]
    assert coder.position == len(parsed.body)
    channels = [np.array(plane.x[2:]) for plane in planes]
    if transform:
        y, co, cg = channels
        t = y - (cg >> 1)
        blue = t - (co >> 1)
        channels = [blue, cg + t, co + blue]
    return np.stack(channels, 2).reshape(header.shape).astype(header.dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [(9, 14), (1, 7), (7, 1), (12, 17, 3), (6, 8, 5), (90, 60)])
@pytest.mark.parametrize("steps", [1, 40])
def test_a_decoder_written_from_the_page_gives_every_sample(
    dtype: str, shape: tuple[int, ...], steps: int
) -> None:
    rng = np.random.default_rng(len(shape) + steps)
    smooth = np.add.outer(np.arange(shape[0]) * 3, np.arange(shape[1]) * 2)
    image = smooth.reshape(*shape[:2], *(1,) * (len(shape) - 2)) + rng.integers(0, 30, shape)
    image = (image // steps * steps * (1 if dtype == "uint8" else 230)).astype(dtype)
    assert np.array_equal(decode(rankcast.Encoder("lossless").encode(image)), image)


@pytest.mark.slow
def test_states_start_anew_behind_65536_samples() -> None:
    image = np.random.default_rng(0).integers(0, 4, (4, 22_000)).astype(np.uint8)
    assert np.array_equal(decode(rankcast.Encoder("lossless").encode(image)), image)
