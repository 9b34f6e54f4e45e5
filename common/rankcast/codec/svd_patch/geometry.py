"""From the shape of a picture to its planes, their padded sizes and their slices."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final

from rankcast.codec.svd_patch.tables import CELL, UNIT
from rankcast.errors import PayloadError


class Layout(IntEnum):
    """How the samples of a picture become planes; the number is on the wire."""

    GREY = 0
    YCC420 = 1
    YCC444 = 2
    BAYER = 3
    CHANNELS = 4


TWO_SLICES: Final = 1280 * 720
FOUR_SLICES: Final = 3840 * 2160
SLICE_ROWS: Final = CELL // UNIT
"""Unit rows of the first plane that slices begin at multiples of: its cells."""
Borders = tuple[int, ...]
"""Where the second and all further slices begin, in multiples of `SLICE_ROWS`."""


@dataclass(frozen=True, slots=True)
class PlaneGeometry:
    """One plane: its true size and its size in units."""

    height: int
    width: int
    units_y: int
    units_x: int
    guide_shift: int

    @property
    def padded(self) -> tuple[int, int]:
        """Shape of the arrays that hold the plane."""
        return self.units_y * UNIT, self.units_x * UNIT

    def slices(self, borders: Borders) -> list[tuple[int, int]]:
        """First unit row and the one after the last, for every slice."""
        # Half-size planes have half the rows; the lower ones of a mosaic with odd height may be
        # a row of units shorter than the first.
        cuts = [min(border * SLICE_ROWS >> self.guide_shift, self.units_y) for border in borders]
        return list(itertools.pairwise((0, *cuts, self.units_y)))


@dataclass(frozen=True, slots=True)
class Geometry:
    """What both ends derive from shape, dtype and layout alone."""

    layout: Layout
    shape: tuple[int, ...]
    deep: bool
    largest: int
    """Full scale of the planes' samples."""
    scale: int
    """Plane levels per grey level of the picture."""
    planes: tuple[PlaneGeometry, ...]
    borders: Borders
    """Of slices of equal size: those of a body that names none."""

    @property
    def slices(self) -> int:
        """Number of slices."""
        return len(self.borders) + 1

    @property
    def bands(self) -> int:
        """Number of `SLICE_ROWS` in the first plane; the last one may have fewer rows."""
        return -(-self.planes[0].units_y // SLICE_ROWS)


def _units(side: int) -> int:
    return (side + UNIT - 1) // UNIT


@lru_cache(maxsize=64)
def geometry_of(layout: Layout, shape: tuple[int, ...], dtype_bytes: int) -> Geometry:
    """Work out planes and slices.

    Raises
    ------
    PayloadError
        If such a picture cannot have that layout.
    """
    height, width = shape[:2]
    channels = shape[2] if len(shape) == 3 else 1
    sizes: list[tuple[int, int]]
    if layout is Layout.GREY and channels == 1:
        sizes = [(height, width)]
    elif layout is Layout.YCC420 and channels == 3 and len(shape) == 3:
        half = ((height + 1) // 2, (width + 1) // 2)
        sizes = [(height, width), half, half]
    elif layout is Layout.YCC444 and channels == 3 and len(shape) == 3:
        sizes = [(height, width)] * 3
    elif layout is Layout.BAYER and channels == 1 and min(height, width) >= 2:
        sizes = [((height + 1 - a) // 2, (width + 1 - b) // 2) for a in range(2) for b in range(2)]
    elif layout is Layout.CHANNELS and len(shape) == 3 and channels > 1:
        sizes = [(height, width)] * channels
    else:
        raise PayloadError(f"a picture of shape {shape} cannot have layout {layout.name}")
    pixels = height * width
    count = 1 if pixels < TWO_SLICES else 2 if pixels < FOUR_SLICES else 4
    rows = _units(sizes[0][0])
    # Cells of half-size planes are whole there too.
    borders = tuple(2 * round(rows * k / count / (2 * SLICE_ROWS)) for k in range(1, count))
    planes = []
    for index, (plane_height, plane_width) in enumerate(sizes):
        shift = 1 if layout is Layout.YCC420 and index else 0
        units_y = _units(plane_height)
        planes.append(PlaneGeometry(plane_height, plane_width, units_y, _units(plane_width), shift))
    fine = layout is Layout.YCC444 and dtype_bytes == 1
    largest = 1023 if fine else 255 if dtype_bytes == 1 else 65535
    return Geometry(
        layout, shape, dtype_bytes == 2, largest, 4 if fine else 1, tuple(planes), borders
    )
