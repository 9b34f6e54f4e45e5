"""Mosaic: the cells of all cameras side by side in one picture, redrawn cell by cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_WIDTH: Final = 1600
MAX_HEIGHT: Final = 900
"""Fit a Full HD screen with a task bar; OpenCV does not report the true size."""


def largest_cell(cameras: int) -> tuple[int, int]:
    """Return the largest width and height of one of so many cells."""
    columns, rows = grid(cameras)
    return MAX_WIDTH // columns, MAX_HEIGHT // rows


def grid(cameras: int) -> tuple[int, int]:
    """Return the columns and rows that so many cells make."""
    columns = math.ceil(math.sqrt(cameras))
    return columns, math.ceil(cameras / columns)


class Mosaic:
    """One picture that is divided into equal cells, a cell for each camera.

    Parameters
    ----------
    width, height : int
        Size in pixels.
    names : sequence of str
        The cameras in their order.
    """

    def __init__(self, width: int, height: int, names: Sequence[str]) -> None:
        self.canvas: NDArray[np.uint8] = np.zeros((height, width, 3), np.uint8)
        columns, rows = grid(len(names))
        across = [width * column // columns for column in range(columns + 1)]
        down = [height * row // rows for row in range(rows + 1)]
        self._columns, self._rows = across, down
        self._names = tuple(names)
        self._cells = {
            name: self.canvas[
                down[at // columns] : down[at // columns + 1],
                across[at % columns] : across[at % columns + 1],
            ]
            for at, name in enumerate(names)
        }

    def is_of(self, width: int, height: int, names: Sequence[str]) -> bool:
        """Return True if it has this size and these cameras."""
        return self.canvas.shape[:2] == (height, width) and self._names == tuple(names)

    def cell(self, name: str) -> NDArray[np.uint8]:
        """Return the part of the canvas that belongs to a camera."""
        return self._cells[name]

    def name_at(self, x: int, y: int) -> str | None:
        """Return the camera at a pixel; None if there is none."""
        column = sum(x >= edge for edge in self._columns) - 1
        row = sum(y >= edge for edge in self._rows) - 1
        columns = len(self._columns) - 1
        if not (0 <= column < columns and 0 <= row < len(self._rows) - 1):
            return None
        at = row * columns + column
        return self._names[at] if at < len(self._names) else None
