"""Training of codec `gan`: E and G against D, for a time rather than for a number of steps.

What is minimised stands in `rankcast.learned.objective`. After a warm-up without D, which only has
something to judge once pictures come out, D and the other two take turns.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rankcast import pool
from rankcast.codec.gan.symbols import coder_from, learned_priors
from rankcast.entropy.rangecoder import Coder
from rankcast.errors import ModelError, SettingsError
from rankcast.learned.architecture import BLOCK, Architecture
from rankcast.learned.footage import Footage
from rankcast.learned.model import MAX_PIXELS, GanModel, load_model, new_model
from rankcast.learned.network import Discriminator, GanNetwork
from rankcast.learned.objective import TRAINING_STRIDES, RateModel, ms_ssim
from rankcast.learned.pictures import apply_exposures, measure_exposure, padded, planes_of
from rankcast.modelfile import read_model, write_model
from rankcast.printable import printable

CHECKPOINT_KIND: Final = "gan-checkpoint"
CROP: Final = 192
"""Side of a training crop: the five scales of MS-SSIM need 176."""
BATCH: Final = {"cpu": 4, "cuda": 16}
WARM_UP: Final = 0.4
"""Share of the time before D takes part."""
LEARNING_RATE: Final = 5e-4
BACKGROUND_RATE: Final = 3e-4
RATE_MODEL_RATE: Final = 5e-3
DISCRIMINATOR_RATE: Final = 2e-4
STEP_RANGE: Final = (0.25, 2.5)
"""Steps are drawn from here, evenly by their logarithm: one model serves a range of rates."""
CHROMA_WEIGHT: Final = 4.0
"""Of the squared error of Cb and Cr: MS-SSIM looks at luma alone, and what has left the scene would
stay behind as a coloured ghost of the background."""
DEAD_ZONE: Final = 0.15
"""How much less than 1/2 rounds up, as the choice of levels by rate and distortion does."""
_PRIOR_FRAMES: Final = 12
_PRIOR_STEPS: Final = (0.5, 0.8, 1.0, 1.4, 2.0)
_HISTORY: Final = 2000
"""Points of the loss plot; beyond that many every second one is dropped."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Factors of the terms of the loss."""

    mse: float = 8.0
    rate: float = 0.1
    adversarial: float = 0.003


@dataclass(frozen=True, slots=True)
class Progress:
    """What training says about itself after each of its steps."""

    elapsed_s: float
    step: int
    losses: Mapping[str, float]
    """Means over the last steps: loss, distortion (1 - MS-SSIM), mse, bits a pixel; and, once D
    takes part, adversarial and discriminator."""


class Training:
    """One training, which can be kept and taken up again.

    Parameters
    ----------
    footage : sequence of Footage
    device : str
        ``cpu`` or ``cuda``.
    weights : Weights
    seed : int

    Raises
    ------
    SettingsError
        If there is no such device, or the frames are too large or too few.
    """

    def __init__(
        self,
        footage: Sequence[Footage],
        *,
        device: str = "cpu",
        weights: Weights | None = None,
        seed: int = 0,
        width: int = 32,
    ) -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise SettingsError(
                "got device cuda, but torch finds no CUDA device here: want cpu, or a machine and "
                "a build of torch with CUDA"
            )
        largest = max(frame.shape[0] * frame.shape[1] for one in footage for frame in one.frames)
        if largest > MAX_PIXELS:
            raise SettingsError(f"got frames of {largest} pixels, gan takes at most {MAX_PIXELS}")
        torch.set_num_threads(pool.threads())
        torch.manual_seed(seed)
        self.device = torch.device(device)
        self.footage = footage
        self.weights = weights or Weights()
        self.elapsed_s = 0.0
        self.step = 0
        self.history: list[tuple[float, dict[str, float]]] = []
        self._every = 1
        self._random = np.random.default_rng(seed)
        backgrounds = [one.background() for one in footage]
        self.architecture = Architecture(
            tuple(one.label for one in footage),
            tuple((0, 0) if b is None else (b.shape[1], b.shape[2]) for b in backgrounds),
            width=width,
        )
        self._make_networks()
        self._set_backgrounds(backgrounds)
        self._crop = _crop_side(footage)
        self._recent: dict[str, float] = {}

    def _make_networks(self) -> None:
        self.network = GanNetwork(self.architecture).to(self.device)
        self._rate = RateModel(self.architecture.channels).to(self.device)
        self._discriminator = Discriminator(self.architecture).to(self.device)
        pictures = list(self.network.backgrounds.parameters())
        others = [p for n, p in self.network.named_parameters() if "backgrounds" not in n]
        self._optimiser = torch.optim.Adam(
            [
                {"params": others, "lr": LEARNING_RATE},
                {"params": pictures, "lr": BACKGROUND_RATE},
                {"params": list(self._rate.parameters()), "lr": RATE_MODEL_RATE},
            ]
        )
        self._judge = torch.optim.Adam(
            self._discriminator.parameters(), DISCRIMINATOR_RATE, betas=(0.5, 0.9)
        )
        self._base_rates = [group["lr"] for group in self._optimiser.param_groups]

    def _set_backgrounds(self, backgrounds: Sequence[NDArray[np.float32] | None]) -> None:
        self._exposures: list[NDArray[np.int64]] = []
        for one, background, parameter in zip(
            self.footage, backgrounds, self.network.backgrounds, strict=True
        ):
            picture = np.zeros((3, 1, 1), np.float32) if background is None else background
            if background is None:
                picture[0] = 0.5
            with torch.no_grad():
                parameter.copy_(torch.from_numpy(picture)[None])
            exposures = []
            for frame in one.frames:
                exposure = measure_exposure(planes_of(frame), picture)
                exposures.append((exposure.gain, *exposure.offsets))
            self._exposures.append(np.array(exposures, np.int64))

    def run(
        self,
        minutes: float,
        progress: Callable[[Progress], None] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Train until `minutes` have been spent altogether, earlier runs included.

        Parameters
        ----------
        minutes : float
        progress : callable
            Called after every step.
        stopped : callable
            Asked after every step; True ends the training early.
        """
        self.network.train()
        before, started = self.elapsed_s, time.monotonic()
        while (share := self.elapsed_s / (60 * minutes)) < 1 and not stopped():
            for group, rate in zip(self._optimiser.param_groups, self._base_rates, strict=True):
                group["lr"] = rate * (1.03 - share)
            losses = self._one_step(adversarial=share >= WARM_UP)
            self.step += 1
            self.elapsed_s = before + time.monotonic() - started
            self._note(losses)
            progress(Progress(self.elapsed_s, self.step, dict(self._recent)))

    def _one_step(self, *, adversarial: bool) -> dict[str, float]:
        x, background, exposures, label = self._batch()
        least, most = (math.log(step) for step in STEP_RANGE)
        step = torch.exp(least + torch.rand(len(x)) * (most - least)).to(self.device)
        predicted = apply_exposures(background, exposures)
        scale = self.network.scale(predicted, label, step)
        z = self.network.encode(x, predicted, scale, label, step)
        # Straight through (Bengio et al. 2013, arXiv:1308.3432): rounding has no gradient.
        levels = z.sign() * (z.abs() + 0.5 - DEAD_ZONE).floor()
        w = z + (levels - z).detach()
        pixels = x.shape[2] * x.shape[3]
        rate = self._rate(z).sum((1, 2, 3)) / pixels
        y = self.network.generate(w, predicted, scale, label, step)
        distortion = (1 - ms_ssim(x[:, :1], y[:, :1], TRAINING_STRIDES)).mean()
        error = (y - x) ** 2
        mse = error[:, :1].mean() + CHROMA_WEIGHT * error[:, 1:].mean()
        loss = distortion + self.weights.mse * mse
        loss = loss + self.weights.rate * (step * step * rate).mean()
        losses = {"distortion": distortion, "mse": mse, "bits": rate.mean()}
        given = (predicted.detach(), (levels * scale).detach(), label)
        if adversarial and self.weights.adversarial:
            self._discriminator.requires_grad_(False)
            fooled = ((self._discriminator(y, *given) - 1) ** 2).mean()
            self._discriminator.requires_grad_(True)
            loss = loss + self.weights.adversarial * fooled
            losses["adversarial"] = fooled
        self._optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimiser.step()
        if adversarial and self.weights.adversarial:
            judged = ((self._discriminator(x, *given) - 1) ** 2).mean()
            judged = judged + (self._discriminator(y.detach(), *given) ** 2).mean()
            self._judge.zero_grad()
            judged.backward()
            self._judge.step()
            losses["discriminator"] = judged
        return {"loss": loss.item(), **{name: value.item() for name, value in losses.items()}}

    def _batch(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Crops, their backgrounds, exposures and labels."""
        crops, backgrounds, exposures, labels = [], [], [], []
        side = self._crop
        for _ in range(BATCH[self.device.type]):
            label = int(self._random.integers(len(self.footage)))
            one = self.footage[label]
            index = int(self._random.integers(len(one.frames)))
            frame = one.frames[index]
            rows, columns = (math.ceil(n / BLOCK) for n in frame.shape[:2])
            # On the grid of blocks, as at the other end.
            top = BLOCK * int(self._random.integers(rows - side // BLOCK + 1))
            left = BLOCK * int(self._random.integers(columns - side // BLOCK + 1))
            part = padded(planes_of(frame[top : top + side, left : left + side]))
            crops.append(torch.from_numpy(part))
            background = self.network.backgrounds[label]
            if background.shape[-2:] == (1, 1):
                backgrounds.append(background.expand(1, 3, side, side))
            else:
                full = functional.pad(
                    background,
                    (0, -background.shape[3] % BLOCK, 0, -background.shape[2] % BLOCK),
                    mode="replicate",
                )
                backgrounds.append(full[:, :, top : top + side, left : left + side])
            exposures.append(self._exposures[label][index])
            labels.append(label)
        return (
            torch.stack(crops).to(self.device),
            torch.cat(backgrounds),
            torch.from_numpy(np.stack(exposures)).to(self.device),
            torch.tensor(labels, device=self.device),
        )

    def _note(self, losses: Mapping[str, float]) -> None:
        for name, value in losses.items():
            self._recent[name] = value + (self._recent.get(name, value) - value) * 0.98
        if self.step % self._every == 0:
            self.history.append((self.elapsed_s, dict(self._recent)))
            if len(self.history) > _HISTORY:
                self.history = self.history[::2]
                self._every *= 2

    def model(self) -> GanModel:
        """The model as it stands, in the precision of the file, with statistics of the code.

        Frames of every label are coded at several steps: the probabilities that the coder ends
        with are those that every packet starts from.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.rkm"
            cpu = GanNetwork(self.architecture)
            cpu.load_state_dict(self.network.state_dict())
            new_model(cpu).save(path, {})
            rounded = load_model(path)
        coder = coder_from(rounded.priors)
        coders: list[Coder] = []
        for label, one in enumerate(self.footage):
            for frame in one.frames[:: max(1, len(one.frames) // _PRIOR_FRAMES)]:
                for step in _PRIOR_STEPS:
                    # One coder for all: only what has seen much is worth a prior.
                    rounded.encode(frame, label, step, coder)
                    coders.append(coder.copy())
        return GanModel(rounded.network, learned_priors(coders[len(coders) // 3 :]), rounded.table)

    def about(self) -> dict[str, Any]:
        """What the model file says of its training."""
        return {
            "elapsed_s": round(self.elapsed_s, 1),
            "steps": self.step,
            "frames": [len(one.frames) for one in self.footage],
            "device": self.device.type,
            "losses": {name: round(value, 6) for name, value in self._recent.items()},
            "weights": asdict(self.weights),
        }

    def save_checkpoint(self, path: Path) -> None:
        """Keep everything that `resume` needs, whole or not at all."""
        arrays: dict[str, NDArray[Any]] = {}
        for part, module in self._modules().items():
            for name, value in module.state_dict().items():
                arrays[f"{part}.{name}"] = value.detach().cpu().numpy()
        for part, optimiser in self._optimisers().items():
            for index, values in optimiser.state_dict()["state"].items():
                for name, value in values.items():
                    arrays[f"{part}.{index}.{name}"] = value.detach().cpu().numpy()
        description = self.architecture.described() | {
            "elapsed_s": self.elapsed_s,
            "step": self.step,
            "every": self._every,
            "recent": self._recent,
            "history": self.history,
        }
        write_model(path, CHECKPOINT_KIND, description, arrays)

    def resume(self, path: Path) -> None:
        """Go on where `save_checkpoint` left off.

        Raises
        ------
        ModelError
            If the file is no checkpoint, or one of other labels, sizes or networks.
        """
        file = read_model(path, CHECKPOINT_KIND)
        said = file.head.description
        if {name: said.get(name) for name in self.architecture.described()} != (
            self.architecture.described()
        ):
            raise ModelError(
                f"{printable(path)}: is a checkpoint of other labels, frame sizes or networks"
            )
        try:
            for part, module in self._modules().items():
                module.load_state_dict(_tensors(file.arrays, f"{part}."))
            for part, optimiser in self._optimisers().items():
                state: dict[int, dict[str, Tensor]] = {}
                for name, value in _tensors(file.arrays, f"{part}.").items():
                    index, _, field = name.partition(".")
                    state.setdefault(int(index), {})[field] = value
                groups = optimiser.state_dict()["param_groups"]
                optimiser.load_state_dict({"state": state, "param_groups": groups})
            self.elapsed_s, self.step = float(said["elapsed_s"]), int(said["step"])
            self._every = int(said["every"])
            self._recent = {str(k): float(v) for k, v in said["recent"].items()}
            self.history = [
                (float(at), {str(k): float(v) for k, v in losses.items()})
                for at, losses in said["history"]
            ]
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as exc:
            reason = str(exc).splitlines()[0]
            raise ModelError(f"{printable(path)}: is no whole checkpoint: {reason:.200}") from exc

    def _modules(self) -> dict[str, nn.Module]:
        return {"network": self.network, "rate": self._rate, "judge": self._discriminator}

    def _optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"adam": self._optimiser, "adam_judge": self._judge}


def _tensors(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, Tensor]:
    return {
        name[len(prefix) :]: torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _crop_side(footage: Sequence[Footage]) -> int:
    sides = [
        math.ceil(side / BLOCK) * BLOCK
        for one in footage
        for frame in one.frames
        for side in frame.shape[:2]
    ]
    return min(CROP, *sides)
