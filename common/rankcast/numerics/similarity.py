"""Structural similarity of two planes: as a map, and over several scales."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rankcast.numerics.metrics import K1, K2, WINDOW, window_1d

SCALE_WEIGHTS: Final = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales, finest first: table 1 of Wang, Simoncelli and Bovik (2003)."""
_LEAST: Final = 1e-4
"""A negative mean has no real power; only unrelated pictures have one."""

Plane: TypeAlias = NDArray[np.float32]


def ssim_map(x: Plane, y: Plane, peak: float) -> tuple[Plane, Plane]:
    """Compute SSIM and its contrast-structure part at every pixel.

    Parameters
    ----------
    x, y : ndarray, shape (H, W), float32
        Luma of both pictures.
    peak : float
        Largest value that a sample can have.

    Returns
    -------
    ndarray, ndarray, shape (H, W), float32
        The product of all three terms, and that without luminance. Pixels at which the window
        reaches over an edge count the mirrored samples.

    Notes
    -----
    Window and constants are those of `rankcast.numerics.ssim`. float32 keeps four digits of SSIM
    at 16 bits as well, because the samples are scaled to 0..1 and centred first.
    """
    from rankcast.opencv import cv2  # here, because decoders need no measure of quality

    rows, columns = (window_1d(side).astype(np.float32) for side in x.shape)

    def weighted_mean(samples: Plane) -> Plane:
        mean: Plane = cv2.sepFilter2D(
            samples, cv2.CV_32F, columns, rows, borderType=cv2.BORDER_REFLECT
        )
        return mean

    # Centred samples keep the squares small; the means return to their scale in the formula.
    x, y = x / np.float32(peak) - np.float32(0.5), y / np.float32(peak) - np.float32(0.5)
    mean_x, mean_y = weighted_mean(x), weighted_mean(y)
    covariance = weighted_mean(x * y) - mean_x * mean_y
    variances = weighted_mean(x * x + y * y) - mean_x * mean_x - mean_y * mean_y
    contrast = (2 * covariance + K2**2) / (variances + K2**2)
    mean_x, mean_y = mean_x + np.float32(0.5), mean_y + np.float32(0.5)
    luminance = (2 * mean_x * mean_y + K1**2) / (mean_x * mean_x + mean_y * mean_y + K1**2)
    return luminance * contrast, contrast


def ms_ssim(x: Plane, y: Plane, peak: float, finest: tuple[Plane, Plane] | None = None) -> float:
    """Compute the multi-scale structural similarity of two planes, 0 to 1.

    Parameters
    ----------
    x, y : ndarray, shape (H, W), float32
        Scales with a side below the window of 11 are left out, and the other weights normalised.
    peak : float
        Largest value that a sample can have.
    finest : pair of ndarray, optional
        What `ssim_map` returns for both planes, if it is known already.

    References
    ----------
    Wang, Simoncelli, Bovik (2003): Multiscale structural similarity for image quality
    assessment. doi:10.1109/ACSSC.2003.1292216.
    """
    scales = max(1, sum(min(x.shape) >> scale >= WINDOW for scale in range(len(SCALE_WEIGHTS))))
    weights = np.array(SCALE_WEIGHTS[:scales]) / sum(SCALE_WEIGHTS[:scales])
    found = 1.0
    for scale, weight in enumerate(weights):
        known = finest if scale == 0 else None
        whole, contrast = ssim_map(x, y, peak) if known is None else known
        mean = float(np.mean(whole if scale == scales - 1 else contrast))
        found *= max(mean, _LEAST) ** float(weight)
        if scale < scales - 1:
            x, y = _halved(x), _halved(y)
    return found


def _halved(plane: Plane) -> Plane:
    from rankcast.opencv import cv2  # as above

    height, width = plane.shape[0] // 2, plane.shape[1] // 2
    half: Plane = cv2.resize(
        plane[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA
    )
    return half
