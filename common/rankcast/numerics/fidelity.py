"""Fidelity: rank, energy and error over all packets of a stream."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence


class Fidelity:
    """Statistics of the figures stated by encoders; one thread may add while others read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.frames = 0
        """Number of frames added so far."""
        self._exact = 0
        self._psnr_db = _Spread()
        self._energy = _Spread()
        self._rank = _Spread()

    def add(self, rank: Sequence[int], energy: float | None, psnr_db: float | None) -> None:
        """Add one frame.

        Parameters
        ----------
        rank : sequence of int
            Rank of each plane; empty if the codec has none.
        energy : float, optional
            Kept share of the sum of squared singular values, 0 to 1.
        psnr_db : float, optional
            Infinite if every sample is exact.
        """
        with self._lock:
            self.frames += 1
            for plane in rank:
                self._rank.add(plane)
            if energy is not None:
                self._energy.add(energy)
            if psnr_db == math.inf:
                self._exact += 1
            elif psnr_db is not None:
                self._psnr_db.add(psnr_db)

    def values(self) -> dict[str, float | int | None]:
        """Return means and extremes, keyed as in reports and in the status.

        None means that no packet stated the value. Exact frames are counted separately, because
        they would make the mean PSNR infinite.
        """
        with self._lock:
            ranks = self._rank
            return {
                "psnr_db": self._psnr_db.mean,
                "psnr_min_db": self._psnr_db.least,
                "exact_frames": self._exact,
                "energy": self._energy.mean,
                "energy_min": self._energy.least,
                "rank": ranks.mean,
                "rank_min": None if ranks.least is None else int(ranks.least),
                "rank_max": None if ranks.most is None else int(ranks.most),
            }

    def __str__(self) -> str:
        """Return one line for a log; empty if no packet stated anything."""
        values = self.values()
        words = []
        if values["psnr_db"] is not None:
            words.append(f"PSNR {values['psnr_db']:.1f} dB, minimum {values['psnr_min_db']:.1f}")
        if values["exact_frames"]:
            words.append(f"{values['exact_frames']} exact")
        if values["energy"] is not None:
            words.append(f"energy {100 * values['energy']:.2f} %")
        if values["rank"] is not None:
            least, most = values["rank_min"], values["rank_max"]
            words.append(f"rank {least}" if least == most else f"rank {least} to {most}")
        return ", ".join(words)


class _Spread:
    """Mean, minimum and maximum of numbers; None if there are none."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._count = 0
        self.least: float | None = None
        self.most: float | None = None

    def add(self, value: float) -> None:
        self._sum += value
        self._count += 1
        self.least = value if self.least is None else min(self.least, value)
        self.most = value if self.most is None else max(self.most, value)

    @property
    def mean(self) -> float | None:
        return self._sum / self._count if self._count else None
