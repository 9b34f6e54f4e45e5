"""The networks of codec `gan`: encoder E, generator G and discriminator D, all given a label.

A label names a camera. It selects a learned background picture and an embedding, on which E, G
and D are conditioned (conditional GAN: Mirza and Osindero, arXiv:1411.1784). With P the background
at the gain and offset of this frame, x and y pictures in Y, Cb, Cr:

    z = exp(a(P) - s) (W_e (x - P) + e(x - P, P)) / step        E, at every 8 x 8 pixels
    w = q(z)                                                    levels, entropy-coded
    v = step exp(s - a(P)) c(w)                                 centres of the quantiser
    y = P + W_d v + g(P + W_d v, P, v)                          G

W_e and W_d begin as the DCT-II of 8 x 8 blocks and its inverse, the networks e, g and a as zero:
an untrained model is a transform codec of the difference to the background, on which training
improves. s are the learned logarithms of the steps, a(P) makes them finer where that pays, and c
shrinks levels towards zero by a learned amount (Laplacian centroids).

References
----------
Agustsson, Tschannen, Mentzer, Timofte, Van Gool (2019): Generative adversarial networks for extreme
learned image compression. arXiv:1804.02958.
Mentzer, Toderici, Tschannen, Agustsson (2020): High-fidelity generative image compression.
arXiv:2006.09965.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rankcast.models.gan.architecture import BLOCK, Architecture

MAX_GAIN: Final = 1.0
"""Limit of the logarithmic local gain a(P)."""
_FIRST_STEP: Final = 32 / 255
_STEP_SLOPE: Final = 12 / 255
"""Steps start like those of a JPEG of about quality 25, rising with frequency."""


def dct_matrix(n: int = BLOCK) -> np.ndarray:
    """Return the orthonormal DCT-II, whose row k is the k-th cosine."""
    k, i = np.mgrid[0:n, 0:n]
    matrix = np.cos(np.pi * k * (2 * i + 1) / (2 * n)) * math.sqrt(2 / n)
    matrix[0] /= math.sqrt(2)
    return matrix


def frequencies(count: int) -> list[tuple[int, int]]:
    """Return the first `count` frequencies (vertical, horizontal) of a block, by diagonals."""
    every = [(u, v) for u in range(BLOCK) for v in range(BLOCK)]
    return sorted(every, key=lambda f: (f[0] + f[1], f[0]))[:count]


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width)
        self.second = _conv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(functional.relu(self.first(functional.relu(x))))


class GanNetwork(nn.Module):
    """E and G with everything they share; D is `Discriminator`."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = architecture
        self.architecture = a
        n, channels = a.width, a.channels
        analysis = torch.zeros(channels, 3, BLOCK, BLOCK)
        log_steps: list[float] = []
        D = dct_matrix()
        channel = 0
        for plane, count in enumerate((a.luma, a.chroma, a.chroma)):
            for u, v in frequencies(count):
                analysis[channel, plane] = torch.from_numpy(np.outer(D[u], D[v]))
                log_steps.append(math.log(_FIRST_STEP + _STEP_SLOPE * (u + v)))
                channel += 1
        self.analysis = nn.Parameter(analysis)
        self.synthesis = nn.Parameter(analysis.clone())
        # math.log, because torch's logarithm on the device "meta" loads its compiler for a second.
        self.log_steps = nn.Parameter(torch.tensor(log_steps))
        self.shrink = nn.Parameter(torch.full((2, channels), 0.05))
        self.backgrounds = nn.ParameterList(
            nn.Parameter(torch.zeros(1, 3, max(h, 1), max(w, 1))) for h, w in a.sizes
        )
        labels = len(a.labels)
        self.encoder_label = nn.Parameter(torch.zeros(labels, n))
        self.generator_label = nn.Parameter(torch.zeros(labels, n))
        # e: at 1/4 of the size, then at 1/8
        self.encoder_in = _conv(6 * 16, n)
        self.encoder_step = nn.Linear(1, n)
        self.encoder_down = _conv(n, n, 3, 2)
        self.encoder_body = _Residual(n)
        self.encoder_out = _conv(n, channels)
        # a(P)
        self.gain_in = _conv(3 * BLOCK * BLOCK, n, 1)
        self.gain_out = _conv(n, channels)
        # g: at 1/4 of the size, with v at 1/8
        self.code_in = _conv(channels, n, 1)
        self.code_body = _Residual(n)
        self.generator_in = _conv(6 * 16, n)
        self.generator_step = nn.Linear(1, n)
        self.generator_body = nn.Sequential(_Residual(n), _Residual(n))
        self.generator_out = _conv(n, 3 * 16)
        for last in (self.encoder_out, self.gain_out, self.generator_out):
            nn.init.zeros_(last.weight)
            assert last.bias is not None
            nn.init.zeros_(last.bias)

    def gain(self, predicted: Tensor, label: Tensor) -> Tensor:
        """Compute a(P), the logarithmic local gain of each channel."""
        hidden = self.gain_in(functional.pixel_unshuffle(predicted, BLOCK))
        hidden = functional.relu(hidden + self.encoder_label[label][:, :, None, None])
        return MAX_GAIN * torch.tanh(self.gain_out(hidden))

    def scale(self, predicted: Tensor, label: Tensor, step: Tensor) -> Tensor:
        """Compute step exp(s - a(P)), the value of one level."""
        steps = self.log_steps[None, :, None, None] - self.gain(predicted, label)
        return steps.exp() * step[:, None, None, None]

    def encode(
        self, x: Tensor, predicted: Tensor, scale: Tensor, label: Tensor, step: Tensor
    ) -> Tensor:
        """Compute z, the code before rounding, of shape (N, channels, H / 8, W / 8)."""
        difference = x - predicted
        linear = functional.conv2d(difference, self.analysis, stride=BLOCK)
        hidden = self.encoder_in(
            functional.pixel_unshuffle(torch.cat([difference, predicted], 1), 4)
        )
        hidden = hidden + self.encoder_label[label][:, :, None, None]
        hidden = hidden + self.encoder_step(step.log()[:, None])[:, :, None, None]
        hidden = functional.relu(self.encoder_down(functional.relu(hidden)))
        return (linear + self.encoder_out(functional.relu(self.encoder_body(hidden)))) / scale

    def centres(self, levels: Tensor) -> Tensor:
        """Compute c(w): levels moved towards zero by a learned part of a step."""
        near = (levels.abs() == 1).to(levels.dtype)
        inner, outer = self.shrink[:, None, :, None, None]
        return levels - levels.sign() * (near * inner + (1 - near) * outer)

    def generate(
        self, levels: Tensor, predicted: Tensor, scale: Tensor, label: Tensor, step: Tensor
    ) -> Tensor:
        """Generate y, the picture in Y, Cb, Cr, from the levels w."""
        v = self.centres(levels) * scale
        linear = predicted + functional.conv_transpose2d(v, self.synthesis, stride=BLOCK)
        code = self.code_body(self.code_in(v))
        hidden = self.generator_in(functional.pixel_unshuffle(torch.cat([linear, predicted], 1), 4))
        hidden = hidden + functional.interpolate(code, scale_factor=2, mode="nearest")
        hidden = hidden + self.generator_label[label][:, :, None, None]
        hidden = hidden + self.generator_step(step.log()[:, None])[:, :, None, None]
        hidden = self.generator_out(functional.relu(self.generator_body(hidden)))
        return linear + functional.pixel_shuffle(hidden, 4)


class Discriminator(nn.Module):
    """D(x | w, label): how real each pixel looks, given code, background and label."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        n = architecture.width
        self.first = _conv(6, n, 5, 2)
        self.second = _conv(n, 2 * n, 5, 2)
        self.code = _conv(architecture.channels, 2 * n, 1)
        self.third = _conv(2 * n, 2 * n)
        self.out = _conv(2 * n, 1, 1)
        # Projection of the label (Miyato and Koyama 2018, arXiv:1802.05637).
        self.label = nn.Parameter(torch.zeros(len(architecture.labels), 2 * n))

    def forward(self, x: Tensor, predicted: Tensor, v: Tensor, label: Tensor) -> Tensor:
        """Score patches of `x`: 1 for real pictures, 0 for decoded ones."""
        hidden = functional.leaky_relu(self.first(torch.cat([x, predicted], 1)), 0.2)
        hidden = self.second(hidden)
        code = functional.interpolate(self.code(v), scale_factor=2, mode="nearest")
        hidden = functional.leaky_relu(hidden + code, 0.2)
        hidden = functional.leaky_relu(self.third(hidden), 0.2)
        projected = (hidden * self.label[label][:, :, None, None]).sum(1, keepdim=True)
        return self.out(hidden) + projected
