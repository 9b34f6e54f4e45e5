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

from rankcast import pool
from rankcast.codec.kmeans.tree import Centroids, Points, Search
from rankcast.core import function

DRAWN_SINGLY: Final = 256
"""Centroids of a start that are drawn one by one; from there on their number doubles by rounds."""
_SWAPPED_SHARE: Final = 16
_SWAP_ITERATIONS: Final = 4
"""Enough to see whether a swap helps."""
_PART: Final = 1 << 15
"""Points that one task of the pool handles."""

_APPROACH: Final = function("rk_kmeans_approach")
_ACCUMULATE: Final = function("rk_kmeans_accumulate")


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


def find_nearest(
    points: Points, centroids: Centroids
) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    """Search the nearest centroid of all points on the pool; see `Search.into`."""
    search = Search(centroids)
    nearest = np.empty(len(points), np.uint16)
    distances = np.empty(len(points), np.float32)

    def task(first: int) -> Any:
        part = slice(first, first + _PART)
        return lambda: search.into(points[part], nearest[part], distances[part])

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
    tries = 2 + int(np.log(k))
    trial = np.empty((tries, len(points)), np.float32)
    distances = np.full(len(points), np.inf, np.float32)
    _approach(sample, chosen, distances, trial)
    distances[:] = trial[0]
    while len(chosen) < min(k, DRAWN_SINGLY):
        mass = distances * weights
        if not mass.any():
            return points[chosen]
        candidates = _draw(mass, tries, rng)
        _approach(sample, candidates, distances, trial)
        best = int(np.argmin([np.dot(row, weights) for row in trial[: len(candidates)]]))
        chosen = np.append(chosen, candidates[best])
        distances[:] = trial[best]
    while len(chosen) < k:
        mass = distances * weights
        count = min(k - len(chosen), len(chosen), int(np.count_nonzero(mass)))
        if not count:
            break
        more = _draw(mass, count, rng)
        chosen = np.append(chosen, more)
        np.minimum(distances, find_nearest(points, points[more])[1], out=distances)
    return points[chosen]


def _approach(
    sample: Sample,
    centres: NDArray[np.int64],
    distances: NDArray[np.float32],
    trial: NDArray[np.float32],
) -> None:
    """Write a row for each centre: distances of the points once it is one of the chosen."""
    points = sample.points
    _APPROACH(points, *points.shape, points[centres], len(centres), distances, trial)


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
    before: NDArray[np.uint16] | None = None
    for _ in range(max_iter):
        labels, distances = find_nearest(sample.points, centroids)
        if before is not None and np.array_equal(labels, before):
            return Fit(centroids, float(np.dot(distances, sample.weights)))
        centroids, filled = _moved(sample, centroids, labels, distances)
        if whole:
            centroids = np.rint(centroids)
        before = labels if filled else None
    distances = find_nearest(sample.points, centroids)[1]
    return Fit(centroids, float(np.dot(distances, sample.weights)))


def _moved(
    sample: Sample,
    centroids: Centroids,
    labels: NDArray[np.uint16],
    distances: NDArray[np.float32],
) -> tuple[Centroids, bool]:
    """Means of the clusters, and whether none was empty."""
    points, weights = sample.points, sample.weights
    k, channels = centroids.shape
    sums = np.zeros((k, channels + 1))
    _ACCUMULATE(points, weights, labels, *points.shape, sums)
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
        labels, distances = find_nearest(sample.points, found.centroids)
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
    """Return what merging each cluster with its best partner adds to the error, (K,)."""
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
