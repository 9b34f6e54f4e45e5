"""Quality of decoded pictures, pooled over a stream."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.frame import Pixels
from rankcast.numerics import block_means, moving_blocks, ms_ssim, ssim_map
from rankcast.opencv import cv2
from rankcast.rate_distortion.point import Point

# Rows: luma, Cb and Cr of full-range BT.601 from blue, green and red.
_BT601: Final = np.array(
    [[0.114, 0.587, 0.299], [0.5, -0.331264, -0.168736], [-0.081312, -0.418688, 0.5]], np.float32
)


class QualityMeter:
    """Errors and similarity of decoded pictures, pooled over a stream.

    Luma and chroma are computed from the decoded BGR, unrounded, in the same way for every coder.
    Coders are compared at equal luma; chroma PSNR is reported too, so that bytes saved there are
    visible.

    Parameters
    ----------
    peak : float
        Largest value that a sample can have, the peak of every PSNR.
    similarity_every : int
        Measure SSIM and MS-SSIM of every n-th frame, from the second one on; 0: of none. The
        second frame is the first one that a stream predicts.
    moving : bool
        Measure moving blocks too, of all frames but the first, and their SSIM of every n-th.
    """

    def __init__(self, peak: float, *, similarity_every: int = 0, moving: bool = False) -> None:
        self._peak = peak
        self._every = similarity_every
        self._moving = moving
        self._frames = 0
        self._pixels = 0
        self._luma = self._chroma = 0.0
        self._colour = False
        self._ssim: list[float] = []
        self._ms_ssim: list[float] = []
        self._before: NDArray[np.float32] | None = None
        self._moving_errors: list[NDArray[np.float32]] = []
        self._moving_ssim: list[NDArray[np.float32]] = []

    def add(self, original: Pixels, decoded: Pixels) -> None:
        """Count one picture.

        Parameters
        ----------
        original, decoded : ndarray, shape (H, W) or (H, W, 3) BGR, uint8 or uint16
        """
        difference = cv2.subtract(original, decoded, dtype=cv2.CV_32F)
        self._pixels += original.shape[0] * original.shape[1]
        if difference.ndim == 3:
            self._colour = True
            difference = cv2.transform(difference, _BT601)
            squares = cv2.norm(difference, cv2.NORM_L2SQR)
            difference = cv2.extractChannel(difference, 0)
            self._chroma += squares - cv2.norm(difference, cv2.NORM_L2SQR)
        self._luma += cv2.norm(difference, cv2.NORM_L2SQR)
        similar = self._every > 0 and self._frames % self._every == min(1, self._every - 1)
        if similar or self._moving:
            self._compare(luma_of(original), difference, similar)
        self._frames += 1

    def _compare(
        self, luma: NDArray[np.float32], difference: NDArray[np.float32], similar: bool
    ) -> None:
        decoded = luma - difference
        whole = None
        if similar:
            whole, contrast = ssim_map(luma, decoded, self._peak)
            self._ssim.append(float(np.mean(whole)))
            self._ms_ssim.append(ms_ssim(luma, decoded, self._peak, (whole, contrast)))
        if not self._moving:
            return
        if self._before is not None:
            mask = moving_blocks(self._before, luma, self._peak)
            self._moving_errors.append(block_means(difference * difference)[mask])
            if whole is not None:
                self._moving_ssim.append(block_means(whole)[mask])
        self._before = luma

    def point(self, setting: str, size_bytes: float, header_bytes: float = 0) -> Point:
        """Return the accumulated quality with its cost in bytes."""
        errors = _joined(self._moving_errors)
        similarities = _joined(self._moving_ssim)
        return Point(
            setting,
            size_bytes,
            self._db(self._luma, self._pixels),
            self._db(self._chroma, 2 * self._pixels) if self._colour else None,
            header_bytes,
            ssim=float(np.mean(self._ssim)) if self._ssim else None,
            ms_ssim=float(np.mean(self._ms_ssim)) if self._ms_ssim else None,
            moving_psnr_db=self._db(float(errors.sum()), errors.size) if errors.size else None,
            moving_ssim=float(similarities.mean()) if similarities.size else None,
        )

    def _db(self, error: float, samples: int) -> float:
        return 10 * math.log10(self._peak**2 * samples / error) if error else math.inf


def luma_of(pixels: Pixels) -> NDArray[np.float32]:
    """Return the unrounded luma of a picture, shape (H, W)."""
    samples: NDArray[np.float32] = pixels.astype(np.float32)
    return cv2.transform(samples, _BT601[:1]) if samples.ndim == 3 else samples


def _joined(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    return np.concatenate(parts).astype(np.float64) if parts else np.empty(0)
