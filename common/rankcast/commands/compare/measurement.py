"""Bytes, quality and times of one encoded version of a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rankcast.frame import Pixels


@dataclass(frozen=True, slots=True)
class Measurement:
    """One encoded version of the picture and its quality."""

    codec: str
    setting: str
    """Setting as shown in tables: ``rank 50``, ``q 75 4:2:0``."""
    coded_bytes: int
    psnr_db: float
    ssim: float | None
    """SSIM; None for a point of a curve, which does not need it."""
    encode_ms: float
    decode_ms: float
    rank: int | None = None
    kept: tuple[int, ...] = ()
    """Singular values of each plane in the packet; fewer than `rank` if the rest are zero."""
    energy: float | None = None
    pixels: Pixels | None = None
    """Rebuilt picture; None for a point of a curve."""

    @property
    def exact(self) -> bool:
        """True if every sample was restored exactly."""
        return math.isinf(self.psnr_db)


@dataclass(frozen=True, slots=True)
class Curve:
    """Quality against bytes of one codec or format, by increasing bytes."""

    label: str
    points: tuple[Measurement, ...]


def curve_of(label: str, points: Iterable[Measurement]) -> Curve:
    """Return the curve through the points, sorted by bytes."""
    return Curve(label, tuple(sorted(points, key=lambda point: point.coded_bytes)))


def measurement_json(measured: Measurement, pixels: Pixels) -> dict[str, Any]:
    """Return a row as JSON; an exact picture has ``lossless`` true and ``psnr_db`` null."""
    return {
        "codec": measured.codec,
        "at": measured.setting,
        "rank": measured.rank,
        "kept": list(measured.kept),
        "bytes": measured.coded_bytes,
        "ratio": pixels.nbytes / measured.coded_bytes,
        "bits_per_pixel": 8 * measured.coded_bytes / (pixels.shape[0] * pixels.shape[1]),
        "psnr_db": None if measured.exact else measured.psnr_db,
        "lossless": measured.exact,
        "ssim": measured.ssim,
        "energy": measured.energy,
        "encode_ms": measured.encode_ms,
        "decode_ms": measured.decode_ms,
    }


def curve_json(curve: Curve, pixels: Pixels) -> dict[str, Any]:
    """Return a curve as JSON."""
    points = [measurement_json(point, pixels) for point in curve.points]
    return {"label": curve.label, "points": points}
