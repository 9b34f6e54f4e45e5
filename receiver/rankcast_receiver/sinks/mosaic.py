"""Mosaic: the pictures of all cameras side by side in one, redrawn tile by tile."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_WIDTH: Final = 1600
MAX_HEIGHT: Final = 900
"""Fit a Full HD screen with a task bar; OpenCV does not report the true size."""


def largest_tile(cameras: int) -> tuple[int, int]:
    """Return the largest width and height of one of so many tiles."""
    columns, rows = _grid(cameras)
    return MAX_WIDTH // columns, MAX_HEIGHT // rows


class Mosaic:
    """One picture made of a tile for each camera, ordered by name.

    Sorted by name, so that no tile moves when another camera is faster.

    Parameters
    ----------
    shapes : mapping of str to tuple
        Camera name -> shape of its picture, (H, W, 3).
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = dict(shapes)
        columns, rows = _grid(len(shapes))
        height = max(shape[0] for shape in shapes.values())
        width = max(shape[1] for shape in shapes.values())
        self.canvas: NDArray[np.uint8] = np.zeros((rows * height, columns * width, 3), np.uint8)
        self._tiles = {}
        for number, name in enumerate(sorted(shapes)):
            top, left = number // columns * height, number % columns * width
            below, right = top + shapes[name][0], left + shapes[name][1]
            self._tiles[name] = self.canvas[top:below, left:right]

    def place(self, name: str, picture: NDArray[np.uint8]) -> None:
        """Copy the picture of a camera, of the shape that was announced, to its tile."""
        self._tiles[name][:] = picture


def _grid(cameras: int) -> tuple[int, int]:
    columns = math.ceil(math.sqrt(cameras))
    return columns, math.ceil(cameras / columns)
