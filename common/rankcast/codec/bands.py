"""Bands of rows that codecs code on their own threads."""

from __future__ import annotations

from typing import Final

_BAND_ROWS: Final = 64
TWO_BANDS: Final = 1280 * 720
FOUR_BANDS: Final = 3840 * 2160


def row_bands(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """First row and the one past the last of each band of a picture.

    Parameters
    ----------
    shape : tuple of int
        (H, W) or (H, W, C).

    Returns
    -------
    list of (int, int)
        One, two or four by the number of pixels: a fact of the picture, so that the bytes
        never depend on the processors. Bands begin at multiples of 64 rows.
    """
    height, pixels = shape[0], shape[0] * shape[1]
    count = 1 if pixels < TWO_BANDS else 2 if pixels < FOUR_BANDS else 4
    cuts = [round(height * k / count / _BAND_ROWS) * _BAND_ROWS for k in range(count)]
    return list(zip(cuts, [*cuts[1:], height], strict=True))
