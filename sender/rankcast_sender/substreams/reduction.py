"""Reduction: the part of a picture that a substream shows, and its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from rankcast.errors import UnsupportedImageError
from rankcast.frame import Frame, Pixels, channels_of
from rankcast.opencv import cv2

_RESIZED_CHANNELS: Final = 4
"""Most channels that OpenCV reduces at a time."""


@dataclass(frozen=True, slots=True)
class Reduction:
    """Cuts a part out of pictures, then makes it smaller by averaging.

    A mosaic stays a mosaic: samples are averaged with those of their own colour, and the pattern
    follows the part that was cut out.
    """

    divisor: int = 1
    """By how much width and height are divided: 1, 2 or 4. What is left over at the right and at
    the bottom is cut off."""
    roi: tuple[int, int, int, int] | None = None
    """x, y, width and height of the part, in pixels of the camera; None is the whole picture."""

    @property
    def place(self) -> str:
        """Where the part begins, ``+X+Y``; empty for the whole picture."""
        return "" if self.roi is None else f"+{self.roi[0]}+{self.roi[1]}"

    def size_of(self, width: int, height: int, *, mosaic: bool) -> tuple[int, int]:
        """Return width and height of the reduced picture.

        Raises
        ------
        UnsupportedImageError
            If the part is not within the picture, or nothing would be left of it.
        """
        if self.roi is not None:
            x, y, wide, high = self.roi
            if x + wide > width or y + high > height:
                raise UnsupportedImageError(
                    f"roi = {list(self.roi)} ends at {x + wide} x {y + high}, outside the picture "
                    f"of {width} x {height}"
                )
            width, height = wide, high
        unit = 2 if mosaic else 1
        reduced = [side // (unit * self.divisor) * unit for side in (width, height)]
        if min(reduced) < unit:
            raise UnsupportedImageError(
                f"nothing is left of {width} x {height} pixels at scale 1/{self.divisor}"
            )
        if mosaic and self.divisor == 1:
            reduced = [width, height]
        return reduced[0], reduced[1]

    def apply(self, frame: Frame) -> Frame:
        """Return the reduced frame; its pixels are those of `frame` where nothing is averaged.

        Raises
        ------
        UnsupportedImageError
            As `size_of`.
        """
        pixels, cfa = frame.pixels, frame.cfa
        height, width = pixels.shape[:2]
        self.size_of(width, height, mosaic=bool(cfa))
        if self.roi is not None:
            x, y, wide, high = self.roi
            pixels = pixels[y : y + high, x : x + wide]
            cfa = _moved(cfa, x, y)
        if self.divisor > 1:
            pixels = self._mosaic(pixels) if cfa else self._averaged(pixels)
        return frame if pixels is frame.pixels else replace(frame, pixels=pixels, cfa=cfa)

    def _mosaic(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[0] // 2 * 2, pixels.shape[1] // 2 * 2
        planes = pixels[:height, :width].reshape(height // 2, 2, width // 2, 2)
        first = self._averaged(planes[:, 0, :, 0])
        reduced = np.empty((first.shape[0], 2, first.shape[1], 2), pixels.dtype)
        for row in range(2):
            for column in range(2):
                reduced[:, row, :, column] = self._averaged(planes[:, row, :, column])
        shape = (2 * first.shape[0], 2 * first.shape[1], *pixels.shape[2:])
        return reduced.reshape(shape)

    def _averaged(self, pixels: Pixels) -> Pixels:
        height, width = (side // self.divisor for side in pixels.shape[:2])
        pixels = pixels[: height * self.divisor, : width * self.divisor]
        channels = channels_of(pixels.shape)
        if channels <= _RESIZED_CHANNELS:
            return self._resized(pixels, (width, height)).reshape(height, width, *pixels.shape[2:])
        parts: Sequence[Pixels] = [
            self._resized(pixels[:, :, first : first + _RESIZED_CHANNELS], (width, height)).reshape(
                height, width, -1
            )
            for first in range(0, channels, _RESIZED_CHANNELS)
        ]
        return np.concatenate(parts, axis=2)

    @staticmethod
    def _resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
        reduced: Pixels = np.ascontiguousarray(pixels)
        while reduced.shape[1] > size[0]:  # by two each time, which is faster than by four
            half = reduced.shape[1] // 2, reduced.shape[0] // 2
            reduced = cv2.resize(reduced, half, interpolation=cv2.INTER_AREA)
        return reduced


def _moved(cfa: str, x: int, y: int) -> str:
    """Return the pattern of a mosaic that begins at another pixel."""
    return "".join(cfa[2 * ((row + y) % 2) + (column + x) % 2]
                   for row in range(2) for column in range(2)) if cfa else ""  # fmt: skip
