"""A second decoder of `lossless`, written from docs/wire.md alone: the page is complete."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest

import rankcast
from rankcast.frame import Pixels
from rankcast.wire import unpack


class RangeDecoder:
    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 5
        self.range = 2**40 - 1
        self.code = int.from_bytes((data + bytes(5))[:5], "big")
        self.models: dict[object, list[int]] = defaultdict(lambda: [2**15, 2**15, 0])

    def _refill(self) -> None:
        while self.range < 2**32:
            self.range <<= 8
            byte = self.data[self.position] if self.position < len(self.data) else 0
            self.code = self.code << 8 | byte
            self.position += 1

    def bit(self, *name: object) -> int:
        model = self.models[name]
        bound = (self.range >> 16) * ((model[0] + model[1]) >> 1)
        bit = int(self.code < bound)
        if bit:
            self.range = bound
        else:
            self.code -= bound
            self.range -= bound
        t = max(1, math.floor(math.log2(model[2] + 1.5) + 0.5))
        for k, s in enumerate((min(4, t), min(7, t))):
            model[k] += (65536 - model[k]) >> s if bit else -(model[k] >> s)
        model[2] = min(model[2] + 1, 95)
        self._refill()
        return bit

    def plain(self, count: int) -> int:
        value = 0
        for _ in range(count):
            self.range >>= 1
            bit = int(self.code < self.range)
            if not bit:
                self.code -= self.range
            self._refill()
            value = value << 1 | bit
        return value


def decode_plane(
    coder: RangeDecoder, shape: tuple[int, int], kind: int, repeats: int, bias: dict
) -> np.ndarray:
    height, width = shape
    x = np.zeros(shape, np.int64).tolist()
    E = [[[0] * width for _ in range(height)] for _ in range(5)]

    def err(k: int, i: int, j: int) -> int:
        if i < 0 or (i == 0 and j < 0):
            return 0
        if j < 0:
            # Left of row i stands what the first sample of the row above had.
            return E[k][i - 1][0] if i > 0 else 0
        return E[k][i][min(j, width - 1)]

    for i in range(height):
        for j in range(width):
            if i == 0:
                w = n = nw = ne = nn = x[0][j - 1] if j else 0
            else:
                n = x[i - 1][j]
                w = x[i][j - 1] if j else n
                nw = x[i - 1][j - 1] if j else n
                ne = x[i - 1][j + 1] if j + 1 < width else n
                nn = x[i - 2][j] if i > 1 else n
            p = (w + n - nw, n + ((ne - nw) >> 1), w + ((ne - nw) >> 1), n + ((n - nn) >> 1))
            above_left = [E[k][i - 1][0] if j == 0 and i > 0 else err(k, i - 1, j - 1)
                          for k in range(5)]  # fmt: skip
            weights = []
            for k in range(4):
                near = above_left[k] + err(k, i - 1, j) + err(k, i - 1, j + 1) + err(k, i, j - 1)
                weights.append(2**40 // (near + 2) ** 2 + 1)
            W = sum(weights)
            guess = (sum(a * b for a, b in zip(weights, p, strict=True)) + W // 2) // W
            low, high = min(w, n, ne), max(w, n, ne)
            guess = min(max(guess, low - ((high - low) >> 2)), high + ((high - low) >> 2))
            local = (
                2 * err(4, i, j - 1) + 2 * err(4, i - 1, j) + above_left[4] + err(4, i - 1, j + 1)
            )
            o, v = 0, local
            while v > 3:
                o, v = o + 1, v >> 1
            energy = min(2 * o + v, 23)
            texture = (n > guess) + 2 * (w > guess) + 4 * (nn > n)
            cell = bias[kind, energy, texture]
            if cell[1]:
                guess += (2 * cell[0] + cell[1]) // (2 * cell[1])
            sample = None
            if repeats:
                ww = x[i][j - 2] if j > 1 else w
                pattern = ((w == n) + 2 * (n == nw) + 4 * (n == ne) + 8 * (w == nw)
                           + 16 * (ww == w) + 32 * (nn == n))  # fmt: skip
                asked: list[int] = []
                for which, near in enumerate((w, n, ne)):
                    if sample is None and near not in asked:
                        asked.append(near)
                        if coder.bit("same", kind, which, pattern):
                            sample = near
            if sample is None:
                sample = guess + decode_error(coder, kind, energy, local)
            x[i][j] = sample
            cell[0] += sample - guess
            cell[1] += 1
            if cell[1] == 256:
                cell[0] >>= 1
                cell[1] >>= 1
            for k in range(4):
                E[k][i][j] = abs(sample - p[k])
            E[4][i][j] = abs(sample - guess)
    return np.array(x)


def decode_error(coder: RangeDecoder, kind: int, energy: int, local: int) -> int:
    b = (local >> 4).bit_length()
    if b == 0 and not coder.bit("zero", kind, energy):
        return 0
    negative = coder.plain(1) if b else coder.bit("negative", kind, energy)
    ones = 0
    while ones < 40 and coder.bit("size", kind, energy, min(ones, 19)):
        ones += 1
    high = ones
    if ones > 11:
        c = ones - 11
        high = 10 + 2**c + coder.plain(min(c, 24))
    size = high << b | coder.plain(b)
    if negative:
        return -size - 1
    return size if b else size + 1


def decode(packet: bytes) -> Pixels:
    """One band only: less than 1280 x 720 pixels."""
    parsed = unpack(packet)
    header = parsed.header
    assert header.shape is not None
    transform, repeats = (int(value) for value in header.params)
    coder = RangeDecoder(bytes(parsed.body))
    bias: dict = defaultdict(lambda: [0, 0])
    channels = header.shape[2] if len(header.shape) == 3 else 1
    planes = [
        decode_plane(coder, header.shape[:2], min(index, 2), repeats, bias)
        for index in range(channels)
    ]
    if transform:
        y, co, cg = planes
        t = y - (cg >> 1)
        blue = t - (co >> 1)
        planes = [blue, cg + t, co + blue]
    return np.stack(planes, 2).reshape(header.shape).astype(header.dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [(9, 14), (1, 7), (7, 1), (12, 17, 3), (6, 8, 5)])
@pytest.mark.parametrize("steps", [1, 40])
def test_a_decoder_written_from_the_page_gives_every_sample(
    dtype: str, shape: tuple[int, ...], steps: int
) -> None:
    rng = np.random.default_rng(len(shape) + steps)
    smooth = np.add.outer(np.arange(shape[0]) * 3, np.arange(shape[1]) * 2)
    image = smooth.reshape(*shape[:2], *(1,) * (len(shape) - 2)) + rng.integers(0, 30, shape)
    image = (image // steps * steps * (1 if dtype == "uint8" else 230)).astype(dtype)
    assert np.array_equal(decode(rankcast.Encoder("lossless").encode(image)), image)
