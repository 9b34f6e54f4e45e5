"""Rank rules: how many singular values of each plane are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from rankcast.errors import UnsupportedImageError

FIRST_SHARE: Final = 0.05
"""Where rules that must look for the rank start, as a share of the shorter side."""
ROUNDING_NOISE: Final = 1 / 12
"""Squared error per sample of rounding to integers: the variance of a uniform unit interval."""


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """What is known of the singular values of one plane."""

    s: NDArray[np.float64]
    """The leading ones, descending."""
    total: float
    """Sum of the squares of all of them."""
    complete: bool
    """Whether `s` holds all that are not zero."""
    least_side: int
    """Shorter side of the plane: the most there can be."""
    weight: float = 1.0
    """Squared error in the picture for a unit of squared error in this plane."""

    @property
    def unknown(self) -> float:
        """Sum of the squares that `s` does not hold."""
        return 0.0 if self.complete else max(self.total - float(np.sum(self.s * self.s)), 0.0)


class RankRule(Protocol):
    """Chooses ranks from spectra."""

    def first_rank(self, least_side: int) -> int:
        """Rank to start from on a plane whose shorter side is `least_side`."""

    def choose(self, spectra: Sequence[Spectrum]) -> list[int | None]:
        """Rank of each plane; None where more singular values must be known first."""


@dataclass(frozen=True, slots=True)
class FixedRank:
    """A number of singular values, or a share of the shorter side."""

    rank: int | float

    def first_rank(self, least_side: int) -> int:
        """See RankRule."""
        if isinstance(self.rank, int):
            return min(self.rank, least_side)
        return max(1, round(self.rank * least_side))

    def choose(self, spectra: Sequence[Spectrum]) -> list[int | None]:
        """See RankRule; the plane may turn out to have fewer that are not zero."""
        return [min(self.first_rank(spectrum.least_side), spectrum.s.size) for spectrum in spectra]

    def check(self, height: int, width: int) -> None:
        """Refuse a rank above the shorter side of the picture.

        Raises
        ------
        UnsupportedImageError
        """
        limit = min(height, width)
        if isinstance(self.rank, int) and self.rank > limit:
            raise UnsupportedImageError(f"got rank {self.rank}, want at most min(H, W) = {limit}")


@dataclass(frozen=True, slots=True)
class EnergyShare:
    """The fewest singular values whose squares hold `energy` of the sum, plane by plane."""

    energy: float

    def first_rank(self, least_side: int) -> int:
        """See RankRule."""
        return max(1, round(FIRST_SHARE * least_side))

    def choose(self, spectra: Sequence[Spectrum]) -> list[int | None]:
        """See RankRule."""
        return [self._choose(spectrum) for spectrum in spectra]

    def _choose(self, spectrum: Spectrum) -> int | None:
        sums = np.cumsum(spectrum.s * spectrum.s)
        k = int(np.searchsorted(sums, self.energy * spectrum.total)) + 1
        if k > sums.size:
            # Rounding may leave the sum of all of them a hair below the total.
            return sums.size if spectrum.complete else None
        return k


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """The fewest singular values of all planes together that keep the squared error in budget."""

    budget: float
    """Sum of squared errors that truncation may add to the picture; 0 or less keeps all."""

    def first_rank(self, least_side: int) -> int:
        """See RankRule."""
        return max(1, round(FIRST_SHARE * least_side))

    def choose(self, spectra: Sequence[Spectrum]) -> list[int | None]:
        """See RankRule."""
        unknown = [spectrum.weight * spectrum.unknown for spectrum in spectra]
        left = self.budget - sum(unknown)
        if left < 0 and not all(spectrum.complete for spectrum in spectra):
            # A fair part of the budget for each; at least one of them is above it.
            part = max(self.budget, 0.0) / len(spectra)
            return [
                spectrum.s.size if spectrum.complete or lost <= part else None
                for spectrum, lost in zip(spectra, unknown, strict=True)
            ]
        # One threshold for the squares of all planes, as in reverse water-filling: the smallest
        # go first, until the budget is spent.
        errors = [spectrum.weight * spectrum.s * spectrum.s for spectrum in spectra]
        pooled = np.sort(np.concatenate(errors))
        dropped = int(np.searchsorted(np.cumsum(pooled), left, side="right")) if left > 0 else 0
        least = pooled[dropped] if dropped < pooled.size else np.inf
        return [int(np.count_nonzero(error >= least)) for error in errors]
