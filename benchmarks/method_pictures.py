"""Pictures and clips for the benchmarks of pca and kmeans: from a folder, or synthetic."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rankcast.opencv import cv2


def synthetic_picture(height: int = 512, width: int = 768, seed: int = 0) -> Any:
    """Return a smooth colour picture with texture and noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (9, 13, 3)).astype(np.uint8)
    large = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float64)
    texture = cv2.GaussianBlur(rng.normal(0, 60, (height, width, 1)), (0, 0), 1.5)[..., None]
    return np.clip(large + texture + rng.normal(0, 2, large.shape), 0, 255).astype(np.uint8)


def stills(data: Path | None, count: int) -> Iterator[tuple[str, Any]]:
    """Yield names and pictures: photographs, or synthetic ones."""
    if data is None:
        yield from ((f"synthetic{seed}", synthetic_picture(seed=seed)) for seed in range(count))
        return
    for path in sorted((data / "kodak").glob("*.png"))[:count]:
        yield path.stem, cv2.imread(str(path))


def clips(data: Path | None) -> Iterator[tuple[str, list[Any]]]:
    """Yield names and frames of 1280 x 720: real clips, or one that pans over a picture."""
    if data is None:
        whole = synthetic_picture(720, 1340)
        yield "synthetic", [np.ascontiguousarray(whole[:, 2 * n : 2 * n + 1280]) for n in range(30)]
        return
    for path in sorted((data / "video").glob("*.mp4")):
        video, frames = cv2.VideoCapture(str(path)), []
        while len(frames) < 30 and (frame := video.read()[1]) is not None:
            frames.append(cv2.resize(frame, (1280, 720), interpolation=cv2.INTER_CUBIC))
        video.release()
        yield path.stem, frames
