"""Lloyd's algorithm on weighted points: starts, iterations, and what to do with empty clusters.

References
----------
Lloyd (1982): Least squares quantization in PCM, IEEE Trans. Information Theory 28, 129-137.
Arthur and Vassilvitskii (2007): k-means++, SODA, 1027-1035.
Bahmani et al. (2012): Scalable k-means++, arXiv:1203.6402: many centroids drawn in one round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.kmeans.tree import Centroids, Points, build_tree, search_all, search_tree
from rankcast.kernels import kernel, pool

MAX_SEARCHED_WHOLE: Final = 128
"""Up to so many centroids, comparing with each is faster than a tree."""
DRAWN_SINGLY: Final = 256
"""Centroids of a start that are drawn one by one; from there on their number doubles by rounds."""
_SWAPPED_SHARE: Final = 16
_SWAP_ITERATIONS: Final = 4
"""Enough to see whether a swap helps."""
_PART: Final = 1 << 15
"""Points that one task of the pool handles."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What centroids are fitted to."""

    points: NDArray[np.float32]
    """(N, C)."""
    weights: NDArray[np.float32]
    """(N,): how many pixels each stands for."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Centroids and how well they fit."""

    centroids: Centroids
    inertia: float
    """Within-cluster sum of squares over the sample, weighted."""


class Search:
    """Finds the nearest of a set of centroids.

    Parameters
    ----------
    centroids : ndarray, shape (K, C), float32
    """

    def __init__(self, centroids: Centroids) -> None:
        count = len(centroids)
        self.sorts = count > MAX_SEARCHED_WHOLE
        """Whether `order` is another than that of the centroids."""
        self._axes = np.zeros(count, np.int64)
        self._cuts = np.zeros((count, 1), np.float32)
        order = np.arange(count)
        if self.sorts:
            build_tree(centroids, order, self._axes, self._cuts)
        self.order: NDArray[np.int64] = order
        self._sorted = np.ascontiguousarray(centroids[order])

    def into(
        self, points: Points, nearest: NDArray[np.uint16], distances: NDArray[np.float32]
    ) -> None:
        """Write the index into ``centroids[order]`` and the squared distance for each point."""
        if self.sorts:
            search_tree(points, self._sorted, self._axes, self._cuts, nearest, distances)
        else:
            search_all(points, self._sorted, nearest, distances)

    def find(self, points: Points) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
        """Search for all points on the pool; indices are those into ``centroids[order]``."""
        nearest = np.empty(len(points), np.uint16)
        distances = np.empty(len(points), np.float32)

        def task(first: int) -> Any:
            part = slice(first, first + _PART)
            return lambda: self.into(points[part], nearest[part], distances[part])

        pool.run([task(first) for first in range(0, len(points), _PART)])
        return nearest, distances


def start_at_random(sample: Sample, k: int, rng: np.random.Generator) -> Centroids:
    """Choose `k` points, each with the chance of its weight."""
    return sample.points[_draw(sample.weights, k, rng)]


def start_spread(sample: Sample, k: int, rng: np.random.Generator) -> Centroids:
    """Choose `k` points far from each other: greedy k-means++.

    Each is drawn with the chance of its squared distance to those there are, the best of
    2 + ln k draws. Beyond `DRAWN_SINGLY`, as many as there are already are drawn at once.
    """
    points, weights = sample.points, sample.weights
    chosen = _draw(weights, 1, rng)
    distances = np.full(len(points), np.inf, np.float32)
    _approach(points, points[chosen[0]], distances)
    tries = 2 + int(np.log(k))
    trial = np.empty((tries, len(points)), np.float32)
    while len(chosen) < min(k, DRAWN_SINGLY):
        mass = distances * weights
        if not mass.any():
            return points[chosen]
        candidates = _draw(mass, tries, rng)
        left = []
        for row, candidate in zip(trial, candidates, strict=False):
            row[:] = distances
            _approach(points, points[candidate], row)
            left.append(float(np.dot(row, weights)))
        best = int(np.argmin(left))
        chosen = np.append(chosen, candidates[best])
        distances[:] = trial[best]
    while len(chosen) < k:
        mass = distances * weights
        count = min(k - len(chosen), len(chosen), int(np.count_nonzero(mass)))
        if not count:
            break
        more = _draw(mass, count, rng)
        chosen = np.append(chosen, more)
        np.minimum(distances, Search(points[more]).find(points)[1], out=distances)
    return points[chosen]


def fit(sample: Sample, start: Centroids, max_iter: int, *, whole: bool = False) -> Fit:
    """Move centroids to the means of their clusters until no point changes its cluster.

    Parameters
    ----------
    sample : Sample
    start : ndarray, shape (K, C)
    max_iter : int
        Moves at most.
    whole : bool
        Keep to whole numbers, as palettes must. The best of them for a cluster is its mean,
        rounded: no move adds to the error. Where clusters are small this makes good for rounding:
        at 256 colours and a sum of squares of 6 a pixel, 1 % of 4.
    """
    centroids = np.ascontiguousarray(np.rint(start) if whole else start, np.float32)
    before: NDArray[np.int64] | None = None
    for _ in range(max_iter):
        labels, distances = _assigned(sample, centroids)
        if before is not None and np.array_equal(labels, before):
            return Fit(centroids, float(np.dot(distances, sample.weights)))
        centroids, filled = _moved(sample, centroids, labels, distances)
        if whole:
            centroids = np.rint(centroids)
        before = labels if filled else None
    return Fit(centroids, float(np.dot(_assigned(sample, centroids)[1], sample.weights)))


def _assigned(
    sample: Sample, centroids: Centroids
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Nearest centroid of each point, and the squared distance to it."""
    search = Search(centroids)
    nearest, distances = search.find(sample.points)
    return search.order[nearest], distances


def _moved(
    sample: Sample,
    centroids: Centroids,
    labels: NDArray[np.int64],
    distances: NDArray[np.float32],
) -> tuple[Centroids, bool]:
    """Means of the clusters, and whether none was empty."""
    points, weights = sample.points, sample.weights
    k, channels = centroids.shape
    sums = np.zeros((k, channels + 1))
    _accumulate(points, weights, labels, sums)
    empty = np.flatnonzero(sums[:, channels] == 0)
    if len(empty):
        # The points that are served worst found clusters of their own.
        worst = np.argsort(distances * weights)[::-1][: len(empty)]
        worst = worst[distances[worst] > 0]
        sums[empty[: len(worst)], :channels] = points[worst]
        sums[empty[: len(worst)], channels] = 1.0
    filled = sums[:, channels] > 0
    moved = centroids.copy()
    moved[filled] = sums[filled, :channels] / sums[filled, channels:]
    return moved, not len(empty)


def improve(
    sample: Sample,
    found: Fit,
    rng: np.random.Generator,
    trials: int,
    max_iter: int,
    *,
    whole: bool = False,
) -> Fit:
    """Move centroids that are missed least to where the error is, as long as that helps.

    Lloyd's iterations end in whatever local minimum the start leads to; swaps lead out of it
    (Fränti 2018: Efficiency of random swap clustering, Journal of Big Data 5:13). The one that is
    missed least is that whose merging with its neighbour costs least (Ward 1963), the new place is
    drawn as in k-means++.
    """
    k = len(found.centroids)
    if k < 3:
        return found
    swapped = max(1, k // _SWAPPED_SHARE)
    for _ in range(trials):
        labels, distances = _assigned(sample, found.centroids)
        counts = np.bincount(labels, sample.weights, k).astype(np.float64)
        costs = _merge_costs(found.centroids, counts)
        poor = np.argpartition(costs, swapped - 1)[:swapped]
        places = _draw(distances * sample.weights, swapped, rng)
        start = found.centroids.copy()
        start[poor[: len(places)]] = sample.points[places]
        other = fit(sample, start, min(_SWAP_ITERATIONS, max_iter), whole=whole)
        if other.inertia < found.inertia:
            found = other
        elif swapped > 1:
            swapped = max(1, swapped // 2)
    return found


def _merge_costs(centroids: Centroids, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """What merging each cluster with the one it merges best with adds to the error, (K,)."""
    squares = (centroids.astype(np.float64) ** 2).sum(axis=1)
    apart = squares[:, None] + squares[None, :] - 2.0 * centroids.astype(np.float64) @ centroids.T
    total = counts[:, None] + counts[None, :]
    costs = apart * counts[:, None] * counts[None, :] / np.maximum(total, 1e-30)
    np.fill_diagonal(costs, np.inf)
    return np.asarray(costs.min(axis=1))


def _draw(mass: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw at most `count` different indices with chances in proportion to `mass`."""
    # Exponential clocks (Efraimidis and Spirakis 2006): no renormalising after each draw.
    clocks = np.full(len(mass), np.inf)
    np.divide(rng.standard_exponential(len(mass)), mass, out=clocks, where=mass > 0)
    count = min(count, int(np.count_nonzero(mass)))
    return np.argpartition(clocks, count - 1)[:count] if count < len(mass) else np.arange(count)


@kernel
def _approach(
    points: NDArray[np.float32], centre: NDArray[np.float32], distances: NDArray[np.float32]
) -> None:
    """Lower squared distances to those to `centre` where it is nearer."""
    for i in range(points.shape[0]):
        total = np.float32(0.0)
        for c in range(points.shape[1]):
            d = points[i, c] - centre[c]
            total += d * d
        distances[i] = min(distances[i], total)


@kernel
def _accumulate(
    points: NDArray[np.float32],
    weights: NDArray[np.float32],
    labels: NDArray[np.int64],
    sums: NDArray[np.float64],
) -> None:
    """Add weighted points, and weights in the last column, to the rows of their clusters."""
    channels = points.shape[1]
    for i in range(points.shape[0]):
        k = labels[i]
        w = np.float64(weights[i])
        for c in range(channels):
            sums[k, c] += w * points[i, c]
        sums[k, channels] += w
