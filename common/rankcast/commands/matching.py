"""Several methods at matched bytes or matched PSNR: what `rankcast compare --codecs` measures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.pca.components import principal_components
from rankcast.commands.comparison import Coded, Curve
from rankcast.commands.methods import Method, Setting, png_size
from rankcast.frame import Pixels

Match = Literal["bytes", "psnr"]

CURVE_POINTS: Final = 9
DEFAULT_BITS_PER_PIXEL: Final = 1.0
DEFAULT_PSNR_DB: Final = 32.0
NEAR_BYTES: Final = 1.1
NEAR_DB: Final = 0.5
"""Results within these of the target count as matched."""


@dataclass(frozen=True, slots=True)
class Elbow:
    """What `kmeans` leaves at each number of colours."""

    colours: tuple[int, ...]
    errors: tuple[float, ...]
    """Within-cluster sum of squares."""
    png_bytes: tuple[int, ...]
    original_png_bytes: int


@dataclass(frozen=True, slots=True)
class Contest:
    """Everything that table, sheet, plot, report and JSON show."""

    pixels: Pixels
    match: Match
    target: float
    """Bits a pixel, or dB."""
    results: tuple[Coded, ...]
    """Of each method the one nearest to the target."""
    curves: tuple[Curve, ...]
    shares: tuple[NDArray[np.float64], ...]
    """Of the variance by component, of each channel; empty without `pca`."""
    elbow: Elbow | None
    notes: tuple[str, ...]


def step_count(methods: Sequence[Method]) -> int:
    """How often `hold` will call `advance`."""
    return sum(len(method.spread(CURVE_POINTS)) + 1 for method in methods)


def hold(
    pixels: Pixels,
    methods: Sequence[Method],
    match: Match,
    target: float,
    notes: Iterable[str] = (),
    advance: Callable[[], Any] = lambda: None,
) -> Contest:
    """Draw the curve of each method and find its setting nearest to the target.

    Parameters
    ----------
    pixels : ndarray, shape (H, W) or (H, W, C), uint8 or uint16
    methods : sequence of Method
    match : str
        ``bytes`` or ``psnr``.
    target : float
        Bits a pixel, or dB.
    notes : iterable of str, optional
        Carried over to the result.
    advance : callable, optional
        Called after every step; `step_count` says how often.
    """
    results, curves, more = [], [], list(notes)
    area = pixels.shape[0] * pixels.shape[1]

    def distance(coded: Coded) -> float:
        if match == "bytes":
            return math.log(8 * coded.coded_bytes / area / target)
        # Exact is better than any target, and yet a number.
        return min(coded.psnr_db, 1e3) - target

    for method in methods:
        for setting in method.spread(CURVE_POINTS):
            method.at(setting)
            advance()
        best = method.code(method.nearest(distance))
        advance()
        results.append(best)
        off = distance(best)
        if abs(off) > (math.log(NEAR_BYTES) if match == "bytes" else NEAR_DB):
            side = "more" if off > 0 else "less"
            what = "bytes" if match == "bytes" else "PSNR"
            at = f" at {best.setting}" if best.setting else ""
            more.append(f"{method.name} has {side} {what} than asked for{at}: its nearest")
        points = tuple(sorted(method.tried.values(), key=lambda point: point.coded_bytes))
        curves.append(Curve(method.name, points))
    return Contest(
        pixels, match, target, tuple(results), tuple(curves),
        _shares(pixels) if any(m.name.startswith("pca") for m in methods) else (),
        next((_elbow(m) for m in methods if m.name == "kmeans"), None),
        tuple(more),
    )  # fmt: skip


def _shares(pixels: Pixels) -> tuple[NDArray[np.float64], ...]:
    planes = pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels
    return tuple(
        np.asarray(principal_components(planes[:, :, channel].astype(np.float64)).shares)
        for channel in range(planes.shape[2])
    )


def _elbow(method: Method) -> Elbow:
    settings: list[Setting] = sorted(method.tried)
    return Elbow(
        tuple(int(setting) for setting in settings),
        tuple(float(method.errors[setting]) for setting in settings),
        tuple(method.png_bytes[setting] for setting in settings),
        png_size(method.pixels),
    )
