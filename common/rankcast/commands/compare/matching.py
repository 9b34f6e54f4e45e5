"""Several methods at matched bytes or matched PSNR: what `rankcast compare --codecs` measures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.pca.components import principal_components
from rankcast.codec.pca.layout import to_matrix
from rankcast.codec.svd.samples import as_channels
from rankcast.commands.compare.comparison import Curve, Measurement
from rankcast.commands.compare.method import Choice, Method, Setting, png_size
from rankcast.commands.compare.methods import PCA_PATCHES, LeftOut
from rankcast.errors import RankcastError
from rankcast.frame import Pixels, channels_of
from rankcast.numerics import one_blas_thread

Match = Literal["bytes", "psnr"]

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
    results: tuple[Measurement, ...]
    """Of each method the one nearest to the target."""
    curves: tuple[Curve, ...]
    screes: tuple[Scree, ...]
    elbow: Elbow | None
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def step_count(methods: Sequence[Method]) -> int:
    """How often `hold` will call `advance`."""
    return sum(
        len(method.curve) * len(method.forms)
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
    """Draw the curves of each method and find what it does best at the target.

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
    results, curves, screes, elbow = [], list[Curve](), [], None
    missing = list(left_out)
    area = pixels.shape[0] * pixels.shape[1]

    def distance(coded: Measurement) -> float:
        if match == "bytes":
            return math.log(8 * coded.coded_bytes / area / target)
        # Exact is better than any target, and yet a number.
        return min(coded.psnr_db, 1e3) - target

    # Between two uses of BLAS its threads would wait busily: twice the processor time of all else.
    with one_blas_thread():
        for method in methods:
            left = step_count([method])

            def step() -> None:
                nonlocal left
                left -= 1
                advance()

            try:
                best = _best(method, match, distance, step)
            except RankcastError as exc:
                missing.append(LeftOut(method.name, str(exc), exc))
                for _ in range(left):
                    advance()
                continue
            results.append(best)
            curves += _curves(method)
            if method.name in PCA_PATCHES:
                screes.append(_scree(method, step))
            if method.name == "kmeans":
                elbow = _elbow(method)
    return Contest(
        pixels, match, target, tuple(results), tuple(curves), tuple(screes), elbow,
        tuple(missing), tuple(_far_notes(results, pixels, match, distance)),
    )  # fmt: skip


def _best(
    method: Method, match: Match, distance: Callable[[Measurement], float], step: Callable[[], None]
) -> Measurement:
    for form in method.forms:
        for setting in method.curve:
            method.at(Choice(form, setting))
            step()
    for form in method.forms:
        method.search(form, distance)
    best = method.whole(choose(method.tried, match, distance))
    step()
    return best


def choose(
    tried: Mapping[Choice, Measurement], match: Match, distance: Callable[[Measurement], float]
) -> Choice:
    """Pick what is nearest to the target, or what is better and costs no more.

    More colours or a higher quality can cost fewer bytes, and several settings can give the same
    packet: so the best picture that fits in the bytes of the nearest is taken, or where PSNR is
    matched the fewest bytes that reach that of the nearest.
    """
    nearest = min(tried.values(), key=lambda coded: (abs(distance(coded)), coded.coded_bytes))
    if match == "bytes":
        fits = [choice for choice, c in tried.items() if c.coded_bytes <= nearest.coded_bytes]
        return min(fits, key=lambda choice: _better(tried[choice], choice))
    fits = [choice for choice, coded in tried.items() if coded.psnr_db >= nearest.psnr_db]
    return min(fits, key=lambda choice: (tried[choice].coded_bytes, _better(tried[choice], choice)))


def _better(coded: Measurement, choice: Choice) -> tuple[float, int, Setting]:
    """Rank results by PSNR, then bytes; of equal ones the setting that promises least is first."""
    return -coded.psnr_db, coded.coded_bytes, choice.setting


def _curves(method: Method) -> list[Curve]:
    curves = []
    for number, form in enumerate(method.forms):
        points = [coded for choice, coded in method.tried.items() if choice.form == form]
        label = f"{method.name} {form}" if number else method.name
        curves.append(Curve(label, tuple(sorted(points, key=lambda point: point.coded_bytes))))
    return curves


_FAR: Final = {
    "bytes": (
        "more bytes than asked for, the fewest there are",
        "fewer bytes than asked for, as nothing nearer to it is better",
    ),
    "psnr": (
        "more PSNR than asked for, as nothing nearer to it has fewer bytes",
        "less PSNR than asked for, the most there is",
    ),
}


def _far_notes(
    results: Sequence[Measurement],
    pixels: Pixels,
    match: Match,
    distance: Callable[[Measurement], float],
) -> list[str]:
    """Say which results are not near the target: a line for each side, whatever their number."""
    near = math.log(NEAR_BYTES) if match == "bytes" else NEAR_DB
    above = [coded for coded in results if distance(coded) > near]
    below = [coded for coded in results if distance(coded) < -near]
    notes = []
    for what, those in zip(_FAR[match], (above, below), strict=True):
        if those:
            names = [f"{c.codec} at {c.setting}" if c.setting else c.codec for c in those]
            notes.append(f"{what}: {', '.join(names)}")
    colour = channels_of(pixels.shape) == 3
    if match == "psnr" and colour and any(coded.codec == "webp" for coded in below):
        notes.append("webp knows chroma of half size alone, which limits its PSNR")
    return notes


def _scree(method: Method, step: Callable[[], None]) -> Scree:
    channels = as_channels(method.pixels)
    shares = []
    for c in range(channels.shape[2]):
        matrix = to_matrix(channels[:, :, c], PCA_PATCHES[method.name])
        shares.append(np.asarray(principal_components(matrix.astype(np.float64)).shares))
        step()
    return Scree(method.name, tuple(shares))


def _elbow(method: Method) -> Elbow:
    # The search tries more, all close to each other.
    settings = sorted(method.png_bytes)
    return Elbow(
        tuple(int(setting) for setting in settings),
        tuple(float(method.errors[setting]) for setting in settings),
        tuple(method.png_bytes[setting] for setting in settings),
        png_size(method.pixels),
    )
