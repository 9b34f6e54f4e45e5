"""A rebuilt picture with all that a later one may be predicted from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.svd_patch import contexts
from rankcast.codec.svd_patch.basis import Basis
from rankcast.codec.svd_patch.geometry import Geometry
from rankcast.codec.svd_patch.tables import UNIT
from rankcast.codec.svd_patch.work import FIELDS
from rankcast.entropy.rangecoder import REGISTERS, Coder, new_coder
from rankcast.kernels import Integer, lean_kernel

_CHECK_MASK = (1 << 32) - 1
_KNUTH = 2654435761


class Picture:
    """Planes, models and bases; the arrays are made once per stream and reused."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.sequence = -1
        self.planes = [np.zeros(plane.padded, np.uint16) for plane in geometry.planes]
        self.coders = [new_coder(contexts.CONTEXTS) for _ in range(geometry.slices)]
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

    def copy_rows(self, reference: Picture, plane: int, rows: tuple[int, int]) -> None:
        """Take over the samples of some unit rows of a plane."""
        top, bottom = (UNIT * row for row in rows)
        np.copyto(self.planes[plane][top:bottom], reference.planes[plane][top:bottom])

    def checksum(self) -> int:
        """32-bit checksum of all planes."""
        value = np.int64(0)
        for plane in self.planes:
            value = _checksum(plane.reshape(-1), value)
        return int(value)


FRESH_MODELS: Coder = new_coder(contexts.CONTEXTS)[REGISTERS:]


def new_info(geometry: Geometry) -> list[NDArray[np.int16]]:
    """Maps of what was coded where, one per plane."""
    return [np.zeros((p.units_y, p.units_x, FIELDS), np.int16) for p in geometry.planes]


@lean_kernel
def _checksum(samples: NDArray[np.uint16], value: Integer) -> Integer:
    # Blocks of 4096: a weighted sum that vectorises (< 2^16 x 2^13 x 2^12), then one step of
    # a multiplicative hash (Knuth's) over the sums, modulo 2^32. In two halves: 32 bits
    # times 32 would overflow int64, which interpreted arithmetic warns of.
    for start in range(0, len(samples), 4096):
        end = min(start + 4096, len(samples))
        total = np.int64(0)
        for i in range(start, end):
            total += np.int64(samples[i]) * (2 * (i - start) + 1)
        mixed = value ^ (total & _CHECK_MASK)
        upper = ((mixed >> 16) * _KNUTH & 0xFFFF) << 16
        value = (upper + (mixed & 0xFFFF) * _KNUTH + (total >> 32)) & _CHECK_MASK
    return value
