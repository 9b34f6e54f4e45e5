"""One coded version of a picture: its bytes, its quality, its times."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rankcast.frame import Pixels


@dataclass(frozen=True, slots=True)
class Measurement:
    """One coded version of the picture and how good it is."""

    codec: str
    setting: str
    """As tables print it: ``rank 50``, ``q 75 4:2:0``."""
    coded_bytes: int
    psnr_db: float
    ssim: float | None
    """None for a point of a curve, whose SSIM nobody needs."""
    encode_ms: float
    decode_ms: float
    rank: int | None = None
    kept: tuple[int, ...] = ()
    """Singular values in the packet, of each plane: fewer than `rank` if the rest is zero."""
    energy: float | None = None
    pixels: Pixels | None = None
    """The rebuilt picture; None for a point of a curve."""

    @property
    def exact(self) -> bool:
        """True if every sample came back."""
        return math.isinf(self.psnr_db)


@dataclass(frozen=True, slots=True)
class Curve:
    """Quality against bytes of one way to code, by increasing bytes."""

    label: str
    points: tuple[Measurement, ...]


def curve_of(label: str, points: Iterable[Measurement]) -> Curve:
    """Put the points in order."""
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
