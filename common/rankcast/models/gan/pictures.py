"""Pictures in the form that the networks process: Y, Cb, Cr planes, and a frame's exposure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rankcast.errors import PayloadError
from rankcast.frame import Pixels
from rankcast.models.gan.architecture import BLOCK

Planes = NDArray[np.float32]
"""Shape (3, H, W): Y from 0 to 1, Cb and Cr from -0.5 to 0.5."""

_FROM_BGR: Final = np.array(
    [[0.114, 0.587, 0.299], [0.5, -0.331264, -0.168736], [-0.081312, -0.418688, 0.5]], np.float32
)
"""BT.601 in full range, as in JPEG."""
_TO_BGR: Final = np.linalg.inv(_FROM_BGR.astype(np.float64)).astype(np.float32)

_EXPOSURE: Final = struct.Struct("<H3h")
_ONE: Final = 4096
_SAMPLED: Final = 5
"""Exposure is measured at every fifth pixel of every fifth row."""
_ROUNDS: Final = 3
_RIDGE: Final = 1e-4
"""Variance below which a background counts as flat and its gain is pulled towards 1."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """Global difference between a frame and its background, in 1/4096.

    Automatic exposure and white balance change every pixel; these four numbers cost 8 bytes.
    """

    gain: int = _ONE
    """Gain of Y."""
    offsets: tuple[int, int, int] = (0, 0, 0)
    """Offsets of Y, Cb and Cr."""

    def pack(self) -> bytes:
        """Pack into 8 bytes."""
        return _EXPOSURE.pack(self.gain, *self.offsets)

    def applied(self, background: Planes) -> Planes:
        """Return the background (3, H, W) at this exposure."""
        applied: Planes = self.apply(tensor_of(background))[0].numpy()
        return applied

    def apply(self, background: Tensor) -> Tensor:
        """Return P, the background (1, 3, H, W) at this exposure."""
        return apply_exposures(background, torch.tensor([[self.gain, *self.offsets]]))


EXPOSURE_BYTES: Final = _EXPOSURE.size


def apply_exposures(background: Tensor, exposures: Tensor) -> Tensor:
    """Apply exposures (N, 4), gain and offsets in 1/4096, to backgrounds (N, 3, H, W)."""
    exposures = (exposures.to(background) / _ONE)[:, :, None, None]
    y = background[:, :1] * exposures[:, :1] + exposures[:, 1:2]
    return torch.cat([y, background[:, 1:] + exposures[:, 2:]], 1)


def unpack_exposure(body: memoryview) -> Exposure:
    """Unpack an exposure that `Exposure.pack` wrote.

    Raises
    ------
    PayloadError
        If the body is too short.
    """
    if len(body) < EXPOSURE_BYTES:
        raise PayloadError(f"got {len(body)} bytes of exposure, want {EXPOSURE_BYTES}")
    gain, *offsets = _EXPOSURE.unpack_from(body)
    return Exposure(gain, (offsets[0], offsets[1], offsets[2]))


def measure_exposure(planes: Planes, background: Planes) -> Exposure:
    """Fit Y = gain Y_b + offset where frame and background agree.

    Least squares in three rounds. Each round excludes pixels beyond twice the median error of the
    previous one, and thereby objects in front of the background.
    """
    every = _SAMPLED if min(planes.shape[1:]) >= 8 * _SAMPLED else 1
    x, b = (
        np.broadcast_to(p, planes.shape)[:, ::every, ::every].reshape(3, -1).astype(np.float64)
        for p in (planes, background)
    )
    same = np.ones(x.shape[1], bool)
    gain, offset = 1.0, 0.0
    for _ in range(_ROUNDS):
        mean_b, mean_x = b[0, same].mean(), x[0, same].mean()
        around = b[0, same] - mean_b
        gain = (np.mean(around * (x[0, same] - mean_x)) + _RIDGE) / (np.mean(around**2) + _RIDGE)
        gain = min(max(gain, 0.25), 4.0)
        offset = mean_x - gain * mean_b
        error = np.abs(x[0] - gain * b[0] - offset)
        same = error <= max(2 * float(np.median(error)), 1 / 255)
    offsets = [offset, *(float(np.median(x[p, same] - b[p, same])) for p in (1, 2))]
    y, cb, cr = (int(np.clip(np.rint(value * _ONE), -32768, 32767)) for value in offsets)
    return Exposure(int(np.rint(gain * _ONE)), (y, cb, cr))


def planes_of(pixels: Pixels) -> Planes:
    """Convert an 8-bit picture, grey or BGR, to planes; Cb and Cr of grey are 0."""
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        planes = np.zeros((3, *pixels.shape[:2]), np.float32)
        planes[0] = pixels.reshape(pixels.shape[:2]) * np.float32(1 / 255)
        return planes
    bgr = pixels.astype(np.float32) * np.float32(1 / 255)
    return np.ascontiguousarray(np.moveaxis(bgr @ _FROM_BGR.T, 2, 0))


def pixels_of(planes: Planes, shape: tuple[int, ...]) -> Pixels:
    """Convert planes, which may be padded, to an 8-bit picture of `shape`."""
    planes = planes[:, : shape[0], : shape[1]]
    if len(shape) == 2 or shape[2] == 1:
        samples: NDArray[np.float32] = planes[0].reshape(shape)
    else:
        samples = np.moveaxis(planes, 0, 2) @ _TO_BGR.T
    # A hostile code may drive the network to infinity; NaN becomes black.
    return np.rint(np.nan_to_num(samples * 255).clip(0, 255)).astype(np.uint8)


def padded(planes: Planes) -> Planes:
    """Pad to multiples of 8 by repeating the last row and column."""
    height, width = planes.shape[1:]
    return np.pad(planes, ((0, 0), (0, -height % BLOCK), (0, -width % BLOCK)), mode="edge")


def tensor_of(planes: Planes) -> Tensor:
    """Return planes as a batch of one."""
    return torch.from_numpy(np.ascontiguousarray(planes))[None]
