"""A view of a fixed camera with the noise of its sensor, as one plane."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.opencv import cv2

FINE: Final = 0.5
"""Step of a quantiser that hides no noise."""


def view(height: int = 128, width: int = 160) -> NDArray[np.float64]:
    """Return a smooth plane with a textured quarter, of 8 bits."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    plane = 110 + 50 * np.sin(x / 37) + 30 * np.cos(y / 23)
    quarter = plane[: height // 2, : width // 2]
    quarter += np.random.default_rng(0).normal(0, 12, quarter.shape)
    return plane


def turning(count: int, sigma: float) -> list[NDArray[np.uint16]]:
    """Return frames of a camera that turns over a textured wall, as a lens shows it."""
    wall = np.random.default_rng(1).normal(0, 60, (128, 7 * count + 192))
    seen = cv2.GaussianBlur(wall, (0, 0), 1.0) + 128
    return [with_noise(seen[:, 7 * n : 7 * n + 192], sigma, n) for n in range(count)]


def with_noise(
    clean: NDArray[np.float64], sigma: float | NDArray[np.float64], seed: int, bits: int = 8
) -> NDArray[np.uint16]:
    """Return what a sensor of so many bits makes of `clean`."""
    most = 2**bits - 1
    noisy = clean + np.random.default_rng(seed).normal(0, sigma, clean.shape)
    return np.clip(np.rint(noisy), 0, most).astype(np.uint16)
