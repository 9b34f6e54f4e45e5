"""Replays for tests: what they play, and the files that they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rankcast.frame import Frame
from rankcast_sender.sources.replay import ReplayOptions, ReplaySource


@contextmanager
def replay(path: Path | str, **options: Any) -> Iterator[ReplaySource]:
    source = ReplaySource(str(path), ReplayOptions(**options))
    try:
        yield source
    finally:
        source.close()


def play(path: Path | str, **options: Any) -> list[Frame]:
    with replay(path, **options) as source:
        return list(source)


def picture(value: int, shape: tuple[int, ...] = (8, 12, 3), dtype: type = np.uint8) -> Any:
    return np.full(shape, value, dtype)


def first_samples(frames: list[Frame]) -> list[int]:
    return [int(frame.pixels.flat[0]) for frame in frames]


def write_video(path: Path, frames: int, fps: float = 25.0) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 48))
    assert writer.isOpened()
    for number in range(frames):
        writer.write(picture(number * 8, (48, 64, 3)))
    writer.release()
