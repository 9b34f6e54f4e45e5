"""The order of a palette: a k-d tree without pointers, for search and for coding alike.

Sorted centroids lo..hi are cut at lo + the largest power of two below their number, across the
axis on which they spread widest (Bentley 1975; Friedman, Bentley and Finkel 1977). Therefore the
bits of an index, highest first, say on which side of ever closer cuts a colour lies.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rankcast.kernels import Integer, kernel

Points: TypeAlias = NDArray[Any]
"""(N, C): float32 samples, or the pixels themselves."""
Centroids: TypeAlias = NDArray[np.float32]
"""(K, C)."""

_LEAF = 8
_DEPTH = 64


@kernel
def build_tree(
    centroids: Centroids, order: NDArray[np.int64], axes: NDArray[np.int64], cuts: Centroids
) -> None:
    """Sort centroids into a tree.

    Parameters
    ----------
    centroids : ndarray, shape (K, C)
    order : ndarray, shape (K,)
        Written: ``centroids[order]`` is sorted.
    axes : ndarray, shape (K,)
    cuts : ndarray, shape (K, 1)
        Written: axis and place of the cut whose upper side begins at this index.
    """
    count, channels = centroids.shape
    for i in range(count):
        order[i] = i
    stack = np.empty((_DEPTH, 2), np.int64)
    stack[0, 0], stack[0, 1] = 0, count
    top = 1
    while top > 0:
        top -= 1
        lo, hi = stack[top, 0], stack[top, 1]
        if hi - lo < 2:
            continue
        axis, widest = 0, np.float32(-1.0)
        for c in range(channels):
            low = high = centroids[order[lo], c]
            for i in range(lo + 1, hi):
                value = centroids[order[i], c]
                low = min(low, value)
                high = max(high, value)
            if high - low > widest:
                axis, widest = c, high - low
        keys = np.empty(hi - lo, np.float32)
        old = np.empty(hi - lo, np.int64)
        for i in range(hi - lo):
            old[i] = order[lo + i]
            keys[i] = centroids[old[i], axis]
        ranks = np.argsort(keys, kind="mergesort")
        for i in range(hi - lo):
            order[lo + i] = old[ranks[i]]
        half = 1
        while 2 * half < hi - lo:
            half *= 2
        axes[lo + half] = axis
        cuts[lo + half, 0] = keys[ranks[half]]
        stack[top, 0], stack[top, 1] = lo, lo + half
        stack[top + 1, 0], stack[top + 1, 1] = lo + half, hi
        top += 2


@kernel
def search_tree(
    points: Points,
    centroids: Centroids,
    axes: NDArray[np.int64],
    cuts: Centroids,
    nearest: NDArray[np.uint16],
    distances: NDArray[np.float32],
) -> None:
    """Find the nearest of many centroids.

    Parameters
    ----------
    points : ndarray, shape (N, C)
    centroids : ndarray, shape (K, C)
        Sorted by `build_tree`.
    nearest : ndarray, shape (N,)
        Written: index of the nearest centroid.
    distances : ndarray, shape (N,)
        Written: squared distance to it.
    """
    count, channels = centroids.shape
    point = np.empty(channels, np.float32)
    ranges = np.empty((_DEPTH, 2), np.int64)
    bounds = np.empty(_DEPTH, np.float32)
    which = 0
    for i in range(points.shape[0]):
        for c in range(channels):
            point[c] = points[i, c]
        # Neighbours look alike: the last answer bounds this search from the start.
        best = np.float32(0.0)
        for c in range(channels):
            d = point[c] - centroids[which, c]
            best += d * d
        ranges[0, 0], ranges[0, 1] = 0, count
        bounds[0] = np.float32(0.0)
        top = 1
        while top > 0:
            top -= 1
            if bounds[top] >= best:
                continue
            lo, hi = ranges[top, 0], ranges[top, 1]
            while hi - lo > _LEAF:
                half = 1
                while 2 * half < hi - lo:
                    half *= 2
                middle = lo + half
                d = point[axes[middle]] - cuts[middle, 0]
                bounds[top] = d * d
                if d < 0:
                    ranges[top, 0], ranges[top, 1] = middle, hi
                    hi = middle
                else:
                    ranges[top, 0], ranges[top, 1] = lo, middle
                    lo = middle
                top += 1
            for k in range(lo, hi):
                distance = np.float32(0.0)
                for c in range(channels):
                    d = point[c] - centroids[k, c]
                    distance += d * d
                if distance < best:
                    best = distance
                    which = k
        nearest[i] = which
        distances[i] = best


_BLOCK = 256


@kernel
def search_all(
    points: Points,
    centroids: Centroids,
    nearest: NDArray[np.uint16],
    distances: NDArray[np.float32],
) -> None:
    """Find the nearest of few centroids: all of them, a block of points at a time.

    Parameters are those of `search_tree`, without the tree. The loops over a block have no
    branches, so that the compiler turns each into vector instructions.
    """
    count, channels = centroids.shape
    raw = np.zeros(channels * _BLOCK, points.dtype)
    block = np.zeros((channels, _BLOCK), np.float32)
    sums = np.empty(_BLOCK, np.float32)
    best = np.empty(_BLOCK, np.float32)
    which = np.empty(_BLOCK, np.int32)
    for first in range(0, points.shape[0], _BLOCK):
        size: Integer = min(_BLOCK, points.shape[0] - first)
        # Straight copies first: strided samples of a whole picture would be read one by one,
        # which took as long as comparing them with 25 centroids.
        part = points[first : first + size].reshape(-1)
        for i in range(size * channels):
            raw[i] = part[i]
        if channels == 3:
            for p in range(_BLOCK):
                block[0, p] = raw[3 * p]
                block[1, p] = raw[3 * p + 1]
                block[2, p] = raw[3 * p + 2]
        else:
            for c in range(channels):
                for p in range(_BLOCK):
                    block[c, p] = raw[channels * p + c]
        for p in range(_BLOCK):
            best[p] = np.float32(np.inf)
            which[p] = 0
        for k in range(count):
            if channels == 3:
                x, y, z = centroids[k, 0], centroids[k, 1], centroids[k, 2]
                for p in range(_BLOCK):
                    a, b, c3 = block[0, p] - x, block[1, p] - y, block[2, p] - z
                    sums[p] = a * a + b * b + c3 * c3
            else:
                for p in range(_BLOCK):
                    sums[p] = np.float32(0.0)
                for c in range(channels):
                    x = centroids[k, c]
                    for p in range(_BLOCK):
                        a = block[c, p] - x
                        sums[p] += a * a
            for p in range(_BLOCK):
                closer = sums[p] < best[p]
                best[p] = sums[p] if closer else best[p]
                which[p] = k if closer else which[p]
        found, errors = nearest[first : first + size], distances[first : first + size]
        for p in range(size):
            found[p] = which[p]
            errors[p] = best[p]
