"""Frame mark: a frame number in the pixels themselves, which survives strong compression.

The mark is one line of 64 black and white bars in the upper left corner. As a matrix, one line of
bars has rank 1, unlike a grid of squares, so even a truncated SVD with two singular values
preserves it. In wide pictures the bars are 8 pixels wide and aligned with JPEG blocks.

    4 guard bars, 56 bars of (number, 32 bits; CRC-24 of it) whitened, 4 guard bars
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.errors import UnsupportedImageError
from rankcast.frame import Pixels, check_pixels, full_scale

NUMBER_LIMIT: Final = 1 << 32
"""Frame numbers are below this limit, reached after 6.8 years at 20 frames a second."""
MIN_WIDTH: Final = 64
MIN_HEIGHT: Final = 16

_BARS: Final = 64
_CODE_BITS: Final = 56
# The guards differ from each other and from their mirror images, so that the mark of a flipped
# picture is rejected.
_LEFT_GUARD: Final = (1, 0, 1, 0)
_RIGHT_GUARD: Final = (0, 0, 1, 1)
_CRC24_POLYNOMIAL: Final = 0x864CFB  # RFC 9580, section 6.1.1
_CRC24_START: Final = 0xB704CE
# Golden ratio: whitening gives small numbers as many edges as large ones, so that the contrast of
# the line does not depend on the number.
_WHITENING: Final = 0x9E3779B97F4A7C
# A bar nearer than this to the middle between black and white is ambiguous, as happens in a torn
# picture made of two frames.
_LEAST_MARGIN: Final = 0.15
# Strong compression reduces the contrast between black and white, which must not fall below this.
_LEAST_CONTRAST: Final = 2.0


def _crc24(number: int) -> int:
    crc = _CRC24_START
    for byte in number.to_bytes(4, "big"):
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1000000 | _CRC24_POLYNOMIAL
    return crc


def _bars_of(number: int) -> NDArray[np.bool_]:
    code = (number << 24 | _crc24(number)) ^ _WHITENING
    bits = tuple(code >> shift & 1 for shift in range(_CODE_BITS - 1, -1, -1))
    return np.array(_LEFT_GUARD + bits + _RIGHT_GUARD, dtype=np.bool_)


def mark_size(height: int, width: int) -> tuple[int, int]:
    """Return height and width of the mark in a picture of `height` x `width` pixels."""
    # 8 pixels fill a JPEG block; pictures wider than 2,560 get 16, 24, ... so that the mark
    # stays legible.
    bar = min(width // _BARS, max(8, width // 160 // 8 * 8))
    return min(max(8, 2 * bar), height // 2), bar * _BARS


def write_frame_mark(pixels: Pixels, number: int, *, white: int | None = None) -> None:
    """Write the number of a frame into its pixels.

    Parameters
    ----------
    pixels : ndarray, shape (H, W) or (H, W, C), uint8 or uint16
        Modified in place; at least 16 x 64 pixels.
    number : int
        0 to 2^32 - 1.
    white : int, optional
        Value of white; by default the full scale of the dtype. Lower for 10 or 12 bits in uint16.

    Raises
    ------
    UnsupportedImageError
        If the picture is too small for the mark.
    ValueError
        If the number does not fit into 32 bits.
    """
    check_pixels(pixels)
    height, width = pixels.shape[:2]
    if height < MIN_HEIGHT or width < MIN_WIDTH:
        raise UnsupportedImageError(
            f"got {width}x{height} pixels, a frame mark needs at least {MIN_WIDTH}x{MIN_HEIGHT}"
        )
    if not 0 <= number < NUMBER_LIMIT:
        raise ValueError(f"got frame number {number}, want 0 to {NUMBER_LIMIT - 1}")
    rows, columns = mark_size(height, width)
    level = full_scale(pixels.dtype) if white is None else white
    line = np.repeat(_bars_of(number), columns // _BARS).astype(pixels.dtype) * pixels.dtype.type(
        level
    )
    pixels[:rows, :columns] = line if pixels.ndim == 2 else line[:, np.newaxis]


def read_frame_mark(pixels: Pixels) -> int | None:
    """Read the number that `write_frame_mark` wrote.

    Parameters
    ----------
    pixels : ndarray, shape (H, W) or (H, W, C), uint8 or uint16
        The picture at its original size; coding noise is tolerated.

    Returns
    -------
    int or None
        None if there is no mark or it is ambiguous. Guard bars, a margin around mid-grey and a
        CRC-24 prevent a damaged mark from yielding a wrong number.
    """
    check_pixels(pixels)
    height, width = pixels.shape[:2]
    if height < MIN_HEIGHT or width < MIN_WIDTH:
        return None
    rows, columns = mark_size(height, width)
    bar, rim = columns // _BARS, rows // 4
    # Sampled in the middle of every bar, because compression blurs the edges.
    area = pixels[rim : rows - rim, :columns].reshape(rows - 2 * rim, _BARS, bar, -1)
    inner = area[:, :, bar // 4 : bar - bar // 4]
    means = inner.mean(axis=(0, 2, 3), dtype=np.float64)
    guard = np.array(_LEFT_GUARD + _RIGHT_GUARD, dtype=np.bool_)
    guard_means = np.concatenate([means[:4], means[-4:]])
    black, white = float(guard_means[~guard].mean()), float(guard_means[guard].mean())
    if white - black < _LEAST_CONTRAST:
        return None
    level = (means - (black + white) / 2) / (white - black)
    if np.abs(level).min() < _LEAST_MARGIN:
        return None
    bits = level > 0
    if not np.array_equal(np.concatenate([bits[:4], bits[-4:]]), guard):
        return None
    code = 0
    for bit in bits[4:-4].tolist():
        code = code << 1 | int(bit)
    code ^= _WHITENING
    number = code >> 24
    return number if _crc24(number) == code & 0xFFFFFF else None
