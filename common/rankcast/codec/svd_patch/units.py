"""The maps of what was coded where: one entry for each unit of 8 x 8 samples."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.svd_patch.geometry import Geometry

KIND: Final = 0
"""Field of an entry; zero there where nothing is coded yet."""
FIELDS: Final = 6
"""What the core has in an entry: see `Unit` in svd_patch/slice.h."""
SKIPPED: Final = 1
INTER: Final = 2


def new_info(geometry: Geometry) -> list[NDArray[np.int16]]:
    """Return empty maps of one picture, one per plane."""
    return [np.zeros((p.units_y, p.units_x, FIELDS), np.int16) for p in geometry.planes]
