"""The factor matrices L and R of a plane: the table's, or the frame's own 2D-SVD.

The 2D-SVD of a stack of patches A_i (Ding and Ye 2005, "2-Dimensional Singular Value
Decomposition for 2D Maps and Images") takes L and R as the eigenvectors of the row-row and
column-column covariances of all patches; then A_i ~ L M_i R^T.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.svd_patch.tables import BASIS_BITS_8, BASIS_BITS_16, cosine_table
from rankcast.core import address_of

SLICE: Final = "rk_slice"
"""The struct that the core takes a slice in, with the factors of its plane."""
SIDE: Final = 8
SHRINKAGE: Final = 0.5
"""Share of the table's own diagonal covariance: keeps the sparsity of smooth bases."""


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """Factor matrices of the three patch sizes, as integers and ready for both directions."""

    own: bool
    """Whether the 8 x 8 factors differ from the table."""
    left: NDArray[np.int32]
    """(3, 32, 32): L of sizes 8, 16, 32 with basis vectors in columns."""
    right_t: NDArray[np.int32]
    """(3, 4, 32, 8): R^T in tiles of eight columns."""
    left_t_real: NDArray[np.float32]
    """L^T without fractional bits."""
    right_real: NDArray[np.float32]
    """R without fractional bits, in tiles."""
    addresses: tuple[int, ...] = field(init=False)
    """Of the four arrays, as the core takes them."""

    def __post_init__(self) -> None:
        names = ("left", "right_t", "left_t_real", "right_real")
        found = tuple(address_of(getattr(self, name), name, SLICE) for name in names)
        object.__setattr__(self, "addresses", found)

    @property
    def factors(self) -> NDArray[np.int32]:
        """(2, 8, 8): L and R of patches of 8."""
        return np.stack([self.left[0, :SIDE, :SIDE], self.right_t[0, 0, :SIDE, :].T])


def basis_bits(deep: bool) -> int:
    """Fractional bits of the factors."""
    return BASIS_BITS_16 if deep else BASIS_BITS_8


def make_basis(
    left: NDArray[np.int32] | None, right: NDArray[np.int32] | None, deep: bool
) -> Basis:
    """Put 8 x 8 integer factors (None: the table's) together with those of larger patches."""
    bits = basis_bits(deep)
    lefts = np.zeros((3, 32, 32), np.int32)
    rights = np.zeros((3, 32, 32), np.int32)
    for size in range(3):
        side = 8 << size
        lefts[size, :side, :side] = rights[size, :side, :side] = cosine_table(side, bits)
    if left is not None and right is not None:
        lefts[0, :SIDE, :SIDE] = left
        rights[0, :SIDE, :SIDE] = right
    one = np.float32(1 << bits)
    return Basis(
        left is not None,
        lefts,
        _tiles(rights.transpose(0, 2, 1)),
        np.ascontiguousarray(lefts.transpose(0, 2, 1)).astype(np.float32) / one,
        _tiles(rights).astype(np.float32) / one,
    )


def _tiles(matrices: NDArray[np.int32]) -> NDArray[np.int32]:
    """(3, 32, 32) to (3, 4, 32, 8)."""
    return np.ascontiguousarray(matrices.reshape(3, 32, 4, 8).transpose(0, 2, 1, 3))


TABLE_8: Final = make_basis(None, None, deep=False)
TABLE_16: Final = make_basis(None, None, deep=True)


def table_basis(deep: bool) -> Basis:
    """Return the integer DCT."""
    return TABLE_16 if deep else TABLE_8


def choose_basis(plane: NDArray[np.uint16], step: float, deep: bool) -> Basis:
    """Return the cheaper of the plane's own 2D-SVD and the table.

    Parameters
    ----------
    plane : ndarray, shape (8 a, 8 b)
        Source samples.
    step : float
        Quantiser step in levels of the plane.
    deep : bool
        Whether the basis has the precision of 16-bit planes.
    """
    table = table_basis(deep)
    rows, columns = plane.shape[0] // SIDE, plane.shape[1] // SIDE
    if rows * columns < _MIN_PATCHES:
        return table
    patches = plane.reshape(rows, SIDE, columns, SIDE).transpose(0, 2, 1, 3)
    stride = max(math.ceil(math.sqrt(rows * columns / _SAMPLED_PATCHES)), 1)
    stack = patches[::stride, ::stride].reshape(-1, SIDE, SIDE).astype(np.float32)
    # The mean of a patch is predicted from its neighbours; what is left is factorised.
    stack -= stack.mean(axis=(1, 2), keepdims=True)
    bits = basis_bits(deep)
    # Rows of all patches beside each other, then columns: one product gives a covariance.
    down = stack.transpose(1, 0, 2).reshape(SIDE, -1)
    across = stack.reshape(-1, SIDE)
    left, right = _factor(down @ down.T, bits), _factor(across.T @ across, bits)
    spent = _cost(down, table.factors, step, bits)
    saved = spent - _cost(down, np.stack([left, right]), step, bits)
    patches_each = rows * columns / len(stack)
    worth = saved * patches_each > _MARGIN * _BASIS_COST and saved > _PROMISE * spent
    return make_basis(left, right, deep) if worth else table


_MIN_PATCHES: Final = 256
_SAMPLED_PATCHES: Final = 1024
_MARGIN: Final = 2
"""Prediction takes much of what the estimate, on patches without it, promises."""
_PROMISE: Final = 0.08
"""Each promise costs a key frame a second coding. Of 25 pictures at three qualities six held one:
planes below this share lost up to 1.1 % when taken, and saved 0.7 % in one scaled-up clip."""
_BASIS_COST: Final = 0.16 * 8 * 130
"""Squared steps that 130 bytes of factor matrices are worth."""


def _factor(covariance: NDArray[np.float32], bits: int) -> NDArray[np.int32]:
    """Eigenvectors of a covariance, shrunk to the diagonal one of the table, as integers."""
    cosine = cosine_table(SIDE, 15).astype(np.float64) / (1 << 15)
    spectrum = np.diag(cosine.T @ covariance @ cosine)
    smooth = cosine @ np.diag(spectrum) @ cosine.T
    mixed = (1 - SHRINKAGE) * covariance + SHRINKAGE * smooth
    _, vectors = np.linalg.eigh(mixed.astype(np.float64))
    # Largest eigenvalue first, as in any truncated SVD; signs as the table has them.
    ordered = vectors[:, ::-1]
    signs = np.where(np.sum(cosine * ordered, axis=0) >= 0, 1.0, -1.0)
    ordered = ordered * signs
    most = (1 << bits) - 1
    rounded: NDArray[np.int32] = np.rint(ordered * (1 << bits)).astype(np.int32)
    return np.clip(rounded, -most, most)


def _cost(down: NDArray[np.float32], factors: NDArray[np.int32], step: float, bits: int) -> float:
    """Estimated cost in squared steps of patches beside each other; the rule of `plan`."""
    left, right = factors.astype(np.float32) / np.float32((1 << bits) * math.sqrt(step))
    # Two large products in place of many of 8 x 8.
    half = (left.T @ down).reshape(-1, SIDE)
    cores = half @ right
    np.abs(cores, out=cores)
    cost = np.minimum(cores * cores, 0.75 + 0.13 * cores)
    return float(cost.sum(dtype=np.float64))
