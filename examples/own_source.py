"""Frames of your own: rankcast send --source "python:examples/own_source.py:waves?width=640".

Rankcast calls the function once and takes what it yields: arrays (H, W) or (H, W, 3) in BGR, uint8
or uint16, or rankcast.Frame. Options behind the question mark become arguments.
"""

import time
from collections.abc import Iterator

import numpy as np


def waves(width: int = 640, height: int = 480, speed: float = 5.0) -> Iterator[np.ndarray]:
    """Yield a moving wave, 30 times a second; replace this by the calls of your camera."""
    rows, columns = np.mgrid[:height, :width]
    try:
        for number in range(1_000_000):
            wave = 127.5 + 127.5 * np.sin((columns + speed * number) / 40 + rows / 60)
            yield np.dstack([wave, wave[:, ::-1], 255 - wave]).astype(np.uint8)
            time.sleep(1 / 30)
    finally:
        print("closed")  # where you would release your camera
