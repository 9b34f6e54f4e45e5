"""Measurement for `compare --codecs`: several codecs and formats at equal bytes or PSNR."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rankcast.codec import ScreeSource, Setting
from rankcast.commands.compare.candidate import Candidate, Choice, png_size
from rankcast.commands.compare.candidate_choice import LeftOut
from rankcast.commands.compare.measurement import Curve, Measurement, curve_of
from rankcast.commands.compare.reference_format import FORMATS
from rankcast.errors import RankcastError
from rankcast.frame import Pixels, channels_of
from rankcast.numerics import one_blas_thread

Match: TypeAlias = Literal["bytes", "psnr"]

DEFAULT_BITS_PER_PIXEL: Final = 1.0
DEFAULT_PSNR_DB: Final = 32.0
NEAR_BYTES: Final = 1.1
NEAR_DB: Final = 0.5
"""Results within these of the target count as matched."""


@dataclass(frozen=True, slots=True)
class Elbow:
    """Remaining error of a palette at each number of colours."""

    name: str
    """Name of the candidate."""
    shown_colours: int
    """Number of colours of the result."""
    colours: tuple[int, ...]
    squared_errors: tuple[float, ...]
    """Within-cluster sum of squares."""
    png_bytes: tuple[int, ...]
    original_png_bytes: int


@dataclass(frozen=True, slots=True)
class Scree:
    """Share of the variance that each component explains."""

    name: str
    """Name of the candidate."""
    observations: str
    """Kind of observation: ``rows`` or ``patches``."""
    shares: tuple[NDArray[np.float64], ...]
    """Share of the variance by component, of each channel."""
    kept_share: float
    """Share of the variance that the codec keeps by default."""


@dataclass(frozen=True, slots=True)
class CodecComparison:
    """All data shown in table, sheet, plot, report and JSON."""

    pixels: Pixels
    match: Match
    target: float
    """Bits per pixel, or dB."""
    results: tuple[Measurement, ...]
    """The measurement of each candidate that is nearest to the target."""
    curves: tuple[Curve, ...]
    screes: tuple[Scree, ...]
    elbow: Elbow | None
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def step_count(candidates: Sequence[Candidate]) -> int:
    """Return how often `compare_codecs` will call `advance`."""
    return sum(
        len(candidate.steps.curve) * len(candidate.coders) + 1 + (candidate.sweep.scree is not None)
        for candidate in candidates
    )


def compare_codecs(
    pixels: Pixels,
    candidates: Sequence[Candidate],
    match: Match,
    target: float,
    left_out: Iterable[LeftOut] = (),
    advance: Callable[[], Any] = lambda: None,
) -> CodecComparison:
    """Measure the curves of each candidate and find its best result at the target.

    Parameters
    ----------
    pixels : ndarray, shape (H, W) or (H, W, C), uint8 or uint16
    candidates : sequence of Candidate
    match : str
        ``bytes`` or ``psnr``.
    target : float
        Bits per pixel, or dB.
    left_out : iterable of LeftOut, optional
        Listed in the result before candidates that fail during the comparison.
    advance : callable, optional
        Called after every step, `step_count` times.
    """
    results, curves, screes, elbow = [], list[Curve](), [], None
    missing = list(left_out)
    area = pixels.shape[0] * pixels.shape[1]

    def distance(measured: Measurement) -> float:
        if match == "bytes":
            return math.log(8 * measured.coded_bytes / area / target)
        # An exact picture exceeds any target, but the search needs a finite distance.
        return min(measured.psnr_db, 1e3) - target

    # Spinning BLAS threads between two calls would take twice the CPU time of everything else.
    with one_blas_thread():
        for candidate in candidates:
            left = step_count([candidate])

            def step() -> None:
                nonlocal left
                left -= 1
                advance()

            try:
                best = _best(candidate, match, distance, step)
                result = candidate.whole(best)
                step()
            except RankcastError as exc:
                missing.append(LeftOut(candidate.name, str(exc), exc))
                for _ in range(left):
                    advance()
                continue
            results.append(result)
            curves += _curves(candidate)
            if candidate.sweep.scree is not None:
                screes.append(_scree(candidate, candidate.sweep.scree))
                step()
            if candidate.sweep.palette:
                elbow = _elbow(candidate, best)
    return CodecComparison(
        pixels, match, target, tuple(results), tuple(curves), tuple(screes), elbow,
        tuple(missing), tuple(_notes(results, pixels, match, distance)),
    )  # fmt: skip


def _best(
    candidate: Candidate,
    match: Match,
    distance: Callable[[Measurement], float],
    step: Callable[[], None],
) -> Choice:
    for chroma in candidate.coders:
        for setting in candidate.steps.curve:
            candidate.at(Choice(chroma, setting))
            step()
    for chroma in candidate.coders:
        candidate.search(chroma, distance)
    return choose(candidate.tried, match, distance)


def choose(
    tried: Mapping[Choice, Measurement], match: Match, distance: Callable[[Measurement], float]
) -> Choice:
    """Pick the choice nearest to the target, or a better one that costs no more.

    More colours or a higher quality can cost fewer bytes, and several settings can produce the same
    packet. Therefore, with matched bytes this returns the best picture within the bytes of the
    nearest choice, and with matched PSNR the fewest bytes that reach the PSNR of the nearest one.
    """
    nearest = min(tried.values(), key=lambda one: (abs(distance(one)), one.coded_bytes))
    if match == "bytes":
        fits = [choice for choice, one in tried.items() if one.coded_bytes <= nearest.coded_bytes]
        return min(fits, key=lambda choice: _order(tried[choice], choice))
    fits = [choice for choice, one in tried.items() if one.psnr_db >= nearest.psnr_db]
    return min(fits, key=lambda choice: (tried[choice].coded_bytes, _order(tried[choice], choice)))


def _order(measured: Measurement, choice: Choice) -> tuple[float, int, Setting]:
    """Return a sort key: PSNR, then bytes, then the lowest setting."""
    return -measured.psnr_db, measured.coded_bytes, choice.setting


def _curves(candidate: Candidate) -> list[Curve]:
    curves = []
    for number, chroma in enumerate(candidate.coders):
        points = [one for choice, one in candidate.tried.items() if choice.chroma == chroma]
        label = f"{candidate.name} {chroma}" if number else candidate.name
        curves.append(curve_of(label, points))
    return curves


_OFF_TARGET: Final = {
    "bytes": (
        "more bytes than the target, the fewest possible",
        "fewer bytes than the target, as no setting nearer to it is better",
    ),
    "psnr": (
        "higher PSNR than the target, as no setting nearer to it takes fewer bytes",
        "lower PSNR than the target, the highest possible",
    ),
}
_HALF_CHROMA: Final = tuple(kind.name for kind in FORMATS if not kind.full_chroma_flags)
"""Formats that always store chroma at half size."""


def _notes(
    results: Sequence[Measurement],
    pixels: Pixels,
    match: Match,
    distance: Callable[[Measurement], float],
) -> list[str]:
    """Name the results far from the target, in one line for each side of it."""
    near = math.log(NEAR_BYTES) if match == "bytes" else NEAR_DB
    above = [one for one in results if distance(one) > near]
    below = [one for one in results if distance(one) < -near]
    notes = []
    for words, far in zip(_OFF_TARGET[match], (above, below), strict=True):
        if far:
            names = [f"{one.codec} at {one.setting}" if one.setting else one.codec for one in far]
            notes.append(f"{words}: {', '.join(names)}")
    if match == "psnr" and channels_of(pixels.shape) == 3:
        notes += [
            f"{one.codec} always halves chroma, which limits its PSNR"
            for one in below
            if one.codec in _HALF_CHROMA
        ]
    return notes


def _scree(candidate: Candidate, source: ScreeSource) -> Scree:
    shares = source.shares(candidate.pixels)
    return Scree(candidate.name, source.observations, shares, source.kept_share)


def _elbow(candidate: Candidate, best: Choice) -> Elbow:
    # Only the listed settings: the search tries more, all close to each other.
    settings = sorted(candidate.png_bytes)
    return Elbow(
        candidate.name,
        int(best.setting),
        tuple(int(setting) for setting in settings),
        tuple(float(candidate.squared_errors[setting]) for setting in settings),
        tuple(candidate.png_bytes[setting] for setting in settings),
        png_size(candidate.pixels),
    )
