"""Mosaic: raw frames of a colour sensor, one sample a pixel behind its colour filter array."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator

from rankcast.errors import UnsupportedImageError
from rankcast.frame import Pixels, channels_of


def _upper(value: Any) -> Any:  # Any: foreign input, before validation
    return value.upper() if isinstance(value, str) else value


Cfa: TypeAlias = Annotated[Literal["RGGB", "BGGR", "GRBG", "GBRG"], BeforeValidator(_upper)]
"""Colours of the first two pixels of the first row, then of the second, in either case."""


def check_mosaic(pixels: Pixels) -> Pixels:
    """Return a mosaic as (H, W).

    Parameters
    ----------
    pixels : ndarray, shape (H, W) or (H, W, 1), uint8 or uint16

    Raises
    ------
    UnsupportedImageError
        If there is more than one sample a pixel, or no whole 2 x 2 pattern.
    """
    if channels_of(pixels.shape) != 1:
        raise UnsupportedImageError(
            f"got {pixels.shape[2]} channels, a mosaic (cfa) has one sample a pixel"
        )
    if min(pixels.shape[:2]) < 2:
        raise UnsupportedImageError(f"got shape {pixels.shape}, a mosaic (cfa) is at least 2 x 2")
    return pixels.reshape(pixels.shape[:2])
