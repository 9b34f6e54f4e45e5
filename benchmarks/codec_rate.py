"""Comparison at equal quality: sweeps, and byte ratios at points of a curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from rankcast.rate_distortion import (
    Curve,
    Point,
    bd_rate_percent,
    chroma_gain_db,
    with_chroma,
)

MARGIN_DB: Final = 0.3
OURS: Final = "rankcast"
"""Key of the tested codec, distinct from peers that share names with Rankcast codecs."""
EFFORTS: Final = {"fast": "rankcast-fast", "default": OURS, "best": "rankcast-best"}
"""Keys of the tested codec at each effort."""

# Coarse to fine. `cover` measures only those that the window needs.
JPEG_QUALITIES: Final = (2, 4, 7, 11, 16, 22, 30, 40, 50, 60, 70, 77, 83, 88, 92, 95, 97, 99, 100)
_QUALITIES: Final = (3, 6, 10, 16, 24, 34, 46, 57, 67, 75, 81, 86, 90, 93, 95, 97, 98, 99, 100)
_STEPS: Final = tuple(round(64 / 2 ** (i / 2), 3) for i in range(16))
_DEEP_STEPS: Final = tuple(round(4096 / 2 ** (i / 3), 3) for i in range(40))
_SVD_PSNR_DB: Final = tuple(float(db) for db in range(22, 52, 3))


@dataclass(frozen=True, slots=True)
class Tested:
    """The codec under test and how its quality is swept."""

    name: str

    def sweep(self, kind: str) -> list[dict[str, Any]]:
        """Options from coarse to fine for ``still``, ``clip`` or ``deep``."""
        if self.name == "svd-patch":
            if kind == "still":
                return [{"quality": q} for q in _QUALITIES]
            return [{"step": s} for s in (_STEPS if kind == "clip" else _DEEP_STEPS)]
        if self.name == "jpeg":
            return [{"quality": q} for q in JPEG_QUALITIES]
        offset = 30.0 if kind == "deep" else 0.0
        return [{"psnr": db + offset} for db in _SVD_PSNR_DB]

    def fixed(self, gop: int, effort: str = "default") -> dict[str, Any]:
        """Options that do not vary within a stream."""
        return {"gop": gop, "effort": effort} if self.name == "svd-patch" else {}

    @property
    def efforts(self) -> dict[str, str]:
        """Key of the results of each effort; a codec without efforts has the default alone."""
        return EFFORTS if self.name == "svd-patch" else {"default": OURS}


def described(points: Sequence[Point], unit: float) -> list[dict[str, Any]]:
    """Return points as JSON; `unit` is the number of pixels, for bit/pixel."""
    return [
        {
            "setting": p.setting,
            "bytes": p.size_bytes,
            "header_bytes": p.header_bytes,
            "bit_per_pixel": round(8 * p.size_bytes / unit, 4),
            "psnr_db": round(p.psnr_db, 3) if np.isfinite(p.psnr_db) else None,
            "chroma_db": None
            if p.chroma_db is None or not np.isfinite(p.chroma_db)
            else round(p.chroma_db, 3),
        }
        | {
            name: round(value, 5)
            for name in ("ssim", "ms_ssim", "moving_psnr_db", "moving_ssim")
            if (value := getattr(p, name)) is not None and np.isfinite(value)
        }
        for p in points
    ]


def rounded(value: float | None) -> float | None:
    """Round to four decimals; further digits are not reproducible."""
    return None if value is None else round(value, 4)


def mean(values: Sequence[float]) -> float | None:
    """Arithmetic mean; None for no values."""
    return rounded(float(np.mean(values))) if values else None


def at_points(
    tested: Curve, peers: dict[str, Curve], targets: Sequence[tuple[float, float]]
) -> list[dict[str, Any]]:
    """Byte ratio to each peer at each (bit/pixel of the anchor, PSNR)."""
    rows = []
    for rate, db in targets:
        ours = tested.bytes_at(db) if tested.usable else None
        ratios: dict[str, float | None] = {}
        for name, curve in peers.items():
            theirs = curve.bytes_at(db) if curve.usable else None
            ratios[name] = rounded(ours / theirs) if ours and theirs else None
        rows.append({"anchor_bit_per_pixel": round(rate, 3), "psnr_db": round(db, 3)} | ratios)
    return rows


def ratios_to(rows: Sequence[dict[str, Any]], peer: str) -> list[float]:
    """Return the available ratios to one peer."""
    return [row[peer] for row in rows if row[peer] is not None]


def without_headers(points: Sequence[Point]) -> Curve:
    """Return the curve of the coded pictures without packet headers."""
    return Curve(replace(p, size_bytes=p.size_bytes - p.header_bytes) for p in points)


def envelope(*curves: Curve) -> Curve:
    """Return the cheapest of several settings of one peer at every PSNR."""
    usable = [c for c in curves if c.usable]
    if not usable:
        return Curve([])
    low = min(c.range_db[0] for c in usable)
    high = max(c.range_db[1] for c in usable)
    points = []
    for db in np.linspace(low, high, 40):
        sizes = [s for c in usable if (s := c.bytes_at(float(db))) is not None]
        if sizes:
            points.append(Point("best", min(sizes), float(db)))
    return Curve(points)


VERSUS: Final = ("bd_rate_percent", "bd_rate_with_chroma_percent", "chroma_gain_db")


def versus(
    points: Mapping[str, Sequence[Point]], low_db: float, high_db: float
) -> dict[str, dict[str, float | None]]:
    """Compare the tested codec with each peer over a window of luma PSNR.

    Bjontegaard deltas over luma, and over luma and chroma, and the chroma gain at equal luma PSNR.
    """
    ours, ours_all = Curve(points[OURS]), with_chroma(points[OURS])
    found: dict[str, dict[str, float | None]] = {}
    for peer, measured in points.items():
        if peer == OURS:
            continue
        theirs, theirs_all = Curve(measured), with_chroma(measured)
        # The same stretch of the peer's curve, on the other scale.
        sizes = [theirs.bytes_at(db) for db in (low_db, high_db)]
        low, high = (None if size is None else theirs_all.db_at(size) for size in sizes)
        found[peer] = {
            "bd_rate_percent": rounded(bd_rate_percent(ours, theirs, low_db, high_db)),
            "bd_rate_with_chroma_percent": rounded(
                bd_rate_percent(
                    ours_all,
                    theirs_all,
                    -math.inf if low is None else low,
                    math.inf if high is None else high,
                )
            ),
            "chroma_gain_db": rounded(chroma_gain_db(ours, theirs, low_db, high_db)),
        }
    return found
