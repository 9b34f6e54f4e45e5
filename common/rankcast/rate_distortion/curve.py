"""Rate-distortion curves: monotone interpolation, byte ratios at equal quality, Bjontegaard delta.

A curve is a list of points of one coder on one input. Between its points the logarithm of the
bytes is a piecewise cubic of the quality in dB, which never overshoots; beyond its ends nothing is
guessed, so a comparison covers only what both curves reach.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rankcast.rate_distortion.point import Point, Quality, by_all_psnr, by_psnr, of_db

_SAMPLES: Final = 101
"""Equidistant points of a mean over a range; more would not change the third digit."""


def pchip(
    x: NDArray[np.float64], y: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Piecewise cubic Hermite interpolation that keeps monotone data monotone.

    Parameters
    ----------
    x, y : ndarray, shape (n,), float64
        Knots, `x` strictly increasing, n at least 2.
    at : ndarray, shape (m,), float64
        Where to evaluate, within the knots.

    Notes
    -----
    Slopes are weighted harmonic means of the neighbouring secants, zero where these change
    sign: Fritsch and Butland (1984), doi:10.1137/0905021.
    """
    h, secant = np.diff(x), np.diff(y) / np.diff(x)
    slope = np.empty_like(y)
    if len(x) == 2:
        slope[:] = secant[0]
    else:
        w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
        same = secant[:-1] * secant[1:] > 0
        inner = np.zeros(len(x) - 2)
        inner[same] = (w1 + w2)[same] / (w1[same] / secant[:-1][same] + w2[same] / secant[1:][same])
        slope[1:-1] = inner
        slope[0] = _end_slope(h[0], h[1], secant[0], secant[1])
        slope[-1] = _end_slope(h[-1], h[-2], secant[-1], secant[-2])
    i = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    t = (at - x[i]) / h[i]
    return np.asarray(
        y[i] * (1 + 2 * t) * (1 - t) ** 2
        + h[i] * slope[i] * t * (1 - t) ** 2
        + y[i + 1] * t**2 * (3 - 2 * t)
        + h[i] * slope[i + 1] * t**2 * (t - 1),
        np.float64,
    )


def _end_slope(h0: float, h1: float, secant0: float, secant1: float) -> float:
    """One-sided three-point slope, cut where it would overshoot."""
    slope = ((2 * h0 + h1) * secant0 - h0 * secant1) / (h0 + h1)
    if slope * secant0 <= 0:
        return 0.0
    if secant0 * secant1 <= 0 and abs(slope) > 3 * abs(secant0):
        return 3 * secant0
    return float(slope)


class Curve:
    """Bytes of one coder as a function of the quality, and the other way round.

    Parameters
    ----------
    points : iterable of Point
    quality : callable, optional
        The measure of quality; by default the PSNR of luma.
    """

    def __init__(self, points: Iterable[Point], quality: Quality = by_psnr) -> None:
        measured = [(db, p) for p in points if (db := quality(p)) is not None]
        finite = sorted(
            ((db, p) for db, p in measured if math.isfinite(db)),
            key=lambda pair: (pair[0], pair[1].size_bytes),
        )
        # No user would choose a setting that costs more bytes for no more quality, and knots closer
        # than this make the cubic steep.
        kept: list[tuple[float, Point]] = []
        for db, point in finite:
            while kept and kept[-1][1].size_bytes >= point.size_bytes:
                kept.pop()
            if not kept or db > kept[-1][0] + 1e-3:
                kept.append((db, point))
        self.points = [point for _, point in kept]
        self._db = np.array([db for db, _ in kept], np.float64)
        self._log = np.log(np.array([point.size_bytes for _, point in kept], np.float64))

    @property
    def usable(self) -> bool:
        """True if there are at least two points, as interpolation requires."""
        return len(self.points) >= 2

    @property
    def range_db(self) -> tuple[float, float]:
        """Lowest and highest quality."""
        return float(self._db[0]), float(self._db[-1])

    @property
    def range_bytes(self) -> tuple[float, float]:
        """Fewest and most bytes."""
        return self.points[0].size_bytes, self.points[-1].size_bytes

    def log_bytes(self, db: NDArray[np.float64]) -> NDArray[np.float64]:
        """Natural logarithm of the bytes at each quality within `range_db`."""
        return pchip(self._db, self._log, db)

    def bytes_at(self, db: float) -> float | None:
        """Bytes for one quality; None beyond the ends."""
        if not self.usable:
            return None
        low, high = self.range_db
        if not low <= db <= high:
            return None
        return float(np.exp(self.log_bytes(np.array([db]))[0]))

    def chroma_at(self, psnr_db: float) -> float | None:
        """PSNR of chroma where luma has `psnr_db`; None beyond the ends and of grey."""
        chroma = [p.chroma_db for p in self.points]
        low, high = self.range_db
        if None in chroma or not low <= psnr_db <= high:
            return None
        return float(np.interp(psnr_db, self._db, np.array(chroma, np.float64)))

    def db_at(self, size_bytes: float) -> float | None:
        """Quality reached with `size_bytes`; None beyond the ends."""
        if not self.usable:
            return None
        log = math.log(size_bytes)
        if not self._log[0] <= log <= self._log[-1]:
            return None
        return float(pchip(self._log, self._db, np.array([log]))[0])


def mean_ratio(
    test: Curve, anchor: Curve, low_db: float = -math.inf, high_db: float = math.inf
) -> dict[str, Any] | None:
    """Geometric mean of bytes of `test` over bytes of `anchor` at equal quality.

    Parameters
    ----------
    test, anchor : Curve
        Of the same measure of quality.
    low_db, high_db : float
        The window; it shrinks to what both curves reach.

    Returns
    -------
    dict or None
        `ratio`, `from_db`, `to_db`; None when the curves share nothing in the window.

    Notes
    -----
    100 (ratio - 1) over the whole shared range is the Bjontegaard delta rate (ITU-T VCEG-M33),
    with the piecewise cubic of VCEG-AI11 in place of one cubic through four points.
    """
    if not (test.usable and anchor.usable):
        return None
    low = max(low_db, test.range_db[0], anchor.range_db[0])
    high = min(high_db, test.range_db[1], anchor.range_db[1])
    if high <= low:
        return None
    at = np.linspace(low, high, _SAMPLES)
    difference = test.log_bytes(at) - anchor.log_bytes(at)
    # Trapezoidal rule: the ends count half.
    mean = (difference.sum() - (difference[0] + difference[-1]) / 2) / (_SAMPLES - 1)
    return {"ratio": float(np.exp(mean)), "from_db": low, "to_db": high}


def bd_rate_percent(
    test: Curve, anchor: Curve, low_db: float = -math.inf, high_db: float = math.inf
) -> float | None:
    """Bjontegaard delta rate: mean change of the bytes at equal PSNR, in per cent."""
    found = mean_ratio(test, anchor, low_db, high_db)
    return None if found is None else 100 * (found["ratio"] - 1)


def chroma_gain_db(
    test: Curve, anchor: Curve, low_db: float = -math.inf, high_db: float = math.inf
) -> float | None:
    """Chroma PSNR gain of `test` over `anchor` at equal luma PSNR."""
    found = mean_ratio(test, anchor, low_db, high_db)
    if found is None:
        return None
    gains = []
    for db in np.linspace(found["from_db"], found["to_db"], _SAMPLES):
        mine, theirs = test.chroma_at(float(db)), anchor.chroma_at(float(db))
        if mine is None or theirs is None:
            return None
        gains.append(mine - theirs)
    return float(np.mean(gains))


def with_chroma(points: Iterable[Point]) -> Curve:
    """Curve over the PSNR of all planes; see `by_all_psnr`."""
    return Curve(points, by_all_psnr)


def mean_gain(
    test: Curve,
    anchor: Curve,
    low_bytes: float = 0.0,
    high_bytes: float = math.inf,
    *,
    similarity: bool = False,
) -> float | None:
    """Mean of the quality of `test` less that of `anchor` at equal bytes.

    Parameters
    ----------
    test, anchor : Curve
        Of the same measure of quality.
    low_bytes, high_bytes : float
        The window; it shrinks to what both curves reach.
    similarity : bool
        The measure is a similarity in dB, and the gain is wanted on the scale of SSIM.

    Returns
    -------
    float or None
        Evenly weighted over the logarithm of the bytes; None when the curves share nothing in the
        window.
    """
    if not (test.usable and anchor.usable):
        return None
    low = max(low_bytes, test.range_bytes[0], anchor.range_bytes[0])
    high = min(high_bytes, test.range_bytes[1], anchor.range_bytes[1])
    if high <= low:
        return None
    gains = []
    # Slightly inside the ends, so that rounding does not leave the curves.
    for size in np.geomspace(low * (1 + 1e-9), high * (1 - 1e-9), _SAMPLES):
        mine, theirs = test.db_at(float(size)), anchor.db_at(float(size))
        if mine is not None and theirs is not None:
            gains.append(of_db(mine) - of_db(theirs) if similarity else mine - theirs)
    return float(np.mean(gains)) if gains else None


def geometric_mean(values: Sequence[float]) -> float | None:
    """Geometric mean; None for no values."""
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def cover(
    settings: Sequence[Any], measure: Callable[[Any], Point], low_db: float, high_db: float
) -> list[Point]:
    """Measure the settings, coarse to fine, until their PSNR spans a window.

    One point beyond either end of the window is measured, so that the curve reaches the ends.
    """
    middle = len(settings) // 2
    points = [measure(settings[middle])]
    directions: tuple[tuple[range, Callable[[float], bool]], ...] = (
        (range(middle - 1, -1, -1), lambda db: db <= low_db),
        (range(middle + 1, len(settings)), lambda db: db >= high_db),
    )
    for order, beyond in directions:
        last = points[0].psnr_db
        for index in order:
            if beyond(last):
                break
            points.append(measure(settings[index]))
            last = points[-1].psnr_db
    return points
