"""Pictures of a scene in motion, and their packets from `svd-patch`."""

from __future__ import annotations

from functools import cache

import numpy as np

import rankcast
from rankcast.frame import Pixels


def scene(number: int, shape: tuple[int, ...] = (72, 104, 3), dtype: str = "uint8") -> Pixels:
    """A smooth background, a textured square that moves, and noise from a fixed seed."""
    height, width = shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    full = np.iinfo(dtype).max
    picture = 0.45 + 0.2 * np.sin(x / 17) + 0.15 * np.cos(y / 11 + x / 29)
    left, top = (7 + 3 * number) % max(width - 20, 1), max(height // 3, 0)
    square = picture[top : top + 20, left : left + 20]
    square += 0.2 * np.sign(np.sin(np.arange(square.shape[1]) * 1.1))[None, :]
    picture = picture + np.random.default_rng(number).normal(0, 0.006, picture.shape)
    if len(shape) == 3:
        gains = np.linspace(0.7, 1.1, shape[2])
        picture = picture[:, :, None] * gains
    return (np.clip(picture, 0, 1) * full).astype(dtype)


def stream(count: int, **options: object) -> list[bytes]:
    """Packets of a moving scene."""
    encoder = rankcast.Encoder("svd-patch", **options)
    return [encoder.encode(scene(number)) for number in range(count)]


@cache
def reference_sequence() -> tuple[list[bytes], list[Pixels]]:
    """Forty packets and, from a decoder that misses nothing, what each must show."""
    encoder = rankcast.Encoder("svd-patch", gop=9, refs=2)
    decoder = rankcast.Decoder()
    packets = [encoder.encode(scene(number, (40, 56, 3))) for number in range(40)]
    return packets, [decoder.decode(packet) for packet in packets]
