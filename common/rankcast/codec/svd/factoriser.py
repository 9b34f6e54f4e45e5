"""Factoriser: the planes of one frame to their truncated SVDs, by one of three engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from rankcast import pool
from rankcast.codec.svd.ranks import FixedRank, RankRule, Spectrum
from rankcast.numerics import (
    EXACT_SHARE,
    OVERSAMPLING,
    POWER_ITERATIONS,
    Factors,
    Real,
    Subspace,
    exact_svd,
    one_blas_thread,
    oversampled,
)


class Engine(StrEnum):
    """How singular vectors are found."""

    EXACT = "exact"
    RANDOMIZED = "randomized"
    WARM = "warm"


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """One matrix to factorise."""

    a: Real
    """(m, n), float32 or float64."""
    total: float
    """Its squared Frobenius norm."""
    weight: float = 1.0
    """Squared error in the picture for a unit of squared error in this plane."""

    @property
    def least_side(self) -> int:
        """The largest rank it can have."""
        return int(min(self.a.shape))


class Factoriser:
    """Truncated SVD of a stream of frames.

    Parameters
    ----------
    engine : Engine
        ``exact``: LAPACK on every plane. ``randomized``: seeded random projections with power
        iterations, each frame for itself. ``warm``: starts from the previous frame's subspace.
        Where a rank comes near the shorter side all three use LAPACK, which is faster there.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._subspaces: list[Subspace] = []
        self._ranks: list[int] = []

    def factorise(self, planes: Sequence[Plane], rule: RankRule) -> list[Factors]:
        """Factorise the planes of one frame.

        Parameters
        ----------
        planes : sequence of Plane
            They are read until the call returns.
        rule : RankRule
            How many singular values to keep.

        Returns
        -------
        list of Factors
            Of each plane; fewer singular values than asked for where the rest is zero.
        """
        guesses = [rule.first_rank(plane.least_side) for plane in planes]
        if self._engine is Engine.WARM and len(self._ranks) == len(planes):
            # Rules that look for the rank find it near that of the previous frame.
            guesses = [
                max(1, min(rank, plane.least_side))
                for rank, plane in zip(self._ranks, planes, strict=True)
            ]
        with one_blas_thread():
            factors = self._factorise(planes, rule, guesses)
        if not isinstance(rule, FixedRank):
            self._ranks = [found.rank for found in factors]
        return factors

    def _factorise(
        self, planes: Sequence[Plane], rule: RankRule, guesses: Sequence[int]
    ) -> list[Factors]:
        if len(self._subspaces) != len(planes):
            self._subspaces = [Subspace(warm=self._engine is Engine.WARM) for _ in planes]
        whole: dict[int, Factors] = {}
        tracked: dict[int, Subspace] = {}
        chosen: list[int | None] = [None] * len(planes)
        widths = [oversampled(guess) for guess in guesses]
        while None in chosen:
            wanted = [index for index, k in enumerate(chosen) if k is None]
            self._advance(planes, wanted, widths, whole, tracked)
            chosen = rule.choose(
                [
                    Spectrum(
                        whole[index].s if index in whole else tracked[index].s,
                        plane.total,
                        complete=index in whole,
                        least_side=plane.least_side,
                        weight=plane.weight,
                    )
                    for index, plane in enumerate(planes)
                ]
            )
            # Half as wide again: a rank far off is met in a few steps, little is overshot.
            widths = [width + max(OVERSAMPLING, width // 2) for width in widths]
        factors = []
        tasks: list[Callable[[], None]] = []
        for index, k in enumerate(chosen):
            assert k is not None
            if index in whole:
                factors.append(whole[index].truncated(k))
            else:
                rotations, found = tracked[index].rotate(k)
                tasks += rotations
                factors.append(found)
        pool.run(tasks)
        return factors

    def _advance(
        self,
        planes: Sequence[Plane],
        wanted: Sequence[int],
        widths: Sequence[int],
        whole: dict[int, Factors],
        tracked: dict[int, Subspace],
    ) -> None:
        """Find at least `widths` singular values of the planes `wanted`."""
        tasks: list[Callable[[], None]] = []
        for index in wanted:
            plane, subspace = planes[index], self._subspaces[index]
            if self._engine is Engine.EXACT or widths[index] >= EXACT_SHARE * plane.least_side:
                tracked.pop(index, None)
                tasks.append(partial(_solve_whole, plane, index, whole))
                continue
            if index in tracked:
                subspace.widen(widths[index])
                tasks.append(partial(subspace.iterate, 1))
            else:
                subspace.start(plane.a, plane.total, widths[index])
                tracked[index] = subspace
                if subspace.fresh:
                    tasks.append(partial(subspace.iterate, POWER_ITERATIONS))
        pool.run(tasks)
        moving = [tracked[index] for index in wanted if index in tracked]
        _sweep(moving)
        behind = [(subspace, lag) for subspace in moving if (lag := subspace.lag())]
        if behind:
            pool.run([partial(subspace.iterate, lag) for subspace, lag in behind])
            _sweep([subspace for subspace, _ in behind])
            for subspace, _ in behind:
                subspace.learn()


def _solve_whole(plane: Plane, index: int, whole: dict[int, Factors]) -> None:
    whole[index] = exact_svd(plane.a, plane.total)


def _sweep(subspaces: Sequence[Subspace]) -> None:
    """One pass of subspace iteration over all planes together; each line fills both cores."""
    pool.run([task for subspace in subspaces for task in subspace.project()])
    pool.run([subspace.orthogonalise for subspace in subspaces])
    pool.run([task for subspace in subspaces for task in subspace.compress()])
    pool.run([subspace.solve for subspace in subspaces])
