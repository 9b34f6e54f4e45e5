"""Motion: the blocks of a picture that changed by more than noise."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

BLOCK: Final = 16
"""Side of a block in luma samples: a macroblock of MPEG."""
LEAST_CHANGE: Final = 2.0 / 255
"""A change that nobody sees, as a share of full scale: the rounding of earlier coding stays below
it."""
NOISE_FACTOR: Final = 2.0
"""A block of 256 noisy samples strays by 5 % from its mean noise; light areas of a sensor are
noisier than dark ones, seldom by more than this factor."""
QUIET_SHARE: Final = 0.1
"""Share of the blocks that is taken to show nothing but noise: at rest, or without texture."""
_TEXTURELESS: Final = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
"""Leaves the noise of a picture, with its variance, and little of its texture: Immerkaer (1996),
doi:10.1006/cviu.1996.0060."""


def moving_blocks(
    before: NDArray[np.float32], luma: NDArray[np.float32], peak: float
) -> NDArray[np.bool_]:
    """Find the blocks of 16 x 16 luma samples that changed by more than noise.

    Parameters
    ----------
    before, luma : ndarray, shape (H, W), float32
        Luma of the original frame before, and of this original frame.
    peak : float
        Largest value that a sample can have.

    Returns
    -------
    ndarray, shape (H // 16, W // 16), bool
        True for a block whose root mean square of the change is above two levels of 255 and above
        twice that of noise. Rests of blocks at the edges are left out.

    Notes
    -----
    The noise is that of the quietest tenth of the blocks: of their change, or, where a moving
    camera leaves no block at rest, of their finest texture, whichever is less.
    """
    from rankcast.opencv import cv2  # here, because decoders need no measure of quality

    change = np.sqrt(block_means(cv2.subtract(luma, before) ** 2)) / peak
    if not change.size:
        return np.zeros(change.shape, np.bool_)
    texture = np.sqrt(block_means(cv2.filter2D(luma, cv2.CV_32F, _TEXTURELESS) ** 2)) / peak
    # Both frames have noise: that of a difference is larger by the root of two.
    noise = min(
        float(np.quantile(change, QUIET_SHARE)),
        2**0.5 * float(np.quantile(texture, QUIET_SHARE)),
    )
    moving: NDArray[np.bool_] = change > max(LEAST_CHANGE, NOISE_FACTOR * noise)
    return moving


def block_means(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of every whole block.

    Parameters
    ----------
    plane : ndarray, shape (H, W), float32

    Returns
    -------
    ndarray, shape (H // 16, W // 16), float32
    """
    height, width = plane.shape[0] // BLOCK, plane.shape[1] // BLOCK
    whole = plane[: height * BLOCK, : width * BLOCK].reshape(height, BLOCK, width, BLOCK)
    means: NDArray[np.float32] = whole.mean(axis=(1, 3), dtype=np.float32)
    return means
