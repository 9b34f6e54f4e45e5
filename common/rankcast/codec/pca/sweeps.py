"""How `rankcast compare` takes codec `pca` from few components to many."""

from __future__ import annotations

import math
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.pca.components import principal_components
from rankcast.codec.pca.layout import DEFAULT_PATCH, DEFAULT_VARIANCE, to_matrix
from rankcast.codec.svd.samples import as_channels
from rankcast.codec.sweep import ScreeSource, Steps, Sweep, rank_steps
from rankcast.frame import Pixels


def _shares(patch: int, pixels: Pixels) -> tuple[NDArray[np.float64], ...]:
    channels = as_channels(pixels)
    matrices = (to_matrix(channels[:, :, c], patch) for c in range(channels.shape[2]))
    return tuple(
        np.asarray(principal_components(matrix.astype(np.float64)).shares) for matrix in matrices
    )


def _row_steps(pixels: Pixels) -> Steps:
    return rank_steps(min(pixels.shape[:2]))


def _patch_steps(pixels: Pixels) -> Steps:
    height, width = (math.ceil(side / DEFAULT_PATCH) for side in pixels.shape[:2])
    return rank_steps(min(DEFAULT_PATCH**2, height * width))


ROWS: Final = Sweep(
    "pca", "components", _row_steps, symbol="n", counts_kept=True,
    options={"engine": "exact"},
    scree=ScreeSource("rows", partial(_shares, 0), DEFAULT_VARIANCE),
)  # fmt: skip
PATCHES: Final = Sweep(
    "pca-patches", "components", _patch_steps, symbol="n", counts_kept=True,
    options={"layout": "patches", "engine": "exact"},
    scree=ScreeSource("patches", partial(_shares, DEFAULT_PATCH), DEFAULT_VARIANCE),
)  # fmt: skip
