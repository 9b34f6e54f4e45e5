"""A fixed camera of a few pixels, and models of codec `gan` trained on it within a second."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

import rankcast
from rankcast.frame import Pixels
from rankcast.models.gan.footage import Footage
from rankcast.models.gan.training import Training

HEIGHT, WIDTH = 44, 60


def clip(count: int, colour: bool = True) -> list[Pixels]:
    """Return frames: texture, a disc that moves in front of it, drifting exposure, noise."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    wall = 110 + 40 * np.sin(x / 3) * np.cos(y / 4) + rng.normal(0, 12, (HEIGHT, WIDTH))
    frames = []
    for number in range(count):
        inside = (x - 5 - 2 * number % WIDTH) ** 2 + (y - 20) ** 2 < 40
        luma = np.where(inside, 220, wall) * (1 + 0.05 * math.sin(number / 5))
        luma = luma + rng.normal(0, 1, luma.shape)
        tint = np.array([0.8, 1.0, 0.9]) if colour else np.ones(1)
        frames.append((luma[:, :, None] * tint).clip(0, 255).astype(np.uint8).squeeze())
    return frames


def trained(footage: list[Footage], steps: int, **options: Any) -> Training:
    """Train a small model for some steps."""
    training = Training(footage, width=8, **options)
    training.run(5.0, stopped=lambda: training.step >= steps)
    return training


def two_cameras(folder: Path) -> Path:
    """Write a model of two cameras of one size, "belt" in colour and "door" in grey."""
    path = folder / "camera.rkm"
    training = trained([Footage("belt", clip(20)), Footage("door", clip(12, colour=False))], 4)
    training.model().save(path, training.about())
    return path


def coded(model: Path, **options: Any) -> bytes:
    """Return a packet of the camera "belt"."""
    return rankcast.Encoder("gan", model=str(model), label="belt", **options).encode(clip(5)[4])
