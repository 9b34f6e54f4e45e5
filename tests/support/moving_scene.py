"""Pictures of a scene in motion, and their packets from `svd-patch`."""

from __future__ import annotations

from functools import cache

import numpy as np

import rankcast
from rankcast.frame import Pixels


def scene(number: int, shape: tuple[int, ...] = (72, 104, 3), dtype: str = "uint8") -> Pixels:
    """Return frames of a smooth background, a moving textured square, and noise of a fixed seed."""
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


def belt(number: int, shape: tuple[int, ...] = (88, 136, 3), dtype: str = "uint8") -> Pixels:
    """Return frames with a larger square of higher contrast and more noise than in `scene`."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(float)
    picture = 0.45 + 0.2 * np.sin(x / 17) + 0.15 * np.cos(y / 11 + x / 29)
    left = (5 + 4 * number) % (shape[1] - 30)
    picture[20:50, left : left + 30] += 0.2 * np.sign(np.sin(np.arange(30) * 1.1))
    picture = picture + np.random.default_rng(number).normal(0, 0.01, picture.shape)
    if len(shape) == 3:
        picture = picture[:, :, None] * np.linspace(0.7, 1.1, shape[2])
    samples: Pixels = (np.clip(picture, 0, 1) * np.iinfo(dtype).max).astype(dtype)
    return samples


def colourful(number: int) -> Pixels:
    """Return red and blue threads one pixel wide, which half-size chroma cannot show."""
    image = belt(number)
    image[:, ::2, 2] = 230
    image[:, 1::2, 0] = 220
    return image


def noisy(number: int, shape: tuple[int, ...] = (120, 160, 3)) -> Pixels:
    """Return the belt under noise that no prediction removes."""
    noise = np.random.default_rng(number).integers(-20, 21, shape)
    return np.clip(belt(number, shape).astype(int) + noise, 0, 255).astype(np.uint8)


def stream(count: int, **options: object) -> list[bytes]:
    """Return the packets of a moving scene."""
    encoder = rankcast.Encoder("svd-patch", **options)
    return [encoder.encode(scene(number)) for number in range(count)]


@cache
def reference_sequence() -> tuple[list[bytes], list[Pixels]]:
    """Return forty packets and, from a decoder that gets all of them, their pictures."""
    encoder = rankcast.Encoder("svd-patch", gop=9, refs=2)
    decoder = rankcast.Decoder()
    packets = [encoder.encode(scene(number, (40, 56, 3))) for number in range(40)]
    return packets, [decoder.decode(packet) for packet in packets]
