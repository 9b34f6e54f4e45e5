"""A point of a rate-distortion curve, and the measures of quality by which coders are compared."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Point:
    """Result of one coder at one setting."""

    setting: str
    size_bytes: float
    psnr_db: float
    """PSNR of luma."""
    chroma_db: float | None = None
    header_bytes: float = 0
    """Bytes of `size_bytes` that identify and date the frames; zero for peers, which leave that to
    a container."""
    ssim: float | None = None
    """SSIM of luma; None where it was not measured, as are the fields below."""
    ms_ssim: float | None = None
    moving_psnr_db: float | None = None
    """PSNR of the luma of moving blocks; also None where nothing moves."""
    moving_ssim: float | None = None


Quality: TypeAlias = Callable[[Point], float | None]
"""A measure of quality in dB, by which coders are compared; None where it was not measured."""


def ssim_db(ssim: float) -> float:
    """Return a similarity in dB, -10 log10(1 - SSIM), which rises about evenly with log bytes."""
    return -10 * math.log10(1 - ssim) if ssim < 1 else math.inf


def of_db(db: float) -> float:
    """Return the similarity that `ssim_db` gives in dB."""
    return float(1 - 10 ** (-db / 10))


def by_psnr(point: Point) -> float | None:
    """PSNR of luma."""
    return point.psnr_db


def by_all_psnr(point: Point) -> float | None:
    """PSNR of all planes, luma weighted 6 to 1 and 1, as video groups do; of luma if it is grey."""
    if point.chroma_db is None:
        return point.psnr_db
    return (6 * point.psnr_db + 2 * point.chroma_db) / 8


def by_ssim(point: Point) -> float | None:
    """SSIM of luma, in dB."""
    return None if point.ssim is None else ssim_db(point.ssim)


def by_ms_ssim(point: Point) -> float | None:
    """MS-SSIM of luma, in dB."""
    return None if point.ms_ssim is None else ssim_db(point.ms_ssim)


def by_moving_psnr(point: Point) -> float | None:
    """PSNR of moving blocks."""
    return point.moving_psnr_db


def by_moving_ssim(point: Point) -> float | None:
    """SSIM of moving blocks, in dB."""
    return None if point.moving_ssim is None else ssim_db(point.moving_ssim)
