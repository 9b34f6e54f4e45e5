"""Encoder of the codec `kmeans`: pictures to palettes and index planes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast import pool
from rankcast.codec.bands import row_bands
from rankcast.codec.kmeans.clusters import (
    Fit,
    Sample,
    fit,
    improve,
    start_at_random,
    start_spread,
)
from rankcast.codec.kmeans.distinct import counted_colours, distinct_colours, squared_error
from rankcast.codec.kmeans.indices import Palette, Plane, pack_palette, pack_plane
from rankcast.codec.kmeans.options import DEFAULT_K, KMeansOptions
from rankcast.codec.kmeans.tree import Search, build_tree
from rankcast.codec.protocol import Coded
from rankcast.errors import UnsupportedImageError
from rankcast.frame import Frame, Pixels, channels_of

SAMPLE: Final = 16_384
SAMPLE_PER_COLOUR: Final = 512
"""Points a centroid: a mean of 512 adds 1/512 to the error of the pixels that it stands for, and
points that were fitted to flatter themselves by as much again."""
LARGE_SAMPLE: Final = 131_072
LEAST_PER_COLOUR: Final = 16
"""Where many colours would take more points than that: seconds rather than minutes."""
TRIAL_PER_COLOUR: Final = 64
"""Points a centroid while starts and swaps are tried out: what is found is fitted to all."""
STARTS: Final = 3
"""Fits of a first frame, of which the best is kept."""
MANY: Final = 128
"""Colours above which a first frame needs more swaps."""
SWAPS: Final = 64
"""Of a first frame, and half as many more for many colours."""
SWAPS_A_FRAME: Final = 1
"""In a stream, so that it finds its way out of a poor palette within seconds."""
EVERY_START: Final = 256
"""Colours above which there is one start, and a stream tries no swaps: frames would take seconds.
"""
SWAPPED: Final = 2048
"""Colours above which no swaps are tried at all: their cost is a table of all pairs."""
SWAPPED_POINTS: Final = 1 << 19
"""Points of the sample times swaps, above 256 colours and in whole numbers."""
PAIRS: Final = 64
"""Pairs of colours in the time of one point."""
FEW: Final = 4096
"""Distinct colours up to which they are all fitted to, each with the number of its pixels."""
WHOLE_SWAPS: Final = 256
"""Of a first frame, in whole numbers, where the sample is small."""
WHOLE_SWAPS_A_FRAME: Final = 2
ROUNDING: Final = 8.0
"""Error a sample of a pixel below which palettes are swapped in whole numbers too: rounding adds
up to 1/12, which is 1 % of that."""
WHOLE_MOVES: Final = 2
"""Iterations in whole numbers, the last of each frame."""
ITERATIONS: Final = 10
"""The default of `max_iter`; lower ones cut swaps in proportion, and 1 is one alone."""
_STRETCH: Final = 1 << 14
"""Pixels whose distances are held at a time: they stay in the cache of a processor."""
CUT: Final = 1.25
"""A sample's error that grew by so much since the last frame asks for new starts: another scene.
One that fell by as much does if a glance finds better centroids: a plainer scene hides it that they
are those of another one."""
GLANCED: Final = 1024
GLANCED_PER_COLOUR: Final = 16
"""Points of a glance, one spread start: its error is 8 % above that of a first frame, 17 % at most
(photographs, 20 colours, 12 draws), for 1.5 ms."""
GLANCE_EVERY: Final = 8
"""Frames of a stream from one glance to the next."""


class KMeansEncoder:
    """Clusters the colours of each frame, beginning with the centroids of the last one."""

    def __init__(self, options: KMeansOptions) -> None:
        self.options = options
        self._last: Fit | None = None
        self._whole: Fit | None = None
        self._rng = np.random.default_rng(options.seed)
        self._glance_in = GLANCE_EVERY

    def request_keyframe(self) -> None:
        """Every frame is a key frame."""

    def encode(self, frame: Frame, sequence: int) -> Coded:  # noqa: ARG002 - every frame is a key frame
        """Code one frame; see CodecEncoder."""
        pixels, options = frame.pixels, self.options
        colours = np.ascontiguousarray(pixels).reshape(-1, channels_of(pixels.shape))
        wanted = DEFAULT_K if options.k is None else options.k
        # One more than wanted tells "as many" from "more".
        found = distinct_colours(colours, wanted + 1)
        if options.k is not None and options.fewer_colours == "refuse" and len(found) < wanted:
            raise UnsupportedImageError(
                f"got k {wanted}, want at most {len(found)}, the distinct colours of the picture: "
                "use a lower k, or fewer_colours=code"
            )
        few = len(found) <= wanted
        palette = found.astype(np.int64) if few else self._palette(colours, wanted)
        return _code(colours, pixels.shape, palette)

    def _palette(self, colours: Pixels, wanted: int) -> Palette:
        max_iter, rng = self.options.max_iter, self._rng
        every = every_colour(colours)
        sample = every or draw_sample(colours, wanted, SAMPLE_PER_COLOUR)
        fits: list[Fit] = []
        last = self._last
        if last is not None and last.centroids.shape == (wanted, colours.shape[1]):
            warm = fit(sample, last.centroids, max_iter)
            if wanted <= EVERY_START and self._swaps(sample, wanted):
                warm = improve(sample, warm, rng, SWAPS_A_FRAME, max_iter)
            fits.append(warm)
        anew = last is None or not fits or fits[0].inertia > CUT * last.inertia
        if last is not None and not anew:
            fell = CUT * fits[0].inertia < last.inertia
            better = self._glance(sample, fits[0], due=fell)
            anew = fell and better is not None
            if better is not None and not anew:
                fits.append(fit(sample, better.centroids, max_iter))
        if anew:
            small = every or draw_sample(colours, wanted, TRIAL_PER_COLOUR)
            fits.append(fit(sample, self._trial(small, wanted).centroids, max_iter))
        self._last = min(fits, key=lambda each: each.inertia)
        self._whole = self._whole_numbers(sample, self._last, None if anew else self._whole)
        return np.unique(self._whole.centroids.astype(np.int64), axis=0)

    def _glance(self, sample: Sample, warm: Fit, *, due: bool) -> Fit | None:
        """Try one start on few points, now and then or when it is due; None if `warm` is better."""
        wanted = len(warm.centroids)
        self._glance_in -= 1
        if not due and (self._glance_in > 0 or wanted > EVERY_START):
            return None
        self._glance_in = GLANCE_EVERY
        every = max(1, len(sample.points) // max(GLANCED, GLANCED_PER_COLOUR * wanted))
        few = Sample(sample.points[::every].copy(), sample.weights[::every].copy())
        start = start_spread(few, wanted, self._rng)
        if len(start) < wanted:
            return None
        found = fit(sample, fit(few, start, self.options.max_iter).centroids, 0)
        return found if found.inertia < warm.inertia else None

    def _whole_numbers(self, sample: Sample, found: Fit, last: Fit | None) -> Fit:
        """Fit a palette, as it is sent, beginning with `found` rounded and with the last one."""
        max_iter, wanted = self.options.max_iter, len(found.centroids)
        moves = min(WHOLE_MOVES, max_iter - 1)
        best = fit(sample, found.centroids, moves, whole=True)
        count, channels = sample.points.shape
        if best.inertia >= ROUNDING * channels * float(sample.weights.sum()):
            return best
        if last is not None:
            again = fit(sample, last.centroids, moves, whole=True)
            best = min(best, again, key=lambda each: each.inertia)
        trials = WHOLE_SWAPS_A_FRAME if last else min(WHOLE_SWAPS, _affordable(count, wanted))
        return improve(sample, best, self._rng, self._cut(trials, wanted), max_iter, whole=True)

    def _trial(self, sample: Sample, wanted: int) -> Fit:
        """Try starts and swaps."""
        options, rng = self.options, self._rng
        start = start_spread if options.start == "kmeans++" else start_at_random
        tries = STARTS if wanted <= EVERY_START else 1
        starts = [start(sample, wanted, rng) for _ in range(tries)]
        if options.max_iter == 1:
            # The iteration itself is that on the whole sample.
            return min((fit(sample, each, 0) for each in starts), key=lambda each: each.inertia)
        fits = [fit(sample, each, options.max_iter) for each in starts]
        best = min(fits, key=lambda each: each.inertia)
        return improve(sample, best, rng, self._swaps(sample, wanted), options.max_iter)

    def _swaps(self, sample: Sample, wanted: int) -> int:
        swaps = SWAPS if wanted <= MANY else SWAPS + SWAPS // 2
        if wanted > EVERY_START:
            swaps = min(swaps, _affordable(len(sample.points), wanted))
        return self._cut(swaps, wanted)

    def _cut(self, swaps: int, wanted: int) -> int:
        if not 2 < wanted <= SWAPPED:
            return 0
        return swaps * min(self.options.max_iter - 1, ITERATIONS - 1) // (ITERATIONS - 1)


def _affordable(points: int, wanted: int) -> int:
    """Return the swaps that take about the same time for any sample, pairs of colours counted."""
    return SWAPPED_POINTS // max(points, wanted * wanted // PAIRS)


def every_colour(colours: Pixels) -> Sample | None:
    """Return all colours of (N, C) pixels as a sample where they are few, else None."""
    if colours.shape[1] == 1:
        return None  # draw_sample has their histogram
    if len(colours) > FEW:
        # Cheap for photographs: where so few pixels have so many colours, a sample misses little.
        spread = colours[_places(len(colours), FEW)]
        if len(distinct_colours(spread, FEW // 4)) == FEW // 4:
            return None
    found, counts = counted_colours(colours, FEW + 1)
    if len(found) > FEW:
        return None
    return Sample(found.astype(np.float32), counts.astype(np.float32))


def draw_sample(colours: Pixels, k: int, per_colour: int) -> Sample:
    """Choose what the centroids are fitted to.

    Parameters
    ----------
    colours : ndarray, shape (N, C)
    k : int
    per_colour : int
        Points for each of the `k`, as long as that is no very large number.

    Returns
    -------
    Sample
        Of one channel the histogram of all pixels, else 16,384 pixels or more, by the number of
        colours, spread evenly over the picture.
    """
    count, channels = colours.shape
    if channels == 1:
        histogram = np.bincount(colours[:, 0])
        levels = np.flatnonzero(histogram)
        return Sample(levels[:, None].astype(np.float32), histogram[levels].astype(np.float32))
    large = min(per_colour * k, LARGE_SAMPLE)
    size = min(count, max(SAMPLE, large, LEAST_PER_COLOUR * k))
    if size == count:
        points = colours.astype(np.float32)
        return Sample(points, np.ones(count, np.float32))
    points = colours[_places(count, size)].astype(np.float32)
    return Sample(points, np.full(size, count / size, np.float32))


@lru_cache(maxsize=8)
def _places(count: int, size: int) -> NDArray[np.int64]:
    # A golden ratio walk: evenly spread, and in step with no width.
    step = int(count * 0.6180339887498949) | 1
    while np.gcd(step, count) != 1:
        step += 2
    places = np.arange(size, dtype=np.int64) * step % count
    places.flags.writeable = False
    return places


def _code(colours: Pixels, shape: tuple[int, ...], palette: Palette) -> Coded:
    count = len(palette)
    palette = palette[build_tree(palette.astype(np.float32)).order]
    search = Search(palette.astype(np.float32))
    width = shape[1]

    def task(first: int, last: int) -> Callable[[], tuple[bytes, int]]:
        def code_band() -> tuple[bytes, int]:
            part = colours[first * width : last * width]
            labels, error = _assign(part, search, palette)
            plane: Plane = labels.reshape(last - first, width)
            return pack_plane(plane, count), error

        return code_band

    parts = pool.run([task(first, last) for first, last in row_bands(shape)])
    body = [pack_palette(palette), *(part for part, _ in parts)]
    lengths = b"".join(len(part).to_bytes(4, "little") for part in body[:-1])
    return Coded(
        lengths + b"".join(body),
        params=(count,),
        squared_error=sum(error for _, error in parts),
    )


def _assign(colours: Pixels, search: Search, palette: Palette) -> tuple[NDArray[np.uint16], int]:
    """Labels of (N, C) pixels in the order of the palette, and their squared error, exact."""
    labels = np.empty(len(colours), np.uint16)
    distances = np.empty(_STRETCH, np.float32)
    error = 0
    for first in range(0, len(colours), _STRETCH):
        part, found = colours[first : first + _STRETCH], labels[first : first + _STRETCH]
        search.into(part, found, distances[: len(part)])
        if colours.dtype == np.uint8:
            # Sums of at most 64 squares of 8 bits are whole numbers that a float32 holds.
            error += int(distances[: len(part)].sum(dtype=np.float64))
        else:
            error += squared_error(part, found, palette)
    return labels, error
