"""Crops of footage: the input of a training step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rankcast.models.gan.architecture import BLOCK
from rankcast.models.gan.footage import Footage
from rankcast.models.gan.pictures import Planes, measure_exposure, padded, planes_of

CROP: Final = 192
"""Side of a training crop; the five scales of MS-SSIM need 176."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Crops with the side information available at both ends."""

    x: Tensor
    """Shape (N, 3, side, side): Y, Cb, Cr."""
    background: Tensor
    """Backgrounds in the shape of `x`; gradients flow back into them."""
    exposures: Tensor
    """Shape (N, 4): gain and offsets in 1/4096."""
    label: Tensor
    """Shape (N,)."""


class Crops:
    """Draws crops from all labels evenly, on the grid of coded blocks.

    Parameters
    ----------
    footage : sequence of Footage
    backgrounds : sequence of ndarray, shape (3, H, W)
        One for each label; (3, 1, 1) is a single colour.
    random : numpy.random.Generator
        Source of the draws; checkpoints store its state.
    """

    def __init__(
        self,
        footage: Sequence[Footage],
        backgrounds: Sequence[Planes],
        random: np.random.Generator,
    ) -> None:
        self._footage = footage
        self._random = random
        self.side = min(
            CROP,
            *(
                math.ceil(side / BLOCK) * BLOCK
                for one in footage
                for frame in one.frames
                for side in frame.shape[:2]
            ),
        )
        self._exposures = [
            np.array([_exposure_of(planes_of(frame), background) for frame in one.frames])
            for one, background in zip(footage, backgrounds, strict=True)
        ]

    def draw(self, count: int, pictures: nn.ParameterList, device: torch.device) -> Batch:
        """Draw a batch.

        Parameters
        ----------
        count : int
        pictures : ParameterList
            The current backgrounds, each of shape (1, 3, H, W).
        device : torch.device
        """
        crops, backgrounds, exposures, labels = [], [], [], []
        side = self.side
        for _ in range(count):
            label = int(self._random.integers(len(self._footage)))
            frames = self._footage[label].frames
            index = int(self._random.integers(len(frames)))
            frame = frames[index]
            rows, columns = (math.ceil(n / BLOCK) for n in frame.shape[:2])
            top = BLOCK * int(self._random.integers(rows - side // BLOCK + 1))
            left = BLOCK * int(self._random.integers(columns - side // BLOCK + 1))
            part = padded(planes_of(frame[top : top + side, left : left + side]))
            crops.append(torch.from_numpy(part))
            backgrounds.append(_cut(pictures[label], top, left, side))
            exposures.append(self._exposures[label][index])
            labels.append(label)
        return Batch(
            torch.stack(crops).to(device),
            torch.cat(backgrounds),
            torch.from_numpy(np.stack(exposures)).to(device),
            torch.tensor(labels, device=device),
        )


def _exposure_of(planes: Planes, background: Planes) -> NDArray[np.int64]:
    exposure = measure_exposure(planes, background)
    return np.array([exposure.gain, *exposure.offsets], np.int64)


def _cut(background: Tensor, top: int, left: int, side: int) -> Tensor:
    if background.shape[-2:] == (1, 1):
        return background.expand(1, 3, side, side)
    height, width = background.shape[-2:]
    # Pad before cropping, so that the last row of the picture is repeated, not that of the crop.
    full = functional.pad(background, (0, -width % BLOCK, 0, -height % BLOCK), mode="replicate")
    return full[:, :, top : top + side, left : left + side]
