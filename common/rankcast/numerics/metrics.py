"""Similarity of two pictures: PSNR and SSIM on the full scale of the dtype."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.errors import UnsupportedImageError
from rankcast.frame import Pixels, check_pixels, full_scale

WINDOW: Final = 11
SIGMA: Final = 1.5
K1: Final = 0.01
K2: Final = 0.03
"""Window, standard deviation and constants of Wang et al. (2004), section III-C."""

_BAND_SAMPLES: Final = 1 << 22
"""Samples processed at once, which limits temporaries to about 32 MB for any picture."""


def squared_error(a: Pixels, b: Pixels) -> int:
    """Compute the sum of squared differences over all samples, exactly.

    Parameters
    ----------
    a, b : ndarray, shape (H, W) or (H, W, C), uint8 or uint16
        Of equal shape and dtype.

    Raises
    ------
    UnsupportedImageError
        If one is not an image, or shape or dtype differ.
    """
    _check_pair(a, b)
    rows = max(1, _BAND_SAMPLES // max(1, a[0].size))
    total = 0
    for top in range(0, a.shape[0], rows):
        difference = a[top : top + rows].astype(np.int64) - b[top : top + rows]
        total += int(np.vdot(difference, difference))
    return total


def psnr_db(a: Pixels, b: Pixels) -> float:
    """Compute the peak signal-to-noise ratio in dB over all samples.

    Parameters
    ----------
    a, b : ndarray, shape (H, W) or (H, W, C), uint8 or uint16
        Of equal shape and dtype.

    Returns
    -------
    float
        10 log10(peak^2 / mean squared error), where peak is the full scale of the dtype
        (255 or 65535), even if fewer bits are significant; infinite for equal pictures.

    Raises
    ------
    UnsupportedImageError
        If one is not an image, or shape or dtype differ.
    """
    error = squared_error(a, b)
    if error == 0:
        return math.inf
    return 10 * math.log10(float(full_scale(a.dtype)) ** 2 * a.size / error)


def ssim(a: Pixels, b: Pixels) -> float:
    """Compute the structural similarity, averaged over positions and channels.

    Parameters
    ----------
    a, b : ndarray, shape (H, W) or (H, W, C), uint8 or uint16
        Of equal shape and dtype.

    Returns
    -------
    float
        At most 1, reached only by equal pictures.

    Raises
    ------
    UnsupportedImageError
        If one is not an image, or shape or dtype differ.

    Notes
    -----
    11 x 11 Gaussian window with a standard deviation of 1.5, K1 = 0.01, K2 = 0.03, the
    dynamic range is the full scale of the dtype, and only positions count at which the whole
    window lies inside the picture. If a side is below 11 pixels, the window shrinks on that
    axis to the largest odd size that fits, with renormalised weights: a 1 x 1 picture is
    compared by its mean.

    References
    ----------
    Wang, Bovik, Sheikh, Simoncelli (2004): Image quality assessment: from error visibility to
    structural similarity. doi:10.1109/TIP.2003.819861.
    """
    _check_pair(a, b)
    if a.ndim == 2:
        return _ssim_of_channel(a, b)
    channels = range(a.shape[2])
    return float(np.mean([_ssim_of_channel(a[:, :, c], b[:, :, c]) for c in channels]))


def window_1d(side: int) -> NDArray[np.float64]:
    """Return the weights of the Gaussian window along an axis of `side` pixels; they sum to 1."""
    taps = min(WINDOW, side if side % 2 else side - 1)
    x = np.arange(taps) - taps // 2
    weights = np.exp(-(x**2) / (2 * SIGMA**2))
    return np.asarray(weights / weights.sum(), np.float64)


def _ssim_of_channel(a: Pixels, b: Pixels) -> float:
    height, width = a.shape
    vertical, horizontal = window_1d(height), window_1d(width)
    c1 = (K1 * full_scale(a.dtype)) ** 2
    c2 = (K2 * full_scale(a.dtype)) ** 2
    halo = len(vertical) - 1
    rows = max(1, _BAND_SAMPLES // width)
    total = 0.0
    valid_rows = height - halo
    for top in range(0, valid_rows, rows):
        band = slice(top, min(top + rows, valid_rows) + halo)
        # float64, because the variance of 16-bit samples is a difference of numbers near 2^32.
        total += _ssim_sum(
            a[band].astype(np.float64), b[band].astype(np.float64), vertical, horizontal, c1, c2
        )
    return total / float(valid_rows * (width - len(horizontal) + 1))


def _ssim_sum(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    vertical: NDArray[np.float64],
    horizontal: NDArray[np.float64],
    c1: float,
    c2: float,
) -> float:
    """Sum SSIM over the positions where the window lies inside `x` and `y`."""
    from rankcast.opencv import cv2  # here, because who measures only PSNR does not need it

    top, left = len(vertical) // 2, len(horizontal) // 2

    def weighted_mean(samples: NDArray[np.float64]) -> NDArray[np.float64]:
        # The border mode has no effect, because every affected value is cropped here.
        blurred = cv2.sepFilter2D(
            samples, cv2.CV_64F, horizontal, vertical, borderType=cv2.BORDER_REPLICATE
        )
        inside: NDArray[np.float64] = blurred[
            top : blurred.shape[0] - top, left : blurred.shape[1] - left
        ]
        return inside

    mean_x, mean_y = weighted_mean(x), weighted_mean(y)
    mean_xy = mean_x * mean_y
    mean_squares = mean_x * mean_x + mean_y * mean_y
    # The formula needs only the sum of both variances: four filters suffice, not five.
    variances = weighted_mean(x * x + y * y) - mean_squares
    covariance = weighted_mean(x * y) - mean_xy
    numerator = (2 * mean_xy + c1) * (2 * covariance + c2)
    return float(np.sum(numerator / ((mean_squares + c1) * (variances + c2))))


def _check_pair(a: Pixels, b: Pixels) -> None:
    check_pixels(a)
    check_pixels(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        raise UnsupportedImageError(
            f"got {a.shape} {a.dtype} and {b.shape} {b.dtype}, want equal shapes and dtypes"
        )
