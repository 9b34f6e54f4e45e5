"""Several methods at matched bytes or matched PSNR: what `rankcast compare --codecs` measures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.pca.components import principal_components
from rankcast.codec.pca.layout import to_matrix
from rankcast.codec.svd.samples import as_channels
from rankcast.commands.comparison import Coded, Curve
from rankcast.commands.methods import PCA_PATCHES, LeftOut, Method, Setting, png_size
from rankcast.errors import RankcastError
from rankcast.frame import Pixels, channels_of

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
class Scree:
    """What the components of one kind of observation hold."""

    method: str
    """``pca``: of rows; ``pca-patches``: of patches."""
    shares: tuple[NDArray[np.float64], ...]
    """Of the variance by component, of each channel."""


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
    screes: tuple[Scree, ...]
    elbow: Elbow | None
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def step_count(methods: Sequence[Method]) -> int:
    """How often `hold` will call `advance`."""
    return sum(
        len(method.spread(CURVE_POINTS))
        + 1
        + (channels_of(method.pixels.shape) if method.name in PCA_PATCHES else 0)
        for method in methods
    )


def hold(
    pixels: Pixels,
    methods: Sequence[Method],
    match: Match,
    target: float,
    left_out: Iterable[LeftOut] = (),
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
    left_out : iterable of LeftOut, optional
        Carried over to the result, before those that turn out to be unable on the way.
    advance : callable, optional
        Called after every step; `step_count` says how often.
    """
    results, curves, screes, elbow = [], [], [], None
    missing, notes = list(left_out), []
    area = pixels.shape[0] * pixels.shape[1]

    def distance(coded: Coded) -> float:
        if match == "bytes":
            return math.log(8 * coded.coded_bytes / area / target)
        # Exact is better than any target, and yet a number.
        return min(coded.psnr_db, 1e3) - target

    for method in methods:
        left = step_count([method])

        def step() -> None:
            nonlocal left
            left -= 1
            advance()

        try:
            best = _best(method, distance, step)
        except RankcastError as exc:
            missing.append(LeftOut(method.name, str(exc), exc))
            for _ in range(left):
                advance()
            continue
        results.append(best)
        off = distance(best)
        if abs(off) > (math.log(NEAR_BYTES) if match == "bytes" else NEAR_DB):
            side = "more" if off > 0 else "less"
            what = "bytes" if match == "bytes" else "PSNR"
            at = f" at {best.setting}" if best.setting else ""
            notes.append(f"{method.name} has {side} {what} than asked for{at}: its nearest")
        points = tuple(sorted(method.tried.values(), key=lambda point: point.coded_bytes))
        curves.append(Curve(method.name, points))
        if method.name in PCA_PATCHES:
            screes.append(_scree(method, step))
        if method.name == "kmeans":
            elbow = _elbow(method)
    return Contest(
        pixels, match, target, tuple(results), tuple(curves), tuple(screes), elbow,
        tuple(missing), tuple(notes),
    )  # fmt: skip


def _best(method: Method, distance: Callable[[Coded], float], step: Callable[[], None]) -> Coded:
    for setting in method.spread(CURVE_POINTS):
        method.at(setting)
        step()
    best = method.code(method.nearest(distance))
    step()
    return best


def _scree(method: Method, step: Callable[[], None]) -> Scree:
    channels = as_channels(method.pixels)
    shares = []
    for c in range(channels.shape[2]):
        matrix = to_matrix(channels[:, :, c], PCA_PATCHES[method.name])
        shares.append(np.asarray(principal_components(matrix.astype(np.float64)).shares))
        step()
    return Scree(method.name, tuple(shares))


def _elbow(method: Method) -> Elbow:
    settings: list[Setting] = sorted(method.tried)
    return Elbow(
        tuple(int(setting) for setting in settings),
        tuple(float(method.errors[setting]) for setting in settings),
        tuple(method.png_bytes[setting] for setting in settings),
        png_size(method.pixels),
    )
