"""Objective of the training: distortion, rate and adversarial losses.

    L_EG = (1 - MS-SSIM(Y)) + k_M (MSE(Y) + 4 MSE(Cb, Cr)) + k_R step^2 R + k_A mean (D(y) - 1)^2
    L_D  = mean (D(x) - 1)^2 + mean D(y)^2

MS-SSIM of luma (Wang, Simoncelli, Bovik 2003) with its five weights, MSE of planes on a
scale of 0 to 1, R in bits per pixel. Least-squares GAN (Mao et al., arXiv:1611.04076) as in
Agustsson et al. (2019), arXiv:1804.02958; distortion and rate beside it as in Mentzer et al.
(2020), arXiv:2006.09965. R is weighted by the square of the step, with which the distortion of a
quantiser grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rankcast.frame import Pixels

SCALE_WEIGHTS: Final = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales, finest first: table 1 of Wang, Simoncelli and Bovik (2003)."""
TRAINING_STRIDES: Final = (4, 2, 1, 1, 1)
_TAPS: Final = 11
_SIGMA: Final = 1.5
_C1: Final = 0.01**2
_C2: Final = 0.03**2


def ms_ssim(a: Tensor, b: Tensor, strides: Sequence[int] = (1, 1, 1, 1, 1)) -> Tensor:
    """Compute the multi-scale structural similarity of pairs of one-channel pictures, 0 to 1.

    Parameters
    ----------
    a, b : Tensor, shape (N, 1, H, W)
        Samples on a scale of 0 to 1. Scales with a side below 11 are left out, and the other
        weights are normalised.
    strides : sequence of int
        Strides of the window by scale. A mean over every second or fourth position is accurate
        enough for training and halves the cost of a step at the finest scales.

    Returns
    -------
    Tensor, shape (N,)

    References
    ----------
    Wang, Simoncelli, Bovik (2003): Multiscale structural similarity for image quality
    assessment. doi:10.1109/ACSSC.2003.1292216.
    """
    side = min(a.shape[-2:])
    scales = max(1, sum(side >> scale >= _TAPS for scale in range(len(SCALE_WEIGHTS))))
    weights = torch.tensor(SCALE_WEIGHTS[:scales], device=a.device)
    weights = weights / weights.sum()
    result = torch.ones(a.shape[0], device=a.device)
    for scale in range(scales):
        full, contrast = _ssim(a, b, strides[scale])
        value = full if scale == scales - 1 else contrast
        # A negative mean has no real power; only unrelated pictures have one.
        result = result * value.clamp(min=1e-4) ** weights[scale]
        if scale < scales - 1:
            a, b = functional.avg_pool2d(a, 2), functional.avg_pool2d(b, 2)
    return result


def luma_ms_ssim(a: Pixels, b: Pixels) -> float:
    """Compute the MS-SSIM of the luma (BT.601) of two 8-bit pictures, grey or BGR."""
    weights = np.array([0.114, 0.587, 0.299], np.float32) / 255
    planes = [
        torch.from_numpy(one.astype(np.float32) @ weights if one.ndim == 3 else one * weights.sum())
        for one in (a, b)
    ]
    with torch.inference_mode():
        return float(ms_ssim(planes[0][None, None], planes[1][None, None])[0])


def _ssim(a: Tensor, b: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Compute the means of SSIM and of its contrast-structure part over the picture."""
    taps = min(_TAPS, *a.shape[-2:])
    x = torch.arange(taps, device=a.device, dtype=a.dtype) - (taps - 1) / 2
    window = torch.exp(-(x * x) / (2 * _SIGMA**2))
    window = window / window.sum()
    stacked = torch.cat([a, b, a * a, b * b, a * b])
    blurred = functional.conv2d(stacked, window[None, None, None, :], stride=(1, stride))
    blurred = functional.conv2d(blurred, window[None, None, :, None], stride=(stride, 1))
    mean_a, mean_b, aa, bb, ab = blurred.chunk(5)
    variance = aa - mean_a * mean_a + bb - mean_b * mean_b
    covariance = ab - mean_a * mean_b
    contrast = (2 * covariance + _C2) / (variance + _C2)
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a * mean_a + mean_b * mean_b + _C1)
    return (luminance * contrast).mean((1, 2, 3)), contrast.mean((1, 2, 3))


class RateModel(nn.Module):
    """Differentiable stand-in for the entropy coder: bits of z under a Laplacian.

    As in the contexts of the real coder, the width follows the magnitudes around a level and at
    its own position. Uniform noise replaces rounding (Ballé, Laparra, Simoncelli 2017,
    arXiv:1611.01704).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.around = nn.Parameter(torch.zeros(channels))
        self.inside = nn.Parameter(torch.zeros(channels))
        self.floor = nn.Parameter(torch.full((channels,), -2.5))
        cross = torch.tensor([[0.5, 1.0, 0.5], [1.0, 0.0, 1.0], [0.5, 1.0, 0.5]]) / 6
        self.register_buffer("cross", cross.expand(channels, 1, 3, 3).clone(), persistent=False)

    def forward(self, z: Tensor, noise: torch.Generator) -> Tensor:
        """Estimate the bits of every value of z, in the shape of z."""
        size = z.detach().abs()
        noisy = z + torch.rand(z.shape, generator=noise, device=z.device) - 0.5
        near = functional.conv2d(size, self.cross, padding=1, groups=size.shape[1])
        within = size.mean(1, keepdim=True)
        width = (
            functional.softplus(self.around)[None, :, None, None] * near
            + functional.softplus(self.inside)[None, :, None, None] * within
            + functional.softplus(self.floor)[None, :, None, None]
            + 0.02
        )
        mass = _laplace(noisy + 0.5, width) - _laplace(noisy - 0.5, width)
        return -torch.log2(mass.clamp(min=1e-6))


def _laplace(t: Tensor, width: Tensor) -> Tensor:
    tail = 0.5 * torch.exp(-t.abs() / width)
    return torch.where(t < 0, tail, 1 - tail)
