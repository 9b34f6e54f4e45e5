"""A rebuilt picture with all that a later one may be predicted from."""

from __future__ import annotations

from typing import Final

import numpy as np

from rankcast.codec.svd_patch.basis import SLICE, Basis
from rankcast.codec.svd_patch.geometry import Geometry
from rankcast.core import address_of, function
from rankcast.entropy.rangecoder import REGISTERS, Coder, new_coder

_CHECKSUM: Final = function("rk_svd_patch_checksum")
_MODELS: Final = function("rk_svd_patch_models")()
_BEGIN_MODELS: Final = function("rk_svd_patch_begin_models")


class Picture:
    """Planes, models and bases; the arrays are made once per stream and reused."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.sequence = -1
        self.planes = [np.zeros(plane.padded, np.uint16) for plane in geometry.planes]
        self.plane_addresses = [address_of(plane, "rebuilt", SLICE) for plane in self.planes]
        self.coders = [new_coder(_MODELS) for _ in range(geometry.slices)]
        self.coder_addresses = [address_of(coder, "coder", SLICE) for coder in self.coders]
        self.bases: list[Basis] = []
        self.moved = np.zeros((geometry.slices, 2), np.int64)
        """Where the search for displacements ended in each slice; known to encoders alone."""

    def start_from(self, reference: Picture | None) -> None:
        """Take over models and bases; without a reference begin afresh."""
        for index, coder in enumerate(self.coders):
            if reference is None:
                coder[REGISTERS:] = FRESH_MODELS
            else:
                coder[:] = reference.coders[index]
        self.bases = [] if reference is None else reference.bases

    def checksum(self) -> int:
        """32-bit checksum of all planes."""
        value = 0
        for plane in self.planes:
            value = _CHECKSUM(plane, plane.size, value)
        return value


FRESH_MODELS: Final[Coder] = np.zeros(_MODELS, np.int64)
"""What every chain of frames begins with."""
_BEGIN_MODELS(FRESH_MODELS)
