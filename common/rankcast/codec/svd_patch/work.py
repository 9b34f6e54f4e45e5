"""What a slice of a plane is coded from and into: arrays, and the names of their parts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.svd_patch.tables import CELL, LEVELS, STRIDE
from rankcast.entropy.rangecoder import Bytes, Coder
from rankcast.frame import Pixels

# Fields of a unit (8 x 8 samples) in the maps.
KIND, SIZE, VECTOR_Y, VECTOR_X, MODE, CODED = range(6)
FIELDS = 6
NONE, SKIPPED, INTER, INTRA = range(4)

# Fields of `Work.numbers`: parameters of the plane,
(
    OTHER_PLANE, HAS_GUIDE, GUIDE_SHIFT, PREDICTED, LARGEST, STEP, DEEP, TOP, BOTTOM, KEEP,
    MIDDLE_GREY,
) = range(11)  # fmt: skip
# the decision of the encoder about a leaf,
D_KIND, D_INDEX, D_VECTOR_Y, D_VECTOR_X, D_MODE, D_CODED = range(16, 22)
# and the rows and columns of a core that hold its levels.
EXTENT = 22
NUMBERS = 24

# Fields of `Work.prices`.
BIT_PRICE, STEP_REAL, SAD_PRICE = range(3)
PRICES = 3

# Rows of `Work.vectors`: candidates 0..3, starts of a search, its result.
STARTS = 4
BEST = 12
VECTORS = 13

# Arrays in `Work.blocks`, `Work.tiles` and `Work.lines`.
PREDICTION, TRIAL, KEPT_PREDICTION = range(3)
BLOCKS = 3
ROWS, CORE, MIDDLE, RESIDUAL = range(4)
TILES = 4
LEVELS_NOW, LEVELS_KEPT, NEAR, EDGE_SAMPLES, RAW_EDGE, LINE = range(6)
LINES = 6
LINE_LENGTH = LEVELS + 2 * STRIDE + 2

# Arrays in `Work.real_blocks`, `Work.real_tiles` and `Work.real_lines`.
SOURCE_REAL, SOURCE_TURNED = range(2)
RESIDUAL_REAL, MIDDLE_REAL = range(2)
SCALED, LANES, TOP_REAL, REFERENCE_TOP, RESULT, REFERENCE_LEFT = range(6)


class Work(NamedTuple):
    """Everything a slice of a plane is coded from and into.

    Few arrays with named parts: numba passes and specialises every array on its own, and
    forty of them took four times as long to compile.
    """

    coder: Coder
    data: Bytes
    source: Pixels
    rebuilt: Pixels
    reference: Pixels
    info: NDArray[np.int16]
    guide: NDArray[np.int16]
    numbers: NDArray[np.int64]
    prices: NDArray[np.float64]
    left: NDArray[np.int32]
    """(3, 32, 32): L of sizes 8, 16, 32."""
    right_t: NDArray[np.int32]
    """(3, 4, 32, 8): R^T in tiles."""
    left_t_real: NDArray[np.float32]
    right_real: NDArray[np.float32]
    plan: NDArray[np.int8]
    still: NDArray[np.uint8]
    vectors: NDArray[np.int64]
    blocks: NDArray[np.int32]
    tiles: NDArray[np.int32]
    deep_tiles: NDArray[np.int64]
    lines: NDArray[np.int32]
    real_blocks: NDArray[np.float32]
    real_tiles: NDArray[np.float32]
    real_lines: NDArray[np.float32]


def scratch() -> dict[str, Any]:
    """Arrays of `Work` that carry nothing from one call to the next."""
    return {
        "vectors": np.zeros((VECTORS, 2), np.int64),
        "blocks": np.zeros((BLOCKS, CELL, CELL), np.int32),
        "tiles": np.zeros((TILES, CELL // 8, CELL + 8, 8), np.int32),
        "deep_tiles": np.zeros((2, CELL // 8, CELL, 8), np.int64),
        "lines": np.zeros((LINES, LINE_LENGTH), np.int32),
        "real_blocks": np.zeros((2, CELL, CELL), np.float32),
        "real_tiles": np.zeros((2, CELL // 8, CELL, 8), np.float32),
        "real_lines": np.zeros((6, LINE_LENGTH), np.float32),
    }
