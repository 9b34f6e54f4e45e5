"""The order of a palette: a k-d tree without pointers, for search and for coding alike.

Sorted centroids lo..hi are cut at lo + the largest power of two below their number, across the
axis on which they spread widest (Bentley 1975; Friedman, Bentley and Finkel 1977). Therefore the
bits of an index, highest first, say on which side of ever closer cuts a colour lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rankcast.core import address_of, function, struct

Points: TypeAlias = NDArray[Any]
"""(N, C): float32 samples, or the pixels themselves."""
Centroids: TypeAlias = NDArray[np.float32]
"""(K, C)."""

MAX_SEARCHED_WHOLE: Final = 128
"""Up to so many centroids, comparing with each is faster than a tree."""
_LEAF: Final = 8
"""Centroids that a search loads at a time, also behind the last."""

_BUILD: Final = function("rk_kmeans_build_tree")
_NEAREST: Final = {
    np.dtype(np.uint8): function("rk_kmeans_nearest_u8"),
    np.dtype(np.uint16): function("rk_kmeans_nearest_u16"),
    np.dtype(np.float32): function("rk_kmeans_nearest_f32"),
}
_STRUCT: Final = "rk_kmeans_centroids"


@dataclass(frozen=True, slots=True)
class Tree:
    """Centroids sorted into a tree."""

    order: NDArray[np.uint16]
    """(K,): ``centroids[order]`` is sorted."""
    axes: NDArray[np.uint8]
    cuts: NDArray[np.float32]
    """(K,): axis and place of the cut whose upper side begins at this index."""


def build_tree(centroids: Centroids) -> Tree:
    """Sort at most 65,536 centroids into a tree."""
    count, channels = centroids.shape
    tree = Tree(np.empty(count, np.uint16), np.zeros(count, np.uint8), np.zeros(count, np.float32))
    scratch = np.empty(2 * count, np.uint64)
    _BUILD(centroids, count, channels, tree.order, tree.axes, tree.cuts, scratch)
    return tree


class Search:
    """Finds the nearest of a set of centroids.

    Parameters
    ----------
    centroids : ndarray, shape (K, C), float32
    """

    def __init__(self, centroids: Centroids) -> None:
        count, channels = centroids.shape
        self._tree = build_tree(centroids) if count > MAX_SEARCHED_WHOLE else None
        self._planes = np.zeros((channels, count + _LEAF), np.float32)
        tree = self._tree
        self._planes[:, :count] = (centroids if tree is None else centroids[tree.order]).T
        self._centroids = struct(_STRUCT)(
            count, channels, address_of(self._planes, "planes", _STRUCT)
        )
        if tree is not None:
            for name in ("order", "axes", "cuts"):
                setattr(self._centroids, name, address_of(getattr(tree, name), name, _STRUCT))

    def into(
        self, points: Points, nearest: NDArray[np.uint16], distances: NDArray[np.float32]
    ) -> None:
        """Write the index of the nearest centroid and the squared distance to it for each point."""
        _NEAREST[points.dtype](points, len(points), self._centroids, nearest, distances)
