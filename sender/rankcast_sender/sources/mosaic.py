"""Mosaics: raw frames of a colour sensor, one sample per pixel behind a colour filter array."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator

from rankcast.errors import UnsupportedImageError
from rankcast.frame import Pixels, channels_of


def _upper(value: Any) -> Any:  # Any: foreign input, before validation
    return value.upper() if isinstance(value, str) else value


Cfa: TypeAlias = Annotated[Literal["RGGB", "BGGR", "GRBG", "GBRG"], BeforeValidator(_upper)]
"""Colours of the first two pixels of the first row, then of the second; case-insensitive."""


def check_mosaic(pixels: Pixels) -> Pixels:
    """Return a mosaic in shape (H, W).

    Parameters
    ----------
    pixels : ndarray, shape (H, W) or (H, W, 1), uint8 or uint16

    Raises
    ------
    UnsupportedImageError
        If a pixel has several samples, or the picture is smaller than the 2 x 2 pattern.
    """
    if channels_of(pixels.shape) != 1:
        raise UnsupportedImageError(
            f"got {pixels.shape[2]} channels, a mosaic (cfa) has one sample per pixel"
        )
    if min(pixels.shape[:2]) < 2:
        raise UnsupportedImageError(
            f"got shape {pixels.shape}, a mosaic (cfa) has 2 x 2 pixels or more"
        )
    return pixels.reshape(pixels.shape[:2])
