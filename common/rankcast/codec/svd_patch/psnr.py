"""Search for the step that gives a picture the PSNR that is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rankcast.codec.svd_patch.step import Subject, finest_useful_step

TOLERANCE_DB: Final = 0.25
CODING_SHARE: Final = 0.05
"""Of all squared error, below which that of coding is not worth a finer step: 0.22 dB."""
_CEILING_MARGIN_DB: Final = -10 * math.log10(1 - CODING_SHARE)
_DB_PER_DECADE: Final = 15.0
"""PSNR over the decade of the step, to begin with: 20 where all coefficients are coded, less where
most are zero."""
_EXACT_DB: Final = 120.0
"""Stands for the PSNR of a picture without error."""
_MAX_TRIES: Final = 8
_LARGEST_MOVE: Final = 0.7
"""Decades from one try to the next."""
_LEAST_MOVE: Final = 0.1
"""Decades that a fourth try goes finer where none reached the target; twice that for the next."""
_FALLING: Final = 0.98
_COARSER: Final = 1.25
"""Of the bytes at a step so many times finer, above which coarser ones save none."""
_SMALL_BYTES: Final = 32
_SMALL_BITS_PER_SAMPLE: Final = 2e-4
"""Size of a body below which there is nothing to save: less than the header before it, or a frame
in which nothing moves."""
_NEAR: Final = 0.1
"""Natural logarithm of steps that are as good as each other where the planes limit the PSNR."""


@dataclass(frozen=True, slots=True)
class _Try:
    step: float
    psnr_db: float
    size_bytes: int


class PsnrSearch:
    """Judges what the steps tried for one picture gave, and proposes others."""

    def __init__(self, subject: Subject, asked_db: float, *, truncated: bool) -> None:
        self._subject = subject
        self._asked_db = asked_db
        self._truncated = truncated
        self._tries: list[_Try] = []
        self._ceiling_db: float | None = None
        self._settled = False

    def first_step(self) -> float:
        """Step that gives the PSNR where all coefficients are coded."""
        return math.sqrt(12 * self._subject.squared_error(self._asked_db))

    def better_step(
        self, step: float, psnr_db: float, size_bytes: int, ceiling_db: Callable[[], float]
    ) -> float | None:
        """Return what to try after `step`, or None to send what that gave.

        Parameters
        ----------
        step, psnr_db, size_bytes
            What was tried last and what came of it.
        ceiling_db : callable
            PSNR of the planes before they are quantised; asked for only when a try falls short.
        """
        if self._settled:
            return None
        last = _Try(step, min(psnr_db, _EXACT_DB), size_bytes)
        self._tries.append(last)
        if self._ceiling_db is None and not self._reaches(last):
            self._ceiling_db = ceiling_db()
        finest = 0.0
        if self._ceiling_db is not None:
            error = self._subject.squared_error(self._ceiling_db - _CEILING_MARGIN_DB)
            finest = self._subject.nearest_step(finest_useful_step(error, CODING_SHARE))
            if self._asked_db > self._ceiling_db - _CEILING_MARGIN_DB:
                # One step for all targets out of reach: asking for more never gives less.
                near = 0.0 if self._subject.key else _NEAR
                if abs(math.log(finest / step)) <= near:
                    return None
                self._settled = True
                return finest
        if self._finished(last):
            return self._settle(last)
        following = self._subject.nearest_step(max(10 ** self._aim(last), finest))
        if self._was_tried(following):
            following = self._middle()
        return self._settle(last) if self._was_tried(following) else following

    def _was_tried(self, step: float) -> bool:
        return any(step == tried.step for tried in self._tries)

    def _middle(self) -> float:
        """Return the step between the nearest tries above and below the target, as far as known."""
        above = [tried.step for tried in self._tries if tried.psnr_db > self._asked_db]
        below = [tried.step for tried in self._tries if tried.psnr_db <= self._asked_db]
        middle = (max(above, default=0.0) + min(below, default=0.0)) / 2
        return self._subject.nearest_step(middle) if above and below else self._tries[-1].step

    def _reaches(self, tried: _Try) -> bool:
        return tried.psnr_db >= self._asked_db - TOLERANCE_DB

    def _finished(self, last: _Try) -> bool:
        if len(self._tries) >= _MAX_TRIES:
            return True
        if not self._reaches(last):
            # What a truncated rank leaves out no step can mend.
            error = self._subject.squared_error(last.psnr_db)
            return self._truncated and last.step <= finest_useful_step(error, CODING_SHARE)
        if last.psnr_db <= self._asked_db + TOLERANCE_DB:
            return True
        small = max(_SMALL_BYTES, _SMALL_BITS_PER_SAMPLE * self._subject.samples / 8)
        finer = [t.size_bytes for t in self._tries if _COARSER * t.step <= last.step]
        return last.size_bytes <= small or last.size_bytes > _FALLING * min(finer, default=math.inf)

    def _settle(self, last: _Try) -> float | None:
        """Go back to the best of all that were tried, if that is not the last one."""
        self._settled = True
        good = [tried for tried in self._tries if self._reaches(tried)]
        if good:
            best = min(good, key=lambda tried: tried.psnr_db)
            smallest = min(good, key=lambda tried: tried.size_bytes)
            if smallest.size_bytes < _FALLING * best.size_bytes:
                best = smallest
        else:
            best = max(self._tries, key=lambda tried: tried.psnr_db)
        return None if best.step == last.step else best.step

    def _aim(self, last: _Try) -> float:
        """Return the decade of the next step: along the slope so far, and between both sides."""
        asked, here = self._asked_db, math.log10(last.step)
        slope = -_DB_PER_DECADE
        if len(self._tries) > 1:
            before = self._tries[-2]
            measured = (last.psnr_db - before.psnr_db) / (here - math.log10(before.step))
            if measured < -2.0:
                slope = measured
        move = min(max((asked - last.psnr_db) / slope, -_LARGEST_MOVE), _LARGEST_MOVE)
        above = [math.log10(tried.step) for tried in self._tries if tried.psnr_db > asked]
        below = [math.log10(tried.step) for tried in self._tries if tried.psnr_db <= asked]
        if not above and len(below) > 2:
            # PSNR need not rise evenly: small moves may never get there.
            return min(here + move, min(below) - _LEAST_MOVE * 2.0 ** (len(below) - 3))
        aim = here + move
        if above and below and max(above) < min(below):
            margin = 0.1 * (min(below) - max(above))
            if not max(above) + margin <= aim <= min(below) - margin:
                aim = (max(above) + min(below)) / 2
        return aim
