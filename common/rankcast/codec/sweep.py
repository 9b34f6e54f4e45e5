"""How `rankcast compare` takes a codec from few bytes to many: one option, value by value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rankcast.frame import Pixels

Setting: TypeAlias = int | float
"""A value of the option that trades bytes for quality."""

CURVE_POINTS: Final = 9


class Steps(NamedTuple):
    """The values that a sweep may try on one picture, in the order of rising bytes."""

    settings: Sequence[Setting]
    curve: Sequence[Setting]
    """The values among them that a curve is drawn through."""


def linear_steps(settings: Sequence[Setting]) -> Steps:
    """Draw the curve through evenly spaced places of `settings`."""
    return _steps(settings, np.linspace(0, len(settings) - 1, CURVE_POINTS))


def rank_steps(most: int) -> Steps:
    """Try 1 to `most` values kept, with a curve evenly spaced in ratio up to half of them.

    The upper half costs more bytes than the samples themselves.
    """
    places = np.geomspace(1, max(1, (most - 1) // 2), CURVE_POINTS) - 1
    return _steps(range(1, most + 1), places)


def _steps(settings: Sequence[Setting], places: NDArray[np.float64]) -> Steps:
    if len(settings) <= CURVE_POINTS:
        return Steps(settings, list(settings))
    return Steps(settings, [settings[place] for place in sorted({round(float(p)) for p in places})])


@dataclass(frozen=True, slots=True)
class ScreeSource:
    """The principal components behind a codec, for a scree plot."""

    observations: str
    """Noun for the observations, in the plural: ``rows``."""
    shares: Callable[[Pixels], tuple[NDArray[np.float64], ...]]
    """Share of the variance that each component of each channel explains."""
    kept_share: float
    """Share of the variance that the codec keeps by default."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One option of a codec, swept over a picture; the other options stay fixed."""

    name: str
    """Name in tables, plots and ``--codecs``: that of the codec, unless it has several sweeps."""
    option: str
    """Option that trades bytes for quality; empty where there is only one result."""
    steps: Callable[[Pixels], Steps]
    symbol: str = ""
    """Short form of `option` in tables; empty: the option itself."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The fixed options."""
    chroma: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Further options for each resolution of chroma that colour pictures are tried with."""
    counts_kept: bool = False
    """The option counts kept values, and a packet may hold fewer than it asks for."""
    palette: bool = False
    """The option counts palette colours: values between the settings are tried as well, and the
    size of the rebuilt picture as PNG is measured."""
    clip_settings: tuple[Setting, ...] = ()
    """The values that clips are coded with; empty: some of those that a curve is drawn through."""
    needs_model: bool = False
    """Takes the options `model` and `label`, which the user gives."""
    scree: ScreeSource | None = None


ONE_STEP: Final = Steps((0,), (0,))
"""For a codec with nothing to sweep."""
