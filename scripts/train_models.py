"""Fit the models that a key frame of svd-patch begins with: scripts/train_models.py CLIP...

    python scripts/train_models.py clip.mp4 folder_of_pictures ...

Codes the start of every clip at several steps and all efforts, and looks at what the adaptive
models came to: for each, the beta distribution under which they are likeliest gives the first
estimate and how many bits it counts for. Writes common/rankcast/core/src/svd_patch/fresh_models.h.
"""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from make_core_tables import SOURCES, header, table
from scipy.special import betaln

from rankcast.codec.svd_patch.encoder import SvdPatchEncoder
from rankcast.codec.svd_patch.options import EFFORTS, SvdPatchOptions
from rankcast.entropy.rangecoder import REGISTERS
from rankcast.frame import Frame
from rankcast.images import read_image
from rankcast.video import open_video

STEPS: Final = (2.0, 4.0, 8.0, 16.0)
STARTS: Final = (0, 60, 150)
FRAMES: Final = (1, 4, 16)
"""Frames of a chain after which the models are looked at."""
PROBABILITIES: Final = np.arange(2, 255, 2) / 256
COUNTS: Final = (0, 1, 2, 3, 5, 7, 10, 14, 20, 28)
"""Bits that the estimate counts for; a model that has seen n bits moves by 1 / (n + 1.5)."""


def samples(clip: Path) -> list[list[Frame]]:
    """Return the starts of a clip, or the pictures of a folder as one."""


def states(frames: list[Frame]) -> list[NDArray[np.int64]]:
    """Return the models of all slices after some frames, at every step and effort."""
